/** Puts the chosen charts and CRDs in place of the ones the program names, before the engine sees them. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import { charts, type Chart } from "../components/charts";
import { crds, type CrdBundle } from "../components/crds";
import { assembleCharts } from "./charts/assemble";
import { placeCrds } from "./charts/crds";
import type { SandboxOptions } from "./options";
import { cachedChart, chartCache, publishedChart, publishedCrds, sha256 } from "./published-charts";

/** What takes the place of things the program names and a sandbox does not have. */
export interface Substitutes {
    readonly charts: ChartSource;
    readonly crds: CrdDirectory | undefined;
    /** Where the metrics of external-dns are. */
    readonly metrics: string;
}

/** Makes the program use them; before it runs. */
export function useSubstitutes({ charts: source, crds: directory, metrics }: Substitutes): void {
    useCharts(source);
    if (directory !== undefined) useCrds(directory);
    useMetrics(metrics);
}

/** Path of a chart, a directory or an archive, by the chart's name; undefined: as the program names it. */
export type ChartSource = (name: string) => string | Promise<string> | undefined;

/** Chart name to directory or archive; a chart without one is taken from its repository. */
export type ChartDirectories = Readonly<Record<string, string>>;

type Options = Pick<SandboxOptions, "charts" | "crds" | "localCharts">;

/** Where a run took its charts from, in the order in which one is looked for. */
export type ChartOrigin = "published" | "directory" | "stand-in";

/** Lays out what is on this computer. `notice` is told of charts that the given directory lacks. */
export function chartDirectories(options: Options, out: string, notice: (line: string) => void): ChartDirectories {
    const { charts: wanted, crds: given } = options;
    if (wanted === "upstream") return {};
    const standIns = assembleCharts({ out, ...(given === undefined ? {} : { crds: given }) });
    if (wanted === "stand-in") return standIns;
    const directory = wanted === "auto" ? options.localCharts : wanted.directory;
    return Object.fromEntries(
        Object.values<Chart>(charts).map((chart) => {
            const standIn = standIns[chart.name] as string;
            const path =
                (wanted === "auto" ? cachedChart(chart) : undefined) ??
                (directory === undefined ? undefined : chartIn(directory, chart));
            if (path === undefined && directory !== undefined) {
                notice(`${directory} has no chart ${chart.name} ${chart.version}: the stand-in is used`);
            }
            return [chart.name, path ?? standIn];
        }),
    );
}

/** A chart of a directory: unpacked as `<chart>/`, or the archive of exactly that version. */
function chartIn(directory: string, { name, version }: Chart): string | undefined {
    const unpacked = join(directory, name);
    if (existsSync(join(unpacked, "Chart.yaml"))) return unpacked;
    const archive = join(directory, `${name}-${version}.tgz`);
    return existsSync(archive) ? archive : undefined;
}

/** The charts of a run; with `auto` each is fetched when it is first asked for. */
export class RunCharts {
    readonly #paths: ChartDirectories;
    readonly #fetched = new Map<string, Promise<string>>();
    readonly #used = new Map<string, ChartOrigin>();

    constructor(
        private readonly options: Options,
        private readonly out: string,
        private readonly helm: string,
        private readonly notice: (line: string) => void,
    ) {
        // With `auto`, what the directory lacks is worth a word only when it cannot be fetched either.
        this.#paths = chartDirectories(options, out, options.charts === "auto" ? () => undefined : notice);
    }

    readonly source: ChartSource = (name) => {
        const chart = Object.values<Chart>(charts).find((one) => one.name === name);
        const path = this.#paths[name];
        if (chart === undefined || path === undefined) return undefined;
        if (this.options.charts !== "auto") return this.use(name, path);
        const fetched = this.#fetched.get(name) ?? this.fetch(chart, path);
        this.#fetched.set(name, fetched);
        return fetched;
    };

    /** A line that says which charts came from where; empty when every chart was taken as the program names it. */
    get summary(): string {
        const origins = [...new Set(this.#used.values())].sort();
        const names = (origin: ChartOrigin) =>
            [...this.#used].flatMap(([name, from]) => (from === origin ? [name] : [])).sort();
        return origins.map((origin) => `${origin}: ${names(origin).join(", ")}`).join("; ");
    }

    private async fetch(chart: Chart, fallback: string): Promise<string> {
        const path = this.use(chart.name, (await publishedChart(chart, this.helm)) ?? fallback);
        if (originOf(path, this.out) === "stand-in") {
            const { name, version, repository } = chart;
            this.notice(`the chart ${name} ${version} cannot be had from ${repository}: the stand-in is used`);
        }
        return path;
    }

    private use(name: string, path: string): string {
        this.#used.set(name, originOf(path, this.out));
        return path;
    }
}

/** Where a path of `chartDirectories` comes from; `out` is where stand-ins were laid out. */
export function originOf(path: string, out: string): ChartOrigin {
    if (path.startsWith(join(out, "/"))) return "stand-in";
    return path.startsWith(join(chartCache(), "/")) ? "published" : "directory";
}

/** Stack transformation: a Release of a chart that has a path uses it. */
export function useCharts(source: ChartSource): void {
    pulumi.runtime.registerStackTransformation(({ type, props, opts }) => {
        const path = typeof props["chart"] === "string" ? source(props["chart"].split("/").at(-1) ?? "") : undefined;
        if (type !== "kubernetes:helm.sh/v3:Release" || path === undefined) return undefined;
        const { repositoryOpts: _repository, version: _version, ...rest } = props as Record<string, unknown>;
        return { props: { ...rest, chart: path }, opts };
    });
}

/** Directory of a project's CRDs on this computer. */
export type CrdDirectory = (project: string) => string | Promise<string>;

/**
 * Where a bundle of CRDs is taken from; undefined: from where upstream publishes it, at every run. With `auto` upstream's
 * files come first, as with charts.
 */
export function crdDirectory(
    { charts: wanted, crds: given }: Pick<SandboxOptions, "charts" | "crds">,
    out: string,
): CrdDirectory | undefined {
    if (wanted === "upstream") return undefined;
    const local = (project: string) => {
        const directory = join(out, "crds", project);
        rmSync(directory, { recursive: true, force: true });
        placeCrds(directory, project, given);
        return directory;
    };
    if (wanted !== "auto") return local;
    return async (project) => {
        const bundle = Object.values<CrdBundle>(crds).find((one) => one.project === project);
        return (bundle === undefined ? undefined : await publishedCrds(bundle)) ?? local(project);
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
        const { CRD_PROJECT: project, CRD_FILES: files, CRD_NAMES: names } = environment ?? {};
        if (
            type !== "command:local:Command" ||
            typeof project !== "string" ||
            typeof files !== "string" ||
            typeof names !== "string"
        ) {
            return undefined;
        }
        const folder = pulumi.output(directory(project));
        return {
            props: {
                ...props,
                environment: {
                    ...environment,
                    CRD_FOLDER: folder.apply((path) => pathToFileURL(path).href),
                    CRD_FILES: folder.apply((path) => localCrds(path, files, names.split(" "))),
                },
            },
            opts,
        };
    });
}

/**
 * Files of a directory with their checksums, as the command takes them: upstream's own where it holds those, else the
 * definitions by name. What else is in the directory belongs to another release.
 */
export function localCrds(directory: string, upstream: string, names: readonly string[]): string {
    const isUpstreams = upstream.split(" ").every((file) => existsSync(join(directory, file.split("=")[0] ?? "")));
    const files = isUpstreams
        ? upstream.split(" ").map((file) => file.split("=")[0] ?? "")
        : names.map((name) => `${name}.yaml`).filter((file) => existsSync(join(directory, file)));
    return files.map((file) => `${file}=${sha256(readFileSync(join(directory, file)))}`).join(" ");
}
