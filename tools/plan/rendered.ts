/** What Helm makes of a planned release, with the real helm and a chart that is on this computer. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { parse } from "yaml";
import { READ_BY_KUBERNETES } from "../../lib/yaml-text";
import { ROOT } from "../../stacks/stack-file";
import { isObject, type Json } from "./monitor";
import type { PlannedResource } from "./plan";

/** Rendering is the expensive part. An archive of a size and date is one chart; a directory may change unseen. */
const CACHE = join(ROOT, "node_modules", ".cache", "rendered-charts");

/** An object as helm prints it. */
export interface RenderedObject {
    readonly [key: string]: Json;
    readonly apiVersion: string;
    readonly kind: string;
    readonly metadata: {
        readonly name: string;
        readonly namespace?: string;
        readonly annotations?: Readonly<Record<string, string>>;
    };
}

export interface Rendered {
    /** All but the definitions of custom resources: they are upstream's, and nothing of ours is in them. */
    readonly objects: readonly RenderedObject[];
    /** Names of the definitions, those that Helm makes once and never touches again included. */
    readonly definitions: readonly string[];
}

export const isRelease = ({ type }: Pick<PlannedResource, "type">) => type === "kubernetes:helm.sh/v3:Release";

/** Names by which Helm knows a planned release. */
export function releaseOf({ inputs }: Pick<PlannedResource, "inputs">) {
    const input = (key: string) => (isObject(inputs) ? inputs[key] : undefined);
    return {
        name: String(input("name")),
        namespace: String(input("namespace")),
        /** An OCI reference ends with the chart's name. */
        chart: String(input("chart")).split("/").at(-1) ?? "",
        version: String(input("version")),
        values: input("values") ?? {},
        skipCrds: input("skipCrds") === true,
    };
}

/** Renders a release from a chart, an archive or a directory, as for that Kubernetes. Throws what helm says. */
export async function renderRelease(
    resource: Pick<PlannedResource, "inputs">,
    chart: string,
    kubernetes: string,
    helm: string,
): Promise<Rendered> {
    const { name, namespace, values: given, skipCrds } = releaseOf(resource);
    const values = JSON.stringify(given);
    const args = [
        ...["template", name, chart, "--namespace", namespace, "--kube-version", kubernetes],
        ...(skipCrds ? [] : ["--include-crds"]),
    ];
    const { size, mtimeMs } = statSync(chart);
    const key = createHash("sha256")
        .update(JSON.stringify([args, values, size, mtimeMs, helm, READ_BY_KUBERNETES.version]))
        .digest("hex");
    const cached = join(CACHE, `${name}-${key.slice(0, 16)}.json`);
    const known = kept(cached);
    if (known !== undefined) return known;
    mkdirSync(CACHE, { recursive: true });
    const file = `${cached}.${process.pid}`;
    writeFileSync(`${file}.values`, values);
    try {
        const { stdout } = await promisify(execFile)(helm, [...args, "--values", `${file}.values`], {
            maxBuffer: 64 * 1024 * 1024,
        });
        const rendered = read(stdout);
        if (statSync(chart).isFile()) {
            writeFileSync(file, JSON.stringify(rendered));
            renameSync(file, cached);
        }
        return rendered;
    } finally {
        rmSync(`${file}.values`);
    }
}

function kept(file: string): Rendered | undefined {
    let text: string;
    try {
        text = readFileSync(file, "utf8");
    } catch {
        return undefined;
    }
    return JSON.parse(text) as Rendered;
}

/** Definitions are not parsed: they are nine tenths of the text. */
function read(text: string): Rendered {
    const documents = text.split(/^---.*$/m).filter((document) => /^kind:/m.test(document));
    const isDefinition = (document: string) => /^kind: CustomResourceDefinition$/m.test(document);
    return {
        definitions: documents
            .filter(isDefinition)
            .map((document) => /^  name: ["']?([^"'\s]+)/m.exec(document)?.[1] ?? ""),
        objects: documents
            .filter((document) => !isDefinition(document))
            .flatMap((document) => {
                const object = parse(document, READ_BY_KUBERNETES) as RenderedObject | { items: RenderedObject[] };
                return "items" in object && Array.isArray(object.items)
                    ? (object.items as RenderedObject[])
                    : [object as RenderedObject];
            }),
    };
}
