/** What must hold of .github whoever edits it. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { stackNames } from "../../stacks";
import { ROOT } from "../../tools/stack-file";
import { findOnPath, TOOLS } from "../../tools/toolchain";

interface Step {
    readonly uses?: string;
    readonly run?: string;
    readonly with?: Readonly<Record<string, string>>;
}

interface Job {
    readonly if?: string;
    readonly permissions?: Readonly<Record<string, string>>;
    readonly strategy?: { readonly matrix: { readonly stack: readonly string[] } };
    readonly concurrency?: { readonly group: string };
    readonly environment?: string;
    readonly "timeout-minutes"?: number;
    readonly steps: readonly Step[];
}

interface Workflow {
    readonly on: Readonly<Record<string, unknown>>;
    readonly permissions: Readonly<Record<string, string>>;
    readonly jobs: Readonly<Record<string, Job>>;
}

const folder = join(ROOT, ".github", "workflows");
const files = readdirSync(folder).sort();
const texts = new Map(files.map((file) => [file, readFileSync(join(folder, file), "utf8")]));
const text = (file: string) => texts.get(file) ?? "";
const workflow = (file: string) => parse(text(file)) as Workflow;
const jobs = files.flatMap((file) =>
    Object.entries(workflow(file).jobs).map(([name, job]): [string, Job] => [`${file} ${name}`, job]),
);
const action = readFileSync(join(ROOT, ".github/actions/reach-cluster/action.yaml"), "utf8");

/** Run on every pull request, with its own code. */
const OPEN = ["plan-diff.yaml", "test.yaml"];

test("the workflows", () => {
    expect(files).toEqual(["drift.yaml", "plan-diff-comment.yaml", "plan-diff.yaml", "preview.yaml", "test.yaml"]);
});

test("every action is of this repository or pinned by digest, with its version beside it", () => {
    const uses = [...texts.values(), action].flatMap((each) => each.match(/uses: .*/g) ?? []);
    expect(uses.length).toBeGreaterThan(15);
    const loose = uses.filter(
        (line) => !/^uses: (\.\/\S+|[\w.-]+\/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$/.test(line),
    );
    expect(loose).toEqual([]);
    // One action, one version.
    const pins = new Map<string, Set<string>>();
    for (const line of uses) {
        const [, name = "", pin = ""] = /^uses: ([^@]+)@?(.*)$/.exec(line) ?? [];
        pins.set(name, (pins.get(name) ?? new Set()).add(pin));
    }
    expect([...pins].filter(([, versions]) => versions.size > 1)).toEqual([]);
});

test.each(OPEN)("%s runs strangers' code: no secret, nothing to write, no credentials left in the checkout", (file) => {
    const { on, permissions } = workflow(file);
    expect(Object.keys(on)).toContain("pull_request");
    expect(permissions).toEqual({ contents: "read" });
    for (const job of Object.values(workflow(file).jobs)) {
        expect(job.permissions).toBeUndefined();
        expect(job.environment).toBeUndefined();
    }
    expect(text(file)).not.toMatch(/secrets\.|github\.token|pull_request_target/);
});

test("no workflow runs a pull request's code by pull_request_target, or a checkout of its head with a right to write", () => {
    for (const file of files) {
        expect(Object.keys(workflow(file).on)).not.toContain("pull_request_target");
        expect(text(file)).not.toMatch(/ref: .*head/);
    }
});

test("rights are given job by job: by default everybody may only read", () => {
    for (const file of files) expect([file, workflow(file).permissions]).toEqual([file, { contents: "read" }]);
    const writes = jobs.flatMap(([name, { permissions = {} }]) =>
        Object.entries(permissions).flatMap(([right, level]) => (level === "write" ? [`${name}: ${right}`] : [])),
    );
    expect(writes).toEqual([
        "drift.yaml drift: issues",
        "plan-diff-comment.yaml comment: pull-requests",
        "preview.yaml preview: checks",
        "preview.yaml preview: pull-requests",
    ]);
});

test("every checkout leaves no token behind, every job ends by itself, nothing of an event stands in a script", () => {
    for (const [name, job] of jobs) {
        expect([name, typeof job["timeout-minutes"]]).toEqual([name, "number"]);
        for (const step of job.steps) {
            if (step.uses?.startsWith("actions/checkout@") === true) {
                expect([name, step.with?.["persist-credentials"]]).toEqual([name, false]);
            }
            expect([name, step.run ?? ""]).toEqual([name, expect.not.stringContaining("${{")]);
        }
    }
});

test("what runs with a right or a secret takes no cache that a pull request could have filled", () => {
    for (const each of [text("plan-diff-comment.yaml"), action]) {
        expect(each).toContain("package-manager-cache: false");
        expect(each).not.toMatch(/cache: npm|actions\/cache/);
    }
});

test("the comment is made from main's code after the plan diff", () => {
    expect(workflow("plan-diff-comment.yaml").on).toEqual({
        workflow_run: { workflows: ["Plan diff"], types: ["completed"] },
    });
    expect(text("plan-diff.yaml")).toMatch(/^name: Plan diff$/m);
    expect(text("plan-diff-comment.yaml")).not.toContain("secrets.");
});

test.each(["preview.yaml", "drift.yaml"])(
    "%s: a job a stack, one at a time for each, with the secrets of an environment",
    (file) => {
        const [job] = Object.values(workflow(file).jobs);
        expect(job?.strategy?.matrix.stack).toEqual(stackNames);
        expect(job?.concurrency?.group).toBe("stack-${{ matrix.stack }}");
        expect(job?.environment).toBe("clusters");
        expect(job?.if).toContain("vars.PULUMI_BACKEND_URL != ''");
    },
);

test("a preview is for branches of this repository", () => {
    const [job] = Object.values(workflow("preview.yaml").jobs);
    expect(job?.if).toContain("github.event.pull_request.head.repo.full_name == github.repository");
});

test("the engine is the one of the sandbox", () => {
    expect(action).toContain(`pulumi-version: ${TOOLS.pulumi.version}\n`);
});

test("actionlint, where it is on the PATH", () => {
    const actionlint = findOnPath("actionlint");
    if (actionlint === undefined) {
        console.warn("skipped: actionlint is not on the PATH");
        return;
    }
    const { status, stdout } = spawnSync(actionlint, ["-no-color"], { cwd: ROOT, encoding: "utf8" });
    expect([status, stdout]).toEqual([0, ""]);
});
