/** Charts and CRDs as their projects publish them: fetched once, kept for every checkout of this user. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Chart } from "../components/charts";
import { crdFolder, pinnedFiles, type CrdBundle } from "../components/crds";
import { run } from "../lib/process";
import { cacheFolder } from "../lib/toolchain";

/** How long a chart that could not be had is not asked for again: a computer without a network would wait at every start. */
const RETRY_MS = 60 * 60 * 1000;
const TIMEOUT_MS = 60_000;

export function chartCache(env: NodeJS.ProcessEnv = process.env): string {
    return join(dirname(cacheFolder(env)), "charts");
}

/** Archive of a chart that is in the cache. */
export function cachedChart({ name, version }: Chart, cache = chartCache()): string | undefined {
    const archive = join(cache, `${name}-${version}.tgz`);
    return existsSync(archive) ? archive : undefined;
}

/** Archive of a chart, from the cache or its repository; undefined where it cannot be had. */
export async function publishedChart(chart: Chart, helm: string, cache = chartCache()): Promise<string | undefined> {
    const found = cachedChart(chart, cache);
    const failed = join(cache, `${chart.name}-${chart.version}.failed`);
    if (found !== undefined || isRecent(failed)) return found;
    mkdirSync(cache, { recursive: true });
    const folder = mkdtempSync(join(cache, "pull-"));
    try {
        const own = Object.fromEntries(
            ["CACHE", "CONFIG", "DATA"].map((kind) => [`HELM_${kind}_HOME`, join(folder, kind.toLowerCase())]),
        );
        const pulled = await run(helm, [...pullArguments(chart), "--destination", folder], {
            check: false,
            timeoutMs: TIMEOUT_MS,
            env: { ...process.env, ...own },
        });
        const archive = readdirSync(folder).find((file) => file.endsWith(".tgz"));
        if (pulled.code !== 0 || archive === undefined) {
            writeFileSync(failed, pulled.stderr);
            return undefined;
        }
        const kept = join(cache, `${chart.name}-${chart.version}.tgz`);
        renameSync(join(folder, archive), kept);
        return kept;
    } finally {
        rmSync(folder, { recursive: true, force: true });
    }
}

function pullArguments({ name, repository, version }: Chart): string[] {
    const from = repository.startsWith("oci://") ? [`${repository}/${name}`] : [name, "--repo", repository];
    return ["pull", ...from, "--version", version];
}

/** Folder with the files of a bundle, each with its checksum; undefined where one cannot be had. */
export async function publishedCrds(bundle: CrdBundle, cache = chartCache()): Promise<string | undefined> {
    const { commit, files } = pinnedFiles(bundle);
    const folder = join(cache, "crds", bundle.project, commit);
    const failed = `${folder}.failed`;
    const missing = bundle.files.filter((file) => !existsSync(join(folder, file)));
    if (missing.length === 0) return folder;
    if (isRecent(failed)) return undefined;
    try {
        for (const file of missing) {
            const url = `${crdFolder(bundle, commit)}/${file}`;
            const answer = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
            if (!answer.ok) throw new Error(`${url}: ${answer.status} ${answer.statusText}`);
            const content = Buffer.from(await answer.arrayBuffer());
            if (sha256(content) !== files[file]) throw new Error(`${url} has another checksum than the pinned one`);
            mkdirSync(dirname(join(folder, file)), { recursive: true });
            // In one step: another run may be fetching it, too.
            const part = join(folder, `${file}.${process.pid}.part`);
            writeFileSync(part, content);
            renameSync(part, join(folder, file));
        }
        return folder;
    } catch (error) {
        mkdirSync(dirname(failed), { recursive: true });
        writeFileSync(failed, String(error));
        return undefined;
    }
}

export function sha256(content: Buffer): string {
    return createHash("sha256").update(content).digest("hex");
}

function isRecent(file: string): boolean {
    return existsSync(file) && Date.now() - statSync(file).mtimeMs < RETRY_MS;
}
