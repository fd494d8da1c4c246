/** What must hold of .github whoever edits it. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runInNewContext } from "node:vm";
import { parse } from "yaml";
import { ENVIRONMENTS } from "../../tools/github/stacks";
import { DRIFT_BRANCH, DRIFT_WORKFLOW, driftJob, STACKS_JOB } from "../../tools/github/unseen";
import { ROOT } from "../../stacks/stack-file";
import { findOnPath, TOOLS } from "../../lib/toolchain";

interface Step {
    readonly name?: string;
    readonly if?: string;
    readonly uses?: string;
    readonly run?: string;
    readonly with?: Readonly<Record<string, string>>;
}

interface Job {
    readonly name: string;
    readonly needs?: string | readonly string[];
    readonly if?: string;
    readonly permissions?: Readonly<Record<string, string>>;
    readonly strategy?: { readonly matrix: { readonly include: string } };
    readonly env?: Readonly<Record<string, string>>;
    readonly concurrency?: { readonly group: string };
    readonly environment?: string;
    readonly "timeout-minutes"?: number;
    readonly steps: readonly Step[];
}

interface Workflow {
    readonly on: Readonly<Record<string, unknown>>;
    readonly permissions: Readonly<Record<string, string>>;
    readonly concurrency?: { readonly group: string };
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

/** What an expression comes to; what is not there is null. Enough of GitHub's language for these files. */
function evaluate(expression: string, context: object): unknown {
    const script = expression
        .replaceAll(/\$\{\{|\}\}/g, "")
        .replaceAll(/\b(github|steps|needs|vars)((?:\.[\w-]+)+)/g, (_, root: string, path: string) =>
            [
                root,
                ...path
                    .split(".")
                    .slice(1)
                    .map((key) => `["${key}"]`),
            ].join("?."),
        );
    const startsWith = (text: unknown, start: string) => String(text).startsWith(start);
    return runInNewContext(script, { startsWith, cancelled: () => false, ...context });
}

test("the workflows", () => {
    expect(files).toEqual([
        ...["dangers.yaml", "drift.yaml", "plan-diff-comment.yaml", "plan-diff.yaml"],
        ...["preview-comment.yaml", "preview.yaml", "test.yaml"],
    ]);
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

test("pull_request_target checks nothing out and runs nothing of a pull request; no checkout is of its head", () => {
    for (const file of files) expect(text(file)).not.toMatch(/ref: .*head/);
    const targets = files.filter((file) => "pull_request_target" in workflow(file).on);
    expect(targets).toEqual(["dangers.yaml"]);
    const steps = targets.flatMap((file) => Object.values(workflow(file).jobs).flatMap((job) => job.steps));
    expect(steps.map(({ uses, run }) => [uses, run])).toEqual([
        [undefined, 'gh api --method DELETE "repos/$GITHUB_REPOSITORY/issues/$NUMBER/labels/dangers-accepted"'],
    ]);
});

test("rights are given job by job: by default everybody may only read", () => {
    for (const file of files) expect([file, workflow(file).permissions]).toEqual([file, { contents: "read" }]);
    const writes = jobs.flatMap(([name, { permissions = {} }]) =>
        Object.entries(permissions).flatMap(([right, level]) => (level === "write" ? [`${name}: ${right}`] : [])),
    );
    expect(writes).toEqual([
        "dangers.yaml forget: pull-requests",
        "drift.yaml drift: issues",
        "drift.yaml unseen: issues",
        "plan-diff-comment.yaml comment: pull-requests",
        "preview-comment.yaml comment: checks",
        "preview-comment.yaml comment: pull-requests",
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
    const trusted = ["drift.yaml", "plan-diff-comment.yaml", "preview-comment.yaml", "preview.yaml"];
    for (const each of [...trusted.map(text), action]) {
        expect(each.match(/package-manager-cache: false/g) ?? []).toHaveLength(each.match(/setup-node@/g)?.length ?? 0);
        expect(each).not.toMatch(/cache: npm|actions\/cache/);
    }
});

test.each([
    ["plan-diff-comment.yaml", "plan-diff.yaml", "Plan diff"],
    ["preview-comment.yaml", "preview.yaml", "Preview"],
])("%s writes from main's code what %s left behind", (file, other, name) => {
    expect(workflow(file).on).toEqual({ workflow_run: { workflows: [name], types: ["completed"] } });
    expect(text(other)).toMatch(new RegExp(`^name: ${name}$`, "m"));
    expect(text(file)).not.toContain("secrets.");
    // What runs the pull request's code may write nothing itself.
    for (const job of Object.values(workflow(other).jobs)) {
        expect(Object.values(job.permissions ?? {})).not.toContain("write");
    }
    const [job] = Object.values(workflow(file).jobs);
    const writes = (event: string, conclusion: string) =>
        evaluate(job?.if ?? "", { github: { event: { workflow_run: { event, conclusion } } } });
    expect(["success", "failure"].map((conclusion) => writes("pull_request", conclusion))).toEqual([true, true]);
    expect(["cancelled", "skipped"].map((conclusion) => writes("pull_request", conclusion))).toEqual([false, false]);
    expect(writes("push", "success")).toBe(false);
});

test.each(["preview", "drift"] as const)(
    "%s.yaml: a job for each stack whose file is there, with the secrets of its own environment",
    (looking) => {
        const { stacks, [looking]: job } = workflow(`${looking}.yaml`).jobs;
        expect(stacks?.steps.at(-1)?.run).toMatch(new RegExp(`tools/github/main\\.ts stacks ${looking}$`));
        expect(stacks?.environment).toBeUndefined();
        expect(job?.needs).toBe(STACKS_JOB);
        expect(job?.strategy?.matrix.include).toBe("${{ fromJSON(needs.stacks.outputs.stacks) }}");
        expect(job?.environment).toBe(ENVIRONMENTS[looking]);
        expect(stacks?.if).toContain("vars.PULUMI_BACKEND_URL != ''");
        // The tag that lets the runner in is the stack's own.
        expect(job?.steps.find(({ uses }) => uses?.includes("reach-cluster"))?.with?.["tailscale-tag"]).toBe(
            "${{ matrix.tag }}",
        );
    },
);

test("a runner joins the tailnet with the tag of the stack, and only where the stack has one", () => {
    const { runs } = parse(action) as { runs: { steps: readonly Step[] } };
    const join = runs.steps.find(({ uses }) => uses?.startsWith("tailscale/github-action@"));
    expect([join?.if, join?.with?.["tags"]]).toEqual([
        "${{ inputs.tailscale-tag != '' }}",
        "${{ inputs.tailscale-tag }}",
    ]);
});

describe("a preview is for branches of this repository that a person has pushed", () => {
    const condition = workflow("preview.yaml").jobs["stacks"]?.if ?? "";
    const person = { type: "User" };
    const starts = ({ from = "me/lab", author = person, sender = person, branch = "topic", backend = "s3://x" }) =>
        evaluate(condition, {
            vars: { PULUMI_BACKEND_URL: backend },
            github: {
                ...{ repository: "me/lab", head_ref: branch },
                event: { pull_request: { user: author, head: { repo: { full_name: from } } }, sender },
            },
        });

    test.each([
        ["a branch", {}, true],
        ["a fork", { from: "stranger/lab" }, false],
        ["a bot's pull request", { author: { type: "Bot" } }, false],
        ["a bot's push", { sender: { type: "Bot" } }, false],
        ["Renovate as a user of its own", { branch: "renovate/cilium-1.x" }, false],
        ["no backend", { backend: "" }, false],
    ])("%s", (_, given, wanted) => {
        expect(starts(given)).toBe(wanted);
    });
});

test("drift is looked for from main alone, and the watch over it runs above all when that failed", () => {
    const { stacks, drift, unseen } = workflow(DRIFT_WORKFLOW).jobs;
    expect([stacks?.name, drift?.name]).toEqual([STACKS_JOB, driftJob("${{ matrix.stack }}")]);
    expect(unseen?.needs).toEqual(["stacks", "drift"]);
    expect(unseen?.environment).toBeUndefined();
    const context = (ref: string) => ({
        ...{ github: { ref }, vars: { PULUMI_BACKEND_URL: "s3://x" } },
        needs: { stacks: { outputs: { stacks: "[1]" } } },
    });
    for (const job of [stacks, drift, unseen]) {
        expect(evaluate(job?.if ?? "", context(`refs/heads/${DRIFT_BRANCH}`))).toBe(true);
        expect(evaluate(job?.if ?? "", context("refs/heads/topic"))).toBe(false);
    }
    // Without a status function a job is skipped when one that it needs has failed.
    expect(unseen?.if).toContain("!cancelled()");
});

describe("dangers-accepted is of the commit that a person saw", () => {
    const { concurrency, jobs: planDiff } = workflow("plan-diff.yaml");
    const diff = planDiff["diff"];
    const gate = diff?.steps.at(-1)?.if ?? "";
    const labels = [{ name: "dangers-accepted" }];
    const on = (action: string, label?: string) => ({
        github: {
            event: { action, number: 7, pull_request: { number: 7, labels }, ...(label && { label: { name: label } }) },
        },
        steps: { diff: { outputs: { code: "3" } } },
    });

    test("the run that the label starts lets them pass, and no other one, the label being there or not", () => {
        expect(evaluate(gate, on("labeled", "dangers-accepted"))).toBe(false);
        for (const action of ["opened", "synchronize", "reopened"]) expect(evaluate(gate, on(action))).toBe(true);
        expect(evaluate(gate, on("unlabeled", "dangers-accepted"))).toBe(true);
    });

    test("another label starts nothing that would pass under the name that is required, or cut the other run short", () => {
        const name = (context: object) => evaluate(diff?.name ?? "", context);
        const runs = (context: object) => evaluate(diff?.if ?? "", context);
        const [, group = ""] = /-(\$\{\{ \(github.event.label.*)$/.exec(concurrency?.group ?? "") ?? [];
        const cases = [on("synchronize"), on("labeled", "dangers-accepted"), on("labeled", "docs")];
        expect(cases.map((each) => [name(each), runs(each), evaluate(group, each)])).toEqual([
            ["plan diff", true, "look"],
            ["plan diff", true, "look"],
            ["another label", false, "label"],
        ]);
    });

    test("the next push takes it off, where a pull request has no say", () => {
        expect(workflow("dangers.yaml").on).toEqual({ pull_request_target: { types: ["synchronize", "reopened"] } });
        expect(workflow("dangers.yaml").jobs["forget"]?.if).toBe(
            "${{ contains(github.event.pull_request.labels.*.name, 'dangers-accepted') }}",
        );
    });
});

describe("the lint job, on every pull request", () => {
    const { lint } = workflow("test.yaml").jobs;
    const commands = lint?.steps.flatMap(({ name, run }) => (run === undefined ? [] : [`${name}: ${run}`])) ?? [];
    const hooks = parse(readFileSync(join(ROOT, ".pre-commit-config.yaml"), "utf8")) as {
        repos: readonly { repo: string; rev?: string; hooks: readonly { id: string; args?: readonly string[] }[] }[];
    };
    const step = (name: string) => commands.find((command) => command.startsWith(`${name}: `)) ?? "";

    test("C-OPS-11: it runs the pre-commit hooks, on changed files and all others", () => {
        expect(step("pre-commit")).toMatch(/pipx run "pre-commit==\$PRE_COMMIT_VERSION" run --all-files/);
    });

    test("C-OPS-12: it lints all YAML with the hook's rules and version", () => {
        const hook = hooks.repos.find(({ repo }) => repo.endsWith("/yamllint"));
        expect(hook?.rev).toBe(`v${lint?.env?.["YAMLLINT_VERSION"]}`);
        expect(step("yamllint")).toContain(` ${hook?.hooks[0]?.args?.join(" ")} .`);
    });

    test("C-OPS-13: it validates Renovate's configuration, as a repository's", () => {
        expect(step("renovate-config-validator")).toMatch(
            /"renovate@\$RENOVATE_VERSION" -- renovate-config-validator --strict --no-global \.github\/renovate\.json$/,
        );
    });

    test("it runs actionlint; no step may fail unseen, and none keeps the next from running", () => {
        expect(step("actionlint")).toContain("cmd/actionlint@$ACTIONLINT_VERSION");
        expect(commands).toHaveLength(4);
        for (const { if: condition } of lint?.steps.slice(-3) ?? []) expect(condition).toBe("${{ !cancelled() }}");
        expect(text("test.yaml")).not.toMatch(/continue-on-error|\|\| true/);
    });
});

test("C-OPS-15: a pull request gets the diff of what it would do, as a comment", () => {
    expect(Object.keys(workflow("plan-diff.yaml").on)).toEqual(["pull_request"]);
    expect(text("plan-diff.yaml")).toContain("npm run --silent plan:diff -- --base HEAD^1 --render");
    expect(text("plan-diff-comment.yaml")).toContain("tools/github/main.ts comment ");
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
