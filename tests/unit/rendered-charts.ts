/** Whole charts, where they are at hand, rendered by the real helm with the values of the plans. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { parse } from "yaml";
import type { Json } from "../../tools/plan/monitor";
import type { Plan, PlannedResource } from "../../tools/plan/plan";
import { ROOT } from "../../stacks/stack-file";
import { findTool } from "../../lib/toolchain";
import { dig } from "./planned";

export const CHARTS = join(ROOT, "..", "shared", "charts-full");
/** Rendering is the expensive part, and depends on what is in the name of the file only. */
const CACHE = join(ROOT, "node_modules", ".cache", "rendered-charts");
const AT_ONCE = 2;

/** An object as helm prints it. */
export interface RenderedObject {
    readonly [key: string]: Json;
    readonly apiVersion: string;
    readonly kind: string;
    readonly metadata: { readonly name: string; readonly namespace?: string };
}

export interface RenderedRelease {
    readonly release: PlannedResource;
    readonly namespace: string;
    /** All but the definitions of custom resources: they are upstream's, and nothing of ours is in them. */
    readonly objects: readonly RenderedObject[];
    /** Names of the definitions, those that Helm makes once and never touches again included. */
    readonly definitions: readonly string[];
}

/** Why nothing can be rendered here; undefined where it can. */
export async function cannotRender(): Promise<string | undefined> {
    if (!existsSync(CHARTS)) return "../shared/charts-full is not here";
    return (await findTool("helm")) === undefined ? "helm is neither on the PATH nor in the tool cache" : undefined;
}

/**
 * Renders every release of a plan, as Helm would for that Kubernetes: from the whole charts, or from the given ones by name,
 * which are not kept. Throws for a chart that is not at hand or fails.
 */
export async function renderReleases(
    plan: Pick<Plan, "resources">,
    kubernetes: string,
    directories?: Readonly<Record<string, string>>,
): Promise<RenderedRelease[]> {
    const helm = (await findTool("helm")) ?? "";
    const queue = plan.resources.filter(({ type }) => type === "kubernetes:helm.sh/v3:Release");
    const rendered: RenderedRelease[] = [];
    const worker = async () => {
        for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
            rendered.push(await render(next, kubernetes, helm, directories));
        }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    return rendered.sort((a, b) => (a.release.name < b.release.name ? -1 : 1));
}

async function render(
    release: PlannedResource,
    kubernetes: string,
    helm: string,
    directories?: Readonly<Record<string, string>>,
): Promise<RenderedRelease> {
    const input = (key: string) => dig(release.inputs, key);
    const [name, namespace] = [String(input("name")), String(input("namespace"))];
    const chart = String(input("chart")).split("/").at(-1) ?? "";
    const archive = directories?.[chart] ?? join(CHARTS, `${chart}-${String(input("version"))}.tgz`);
    const values = JSON.stringify(input("values") ?? {});
    const args = [
        ...["template", name, archive, "--namespace", namespace, "--kube-version", kubernetes],
        ...(input("skipCrds") === true ? [] : ["--include-crds"]),
    ];
    const { size, mtimeMs } = statSync(archive);
    const key = createHash("sha256")
        .update(JSON.stringify([args, values, size, mtimeMs, helm]))
        .digest("hex");
    const cached = join(CACHE, `${name}-${key.slice(0, 16)}.json`);
    if (directories !== undefined || !existsSync(cached)) {
        mkdirSync(CACHE, { recursive: true });
        const file = `${cached}.${process.pid}`;
        writeFileSync(`${file}.values`, values);
        const { stdout } = await promisify(execFile)(helm, [...args, "--values", `${file}.values`], {
            maxBuffer: 64 * 1024 * 1024,
        });
        rmSync(`${file}.values`);
        if (directories !== undefined) return { release, namespace, ...read(stdout) };
        writeFileSync(file, JSON.stringify(read(stdout)));
        renameSync(file, cached);
    }
    return { release, namespace, ...(JSON.parse(readFileSync(cached, "utf8")) as ReturnType<typeof read>) };
}

/** Definitions are not parsed: they are nine tenths of the text. */
function read(text: string): Pick<RenderedRelease, "objects" | "definitions"> {
    const documents = text.split(/^---.*$/m).filter((document) => /^kind:/m.test(document));
    const isDefinition = (document: string) => /^kind: CustomResourceDefinition$/m.test(document);
    return {
        definitions: documents
            .filter(isDefinition)
            .map((document) => /^  name: ["']?([^"'\s]+)/m.exec(document)?.[1] ?? ""),
        objects: documents
            .filter((document) => !isDefinition(document))
            .flatMap((document) => {
                const object = parse(document, { merge: true }) as RenderedObject | { items: RenderedObject[] };
                return "items" in object && Array.isArray(object.items)
                    ? (object.items as RenderedObject[])
                    : [object as RenderedObject];
            }),
    };
}
