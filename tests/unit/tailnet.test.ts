/** One policy file for several clusters and a person: what a stack adds, what it takes out, and what it never touches. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { append, parseHuJson, remove } from "../../components/tailnet/hujson";
import {
    freshPolicy,
    hasOurMarks,
    mergeFragment,
    missingFrom,
    removeFragment,
    stacksIn,
    type PolicyFragment,
} from "../../components/tailnet/policy";
import { changePolicy, type PolicySpec } from "../../components/tailnet/policy-file";
import { policyFragment } from "../../components/tailnet/subnet-router";
import { type LoopbackTailscale, startTailscale } from "../../sandbox/clouds";
import { parseHuJson as strict } from "../../sandbox/clouds/tailscale/hujson";
import { planStack } from "../../tools/plan/plan";
import { readStackValue, ROOT } from "../../stacks/stack-file";

type Tree = Record<string, unknown>;
const ADMIN = ["autogroup:admin"];
const fragment = (tag: string, route: string, more: Partial<PolicyFragment> = {}): PolicyFragment => ({
    tagOwners: { [`tag:${tag}`]: ADMIN },
    routes: { [route]: [`tag:${tag}`] },
    grants: [{ src: ["autogroup:member"], dst: [route], ip: ["tcp:443"] }],
    ...more,
});
const HOMELAB = fragment("homelab", "192.168.0.240/29");
const CHONGUS = fragment("chongus", "172.22.12.0/24");
const json = (text: string) => parseHuJson(text).json as Tree;

/** What a person may have written, comments and all. */
const OWN = `// Our house.
{
    // Who may do what.
    "groups": {"group:kids": ["ada@example.net"]}, // both of them, one day
    "tagOwners": {
        "tag:printer": ["autogroup:admin"], // in the hall
    },
    /* Old style, and it stays. */
    "ACLs": [
        {"action": "accept", "src": ["group:kids"], "dst": ["tag:printer:631"]}
        // the last word
    ],
    "autoApprovers": {"exitNode": ["tag:printer"]},
    "nodeAttrs": [{"target": ["*"], "attr": ["funnel"]}]
}
`;

describe("HuJSON", () => {
    test("comments and trailing commas are read, as the API's own reader does", () => {
        expect(json(OWN)).toEqual(strict(OWN));
        expect(json('[1, -2.5e3, true, null, "a//b", "\\u00e9", {}, [],]')).toEqual([
            1,
            -2500,
            true,
            null,
            "a//b",
            "é",
            {},
            [],
        ]);
    });

    test.each([
        ['{"a": 1 "b": 2}', 'line 1, column 9: """ where a comma or } is due'],
        ["{\n  a: 1}", 'line 2, column 3: "a" where a key in quotes is due'],
        ['{"a" 1}', "a colon"],
        ["[1, ", "the text ends where a value is due"],
        ["{} {}", "nothing more"],
        ["/* open", "line 1, column 1"],
    ])("%j is refused with its place", (text, message) => {
        expect(() => parseHuJson(text)).toThrow(message);
    });

    test.each([
        "[]",
        "[ ]",
        "[1]",
        "[1,]",
        "[1, /* two */ 2]",
        "[\n    1\n]",
        "[\n    1,\n]",
        "[\n    1, // one\n    // end\n]",
        "[\n    // nothing\n]",
        '{"a": [\n    1]}',
    ])("an element added to %j and taken out again leaves no trace", (text) => {
        const list = (source: string) => {
            const root = parseHuJson(source);
            return root.kind === "array" ? root : (root.items[0]?.value ?? root);
        };
        const longer = append(text, list(text), "99", "ours");
        expect(list(longer).json).toEqual([...(list(text).json as unknown[]), 99]);
        const node = list(longer);
        const item = node.items.at(-1);
        if (item === undefined) throw new Error("nothing was added");
        const back = remove(longer, node, item, item.lead + longer.slice(item.lead, item.start).search(/\/[/*] ours/));
        expect(back.replace(/\s+/g, "")).toBe(text.replace(/\s+/g, ""));
    });
});

describe("two stacks and a person", () => {
    test("each stack's entries stand beside the others', and everything a person wrote stays to the letter", () => {
        const both = mergeFragment(mergeFragment(OWN, "homelab", HOMELAB), "chongus", CHONGUS);
        for (const line of OWN.split("\n").filter((one) => !/autoApprovers|^}?$/.test(one))) {
            expect(both).toContain(line.replace(/,?$/, ""));
        }
        const policy = json(both);
        expect(strict(both)).toEqual(policy);
        expect(policy["tagOwners"]).toEqual({ "tag:printer": ADMIN, "tag:homelab": ADMIN, "tag:chongus": ADMIN });
        expect(policy["autoApprovers"]).toEqual({
            exitNode: ["tag:printer"],
            routes: { "192.168.0.240/29": ["tag:homelab"], "172.22.12.0/24": ["tag:chongus"] },
        });
        expect(policy["grants"]).toEqual([...HOMELAB.grants, ...CHONGUS.grants]);
        expect(policy["ACLs"]).toEqual(json(OWN)["ACLs"]);
        expect(stacksIn(both)).toEqual(["chongus", "homelab"]);
        expect([missingFrom(both, HOMELAB), missingFrom(both, CHONGUS)]).toEqual([[], []]);
        // A second time there is nothing to do.
        expect(mergeFragment(both, "homelab", HOMELAB)).toBe(both);
        expect(mergeFragment(both, "chongus", CHONGUS)).toBe(both);
    });

    test.each([
        ["homelab", "chongus"],
        ["chongus", "homelab"],
    ])("destroy of %s takes out its own and leaves the other's; of both, the text is as it was", (first, second) => {
        const both = mergeFragment(mergeFragment(OWN, "homelab", HOMELAB), "chongus", CHONGUS);
        const one = removeFragment(both, first);
        const fragments: Record<string, PolicyFragment> = { homelab: HOMELAB, chongus: CHONGUS };
        expect(stacksIn(one)).toEqual([second]);
        expect(missingFrom(one, fragments[second] ?? HOMELAB)).toEqual([]);
        expect(missingFrom(one, fragments[first] ?? HOMELAB)).toHaveLength(3);
        expect(removeFragment(one, second)).toBe(OWN);
        // A rebuild brings it back.
        expect(json(mergeFragment(one, first, fragments[first] ?? HOMELAB))).toEqual(
            expect.objectContaining({ groups: { "group:kids": ["ada@example.net"] } }),
        );
    });

    test("a person's edits between the entries survive a rebuild", () => {
        const written = mergeFragment(freshPolicy("homelab", HOMELAB), "chongus", CHONGUS);
        const edited = written.replace(
            '    "grants": [\n',
            '    "grants": [\n        // Ada may print.\n        {"src": ["ada@example.net"], "dst": ["*"], "ip": ["tcp:631"]},\n',
        );
        expect(edited).not.toBe(written);
        const rebuilt = mergeFragment(removeFragment(edited, "homelab"), "homelab", HOMELAB);
        expect(rebuilt).toContain("// Ada may print.");
        expect((json(rebuilt)["grants"] as unknown[])[0]).toEqual({
            src: ["ada@example.net"],
            dst: ["*"],
            ip: ["tcp:631"],
        });
        expect(missingFrom(rebuilt, HOMELAB)).toEqual([]);
    });

    test("another set of entries replaces the stack's own, and nobody else's", () => {
        const before = mergeFragment(mergeFragment(OWN, "homelab", HOMELAB), "chongus", CHONGUS);
        const next = fragment("homelab", "192.168.0.240/29", {
            grants: [{ src: ["autogroup:member"], dst: ["192.168.0.241"], ip: ["tcp:32400"] }],
        });
        const after = mergeFragment(before, "homelab", next);
        expect(json(after)["grants"]).toEqual([...CHONGUS.grants, ...next.grants]);
        expect(removeFragment(removeFragment(after, "homelab"), "chongus")).toBe(OWN);
    });

    test("what both ask for stands once, with both names, and goes with the last", () => {
        const ci = { tagOwners: { "tag:ci": ADMIN }, routes: {}, grants: [] };
        const both = mergeFragment(mergeFragment(OWN, "homelab", ci), "chongus", ci);
        expect(both.match(/"tag:ci"/g)).toHaveLength(1);
        expect(both).toContain("// Managed by Pulumi (homelab-infrastructure): chongus, homelab\n");
        const one = removeFragment(both, "homelab");
        expect(json(one)["tagOwners"]).toHaveProperty(["tag:ci"]);
        expect(removeFragment(one, "chongus")).toBe(OWN);
    });

    test("a tag and a route that a person has already are theirs: only what lacks is added, and only that goes", () => {
        const own = `{
    "tagOwners": {"tag:homelab": ["ada@example.net"]},
    "autoApprovers": {"routes": {"192.168.0.240/29": ["tag:homelab"], "172.22.12.0/24": ["ada@example.net"]}},
    "grants": [],
}
`;
        const text = mergeFragment(mergeFragment(own, "homelab", HOMELAB), "chongus", CHONGUS);
        expect(json(text)["tagOwners"]).toEqual({ "tag:homelab": ["ada@example.net"], "tag:chongus": ADMIN });
        expect(json(text)["autoApprovers"]).toEqual({
            routes: { "192.168.0.240/29": ["tag:homelab"], "172.22.12.0/24": ["ada@example.net", "tag:chongus"] },
        });
        expect(mergeFragment(text, "chongus", CHONGUS)).toBe(text);
        expect(json(removeFragment(removeFragment(text, "homelab"), "chongus"))).toEqual(json(own));
    });

    test("a tag that a person's rule names keeps its owner: without one Tailscale would refuse that rule", () => {
        const text = mergeFragment(OWN, "homelab", HOMELAB).replace(
            '["tag:printer:631"]',
            '["tag:printer:631", "tag:homelab:22"]',
        );
        const left = removeFragment(text, "homelab");
        expect(json(left)["tagOwners"]).toEqual({ "tag:printer": ADMIN, "tag:homelab": ADMIN });
        expect(stacksIn(left)).toEqual([]);
    });

    test("a file without any rule lets everybody reach everything, and still does with ours in it", () => {
        const open = '{\n    "tagOwners": {},\n}\n';
        const text = mergeFragment(open, "homelab", HOMELAB);
        expect(json(text)["grants"]).toEqual([{ src: ["*"], dst: ["*"], ip: ["*"] }, ...HOMELAB.grants]);
        expect(mergeFragment(text, "homelab", HOMELAB)).toBe(text);
        expect(json(removeFragment(text, "homelab"))).toEqual(json(open));
        // A person's empty list is a closed tailnet.
        expect(json(mergeFragment('{"grants": []}', "homelab", HOMELAB))["grants"]).toEqual(HOMELAB.grants);
    });

    test("a file on one line, and one that is empty", () => {
        for (const text of [
            '{"acls": [], "tagOwners": {"tag:a": ["x@y.z"]}}',
            "{}",
            "{\n}",
            "// only words\n{\n    // none yet\n}\n",
        ]) {
            const merged = mergeFragment(text, "homelab", HOMELAB);
            expect(missingFrom(merged, HOMELAB)).toEqual([]);
            expect(json(removeFragment(merged, "homelab"))).toEqual(json(text));
        }
    });

    test("text that is no policy is refused, not mended", () => {
        expect(() => mergeFragment("{", "homelab", HOMELAB)).toThrow(SyntaxError);
        expect(() => mergeFragment("[]", "homelab", HOMELAB)).toThrow("the policy file's content is no object");
        expect(() => mergeFragment('{"grants": {}}', "homelab", HOMELAB)).toThrow(
            "the policy file's grants is no array",
        );
    });
});

/** As the program wrote it while one stack had the whole file. */
const oldPolicy = (tag: string, routes: readonly string[]) =>
    `// Managed by Pulumi (homelab-infrastructure): edit the stack, not this file.\n${JSON.stringify(
        {
            tagOwners: { [`tag:${tag}`]: ADMIN },
            autoApprovers: { routes: Object.fromEntries(routes.map((route) => [route, [`tag:${tag}`]])) },
            grants: [
                { src: ["autogroup:member"], dst: ["autogroup:self"], ip: ["*"] },
                { src: ["autogroup:member"], dst: routes, ip: ["tcp:80", "tcp:443", "tcp:32400"] },
            ],
        },
        null,
        2,
    )}\n`;

describe("a policy from when one stack had the whole file", () => {
    const routes = ["192.168.0.240/29", "192.168.0.248/31"];
    const now = { ...HOMELAB, routes: Object.fromEntries(routes.map((route) => [route, ["tag:homelab"]])) };

    test("is taken over: its entries get the mark, the ports of before go, what a person added stays", () => {
        const old = oldPolicy("homelab", routes).replace(
            '  "grants": [',
            '  "groups": { "group:kids": ["ada@example.net"] }, // mine\n  "grants": [',
        );
        expect(hasOurMarks(old)).toBe(true);
        const text = mergeFragment(old, "homelab", now);
        expect(json(text)).toEqual({
            tagOwners: { "tag:homelab": ADMIN },
            autoApprovers: { routes: now.routes },
            groups: { "group:kids": ["ada@example.net"] },
            grants: [{ src: ["autogroup:member"], dst: ["autogroup:self"], ip: ["*"] }, ...now.grants],
        });
        expect(text).toContain("// mine");
        expect(text).not.toContain("edit the stack, not this file");
        expect(json(removeFragment(text, "homelab"))).toEqual({
            tagOwners: {},
            autoApprovers: { routes: {} },
            groups: { "group:kids": ["ada@example.net"] },
            grants: [{ src: ["autogroup:member"], dst: ["autogroup:self"], ip: ["*"] }],
        });
    });

    test("the one that the other stack wrote last is kept for that one, which then takes over its own", () => {
        const old = oldPolicy("chongus", ["172.22.12.0/24"]);
        const first = mergeFragment(old, "homelab", now);
        expect(missingFrom(first, now)).toEqual([]);
        expect(json(first)["tagOwners"]).toEqual({ "tag:chongus": ADMIN, "tag:homelab": ADMIN });
        const second = mergeFragment(first, "chongus", CHONGUS);
        expect(second).not.toContain("edit the stack, not this file");
        expect(json(second)["grants"]).toEqual([
            { src: ["autogroup:member"], dst: ["autogroup:self"], ip: ["*"] },
            ...now.grants,
            ...CHONGUS.grants,
        ]);
        expect(stacksIn(removeFragment(second, "chongus"))).toEqual(["homelab"]);
        expect(json(removeFragment(second, "chongus"))["tagOwners"]).toEqual({ "tag:homelab": ADMIN });
    });
});

describe("what a stack asks for", () => {
    const exposed = (address: string, port: number, access: "local" | "external" | "dedicated") => ({
        ...{ workload: "w", host: `h${address}${port}`, address, port, access, auth: "own" as const },
    });

    test("grants follow from what is exposed, and from nothing else", () => {
        const { grants, routes, tagOwners } = policyFragment({
            tag: "chongus",
            routes: ["172.22.12.0/24"],
            exposures: [
                exposed("172.22.12.10", 2003, "dedicated"),
                exposed("172.22.12.2", 443, "external"),
                exposed("172.22.12.1", 443, "local"),
                exposed("172.22.12.1", 443, "local"),
                exposed("172.22.12.9", 32400, "dedicated"),
            ],
        });
        expect(grants).toEqual([
            { src: ["autogroup:member"], dst: ["172.22.12.1", "172.22.12.2"], ip: ["tcp:80", "tcp:443"] },
            { src: ["autogroup:member"], dst: ["172.22.12.9"], ip: ["tcp:32400"] },
            { src: ["autogroup:member"], dst: ["172.22.12.10"], ip: ["tcp:2003"] },
        ]);
        expect(routes).toEqual({ "172.22.12.0/24": ["tag:chongus"] });
        expect(tagOwners).toEqual({ "tag:chongus": ADMIN });
    });

    test("where the entrance is at ports of a machine, its other ports stay the machine's", () => {
        const { grants } = policyFragment({
            tag: "truenas",
            routes: ["192.168.1.254/32"],
            entrance: [8080, 8443],
            exposures: [exposed("192.168.1.254", 8443, "local")],
        });
        expect(grants).toEqual([{ src: ["autogroup:member"], dst: ["192.168.1.254"], ip: ["tcp:8080", "tcp:8443"] }]);
    });

    test("continuous integration reaches the machines' ports, and members do not", () => {
        const { grants, tagOwners } = policyFragment({
            tag: "homelab",
            routes: ["192.168.0.28/32"],
            exposures: [],
            ci: { tag: "ci", machines: [{ address: "192.168.0.28", ports: [22, 6443] }] },
        });
        expect(tagOwners).toEqual({ "tag:homelab": ADMIN, "tag:ci": ADMIN });
        expect(grants).toEqual([{ src: ["tag:ci"], dst: ["192.168.0.28"], ip: ["tcp:22", "tcp:6443"] }]);
    });
});

describe("in the stacks", () => {
    const withCi = async (stack: string) => {
        const value = readStackValue(ROOT, stack) as Tree;
        const plan = await planStack(stack, { ...value, tailscale: { tailnet: "-", ci: {} } }, ROOT);
        const one = (ending: string) => plan.resources.find(({ urn }) => urn.endsWith(ending));
        const command = one("Command::tailnet-policy")?.inputs as {
            environment: Record<string, string>;
            create: string;
        };
        const router = JSON.stringify(one("Deployment::tailnet")?.inputs);
        return {
            plan,
            command,
            own: JSON.parse(command.environment["POLICY_FRAGMENT"] ?? "") as PolicyFragment,
            router,
            one,
        };
    };

    test("homelab: the node by ssh and API, the ingress and Plex for members; no secret is an argument", async () => {
        const { plan, command, own, router, one } = await withCi("homelab");
        expect(own.grants).toEqual([
            { src: ["autogroup:member"], dst: ["192.168.0.240"], ip: ["tcp:80", "tcp:443"] },
            { src: ["autogroup:member"], dst: ["192.168.0.241"], ip: ["tcp:32400"] },
            { src: ["tag:ci"], dst: ["192.168.0.28"], ip: ["tcp:22", "tcp:6443"] },
        ]);
        expect(own.routes["192.168.0.28/32"]).toEqual(["tag:homelab"]);
        expect(router).toContain("192.168.0.240/29,192.168.0.248/31,192.168.0.250/32,192.168.0.28/32");
        expect(command.environment["STACK"]).toBe("homelab");
        expect(command.create).toMatch(/exec node components\/tailnet\/run\.cjs merge$/);
        // The key's tag needs its owner; the device goes before the tag does.
        for (const later of ["TailnetKey::tailnet", "Command::tailnet-device-cleanup"]) {
            expect(one(later)?.dependsOn).toContainEqual(expect.stringMatching(/Command::tailnet-policy$/));
        }
        expect(plan.resources.filter(({ type }) => type.includes(":Acl"))).toEqual([]);
    }, 60_000);

    test("chongus: Talos and the API server of each machine, and the shared address", async () => {
        const { own } = await withCi("chongus");
        expect(own.grants.filter(({ src }) => src.includes("tag:ci"))).toEqual([
            { src: ["tag:ci"], dst: ["172.30.11.1", "172.30.11.2", "172.30.11.3"], ip: ["tcp:6443", "tcp:50000"] },
            { src: ["tag:ci"], dst: ["172.30.11.10"], ip: ["tcp:6443"] },
        ]);
        expect(Object.keys(own.routes)).toEqual([
            "172.22.12.0/24",
            ...[1, 2, 3, 10].map((last) => `172.30.11.${last}/32`),
        ]);
    }, 60_000);

    test("without ci nobody reaches a machine", async () => {
        const plan = await planStack("homelab", readStackValue(ROOT, "homelab"), ROOT);
        const command = plan.resources.find(({ urn }) => urn.endsWith("Command::tailnet-policy"));
        expect(JSON.stringify(command?.inputs)).not.toMatch(/tag:ci|192\.168\.0\.28|6443/);
    }, 60_000);
});

describe("the policy over the API", () => {
    let folder: string;
    let cloud: LoopbackTailscale;
    const said: string[] = [];
    const spec = (stack: string, own: PolicyFragment): PolicySpec => ({
        ...{ STACK: stack, TAILNET: "-", CLIENT_ID: "id", CLIENT_SECRET: "tskey-client-s" },
        POLICY_FRAGMENT: JSON.stringify(own),
    });
    const around = () => ({
        baseUrl: cloud.url,
        say: (line: string) => void said.push(line),
        sleep: (milliseconds: number) => new Promise<void>((wake) => setTimeout(wake, Math.min(20, milliseconds))),
    });
    const person = async (text: string) => {
        const headers = {
            authorization: `Basic ${Buffer.from("key:").toString("base64")}`,
            "content-type": "application/hujson",
        };
        expect((await fetch(`${cloud.url}/api/v2/tailnet/-/acl`, { method: "POST", body: text, headers })).status).toBe(
            200,
        );
    };
    const writes = async () => {
        const seen = (await (await fetch(`${cloud.url}/__sandbox/requests`)).json()) as {
            method: string;
            path: string;
        }[];
        return seen.filter(({ method, path }) => method === "POST" && path.endsWith("/acl")).length;
    };
    const fail = (order: object) =>
        fetch(`${cloud.url}/__sandbox/faults`, { method: "POST", body: JSON.stringify(order) });

    beforeEach(async () => {
        said.length = 0;
        folder = mkdtempSync(join(tmpdir(), "tailnet-test-"));
        cloud = await startTailscale({
            ...{ port: 0, stateFile: join(folder, "tailscale.json"), tailnet: "-" },
            credentials: { apiKeys: ["key"], oauthClients: [{ id: "id", secret: "tskey-client-s" }] },
        });
    });
    afterEach(async () => {
        await cloud.close();
        rmSync(folder, { recursive: true, force: true });
    });

    test("Tailscale's own default is replaced, a person's policy is added to, and nothing is written twice", async () => {
        await changePolicy("merge", spec("homelab", HOMELAB), around());
        expect(cloud.state().policy).toBe(freshPolicy("homelab", HOMELAB));
        const before = await writes();
        await changePolicy("merge", spec("homelab", HOMELAB), around());
        expect(await writes()).toBe(before);
        await person(OWN);
        await changePolicy("merge", spec("homelab", HOMELAB), around());
        await changePolicy("merge", spec("chongus", CHONGUS), around());
        expect(cloud.state().policy).toBe(mergeFragment(mergeFragment(OWN, "homelab", HOMELAB), "chongus", CHONGUS));
        await changePolicy("remove", spec("chongus", CHONGUS), around());
        await changePolicy("remove", spec("homelab", HOMELAB), around());
        expect(cloud.state().policy).toBe(OWN);
    });

    test("ten stacks at once: nobody's entries are lost", async () => {
        const stacks = Array.from({ length: 10 }, (_, index) => `s${index}`);
        const own = (stack: string) => fragment(stack, `10.0.${stack.slice(1)}.0/24`);
        await Promise.all(stacks.map((stack) => changePolicy("merge", spec(stack, own(stack)), around())));
        const text = cloud.state().policy ?? "";
        expect(stacksIn(text)).toEqual(stacks);
        for (const stack of stacks) expect(missingFrom(text, own(stack))).toEqual([]);
        expect(said.length).toBeGreaterThan(0);
        await Promise.all(stacks.slice(1).map((stack) => changePolicy("remove", spec(stack, own(stack)), around())));
        expect(stacksIn(cloud.state().policy ?? "")).toEqual(["s0"]);
    });

    test("a refusal is Tailscale's own words, and leaves the policy alone", async () => {
        await person(OWN);
        const bad = { ...HOMELAB, tagOwners: { "tag:Not A Tag": ADMIN } };
        await expect(changePolicy("merge", spec("homelab", bad), around())).rejects.toThrow(
            /^the policy of the tailnet - was not changed: 400 .*tag/,
        );
        await fail({
            match: "^GET .*/acl$",
            status: 403,
            body: { message: "calling actor does not have enough permissions" },
        });
        await expect(changePolicy("merge", spec("homelab", HOMELAB), around())).rejects.toThrow(
            /cannot be read: 403 calling actor .*; the OAuth client needs the scope policy_file/,
        );
        await expect(
            changePolicy("merge", { ...spec("homelab", HOMELAB), CLIENT_SECRET: "wrong" }, around()),
        ).rejects.toThrow(/^Tailscale refuses the OAuth client: 401/);
        expect(cloud.state().policy).toBe(OWN);
    });

    test("a busy API is asked again", async () => {
        await fail({ match: "/acl$", status: 429, times: 2, retryAfter: 1 });
        await changePolicy("merge", spec("homelab", HOMELAB), around());
        expect(missingFrom(cloud.state().policy ?? "", HOMELAB)).toEqual([]);
    });

    test("somebody who never stops writing is an error, not an overwrite", async () => {
        await person(OWN);
        await fail({ match: "^POST .*/acl$", status: 412, times: 100 });
        await expect(changePolicy("merge", spec("homelab", HOMELAB), around())).rejects.toThrow(
            "written by somebody else 12 times",
        );
        expect(cloud.state().policy).toBe(OWN);
    });

    test("the command's process does it, with secrets in its environment only", async () => {
        const run = (step: string, env: object) =>
            new Promise<{ code: number | null; stderr: string }>((resolve) => {
                const child = spawn(process.execPath, [join(ROOT, "components/tailnet/run.cjs"), step], {
                    env: { PATH: process.env["PATH"] ?? "", HOME: folder, TAILSCALE_BASE_URL: `${cloud.url}/`, ...env },
                });
                let stderr = "";
                child.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
                child.on("close", (code) => resolve({ code, stderr }));
            });
        expect(await run("merge", spec("homelab", HOMELAB))).toEqual({ code: 0, stderr: "" });
        expect(stacksIn(cloud.state().policy ?? "")).toEqual(["homelab"]);
        expect(await run("remove", spec("homelab", HOMELAB))).toEqual({ code: 0, stderr: "" });
        expect(stacksIn(cloud.state().policy ?? "")).toEqual([]);
        const refused = await run("merge", { ...spec("homelab", HOMELAB), CLIENT_SECRET: "tskey-client-wrong" });
        expect(refused).toEqual({ code: 1, stderr: expect.stringContaining("refuses the OAuth client") as string });
        expect(refused.stderr).not.toContain("tskey-client-wrong");
        expect(await run("merge", { STACK: "x" })).toEqual({
            code: 1,
            stderr: "TAILNET, CLIENT_ID, CLIENT_SECRET, POLICY_FRAGMENT not set\n",
        });
    }, 60_000);
});
