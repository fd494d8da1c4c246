/** Charts rendered by `helm template` on both sides of a comparison, and the objects that differ. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { parseAllDocuments } from "yaml";
import { charts as pinned, type Chart } from "../../components/charts";
import { originOf, RunCharts } from "../../sandbox/chart-source";
import type { SandboxOptions } from "../../sandbox/options";
import { publishedChart } from "../../sandbox/published-charts";
import { isObject, type Json } from "../plan/monitor";
import type { Plan, PlannedResource } from "../plan/plan";
import type { RenderedDifference } from "./compare";
import type { RenderedPair } from "./dangers";
import type { Rendered } from "./difference";
import { fieldChanges } from "./fields";
import { matchResources } from "./match";
import { chartName, dig, isRelease, manifestObject, objectTitle, text, type KubeObject } from "./objects";

export interface ChartOptions {
    /** Path of the helm binary; undefined: there is none. */
    readonly helm: string | undefined;
    readonly source: Pick<SandboxOptions, "charts" | "crds" | "localCharts">;
}

/** Kubernetes that charts are rendered for: as old as any of the clusters is likely to be. */
const KUBE_VERSION = "1.33.0";

/** Renders the releases that differ. What cannot be rendered is said in the notes; nothing here throws for a chart. */
export async function compareCharts(
    before: Plan | undefined,
    after: Plan | undefined,
    { helm, source }: ChartOptions,
): Promise<RenderedDifference> {
    const { pairs, added, removed } = matchResources(before, after);
    const changed = [
        ...pairs.map(({ before: old, after: now }): [PlannedResource | undefined, PlannedResource | undefined] => [
            old,
            now,
        ]),
        ...added.map((now): [undefined, PlannedResource] => [undefined, now]),
        ...removed.map((old): [PlannedResource, undefined] => [old, undefined]),
    ].filter(([old, now]) => {
        const some = now ?? old;
        return some !== undefined && isRelease(some) && fieldChanges(old?.inputs, now?.inputs).length > 0;
    });
    const nothing = { releases: [], objects: [] };
    if (helm === undefined) {
        const note =
            "NOT rendered: there is no helm here (neither on the PATH nor in the tool cache). `npm run tools` gets one; without --render nothing is said of what charts make";
        return { summary: { ...nothing, notes: [note] }, pairs: [] };
    }
    if (changed.length === 0) {
        const note = "no release differs in chart, version or values, so all would be rendered the same";
        return { summary: { ...nothing, notes: [note] }, pairs: [] };
    }
    const folder = mkdtempSync(join(tmpdir(), "homelab-charts-"));
    try {
        const notes = new Set<string>();
        const wanted = new Set(changed.flatMap((sides) => sides.map((side) => side && chartName(side))));
        const run = new RunCharts(source, folder, helm, (line) => {
            // One sentence a chart, for all charts of the project.
            if ([...wanted].some((chart) => chart !== undefined && line.includes(` chart ${chart} `))) notes.add(line);
        });
        const summary: Rendered = { releases: [], notes: [], objects: [] };
        const objectPairs: RenderedPair[] = [];
        for (const [old, now] of changed) {
            const release = (now ?? old)?.name ?? "";
            try {
                const [from, to] = await Promise.all([old, now].map((side) => chartPath(side, run, source, helm)));
                const [was, is] = await Promise.all([
                    template(old, join(folder, `${release}-0`), helm, from),
                    template(now, join(folder, `${release}-1`), helm, to),
                ]);
                const chart = origin(now ?? old, to ?? from, folder);
                // A directory with values and no templates would look like a chart that stays the same.
                if (was.size === 0 && is.size === 0) {
                    notes.add(`${release} was NOT compared: its chart (${chart}) renders to nothing`);
                    continue;
                }
                summary.releases.push({ release, chart });
                if (from !== undefined && from === to)
                    for (const note of versionNotes(release, old, now)) notes.add(note);
                compareObjects(release, was, is, summary, objectPairs);
            } catch (error) {
                notes.add(`${release} was NOT rendered: ${lastWords(error)}`);
            }
        }
        return { summary: { ...summary, notes: [...notes] }, pairs: objectPairs };
    } finally {
        rmSync(folder, { recursive: true, force: true });
    }
}

/** What a program that failed said, without the command line, which names a folder of this run. */
function lastWords(error: unknown): string {
    const { stderr } = error as { stderr?: unknown };
    const words = typeof stderr === "string" && stderr.trim() !== "" ? stderr : String(error);
    return words.trim().split("\n").slice(-3).join(" ");
}

/** Path of the chart of a release; undefined: from its repository. A version that is not the pinned one can only be fetched. */
async function chartPath(
    release: PlannedResource | undefined,
    run: RunCharts,
    { charts }: ChartOptions["source"],
    helm: string,
): Promise<string | undefined> {
    const name = release === undefined ? undefined : chartName(release);
    if (name === undefined) return undefined;
    const version = text(dig(release?.inputs, "version"));
    const chart = Object.values<Chart>(pinned).find((one) => one.name === name);
    const other =
        charts === "auto" && chart !== undefined && version !== undefined && version !== chart.version
            ? await publishedChart({ ...chart, version }, helm)
            : undefined;
    return other ?? run.source(name);
}

/** Where the chart of a release was taken from, in words. */
function origin(release: PlannedResource | undefined, path: string | undefined, folder: string): string {
    const chart = (release === undefined ? undefined : chartName(release)) ?? "";
    if (path === undefined) return `${chart}, published`;
    const from = originOf(path, folder);
    return from === "directory" ? `${chart}, from ${path}` : `${chart}, ${from}`;
}

/** For two sides that were rendered from one path: a chart of a directory has one version, whatever the plans name. */
function versionNotes(release: string, old: PlannedResource | undefined, now: PlannedResource | undefined): string[] {
    const version = (side: PlannedResource | undefined) => text(dig(side?.inputs, "version"));
    const [was, is] = [version(old), version(now)];
    if (was === undefined || is === undefined || was === is) return [];
    return [
        `${release} goes from ${was} to ${is}, but both sides are rendered from one directory: what the new version changes is not shown. SANDBOX_CHARTS=upstream renders both`,
    ];
}

/** The objects of a release by identity; none for a release that is not there. */
async function template(
    release: PlannedResource | undefined,
    path: string,
    helm: string,
    directory: string | undefined,
): Promise<Map<string, KubeObject>> {
    if (release === undefined) return new Map();
    const inputs = release.inputs;
    const chart = text(dig(inputs, "chart")) ?? "";
    const values = `${path}.json`;
    writeFileSync(values, JSON.stringify(dig(inputs, "values") ?? {}));
    const repository = text(dig(inputs, "repositoryOpts", "repo"));
    const version = text(dig(inputs, "version"));
    const args = [
        ...["template", text(dig(inputs, "name")) ?? release.name, directory ?? chart],
        ...(directory === undefined && repository !== undefined ? ["--repo", repository] : []),
        ...(directory === undefined && version !== undefined ? ["--version", version] : []),
        ...["--namespace", text(dig(inputs, "namespace")) ?? "default", "--values", values],
        ...["--kube-version", KUBE_VERSION, "--include-crds", "--skip-schema-validation"],
    ];
    const { stdout } = await promisify(execFile)(helm, args, { maxBuffer: 256 * 1024 * 1024 });
    const objects = parseAllDocuments(stdout)
        .map((document) => manifestObject((document.toJS() ?? null) as Json))
        .filter((object) => object !== undefined);
    return new Map(
        objects.map((object) => [[object.group, object.kind, object.namespace, object.name].join("/"), object]),
    );
}

function compareObjects(
    release: string,
    before: ReadonlyMap<string, KubeObject>,
    after: ReadonlyMap<string, KubeObject>,
    summary: Rendered,
    pairs: RenderedPair[],
): void {
    for (const key of [...new Set([...before.keys(), ...after.keys()])].sort()) {
        const [old, now] = [before.get(key), after.get(key)];
        const some = now ?? old;
        if (some === undefined) continue;
        const fields = old === undefined || now === undefined ? [] : fieldChanges(hidden(old), hidden(now));
        if (old !== undefined && now !== undefined) {
            if (fields.length === 0) continue;
            pairs.push({ release, before: old, after: now });
        }
        const kind = old === undefined ? "added" : now === undefined ? "removed" : "changed";
        summary.objects.push({ release, title: objectTitle(some), kind, fields });
    }
}

/** The body with the content of Secrets covered: charts make passwords, new ones at every rendering. */
function hidden({ kind, group, body }: KubeObject): Json {
    if (kind !== "Secret" || group !== "" || !isObject(body)) return body;
    const covered = Object.keys(body).filter((key) => key === "data" || key === "stringData");
    return { ...body, ...Object.fromEntries(covered.map((key) => [key, "[secret]"])) };
}
