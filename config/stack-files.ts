/** Which stacks a project has: the files Pulumi.<stack>.yaml that say something of a cluster. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isMap, isScalar, parseDocument } from "yaml";
import { CONFIG_KEY } from "./parse";

/** Names of the stacks whose files are in `root`: those of `first`, in that order, then the others by name. */
export function stackNamesIn(root: string, first: readonly string[] = []): string[] {
    const names = existsSync(root) ? readdirSync(root).flatMap((file) => stackOf(root, file)) : [];
    const rank = (name: string) => (first.includes(name) ? first.indexOf(name) : first.length);
    return names.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

/** Recipe of the stack whose file is in `root`: what the file says, else the one of its own name. */
export function recipeIn(root: string, stack: string): string {
    const file = join(root, `Pulumi.${stack}.yaml`);
    if (!existsSync(file)) return stack;
    const document = parseDocument(readFileSync(file, "utf8"));
    const config: unknown = document.get("config");
    if (!isMap(config)) return stack;
    const cluster = config.items.find(({ key }) => isScalar(key) && String(key.value).endsWith(`:${CONFIG_KEY}`));
    const recipe: unknown = isMap(cluster?.value) ? cluster.value.get("recipe") : undefined;
    return typeof recipe === "string" ? recipe : stack;
}

/** A file that `pulumi stack init` left has a salt and no facts. */
function stackOf(root: string, file: string): string[] {
    const name = /^Pulumi\.(.+)\.yaml$/.exec(file)?.[1];
    return name !== undefined && readFileSync(join(root, file), "utf8").includes(`:${CONFIG_KEY}:`) ? [name] : [];
}
