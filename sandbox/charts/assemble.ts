import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { standInCrdFiles } from "./crds";

/** Where a chart wants the CRDs of which project. */
interface ChartCrds {
    readonly project: string;
    readonly folder: string;
}

/** The stand-in charts, and where each keeps its CRDs. Cilium's chart has none: its operator registers them at run time. */
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
    return Object.fromEntries(
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
}

function placeCrds(folder: string, project: string, crds: string | undefined): void {
    mkdirSync(folder, { recursive: true });
    const real = crds === undefined ? undefined : join(crds, project);
    if (real !== undefined && existsSync(real)) {
        for (const file of readdirSync(real).filter((candidate) => candidate.endsWith(".yaml"))) {
            // Read and written rather than copied: a copy would be read-only where the original is.
            writeFileSync(join(folder, file), readFileSync(join(real, file)));
        }
        return;
    }
    for (const [file, content] of standInCrdFiles(project)) {
        writeFileSync(join(folder, file), content);
    }
}
