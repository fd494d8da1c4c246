/** `npm run plan:diff` as a whole, in a copy of this project with a history of its own. */
import { spawn, spawnSync, type SpawnSyncReturns } from "node:child_process";
import {
    cpSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    readdirSync,
    readFileSync,
    rmSync,
    symlinkSync,
    writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { reportSchema } from "../../tools/plan-diff/difference";
import { ROOT } from "../../stacks/stack-file";

const CODE = "apps bootstrap clusters components config k8s lab lib policy sandbox stacks tools".split(" ");
const FILES = /^(Pulumi.*\.yaml|package.*\.json|tsconfig\.json|\.sops\.yaml|index\.ts)$/;

let parent: string;
let copy: string;
let env: NodeJS.ProcessEnv;

beforeAll(() => {
    parent = mkdtempSync(join(tmpdir(), "plan-diff-cli-"));
    copy = join(parent, "project");
    // Of its own, so that what is left behind shows.
    const temporary = join(parent, "tmp");
    const wanted = readdirSync(ROOT).filter((name) => CODE.includes(name) || FILES.test(name));
    for (const name of wanted) cpSync(join(ROOT, name), join(copy, name), { recursive: true });
    mkdirSync(temporary);
    symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"), "dir");
    // Nothing of the person's own git.
    env = {
        ...{ PATH: process.env["PATH"], HOME: parent, TMPDIR: temporary, GIT_CONFIG_NOSYSTEM: "1" },
        ...{ GIT_AUTHOR_NAME: "t", GIT_AUTHOR_EMAIL: "t@example.org" },
        ...{ GIT_COMMITTER_NAME: "t", GIT_COMMITTER_EMAIL: "t@example.org" },
    };
    writeFileSync(join(copy, ".gitignore"), "node_modules\n");
    git("init", "--quiet", "--initial-branch=main");
    git("add", "--all");
    git("commit", "--quiet", "--message=first");
});

afterAll(() => rmSync(parent, { recursive: true, force: true }));

function git(...args: string[]): string {
    const { status, stdout, stderr } = spawnSync("git", args, { cwd: copy, env, encoding: "utf8" });
    if (status !== 0) throw new Error(`git ${args.join(" ")}: ${stderr}`);
    return stdout.trim();
}

// Each test starts the whole program once or twice; a busy computer takes its time.
jest.setTimeout(120_000);

const COMMAND = ["--require", "./lib/typescript.cjs", "tools/plan-diff/main.ts"];

function planDiff(...args: string[]): SpawnSyncReturns<string> {
    return spawnSync(process.execPath, [...COMMAND, ...args], { cwd: copy, env, encoding: "utf8" });
}

function edit(file: string, from: string, to: string): void {
    const path = join(copy, file);
    const text = readFileSync(path, "utf8");
    expect(text).toContain(from);
    writeFileSync(path, text.replace(from, to));
}

/** The worktrees that git knows beside the copy itself, and the folders that hold them. */
function left(): string[] {
    const worktrees = git("worktree", "list", "--porcelain").match(/^worktree .*/gm) ?? [];
    return [...worktrees.slice(1), ...readdirSync(join(parent, "tmp")).filter((name) => name.includes("plan-diff"))];
}

test("a change that is not committed, against the commit before it: code 3, terminal, Markdown and JSON", () => {
    edit("Pulumi.homelab.yaml", "      overseerr: {}\n", "");
    const files = { markdown: join(parent, "diff.md"), json: join(parent, "diff.json") };
    const { status, stdout, stderr } = planDiff(
        ...["--base", "HEAD", "--stack", "homelab", "--markdown", files.markdown, "--json", files.json],
    );
    expect([status, stderr]).toEqual([3, ""]);
    expect(stdout).toContain("[data-volume-dropped]: overseerr /app/config");
    expect(stdout).toContain("- Deployment media/overseerr  (overseerr)");
    expect(readFileSync(files.markdown, "utf8")).toContain("1 danger");
    const report = reportSchema.parse(JSON.parse(readFileSync(files.json, "utf8")));
    expect(report.base).toEqual({ commit: git("rev-parse", "HEAD"), name: "HEAD" });
    expect(report.stacks.map(({ stack, status: how }) => [stack, how])).toEqual([["homelab", "changed"]]);
    expect(left()).toEqual([]);
    git("checkout", "--quiet", "--", ".");
});

test("a stack that the base does not have is new: code 2", () => {
    git("rm", "--quiet", "Pulumi.homelab.yaml");
    git("commit", "--quiet", "--message=without");
    git("checkout", "--quiet", "HEAD~", "--", "Pulumi.homelab.yaml");
    const { status, stdout } = planDiff("--base", "HEAD", "--stack", "homelab", "--json", "-");
    expect(status).toBe(2);
    const { stacks } = reportSchema.parse(JSON.parse(stdout));
    expect(stacks.map(({ stack, status: how }) => [stack, how])).toEqual([["homelab", "new"]]);
    git("reset", "--quiet", "--hard", "HEAD~");
});

test("no change at all: code 0, and the base is where HEAD left main", () => {
    git("checkout", "--quiet", "-b", "topic");
    const { status, stdout } = planDiff("--stack", "homelab");
    expect(stdout).toContain("Compared with where HEAD left main");
    expect(stdout).toContain("homelab: no changes");
    expect(status).toBe(0);
});

test("a commit is planned once: what its program printed is kept, and made again where half of it is left", () => {
    const folder = join(copy, "node_modules", ".cache", "plans");
    const commit = git("rev-parse", "main");
    const [name = ""] = readdirSync(folder).filter((other) => other.startsWith(`${commit}-homelab-`));
    const file = join(folder, name);
    const kept = readFileSync(file, "utf8");
    writeFileSync(file, kept.replaceAll('"replicas":1', '"replicas":7'));
    const used = planDiff("--stack", "homelab");
    expect(used.stdout).toMatch(/replicas.*7.*1/);
    writeFileSync(file, kept.slice(0, -1000));
    const { status, stdout } = planDiff("--stack", "homelab");
    expect(stdout).toContain("homelab: no changes");
    expect(status).toBe(0);
    expect(readFileSync(file, "utf8")).toBe(kept);
});

test.each([
    [["--base", "nowhere"], /^error: --base is "nowhere", which git does not know as a commit here; allowed: .*\n$/],
    [["--stack", "homelap"], /^error: --stack is "homelap"; allowed: homelab, .*did you mean/],
])("%j ends with 1 and one sentence, no stack trace", (words, message) => {
    const { status, stdout, stderr } = planDiff(...words);
    expect([status, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain("    at ");
    expect(left()).toEqual([]);
});

test("a base whose program fails: its own words, code 1, nothing left behind", () => {
    edit("Pulumi.homelab.yaml", "domain: peterstorm.io", "domain: Peterstorm.io");
    git("commit", "--quiet", "--all", "--message=broken");
    git("checkout", "--quiet", "HEAD~", "--", "Pulumi.homelab.yaml");
    const { status, stderr } = planDiff("--base", "HEAD", "--stack", "homelab");
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error: the program of HEAD \([0-9a-f]{12}\) cannot be planned; .*\n[\s\S]*Peterstorm\.io/);
    expect(left()).toEqual([]);
    git("reset", "--quiet", "--hard", "HEAD~");
});

test("Ctrl-C takes the worktree away", async () => {
    const child = spawn(process.execPath, [...COMMAND, "--base", "HEAD"], { cwd: copy, env, stdio: "ignore" });
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    for (let look = 0; left().length < 2 && look < 300; look += 1) await sleep(50);
    expect(left()).toHaveLength(2);
    child.kill("SIGINT");
    expect(await ended).toBe(130);
    expect(left()).toEqual([]);
    expect(existsSync(join(copy, "node_modules", "tsx"))).toBe(true);
});
