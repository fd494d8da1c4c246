/** Plans of another revision: a git worktree beside the checkout, removed again whatever happens. */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { Json } from "../plan/monitor";
import type { Plan } from "../plan/plan";
import { run } from "../../lib/process";
import { TYPESCRIPT } from "../../stacks/stack-file";
import { UserError } from "../../lib/user-error";
import { keepText, keptText } from "../../lib/kept-texts";

export interface Base {
    readonly commit: string;
    /** In the words of a person: what was asked for, or how it was found. */
    readonly name: string;
}

/** Folders of no use to a plan: two fifths of the files, whose writing takes longer than a plan. */
const NOT_PLANNED = ["cluster", "docs", "tests"];

const BRANCHES = ["origin/main", "main", "origin/master", "master"];

/** The commit to compare with. Without a name it is where this branch left main. Throws a `UserError`. */
export async function resolveBase(root: string, revision: string | undefined): Promise<Base> {
    if (revision !== undefined) {
        const commit = await git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", `${revision}^{commit}`);
        if (commit === undefined) {
            throw new UserError(
                `--base is "${revision}", which git does not know as a commit here; allowed: a branch, a tag or a commit, ` +
                    "such as origin/main. If it is one of the remote, `git fetch` it first; a shallow clone needs `git fetch --unshallow`.",
            );
        }
        return { commit, name: revision };
    }
    for (const branch of BRANCHES) {
        const commit = await git(root, "merge-base", "HEAD", branch);
        if (commit !== undefined) return { commit, name: `where HEAD left ${branch}` };
    }
    throw new UserError(
        `there is no commit to compare with: none of ${BRANCHES.join(", ")} has one in common with HEAD. ` +
            "Name one with --base REV; in a shallow clone `git fetch --unshallow` first.",
    );
}

/** What a git command prints; undefined when it fails. */
async function git(cwd: string, ...args: string[]): Promise<string | undefined> {
    const { code, stdout } = await run("git", args, { cwd, check: false });
    return code === 0 ? stdout.trim() : undefined;
}

/** Does a revision have the file? */
export async function hasFile(root: string, commit: string, path: string): Promise<boolean> {
    return (await git(root, "cat-file", "-e", `${commit}:${path}`)) !== undefined;
}

export interface RevisionOptions {
    readonly root: string;
    readonly base: Base;
    /** Stacks to plan; absent: every stack that the revision has. */
    readonly stack?: string | undefined;
    /** Told what takes more than a moment. */
    readonly notice: (line: string) => void;
    /** Called when the program of the revision runs, in a process of its own, or when there is none to run. */
    readonly onBegun: () => void;
}

/** Plans the stacks of a revision by its own program and its own plan tool. Throws a `UserError` when it cannot. */
export async function plansOfRevision({
    root,
    base,
    stack,
    notice,
    onBegun,
}: RevisionOptions): Promise<Map<string, Plan>> {
    const kept = keptPlans(root, base.commit, stack);
    if (kept !== undefined) {
        onBegun();
        return kept;
    }
    const [tool, file] = await Promise.all([
        hasFile(root, base.commit, "tools/plan/main.ts"),
        stack === undefined ? true : hasFile(root, base.commit, `Pulumi.${stack}.yaml`),
    ]);
    // A revision from before the stack, or from before the plan: everything is new.
    if (!tool) notice(`${base.name} has no plan tool (tools/plan/main.ts): everything counts as added`);
    if (!tool || !file) {
        onBegun();
        return new Map();
    }
    return withWorktree(root, base.commit, async (folder, untilDone) => {
        await providePackages(root, folder, notice);
        const words = [
            "--require",
            TYPESCRIPT,
            "tools/plan/main.ts",
            ...(stack === undefined ? [] : [stack]),
            "--json",
        ];
        const program = untilDone(process.execPath, words);
        onBegun();
        const { code, stdout, stderr } = await program;
        if (code !== 0) {
            const said = stderr.trim().split("\n").slice(-15).join("\n");
            // Its file is there and its program does not know it: not a stack yet.
            if (stack !== undefined && /unknown-stack|there is no stack/.test(said)) return new Map();
            throw new UserError(
                `the program of ${base.name} (${base.commit.slice(0, 12)}) cannot be planned; choose another --base, or mend that revision. It says:\n${said}`,
            );
        }
        const plans = parsePlans(stdout);
        keepText(fileOf(root, base.commit, stack), JSON.stringify([...plans.values()]));
        return plans;
    });
}

/** Plans that are kept have the shape that this file gives them. */
const SHAPE = createHash("sha256").update(readFileSync(__filename)).digest("hex").slice(0, 16);

/**
 * Where the plans of a commit lie. They depend on what is committed, its lockfile for the packages, so those that are kept are what
 * would come out again.
 */
const fileOf = (root: string, commit: string, stack: string | undefined) =>
    join(root, "node_modules", ".cache", "plans", `${commit}${stack === undefined ? "" : `-${stack}`}-${SHAPE}.json`);

/** Those that are kept; undefined where none are, or half of them. */
function keptPlans(root: string, commit: string, stack: string | undefined): Map<string, Plan> | undefined {
    const text = keptText(fileOf(root, commit, stack));
    if (text === undefined) return undefined;
    try {
        return new Map((JSON.parse(text) as Plan[]).map((plan) => [plan.stack, plan]));
    } catch {
        return undefined;
    }
}

/** Runs a program to its end, in the worktree unless told otherwise. */
type UntilDone = (
    command: string,
    args: readonly string[],
    cwd?: string,
) => Promise<{ code: number; stdout: string; stderr: string }>;

/** Checks a commit out beside everything else, and takes it away again, also on an error and on Ctrl-C. */
async function withWorktree<T>(
    root: string,
    commit: string,
    work: (folder: string, untilDone: UntilDone) => Promise<T>,
): Promise<T> {
    const parent = mkdtempSync(join(tmpdir(), "homelab-plan-diff-"));
    const folder = join(parent, "base");
    const children = new Set<ReturnType<typeof spawn>>();
    // Nothing asynchronous: after a signal there is no time for it.
    const remove = () => {
        for (const { pid } of children) killGroup(pid);
        // A link is taken away itself, and what it leads to stays.
        removeFolder(join(folder, "node_modules"));
        const git = (...words: string[]) => spawnSync("git", ["worktree", ...words], { cwd: root, stdio: "ignore" });
        // Twice: git locks a worktree while it fills it.
        git("remove", "--force", "--force", folder);
        removeFolder(parent);
        // One that was cut short in its first moment cannot be removed, only forgotten.
        git("unlock", folder);
        git("prune");
    };
    const stop = (signal: NodeJS.Signals) => {
        remove();
        process.exit(signal === "SIGINT" ? 130 : 143);
    };
    process.once("SIGINT", stop);
    process.once("SIGTERM", stop);
    const untilDone: UntilDone = (command, args, cwd = folder) =>
        new Promise((resolve, reject) => {
            // A group of its own: git fills a worktree in a child of its own.
            const child = spawn(command, args, { cwd, stdio: ["ignore", "pipe", "pipe"], detached: true });
            children.add(child);
            const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
            child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
            child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
            child.once("error", reject);
            child.once("close", (code) => {
                children.delete(child);
                const text = (chunks: readonly Buffer[]) => Buffer.concat(chunks).toString("utf8");
                resolve({ code: code ?? 1, stdout: text(stdout), stderr: text(stderr) });
            });
        });
    try {
        const steps = [
            ["worktree", "add", "--detach", "--quiet", "--no-checkout", folder, commit],
            ["-C", folder, "checkout", "--quiet", commit, "--", ".", ...NOT_PLANNED.map((name) => `:!${name}`)],
        ];
        for (const step of steps) {
            const { code, stderr } = await untilDone("git", step, root);
            if (code !== 0) throw new UserError(`git cannot check out ${commit}: ${stderr.trim()}`);
        }
        return await work(folder, untilDone);
    } finally {
        process.removeListener("SIGINT", stop);
        process.removeListener("SIGTERM", stop);
        remove();
    }
}

function killGroup(pid: number | undefined): void {
    if (pid === undefined) return;
    try {
        process.kill(-pid, "SIGKILL");
    } catch {
        // It has ended by itself.
    }
}

/** Removes a folder into which a process that was just killed may still have been writing. */
function removeFolder(folder: string): void {
    for (let attempt = 0; ; attempt += 1) {
        try {
            rmSync(folder, { recursive: true, force: true });
            return;
        } catch (error) {
            if (attempt === 20) throw error;
            Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
        }
    }
}

/** The packages of this checkout where the lockfiles are equal; else those of the revision, from a registry. */
async function providePackages(root: string, folder: string, notice: (line: string) => void): Promise<void> {
    const lock = (at: string) => readFileSync(join(at, "package-lock.json"), "utf8");
    if (lock(root) === lock(folder)) {
        symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "dir");
        return;
    }
    notice("package-lock.json is another one at the base: installing its packages (npm ci), which needs a registry");
    await run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: folder });
}

/** A plan of whatever age: what later versions of the tool added may be missing. */
const planSchema = z.looseObject({
    stack: z.string(),
    resources: z.array(
        z.looseObject({
            urn: z.string(),
            type: z.string(),
            name: z.string(),
            custom: z.boolean().default(true),
            parent: z.string().nullable().default(null),
            dependsOn: z.array(z.string()).default([]),
            protect: z.boolean().default(false),
            retainOnDelete: z.boolean().default(false),
            provider: z.string().nullable().default(null),
            aliases: z.array(z.string()).default([]),
            // JSON that was parsed is JSON.
            inputs: z.custom<Json>().default({}),
        }),
    ),
    order: z.array(z.string()),
    ...Object.fromEntries(
        ["dns", "tunnel", "exposures", "routes", "volumes", "images", "stages"].map((table) => [
            table,
            z.array(z.looseObject({})).default([]),
        ]),
    ),
});

/** The plans that `plan --json` prints one after the other. Throws a `UserError` on anything else. */
export function parsePlans(text: string): Map<string, Plan> {
    const documents = text.split(/(?<=^\})\n/m).filter((part) => part.trim() !== "");
    return new Map(
        documents.map((document) => {
            let value: unknown;
            try {
                value = JSON.parse(document);
            } catch {
                throw new UserError("the plan of the base is no JSON; its plan tool may be too old for plan:diff");
            }
            const parsed = planSchema.safeParse(value);
            if (!parsed.success) {
                const [issue] = parsed.error.issues;
                throw new UserError(
                    `the plan of the base is of another shape (${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}); its plan tool may be too old for plan:diff`,
                );
            }
            return [parsed.data.stack, parsed.data as unknown as Plan];
        }),
    );
}
