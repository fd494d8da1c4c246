/** What the workflows do at GitHub, against a server on loopback that keeps comments, issues and checks. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { createServer as createTcpServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { comparePlans } from "../../tools/plan-diff/compare";
import { MARKER } from "../../tools/plan-diff/markdown";
import { GitHub } from "../../tools/github/api";
import { drift, driftMarker } from "../../tools/github/drift";
import { workflowRunEvent } from "../../tools/github/event";
import { commentBody, commentPlanDiff } from "../../tools/github/plan-diff-comment";
import { preview, type PreviewResult } from "../../tools/github/preview";
import { commentPreviews, previewMarker } from "../../tools/github/preview-comment";
import { block, counts, withoutSecrets } from "../../tools/github/pulumi";
import { endpoints, reachable, reachableSoon } from "../../tools/github/reachable";
import { matrixStacks, protectionFault } from "../../tools/github/stacks";
import { driftJob, unseen, unseenMarker } from "../../tools/github/unseen";
import { ROOT } from "../../stacks/stack-file";
import { findOnPath } from "../../lib/toolchain";
import { object, plan } from "./plan-diff-fixtures";

const BOT = { login: "github-actions[bot]" };

interface Thing {
    id: number;
    number: number;
    body: string;
    user: { login: string };
    [key: string]: unknown;
}

let server: Server;
let github: GitHub;
let folder: string;
let comments: Thing[];
let issues: Thing[];
let checks: Thing[];
let asked: string[];
/** Environments by name, as GitHub answers. */
let environments: Record<string, object>;
let branchPolicies: { name: string }[];
/** Runs of the drift workflow with their jobs, the newest first. */
let runs: { id: number; created_at: string; jobs: object[] }[];

beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "github-test-"));
    server = createServer((request, response) => {
        void answer(request).then(([status, body]) => {
            response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
        });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    github = new GitHub({ repository: "me/lab", token: "t", url: `http://127.0.0.1:${port}` });
});

afterAll(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
});

beforeEach(() => {
    [comments, issues, checks, asked, runs, branchPolicies, environments] = [[], [], [], [], [], [], {}];
});

async function answer(request: IncomingMessage): Promise<[number, unknown]> {
    const url = new URL(request.url ?? "", "http://x");
    const path = url.pathname.replace("/repos/me/lab/", "");
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = chunks.length === 0 ? {} : (JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>);
    asked.push(`${request.method ?? ""} ${path}`);
    if (request.headers.authorization !== "Bearer t") return [401, {}];
    const page = (list: unknown[]) => {
        const number = Number(url.searchParams.get("page"));
        return list.slice((number - 1) * 100, number * 100);
    };
    const make = (list: Thing[]) => {
        const made = { id: list.length + 1, number: list.length + 1, user: BOT, ...body } as Thing;
        list.push(made);
        return made;
    };
    const change = (list: Thing[], id: string | undefined) =>
        Object.assign(list.find((thing) => thing.id === Number(id)) ?? {}, body);
    if (path === "pulls") {
        expect(url.searchParams.get("head")).toBe("stranger:topic");
        return [
            200,
            page([
                { number: 6, head: { sha: "old" } },
                { number: 7, head: { sha: "abc" } },
            ]),
        ];
    }
    if (path === "issues/7/comments") return [200, request.method === "GET" ? page(comments) : make(comments)];
    if (path.startsWith("issues/comments/")) return [200, change(comments, path.split("/")[2])];
    if (path === "issues") {
        return [200, request.method === "GET" ? page(issues.filter(({ state }) => state !== "closed")) : make(issues)];
    }
    if (/^issues\/\d+$/.test(path)) return [200, change(issues, path.split("/")[1])];
    if (/^issues\/\d+\/comments$/.test(path)) return [200, make(comments)];
    if (path === "check-runs") return [201, make(checks)];
    if (path === "actions/workflows/drift.yaml/runs") {
        expect(url.searchParams.get("branch")).toBe("main");
        return [200, { workflow_runs: runs.map(({ id, created_at }) => ({ id, created_at })) }];
    }
    const ofRun = /^actions\/runs\/(\d+)\/jobs$/.exec(path)?.[1];
    if (ofRun !== undefined) return [200, { jobs: runs.find(({ id }) => id === Number(ofRun))?.jobs ?? [] }];
    if (/^environments\/[\w-]+\/deployment-branch-policies$/.test(path))
        return [200, { branch_policies: branchPolicies }];
    const environment = environments[/^environments\/([\w-]+)$/.exec(path)?.[1] ?? ""];
    if (environment !== undefined) return [200, environment];
    return [404, { message: "Not Found" }];
}

describe("comments", () => {
    test("one comment: made, then written again, and only when it differs", async () => {
        expect(await github.writeComment(7, "<!-- m -->", "<!-- m -->\n1")).toBe("created");
        expect(await github.writeComment(7, "<!-- m -->", "<!-- m -->\n2")).toBe("updated");
        expect(await github.writeComment(7, "<!-- m -->", "<!-- m -->\n2")).toBe("same");
        expect(comments.map(({ body }) => body)).toEqual(["<!-- m -->\n2"]);
    });

    test("the marker in a stranger's comment is not ours, and ours is found on the second page", async () => {
        const stranger = { id: 1, number: 1, body: "<!-- m -->", user: { login: "stranger" } };
        comments = [...Array.from({ length: 120 }, () => ({ ...stranger })), { ...stranger, id: 500, user: BOT }];
        expect(await github.writeComment(7, "<!-- m -->", "<!-- m -->\n2")).toBe("updated");
        expect(comments.filter(({ body }) => body.endsWith("2")).map(({ id }) => id)).toEqual([500]);
    });

    test("a refusal names the call and the permission", async () => {
        await expect(github.comment(0.5, "x")).rejects.toThrow(
            /GitHub answers 404 to POST issues\/0\.5\/comments: .*does the job have the permission\?/,
        );
    });
});

describe("the plan diff of a pull request", () => {
    const head = { owner: "stranger", branch: "topic", sha: "abc" };
    const file = (text: string) => {
        const path = join(folder, "plan-diff.json");
        writeFileSync(path, text);
        return path;
    };
    const report = (name: string) => ({
        base: { commit: "0123456789abcdef", name: "HEAD^1" },
        stacks: [comparePlans(plan([]), plan([object("core/v1", "Service", name, {})]))],
    });

    test("is rendered here from data, on the pull request whose head the run was of", async () => {
        const done = await commentPlanDiff(github, head, file(JSON.stringify(report("@everyone"))));
        expect(done).toBe("comment on #7: created");
        expect(comments[0]?.body.startsWith(MARKER)).toBe(true);
        expect(comments[0]?.body).toContain("added `Service media/@everyone`");
    });

    test("is not written where the pull request has moved on", async () => {
        const done = await commentPlanDiff(github, { ...head, sha: "gone" }, file("{}"));
        expect(done).toMatch(/no open pull request ends in gone/);
        expect(comments).toEqual([]);
    });

    test.each([
        ["no JSON", "# hello @everyone", /The report is no JSON/],
        [
            "another shape",
            JSON.stringify({ base: {}, stacks: [{ stack: "<img>" }] }),
            /not of the shape that main knows/,
        ],
        ["Markdown in place of data", JSON.stringify({ markdown: "**hi**" }), /not of the shape that main knows/],
    ])("%s gives a comment that says so, and nothing of it", (_, text, words) => {
        const body = commentBody(file(text)).replaceAll(/&#\d+;/g, ".");
        expect(body.startsWith(MARKER)).toBe(true);
        expect(body).toMatch(words);
        expect(body).not.toMatch(/everyone|img|hi/);
    });

    test("no file, and one that is too large", () => {
        expect(commentBody(join(folder, "none.json"))).toContain("The run ended before there was a report");
        expect(commentBody(file(" ".repeat(21 * 1024 * 1024)))).toContain("too large");
    });
});

describe("preview", () => {
    const OUTPUT = "~ kubernetes:apps/v1:Deployment\nResources:\n    ~ 2 to update\n    117 unchanged\n";
    const RUN = { owner: "stranger", branch: "topic", sha: "abc", url: "https://run" };
    const summaries: string[] = [];
    let left: PreviewResult[];
    beforeEach(() => {
        left = [];
    });
    const context = (code: number, output: string, up = true, configured = true) => ({
        ...{ stack: "homelab", configured },
        reachable: () => Promise.resolve(up),
        run: jest.fn((_: readonly string[]) => Promise.resolve({ code, output })),
        summary: (text: string) => void summaries.push(text),
        leave: (result: PreviewResult) => void left.push(result),
    });
    /** Comments on what a run has left behind, file by file. */
    const comment = (files: Record<string, string>, known = ["homelab"]) => {
        const previews = mkdtempSync(join(folder, "previews-"));
        for (const [name, text] of Object.entries(files)) writeFileSync(join(previews, name), text);
        return commentPreviews(github, RUN, previews, known);
    };

    test("what runs the branch's program leaves data and asks GitHub for nothing", async () => {
        const good = context(0, OUTPUT);
        expect(await preview(good)).toBe(0);
        expect(good.run.mock.calls).toEqual([
            [
                [
                    ...["preview", "--stack", "homelab", "--diff", "--non-interactive", "--color", "never"],
                    ...["--policy-pack", "policy"],
                ],
            ],
        ]);
        expect(left).toEqual([{ outcome: "ran", code: 0, output: OUTPUT }]);
        expect(summaries.at(-1)).toContain("## Preview of `homelab`: 2 to update, 117 unchanged");
        expect(asked).toEqual([]);
    });

    test("a comment and a check, both with the engine's count", async () => {
        await preview(context(0, OUTPUT));
        await comment({ "preview-homelab.json": JSON.stringify(left[0]) });
        const start = `${previewMarker("homelab")}\n## Preview of \`homelab\`: 2 to update, 117 unchanged\n\nOf commit abc.`;
        expect(comments[0]?.body.startsWith(start)).toBe(true);
        expect(checks).toMatchObject([{ name: "Preview of homelab", head_sha: "abc", conclusion: "success" }]);
    });

    test("a preview that fails is a failure", async () => {
        expect(await preview(context(5, "policy violation"))).toBe(1);
        await comment({ "preview-homelab.json": JSON.stringify(left[0]) });
        expect(checks).toMatchObject([{ conclusion: "failure", output: { title: "failed with code 5" } }]);
    });

    test("a cluster that lets workflows in and does not answer: a failure, and the earlier comment is not left standing", async () => {
        await preview(context(0, OUTPUT));
        await comment({ "preview-homelab.json": JSON.stringify(left[0]) });
        const down = context(0, OUTPUT, false);
        expect(await preview(down)).toBe(1);
        expect(down.run).not.toHaveBeenCalled();
        await comment({ "preview-homelab.json": JSON.stringify(left[1]) });
        expect(comments).toHaveLength(1);
        expect(comments[0]?.body).toContain("cluster homelab is not reachable: nothing was previewed");
        expect(checks.at(-1)).toMatchObject({ conclusion: "failure" });
    });

    test("a cluster that lets no workflow in is neither passed nor failed", async () => {
        expect(await preview(context(0, OUTPUT, false, false))).toBe(0);
        await comment({ "preview-homelab.json": JSON.stringify(left[0]) });
        expect(comments[0]?.body).toContain("lets no workflow in: preview skipped, not passed");
        expect(checks).toMatchObject([{ conclusion: "neutral" }]);
    });

    test("a stack of main without data is a failure; one that the pull request brings is shown", async () => {
        const done = await comment(
            {
                "preview-cabin.json": JSON.stringify({ outcome: "unreachable" }),
                "preview-..json": "{}",
                "x.json": "{}",
            },
            ["homelab"],
        );
        expect(checks.map(({ name, conclusion }) => [name, conclusion])).toEqual([
            ["Preview of cabin", "failure"],
            ["Preview of homelab", "failure"],
        ]);
        expect(comments[1]?.body).toMatch(
            /no result[^]*ended before there was a preview, or was not approved[^]*https:\/\/run/,
        );
        expect(done).toBe("cabin: failure, comment on #7 created\nhomelab: failure, comment on #7 created");
    });

    test.each([
        ["no JSON", "# hello @everyone"],
        ["another shape", JSON.stringify({ outcome: "ran", code: 0, output: "x", conclusion: "<img>" })],
        ["a passed outcome of its own", JSON.stringify({ outcome: "passed" })],
    ])("%s is a failure that says so, and nothing of it", async (_, text) => {
        await comment({ "preview-homelab.json": text });
        expect(checks).toMatchObject([{ conclusion: "failure", output: { title: "no result" } }]);
        expect(comments[0]?.body).not.toMatch(/everyone|img/);
    });

    test("output stays in its block, also where the engine's count should stand", async () => {
        const output = "```\n# @everyone\nResources:\n    1 to @everyone\n    <img>\n";
        await comment({ "preview-homelab.json": JSON.stringify({ outcome: "ran", code: 0, output }) });
        const [heading = "", fence] = (comments[0]?.body ?? "")
            .split("\n")
            .slice(1)
            .filter((line) => /^#|^```/.test(line));
        expect([heading, fence]).toEqual(["## Preview of `homelab`: no changes", "````"]);
    });

    test("nothing where the pull request has moved on", async () => {
        const done = await commentPreviews(github, { ...RUN, sha: "gone" }, folder, ["homelab"]);
        expect(done).toMatch(/no open pull request ends in gone/);
        expect([comments, checks]).toEqual([[], []]);
    });
});

describe("drift", () => {
    /** What the engine, 3.250.0, said in the sandbox of a Deployment that was scaled by hand; it ended with 7. */
    const REFRESH = [
        ...["Previewing refresh (homelab):", "  pulumi:pulumi:Stack: (same)"],
        ...["        ~ kubernetes:apps/v1:Deployment: (update)", "            [id=media/sonarr]"],
        ...["          ~ spec: {", "              ~ replicas: 1 => 0", "            }"],
        ...["Resources:", "    ~ 1 to update", "    118 unchanged"],
        ...["error: no changes were expected for refresh but changes were proposed", ""],
    ].join("\n");

    const context = (code: number, up = true) => ({
        ...{ stack: "homelab", github, runUrl: "https://run", summary: () => undefined },
        reachable: () => Promise.resolve(up),
        run: jest.fn((_: readonly string[]) => Promise.resolve({ code, output: REFRESH })),
    });

    test("one issue a stack: opened, written again, closed", async () => {
        const first = context(7);
        expect(await drift(first)).toBe(0);
        expect(first.run.mock.calls[0]?.[0]).toEqual(
            expect.arrayContaining(["refresh", "--preview-only", "--expect-no-changes", "--non-interactive"]),
        );
        expect(await drift(context(7))).toBe(0);
        expect(issues).toMatchObject([{ title: "Drift: homelab is not as declared", labels: ["drift"] }]);
        expect(issues[0]?.body.startsWith(driftMarker("homelab"))).toBe(true);
        expect(issues[0]?.body).toContain("(1 to update, 118 unchanged)");
        expect(issues[0]?.body).toContain("~ replicas: 1 => 0");
        expect(await drift(context(0))).toBe(0);
        expect(issues).toMatchObject([{ state: "closed" }]);
        expect(comments.map(({ body }) => body)).toEqual(["The cluster is as the state says again: https://run"]);
        // The next one is another issue.
        await drift(context(7));
        expect(issues).toHaveLength(2);
    });

    test("a refresh that fails closes nothing and fails", async () => {
        await drift(context(7));
        expect(await drift(context(1))).toBe(1);
        expect(issues[0]?.["state"]).toBeUndefined();
    });

    test("a cluster that cannot be reached: no green tick, and nothing is asked of GitHub", async () => {
        expect(await drift(context(0, false))).toBe(1);
        expect(asked).toEqual([]);
    });
});

describe("drift that was not looked at", () => {
    const NOW = new Date("2026-03-10T06:00:00Z");
    const day = (ago: number) => new Date(NOW.getTime() - ago * 24 * 60 * 60 * 1000).toISOString();
    /** A run a day, the newest first: what the job of homelab came to, or nothing where there was none. */
    const history = (conclusions: readonly (string | undefined)[], stacks = "success") => {
        runs = conclusions.map((conclusion, ago) => ({
            ...{ id: ago + 1, created_at: day(ago) },
            jobs: [
                { name: "stacks", conclusion: stacks, completed_at: day(ago) },
                ...(conclusion === undefined
                    ? []
                    : [{ name: driftJob("homelab"), conclusion, completed_at: day(ago) }]),
            ],
        }));
    };
    const summaries: string[] = [];
    const look = () =>
        unseen({
            ...{ stacks: ["homelab"], github, now: NOW, days: 3, runUrl: "https://run" },
            summary: (text) => void summaries.push(text),
        });

    test("the issue comes after as many days, is written again and closed by the next look", async () => {
        history(["failure", "failure", "success"]);
        await look();
        expect(issues).toEqual([]);
        expect(summaries.at(-1)).toContain("`homelab`: no look at drift since 2026-03-08");
        history(["failure", "cancelled", "failure", "success"]);
        await look();
        await look();
        expect(issues).toMatchObject([{ title: "Drift: homelab is not looked at", labels: ["drift"] }]);
        expect(issues[0]?.body.startsWith(unseenMarker("homelab"))).toBe(true);
        expect(issues[0]?.body).toContain("for 3 days or longer");
        history(["success", "failure", "failure", "failure"]);
        await look();
        expect(issues).toMatchObject([{ state: "closed" }]);
        expect(comments.map(({ body }) => body)).toEqual(["Drift was looked for again: https://run"]);
    });

    test("no run of it ever ended well; a list of stacks that could not be made counts as well", async () => {
        history(["failure", "failure"]);
        await look();
        expect(issues).toEqual([]);
        history(["failure", "failure", "failure", "failure", "failure"]);
        await look();
        expect(issues).toHaveLength(1);
        issues = [];
        history([undefined, undefined, undefined, undefined], "failure");
        await look();
        expect(issues).toHaveLength(1);
    });

    test.each(["success", "skipped"])(
        "days before the stack was on the list do not count (list %s)",
        async (stacks) => {
            history(["failure", undefined, undefined, undefined, undefined], "success");
            for (const run of runs.slice(1)) run.jobs = [{ name: "stacks", conclusion: stacks, completed_at: null }];
            await look();
            expect(issues).toEqual([]);
        },
    );
});

describe("the stacks of a workflow", () => {
    const project = (files: Record<string, string>) => {
        const root = mkdtempSync(join(folder, "project-"));
        for (const [name, text] of Object.entries(files)) writeFileSync(join(root, name), text);
        return root;
    };
    const value = (text: string) => `config:\n  homelab-infrastructure:cluster: ${text}\n`;

    test("are the files that are there, with the tag by which each lets a runner in", () => {
        const root = project({
            "Pulumi.yaml": "name: x\n",
            "Pulumi.cabin-2.yaml": value('{ recipe: homelab, tailscale: { tailnet: "-", ci: { tag: lab } } }'),
            "Pulumi.attic.yaml": value("{ tailscale: { tailnet: x } }"),
            "Pulumi.barn.yaml": value("{ tailscale: { tailnet: x, ci: {} } }"),
            "Pulumi.cabin-2.yaml.bak": "",
            "Pulumi.$(id).yaml": value("{ recipe: homelab }"),
        });
        expect(matrixStacks(root)).toEqual([
            { stack: "attic", tag: "" },
            { stack: "barn", tag: "tag:ci" },
            { stack: "cabin-2", tag: "tag:lab" },
        ]);
    });

    test("a way in that cannot be read is no way that is not configured", () => {
        const root = project({ "Pulumi.attic.yaml": value("{ tailscale: { ci: lab } }") });
        expect(() => matrixStacks(root)).toThrow(/Pulumi\.attic\.yaml: tailscale\.ci must be a block/);
    });

    test("secrets for previews stand behind reviewers, those for drift belong to main", async () => {
        const fault = async (looking: "preview" | "drift") =>
            protectionFault(looking, await github.environment(looking === "preview" ? "clusters-preview" : "clusters"));
        expect(await fault("preview")).toMatch(/there is no environment clusters-preview: make it/);
        environments = {
            clusters: { protection_rules: [], deployment_branch_policy: null },
            "clusters-preview": { protection_rules: [{ type: "branch_policy" }], deployment_branch_policy: null },
        };
        expect(await fault("preview")).toMatch(/has no required reviewers/);
        expect(await fault("drift")).toMatch(/is open to every branch; allowed: main alone/);
        const policy = { protected_branches: false, custom_branch_policies: true };
        environments = {
            clusters: { protection_rules: [{ type: "branch_policy" }], deployment_branch_policy: policy },
            "clusters-preview": {
                protection_rules: [{ type: "required_reviewers", reviewers: [{ type: "User" }] }],
                deployment_branch_policy: null,
            },
        };
        branchPolicies = [{ name: "main" }, { name: "renovate/*" }];
        expect(await fault("drift")).toMatch(/is open to main, renovate\/\*; allowed: main alone/);
        branchPolicies = [{ name: "main" }];
        expect(await fault("drift")).toBeUndefined();
        expect(await fault("preview")).toBeUndefined();
        environments["clusters"] = {
            deployment_branch_policy: { protected_branches: true, custom_branch_policies: false },
        };
        expect(await fault("drift")).toMatch(/is open to \(protected branches\)/);
    });
});

describe("around them", () => {
    test("events, and those of another kind", () => {
        const event = (value: object) => {
            const path = join(folder, "event.json");
            writeFileSync(path, JSON.stringify(value));
            return { GITHUB_EVENT_PATH: path };
        };
        const run = {
            ...{ id: 1, event: "pull_request", conclusion: "success", head_sha: "abc", head_branch: "topic" },
            html_url: "https://run",
            head_repository: { owner: { login: "stranger" } },
        };
        expect(workflowRunEvent(event({ workflow_run: run }))).toEqual({
            owner: "stranger",
            branch: "topic",
            sha: "abc",
            url: "https://run",
        });
        expect(() => workflowRunEvent(event({}))).toThrow(/not of the kind workflow_run/);
        expect(() => GitHub.fromEnvironment({})).toThrow(/GITHUB_REPOSITORY and GITHUB_TOKEN must be set/);
    });

    test("secrets of the workflow do not leave; short and ordinary values stay", () => {
        const env = {
            PULUMI_CONFIG_PASSPHRASE: "correct horse",
            AWS_SECRET_ACCESS_KEY: "correct horse battery",
            HOME: "/home/me",
        };
        expect(withoutSecrets("a correct horse battery in /home/me, correct horse", env)).toBe(
            "a *** in /home/me, ***",
        );
    });

    test("a block keeps the end, cannot be left, and says what is missing", () => {
        expect(block("a\n```\nb")).toBe("````\na\n```\nb\n````");
        expect(block("1\n2\n3", 4)).toBe(
            "The first 1 lines are left out; the log of the run has them.\n\n```\n2\n3\n```",
        );
        expect(counts("no summary")).toBeUndefined();
        expect(
            counts(
                "Resources:\n    + 1 to create\n    ~ 2 to update\n    +-1 to replace\n    4 changes. 3 unchanged\n\nx",
            ),
        ).toBe("1 to create, 2 to update, 1 to replace, 4 changes. 3 unchanged");
    });

    test("reachable: an API server that refuses is there; a gateway, a port that only takes connections, or none, is not", async () => {
        if (findOnPath("openssl") === undefined) {
            console.warn("skipped: openssl is not on the PATH, and a key has no place in a repository");
            return;
        }
        const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
        const made = [
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=lab",
            "-keyout",
            key,
            "-out",
            cert,
        ];
        execFileSync("openssl", made, { stdio: "ignore" });
        let status = 401;
        const refusing = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_, response) =>
            response.writeHead(status).end(),
        );
        const mute = createTcpServer();
        for (const each of [refusing, mute]) await new Promise<void>((done) => each.listen(0, "127.0.0.1", done));
        const at = (each: { address(): unknown }) => ({
            ...{ host: "127.0.0.1", port: (each.address() as AddressInfo).port },
        });
        try {
            expect(await reachable([{ host: "127.0.0.1", port: 1 }, at(refusing)], 2_000)).toBe(true);
            status = 404;
            expect(await reachable([at(refusing)], 2_000)).toBe(false);
            expect(await reachable([at(mute)], 300)).toBe(false);
            expect(await reachable([{ host: "127.0.0.1", port: 1 }], 2_000)).toBe(false);
            // A route that comes a second late.
            setTimeout(() => (status = 403), 500);
            expect(await reachableSoon([at(refusing)], 20_000)).toBe(true);
            expect(await reachableSoon([{ host: "127.0.0.1", port: 1 }], 10)).toBe(false);
        } finally {
            refusing.close();
            mute.close();
        }
    });

    test("endpoints: the nodes of a stack", () => {
        expect(endpoints(ROOT, "homelab")).toEqual([{ host: "192.168.0.28", port: 6443 }]);
        expect(endpoints(ROOT, "chongus")).toHaveLength(3);
    });
});
