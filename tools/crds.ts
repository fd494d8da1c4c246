/**
 * `npm run crds`: writes components/crd-files.ts, the commit and the checksums of every bundle of components/crds.ts at the
 * version that stands there. After an upgrade of a bundle; what it writes is looked at before it is committed.
 */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crdFiles, type PinnedFiles } from "../components/crd-files";
import { crdFolder, crds, type CrdBundle } from "../components/crds";
import { ROOT } from "../stacks/stack-file";
import { runMain, UserError } from "../lib/user-error";

const FILE = join(ROOT, "components", "crd-files.ts");

/** Gets an address; throws a `UserError` for any answer but 200. */
async function get(url: string, accept = "*/*"): Promise<Buffer> {
    const answer = await fetch(url, { headers: { accept }, signal: AbortSignal.timeout(60_000) });
    if (!answer.ok) throw new UserError(`${url} answers ${answer.status} ${answer.statusText}`);
    return Buffer.from(await answer.arrayBuffer());
}

/** Commit of the release, and the checksum of each file there. A bundle that is pinned already is not asked for again. */
export async function pin(bundle: CrdBundle, before: PinnedFiles | undefined): Promise<PinnedFiles> {
    const { version, tagPrefix = "v", repository, files } = bundle;
    const known = Object.keys(before?.files ?? {});
    if (before?.version === version && known.length === files.length && files.every((file) => known.includes(file))) {
        return before;
    }
    const url = `https://api.github.com/repos/${repository}/commits/${tagPrefix}${version}`;
    const commit = (await get(url, "application/vnd.github.sha")).toString().trim();
    if (!/^[0-9a-f]{40}$/.test(commit)) throw new UserError(`${url} gives no commit: ${commit.slice(0, 80)}`);
    const sums: Record<string, string> = {};
    for (const file of files) {
        const content = await get(`${crdFolder(bundle, commit)}/${file}`);
        sums[file] = createHash("sha256").update(content).digest("hex");
    }
    return { version, commit, files: sums };
}

/** The file's text with other pins: its types and its comments stay. */
export async function crdFilesText(text: string, pins: Readonly<Record<string, PinnedFiles>>): Promise<string> {
    const start = "export const crdFiles: Readonly<Record<string, PinnedFiles>> = ";
    const head = text.slice(0, text.indexOf(start));
    // An ES module underneath: imported when needed, so that Jest can load this file.
    const { format, resolveConfig } = await import("prettier");
    const options = { ...(await resolveConfig(FILE)), filepath: FILE };
    return format(`${head}${start}${JSON.stringify(pins)};\n`, options);
}

if (require.main === module) {
    runMain(async () => {
        const pins: Record<string, PinnedFiles> = {};
        for (const bundle of Object.values<CrdBundle>(crds)) {
            pins[bundle.project] = await pin(bundle, crdFiles[bundle.project]);
        }
        writeFileSync(FILE, await crdFilesText(readFileSync(FILE, "utf8"), pins));
        process.stdout.write(`wrote ${FILE}\n`);
        return 0;
    });
}
