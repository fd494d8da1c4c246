/** Everything in the documentation that is generated: pictures, and the blocks between markers in Markdown files. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { stackNames } from "../../stacks";
import { atHand, chartImages } from "../plan/chart-images";
import { planStack, type Plan } from "../plan/plan";
import { readStackValue } from "../../stacks/stack-file";
import { UserError } from "../../lib/user-error";
import { drawPlan } from "./picture";
import { blocks, picturePath, type ChartImages } from "./tables";

/** A file that is not as it should be. */
export interface Stale {
    /** Seen from the project's root. */
    readonly path: string;
    /** What belongs there; undefined: the file must go. */
    readonly wanted: string | undefined;
}

/**
 * Plans every stack and returns the files that say something else. `skipped` is told which charts are not here, whose images
 * therefore stay as the documents have them. Throws a `UserError` on a marker it does not know.
 */
export async function staleDocuments(root: string, skipped: (line: string) => void): Promise<Stale[]> {
    const plans: Plan[] = [];
    const images: Record<string, ChartImages[string]> = {};
    const charts = await atHand();
    for (const stack of stackNames(root)) {
        const plan = await planStack(stack, readStackValue(root, stack), root);
        plans.push(plan);
        images[stack] = await chartImages(plan, root, charts);
    }
    for (const line of notKnown(images)) skipped(`images of charts are not compared: ${line}`);
    const wanted = new Map<string, string | undefined>();
    for (const path of pictures(root)) wanted.set(path, undefined);
    for (const plan of plans) wanted.set(picturePath(plan.stack), await drawPlan(plan));
    for (const path of markdownFiles(root)) {
        wanted.set(path, fillBlocks(path, readFileSync(join(root, path), "utf8"), plans, images));
    }
    return [...wanted]
        .map(([path, content]) => ({ path, wanted: content }))
        .filter(({ path, wanted: content }) => current(join(root, path)) !== content);
}

function notKnown(images: ChartImages): string[] {
    const lines = Object.values(images)
        .flat()
        .flatMap(({ chart, version, unknown }) => (unknown === undefined ? [] : [`${chart} ${version}: ${unknown}`]));
    return [...new Set(lines)].sort();
}

function current(path: string): string | undefined {
    return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

const inDocs = (root: string, pattern: RegExp) =>
    readdirSync(join(root, "docs"))
        .filter((name) => pattern.test(name))
        .sort()
        .map((name) => `docs/${name}`);

const pictures = (root: string) => inDocs(root, /^graph-.*\.svg$/);

const markdownFiles = (root: string) => ["README.md", ...inDocs(root, /\.md$/)];

const BLOCK = /(<!-- generated: (\S+) -->\n)([\s\S]*?)(<!-- end of generated -->)/g;

/** The text with every block between `<!-- generated: name -->` and `<!-- end of generated -->` made anew. */
export function fillBlocks(path: string, text: string, plans: readonly Plan[], chartImages?: ChartImages): string {
    const opened = text.match(/^<!-- generated: .*-->$/gm)?.length ?? 0;
    const filled = text.replace(BLOCK, (whole: string, start: string, name: string, _old: string, end: string) => {
        const block = blocks[name];
        if (block === undefined) {
            throw new UserError(`${path} has a block "${name}"; there are ${Object.keys(blocks).join(", ")}`);
        }
        const content = block(plans, chartImages);
        return content === undefined ? whole : `${start}\n${content}\n\n${end}`;
    });
    const closed = [...filled.matchAll(BLOCK)].length;
    if (opened !== closed) {
        throw new UserError(`${path}: ${opened} blocks start and ${closed} end; <!-- end of generated --> closes one`);
    }
    return filled;
}
