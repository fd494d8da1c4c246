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
import { pullRequestEvent, workflowRunEvent } from "../../tools/github/event";
import { commentBody, commentPlanDiff } from "../../tools/github/plan-diff-comment";
import { preview, previewMarker } from "../../tools/github/preview";
import { block, counts, withoutSecrets } from "../../tools/github/pulumi";
import { endpoints, reachable } from "../../tools/github/reachable";
import { ROOT } from "../../tools/stack-file";
import { findOnPath } from "../../tools/toolchain";
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
    [comments, issues, checks, asked] = [[], [], [], []];
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
    const summaries: string[] = [];
    const context = (code: number, output: string, up = true) => ({
        ...{ stack: "homelab", pullRequest: { number: 7, sha: "abc" }, github },
        reachable: () => Promise.resolve(up),
        run: jest.fn((_: readonly string[]) => Promise.resolve({ code, output })),
        summary: (text: string) => void summaries.push(text),
    });
    const OUTPUT = "~ kubernetes:apps/v1:Deployment\nResources:\n    ~ 2 to update\n    117 unchanged\n";

    test("a comment and a check, both with the engine's count", async () => {
        const good = context(0, OUTPUT);
        expect(await preview(good)).toBe(0);
        expect(good.run.mock.calls).toEqual([
            [
                [
                    "preview",
                    "--stack",
                    "homelab",
                    "--diff",
                    "--non-interactive",
                    "--color",
                    "never",
                    "--policy-pack",
                    "policy",
                ],
            ],
        ]);
        expect(
            comments[0]?.body.startsWith(
                `${previewMarker("homelab")}\n## Preview of \`homelab\`: 2 to update, 117 unchanged`,
            ),
        ).toBe(true);
        expect(checks).toMatchObject([{ name: "Preview of homelab", head_sha: "abc", conclusion: "success" }]);
        expect(summaries.at(-1)).toBe(comments[0]?.body);
    });

    test("a preview that fails is a failure", async () => {
        expect(await preview(context(5, "policy violation"))).toBe(1);
        expect(checks).toMatchObject([{ conclusion: "failure", output: { title: "failed with code 5" } }]);
    });

    test("a cluster that cannot be reached: skipped, not passed, and the earlier comment is not left standing", async () => {
        await preview(context(0, OUTPUT));
        const down = context(0, OUTPUT, false);
        expect(await preview(down)).toBe(0);
        expect(down.run).not.toHaveBeenCalled();
        expect(comments).toHaveLength(1);
        expect(comments[0]?.body).toContain("cluster homelab is not reachable: preview skipped, not passed");
        expect(checks.at(-1)).toMatchObject({ conclusion: "neutral" });
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

    test("a cluster that cannot be reached: nothing is asked of GitHub", async () => {
        expect(await drift(context(0, false))).toBe(0);
        expect(asked).toEqual([]);
    });
});

describe("around them", () => {
    test("events, and those of another kind", () => {
        const event = (value: object) => {
            const path = join(folder, "event.json");
            writeFileSync(path, JSON.stringify(value));
            return { GITHUB_EVENT_PATH: path };
        };
        expect(pullRequestEvent(event({ pull_request: { number: 7, head: { sha: "abc" } } }))).toEqual({
            ...{ number: 7, sha: "abc" },
        });
        const run = {
            ...{ id: 1, event: "pull_request", conclusion: "success", head_sha: "abc", head_branch: "topic" },
            head_repository: { owner: { login: "stranger" } },
        };
        expect(workflowRunEvent(event({ workflow_run: run }))).toEqual({
            owner: "stranger",
            branch: "topic",
            sha: "abc",
        });
        expect(() => pullRequestEvent(event({}))).toThrow(/not of the kind pull_request/);
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
