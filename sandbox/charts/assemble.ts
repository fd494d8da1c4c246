import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { charts } from "../../components/charts";
import { placeCrds } from "./crds";
import { writeChart } from "./generator";
import { STAND_INS } from "./stand-ins";

/** Where a chart wants the CRDs of which project. */
interface ChartCrds {
    readonly project: string;
    readonly folder: string;
}

/** The stand-in charts that are written out here, and where each keeps its CRDs. Cilium's chart has none: its operator registers them at run time. */
const CHARTS: Readonly<Record<string, ChartCrds | undefined>> = {
    cilium: undefined,
    "argo-cd": { project: "argo-cd", folder: "files/crds" },
    "prometheus-operator-crds": { project: "prometheus-operator", folder: "charts/crds/files/crds" },
    "kube-prometheus-stack": { project: "prometheus-operator", folder: "charts/crds/crds" },
};

/** Where to lay out charts and which CRDs to put into them. */
export interface AssembleOptions {
    /** Directory that gets one directory a chart; older ones of the same names are replaced. */
    readonly out: string;
    /** Directory of real CRDs, `<crds>/<project>/<plural.group>.yaml`; stand-ins for what it lacks. */
    readonly crds?: string;
}

/**
 * Lays out the stand-in charts so that Helm can install them.
 *
 * @returns the absolute or relative (as `out` is) directory of each chart, by chart name.
 */
export function assembleCharts({ out, crds }: AssembleOptions): Record<string, string> {
    const written = Object.fromEntries(
        Object.entries(CHARTS).map(([name, wanted]) => {
            const directory = join(out, name);
            rmSync(directory, { recursive: true, force: true });
            cpSync(join(__dirname, name), directory, { recursive: true });
            if (wanted !== undefined) {
                placeCrds(join(directory, wanted.folder), wanted.project, crds);
            }
            return [name, directory];
        }),
    );
    const generated = Object.values(charts).flatMap((chart) => {
        const standIn = STAND_INS[chart.name];
        if (standIn === undefined) return [];
        const directory = join(out, chart.name);
        writeChart(directory, chart, standIn, crds);
        return [[chart.name, directory] as const];
    });
    return { ...written, ...Object.fromEntries(generated) };
}
