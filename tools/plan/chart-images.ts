/** Images that charts make with the plan's values. Only the chart itself can say, so it is asked; nothing is guessed. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { MachinesOfKind } from "../../bootstrap/machines";
import { findTool, TOOLS } from "../../lib/toolchain";
import { sandboxOptions } from "../../sandbox/options";
import { cachedChart } from "../../sandbox/published-charts";
import { openStack } from "../../stacks";
import { readStackValue } from "../../stacks/stack-file";
import { isObject, type Json } from "./monitor";
import type { Plan, PlannedResource } from "./plan";
import { isRelease, releaseOf, renderRelease, type RenderedObject } from "./rendered";

export interface ChartImage {
    readonly image: string;
    readonly pinned: boolean;
}

/** A release and the images of its chart, or why they are not known here. */
export interface ReleaseImages {
    readonly release: string;
    readonly chart: string;
    readonly version: string;
    /** Null: not known. */
    readonly images: readonly ChartImage[] | null;
    /** Why not; absent: they are known. */
    readonly unknown?: string;
}

/** Where to look: nothing is fetched. */
export interface AtHand {
    /** Path of the helm binary; undefined: there is none. */
    readonly helm: string | undefined;
    /** Archive or directory of a chart; undefined: not at hand. */
    readonly chart: (name: string, version: string) => string | undefined;
}

/** Charts that a sandbox has fetched, those of a directory named in SANDBOX_CHARTS, those beside the checkout. */
export async function atHand(env: NodeJS.ProcessEnv = process.env): Promise<AtHand> {
    const { charts, localCharts } = sandboxOptions(env);
    const given = typeof charts === "object" ? charts.directory : undefined;
    const folders = [given, localCharts].flatMap((folder) => (folder === undefined ? [] : [folder]));
    return {
        helm: await findTool("helm", { env }),
        chart: (name, version) =>
            cachedChart({ name, version, repository: "" }) ??
            folders.map((folder) => join(folder, `${name}-${version}.tgz`)).find((path) => existsSync(path)),
    };
}

const AT_ONCE = 2;

/** Images of every release of a plan, in the plan's order of names. */
export async function chartImages(plan: Plan, root: string, { helm, chart: find }: AtHand): Promise<ReleaseImages[]> {
    const { kubernetesVersion }: MachinesOfKind = openStack(plan.stack, readStackValue(root, plan.stack)).machines;
    const queue = plan.resources.filter(isRelease);
    const found: ReleaseImages[] = [];
    const look = async (resource: PlannedResource): Promise<ReleaseImages> => {
        const { chart, version } = releaseOf(resource);
        const about = { release: resource.name, chart, version };
        const unknown = (why: string): ReleaseImages => ({ ...about, images: null, unknown: why });
        if (helm === undefined) return unknown("there is no helm here; npm run tools gets one");
        const path = find(chart, version);
        if (path === undefined) return unknown("the chart is not at hand; npm run sandbox fetches what it can");
        try {
            // k3s' version is NixOS' matter; kubectl's stands for it.
            const kubernetes = kubernetesVersion ?? TOOLS.kubectl.version;
            return { ...about, images: imagesOf((await renderRelease(resource, path, kubernetes, helm)).objects) };
        } catch (error) {
            const { stderr } = error as { stderr?: unknown };
            const words = typeof stderr === "string" && stderr.trim() !== "" ? stderr : String(error);
            return unknown(`helm refuses the chart: ${words.trim().split("\n").at(-1) ?? ""}`);
        }
    };
    const worker = async () => {
        for (let next = queue.shift(); next !== undefined; next = queue.shift()) found.push(await look(next));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    return found.sort((a, b) => (a.release < b.release ? -1 : 1));
}

/**
 * Every image that objects name: what a key says is one, and any text, command-line flag or line of a configuration that is a
 * reference with a registry. Pods of `helm test` are left out, as nothing runs them.
 */
export function imagesOf(objects: readonly RenderedObject[]): ChartImage[] {
    const images = new Set<string>();
    const walk = (value: Json, called: string): void => {
        if (Array.isArray(value)) return value.forEach((item) => walk(item, called));
        if (typeof value === "string") return read(value, called);
        if (!isObject(value)) return;
        // An environment variable has its name beside it.
        const { name, value: content } = value;
        for (const [key, item] of Object.entries(value)) {
            walk(item, item === content && typeof name === "string" ? name : key);
        }
    };
    const read = (text: string, called: string): void => {
        // Dashboards are most of the text there is, and name none.
        if (text.includes("\n")) return NAMES_IMAGES.test(text) ? walk(parsed(text), called) : undefined;
        const reference = text.replace(/^--[\w.-]+=/, "");
        const said = /image(_name)?$/i.test(called) ? REFERENCE : WITH_REGISTRY;
        if (said.test(reference) && !TAINT.test(reference)) images.add(reference);
    };
    const tests = ({ metadata }: RenderedObject) => /^test/.test(metadata.annotations?.["helm.sh/hook"] ?? "");
    for (const object of objects) if (!tests(object)) walk(object, "");
    return [...images].sort().map((image) => ({ image, pinned: image.includes("@sha256:") }));
}

/** What a text that names an image has at least: the word, and a tag or digest. It is parsed only then, since most are long. */
const NAMES_IMAGES = /^(?=[^]*image)[^]*[a-z0-9][:@]\w/i;
const NAME = "[a-z0-9]+(?:[._/-]+[a-z0-9]+)*";
const VERSION = "(?::[\\w][\\w.-]*)?(?:@sha256:[0-9a-f]{64})?";
const REFERENCE = new RegExp(`^(?=.*[:@])(?:[a-z0-9.-]+(?::\\d+)?/)?${NAME}${VERSION}$`);
const WITH_REGISTRY = new RegExp(`^(?=.*/.*[:@])(?:[a-z0-9-]+\\.)+[a-z]{2,}(?::\\d+)?/${NAME}${VERSION}$`);
/** Looks like an image with a tag. */
const TAINT = /:(NoSchedule|PreferNoSchedule|NoExecute)$/;

/** A configuration in a text; null for a text that is none. */
function parsed(text: string): Json {
    try {
        return parse(text, { merge: true }) as Json;
    } catch {
        return null;
    }
}
