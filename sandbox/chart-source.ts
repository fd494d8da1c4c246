/** Puts the chosen charts in place of the ones the program names, before the engine sees them. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { assembleCharts } from "./charts/assemble";
import type { SandboxOptions } from "./options";

/** Chart name to directory; a chart without one is taken from its repository. */
export type ChartDirectories = Readonly<Record<string, string>>;

/** Lays the charts out. `notice` is told of charts that the given directory lacks. */
export function chartDirectories(
    { charts, crds }: Pick<SandboxOptions, "charts" | "crds">,
    out: string,
    notice: (line: string) => void,
): ChartDirectories {
    if (charts === "upstream") return {};
    const standIns = assembleCharts({ out, ...(crds === undefined ? {} : { crds }) });
    if (charts === "stand-in") return standIns;
    return Object.fromEntries(
        Object.entries(standIns).map(([name, standIn]) => {
            const given = join(charts.directory, name);
            if (existsSync(join(given, "Chart.yaml"))) return [name, given];
            notice(`${charts.directory} has no chart ${name}: the stand-in is used`);
            return [name, standIn];
        }),
    );
}

/** Stack transformation: a Release of a chart that has a directory uses it. */
export function useCharts(directories: ChartDirectories): void {
    pulumi.runtime.registerStackTransformation(({ type, props, opts }) => {
        const directory =
            typeof props["chart"] === "string" ? directories[props["chart"].split("/").at(-1) ?? ""] : undefined;
        if (type !== "kubernetes:helm.sh/v3:Release" || directory === undefined) return undefined;
        const { repositoryOpts: _repository, version: _version, ...rest } = props as Record<string, unknown>;
        return { props: { ...rest, chart: directory }, opts };
    });
}
