import { join } from "node:path";
import { charts } from "../../components/charts";
import { writeChart } from "./generator";
import { STAND_INS } from "./stand-ins";

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
        Object.values(charts).flatMap((chart) => {
            const standIn = STAND_INS[chart.name];
            if (standIn === undefined) return [];
            const directory = join(out, chart.name);
            writeChart(directory, chart, standIn, crds);
            return [[chart.name, directory] as const];
        }),
    );
}
