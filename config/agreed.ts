/**
 * Which files of stacks were compared before and found in order: every preview compares all of them, and they are opened each by
 * its own recipe for that. By the texts of the files and of all code that has a say in it, so nothing can be stale.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import type { Agreed } from "./cross-checks";
import { keepText, keptText } from "../lib/kept-texts";

/** Folders of what recipes are made of, and the packages that they use: those that should be there, and those that are. */
const CODE = [
    "apps",
    "bootstrap",
    "components",
    "config",
    "lab",
    "lib",
    "stacks",
    "package-lock.json",
    "node_modules/.package-lock.json",
];

/** `root`: of the code. The memory lies with the caches of its packages, and is gone with them. */
export function agreedBy(root: string): Agreed {
    return (texts) => {
        const file = join(root, "node_modules", ".cache", "compared", digest([...texts, ...codeOf(root)]));
        return { known: keptText(file) !== undefined, remember: () => keepText(file, "") };
    };
}

/** Paths and texts, sorted by path. */
function codeOf(root: string): string[] {
    const files = CODE.flatMap((name) =>
        name.includes(".")
            ? [join(root, name)].filter((file) => existsSync(file))
            : readdirSync(join(root, name), { recursive: true, withFileTypes: true })
                  .filter((entry) => entry.isFile())
                  .map((entry) => join(entry.parentPath, entry.name)),
    );
    return files.sort().flatMap((file) => [relative(root, file), readFileSync(file, "utf8")]);
}

function digest(texts: readonly string[]): string {
    const hash = createHash("sha256");
    // With its length, or two texts could be cut elsewhere and be the same.
    for (const text of texts) hash.update(`${text.length}:`).update(text);
    return hash.digest("hex");
}
