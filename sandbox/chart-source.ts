/** Puts the chosen charts and CRDs in place of the ones the program names, before the engine sees them. */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { assembleCharts } from "./charts/assemble";
import { placeCrds } from "./charts/crds";
import type { SandboxOptions } from "./options";

/** What takes the place of things the program names and a sandbox does not have. */
export interface Substitutes {
    readonly charts: ChartDirectories;
    readonly crds: CrdDirectory | undefined;
    /** Where the metrics of external-dns are. */
    readonly metrics: string;
}

/** Makes the program use them; before it runs. */
export function useSubstitutes({ charts, crds, metrics }: Substitutes): void {
    useCharts(charts);
    if (crds !== undefined) useCrds(crds);
    useMetrics(metrics);
}

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

/** Directory of a project's CRDs on this computer. */
export type CrdDirectory = (project: string) => string;

/** Where a bundle of CRDs is taken from; undefined: from where upstream publishes it. */
export function crdDirectory(
    { charts, crds }: Pick<SandboxOptions, "charts" | "crds">,
    out: string,
): CrdDirectory | undefined {
    if (charts === "upstream") return undefined;
    return (project) => {
        const directory = join(out, "crds", project);
        rmSync(directory, { recursive: true, force: true });
        placeCrds(directory, project, crds);
        return directory;
    };
}

/**
 * Stack transformation: a command that asks external-dns for its metrics asks the sandbox, which keeps its books; no pod
 * answers here.
 */
export function useMetrics(url: string): void {
    pulumi.runtime.registerStackTransformation(({ type, props, opts }) => {
        const environment = props["environment"] as Record<string, unknown> | undefined;
        if (type !== "command:local:Command" || environment?.["METRICS"] === undefined) return undefined;
        const METRICS = pulumi
            .output(environment["METRICS"])
            .apply((path) => (String(path).endsWith("/services/external-dns:http/proxy/metrics") ? url : path));
        return { props: { ...props, environment: { ...environment, METRICS } }, opts };
    });
}

/** Stack transformation: a command that applies a bundle of CRDs applies those of the project's directory. */
export function useCrds(directory: CrdDirectory): void {
    pulumi.runtime.registerStackTransformation(({ type, props, opts }) => {
        const environment = props["environment"] as Record<string, unknown> | undefined;
        const { CRD_PROJECT: project, CRD_FILES: files } = environment ?? {};
        if (type !== "command:local:Command" || typeof project !== "string" || typeof files !== "string") {
            return undefined;
        }
        const local = localCrds(directory(project), files.split(" "));
        return { props: { ...props, environment: { ...environment, CRD_FILES: local.join(" ") } }, opts };
    });
}

/**
 * What to apply in place of the addresses: an address named after one CRD, as `<group>_<plural>.yaml` or
 * `<plural>.<group>.yaml`, gives that CRD; one of a whole release gives the directory.
 */
export function localCrds(directory: string, urls: readonly string[]): string[] {
    const present = new Set(readdirSync(directory));
    const chosen = urls.map((url) => {
        const name = basename(url);
        const [group, plural] = name.replace(/\.ya?ml$/, "").split("_");
        const file = plural === undefined ? name : `${plural}.${group ?? ""}.yaml`;
        return present.has(file) ? join(directory, file) : directory;
    });
    return chosen.includes(directory) ? [directory] : [...new Set(chosen)];
}
