/** Everything in the documentation that is generated: pictures, and the blocks between markers in Markdown files. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { stackNames } from "../../stacks";
import { planStack, type Plan } from "../plan/plan";
import { readStackValue } from "../../stacks/stack-file";
import { UserError } from "../../lib/user-error";
import { drawPlan } from "./picture";
import { blocks, picturePath } from "./tables";

/** A file that is not as it should be. */
export interface Stale {
    /** Seen from the project's root. */
    readonly path: string;
    /** What belongs there; undefined: the file must go. */
    readonly wanted: string | undefined;
}

/** Plans every stack and returns the files that say something else. Throws a `UserError` on a marker it does not know. */
export async function staleDocuments(root: string): Promise<Stale[]> {
    const plans: Plan[] = [];
    for (const stack of stackNames(root)) plans.push(await planStack(stack, readStackValue(root, stack), root));
    const wanted = new Map<string, string | undefined>();
    for (const path of pictures(root)) wanted.set(path, undefined);
    for (const plan of plans) wanted.set(picturePath(plan.stack), await drawPlan(plan));
    for (const path of markdownFiles(root)) {
        wanted.set(path, fillBlocks(path, readFileSync(join(root, path), "utf8"), plans));
    }
    return [...wanted]
        .map(([path, content]) => ({ path, wanted: content }))
        .filter(({ path, wanted: content }) => current(join(root, path)) !== content);
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
export function fillBlocks(path: string, text: string, plans: readonly Plan[]): string {
    const opened = text.match(/^<!-- generated: .*-->$/gm)?.length ?? 0;
    const filled = text.replace(BLOCK, (_, start: string, name: string, _old: string, end: string) => {
        const block = blocks[name];
        if (block === undefined) {
            throw new UserError(`${path} has a block "${name}"; there are ${Object.keys(blocks).join(", ")}`);
        }
        return `${start}\n${block(plans)}\n\n${end}`;
    });
    const closed = [...filled.matchAll(BLOCK)].length;
    if (opened !== closed) {
        throw new UserError(`${path}: ${opened} blocks start and ${closed} end; <!-- end of generated --> closes one`);
    }
    return filled;
}
