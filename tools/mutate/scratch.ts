/** A copy of the project to break: the working tree is never touched. */
import { execFileSync } from "node:child_process";
import {
    copyFileSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    readFileSync,
    realpathSync,
    rmSync,
    symlinkSync,
    writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { ROOT } from "../../stacks/stack-file";
import { UserError } from "../../lib/user-error";
import type { Mutation } from "./mutations";

/** The text with the edit. Throws a `UserError` unless its text stands there once and the new one is another. */
export function mutated(text: string, { fact, file, find, replace }: Mutation): string {
    const times = text.split(find).length - 1;
    const what = `the edit for ${fact} does not apply to ${file}`;
    const mend = "mend it in tools/mutate/mutations.ts";
    if (times !== 1)
        throw new UserError(`${what}: ${JSON.stringify(find)} stands there ${times} times, not once; ${mend}`);
    if (find === replace) throw new UserError(`${what}: it changes nothing; ${mend}`);
    return text.split(find).join(replace);
}

export class Scratch {
    private readonly folder = mkdtempSync(join(tmpdir(), "homelab-mutate-"));
    /** Root of the copy. */
    readonly root = join(this.folder, "project");

    constructor() {
        const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"], {
            cwd: ROOT,
            encoding: "utf8",
        });
        for (const file of new Set(files.split("\0"))) {
            // Deleted, and not yet told to git.
            if (file === "" || !existsSync(join(ROOT, file))) continue;
            mkdirSync(dirname(join(this.root, file)), { recursive: true });
            copyFileSync(join(ROOT, file), join(this.root, file));
        }
        symlinkSync(realpathSync(join(ROOT, "node_modules")), join(this.root, "node_modules"));
        // Data that tests find beside a checkout.
        const shared = join(ROOT, "..", "shared");
        if (existsSync(shared)) symlinkSync(realpathSync(shared), join(this.folder, "shared"));
    }

    /** Does something while an edit stands in the copy. */
    async with<T>(mutation: Mutation, work: () => Promise<T>): Promise<T> {
        const path = join(this.root, mutation.file);
        const before = readFileSync(path, "utf8");
        writeFileSync(path, mutated(before, mutation));
        try {
            return await work();
        } finally {
            writeFileSync(path, before);
        }
    }

    remove(): void {
        rmSync(this.folder, { recursive: true, force: true });
    }
}
