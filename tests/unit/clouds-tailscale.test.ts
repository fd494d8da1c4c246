import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LoopbackTailscale, startTailscale } from "../../sandbox/clouds";
import { parseHuJson } from "../../sandbox/clouds/tailscale/hujson";
import { parsePolicy } from "../../sandbox/clouds/tailscale/policy";
import { approvedRoutes } from "../../sandbox/clouds/tailscale/routes";

const KEY = "tskey-api-test";
const POLICY = `{
    // who may be a router
    "tagOwners": {"tag:router": ["autogroup:admin"],},
    "autoApprovers": {"routes": {"192.168.0.0/16": ["tag:router"]}, "exitNode": ["tag:router"]},
    "grants": [{"src": ["*"], "dst": ["tag:router:*"], "ip": ["*"]}], /* trailing */
}`;

let folder: string;
let cloud: LoopbackTailscale;

interface Answer {
    readonly status: number;
    readonly text: string;
    readonly body: Record<string, unknown>;
    readonly headers: Headers;
}

async function call(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
): Promise<Answer> {
    const response = await fetch(`${cloud.url}/api/v2/${path}`, {
        method,
        headers: { authorization: `Basic ${Buffer.from(`${KEY}:`).toString("base64")}`, ...headers },
        ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    let parsed: unknown = {};
    try {
        parsed = JSON.parse(text);
    } catch {
        // HuJSON, or nothing.
    }
    return { status: response.status, text, body: parsed as Record<string, unknown>, headers: response.headers };
}

const acl = (method: string, body?: string, headers: Record<string, string> = {}) =>
    call(method, "tailnet/example.ts.net/acl", body, {
        "content-type": "application/hujson",
        accept: "application/hujson",
        ...headers,
    });
const newKey = (create: object, more: object = {}) =>
    call("POST", "tailnet/-/keys", {
        capabilities: { devices: { create } },
        expirySeconds: 3600,
        description: "router",
        ...more,
    });

beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "tailscale-"));
    cloud = await startTailscale({
        port: 0,
        stateFile: join(folder, "tailscale.json"),
        tailnet: "example.ts.net",
        credentials: { apiKeys: [KEY], oauthClients: [{ id: "client", secret: "hush" }] },
    });
});

afterEach(async () => {
    await cloud.close();
    rmSync(folder, { recursive: true });
});

describe("access", () => {
    test("without a known key: 401 with a message", async () => {
        const answer = await call("GET", "tailnet/-/keys", undefined, { authorization: "Bearer nope" });
        expect([answer.status, answer.body]).toEqual([401, { message: "API token invalid" }]);
    });

    test("an OAuth client gets a token that works as bearer", async () => {
        const form = new URLSearchParams({
            client_id: "client",
            client_secret: "hush",
            grant_type: "client_credentials",
        });
        const { body } = await call("POST", "oauth/token", form.toString(), { authorization: "" });
        expect(body).toMatchObject({ token_type: "Bearer", expires_in: 3600 });
        const answer = await call("GET", "tailnet/-/keys", undefined, {
            authorization: `Bearer ${String(body["access_token"])}`,
        });
        expect(answer.status).toBe(200);
    });

    test("an OAuth client with a wrong secret gets none", async () => {
        const form = new URLSearchParams({ client_id: "client", client_secret: "wrong" });
        expect((await call("POST", "oauth/token", form.toString(), { authorization: "" })).status).toBe(401);
    });

    test("another tailnet is not found", async () => {
        expect((await call("GET", "tailnet/other.ts.net/acl")).status).toBe(404);
    });
});

describe("policy", () => {
    test("comes back as it was posted, with an ETag; as JSON where JSON is asked for", async () => {
        expect((await acl("POST", POLICY)).status).toBe(200);
        const hujson = await acl("GET");
        expect(hujson.text).toBe(POLICY);
        expect(hujson.headers.get("etag")).toMatch(/^"[0-9a-f]{64}"$/);
        const asJson = await acl("GET", undefined, { accept: "application/json" });
        expect(asJson.body["tagOwners"]).toEqual({ "tag:router": ["autogroup:admin"] });
    });

    test("ts-default only lets a policy through over the default one", async () => {
        const guard = { "if-match": '"ts-default"' };
        expect((await acl("POST", POLICY, guard)).status).toBe(200);
        const refused = await acl("POST", POLICY, guard);
        expect([refused.status, refused.body]).toEqual([412, { message: "precondition failed, invalid old hash" }]);
        // An empty policy resets to the default.
        expect((await acl("POST", "")).status).toBe(200);
        expect((await acl("POST", POLICY, guard)).status).toBe(200);
    });

    test("an ETag guards against a lost update", async () => {
        const { headers } = await acl("GET");
        const guard = { "if-match": headers.get("etag") ?? "" };
        expect((await acl("POST", POLICY, guard)).status).toBe(200);
        expect((await acl("POST", POLICY.replace("who", "whoever"), guard)).status).toBe(412);
    });

    test.each([
        ["an unknown key", '{"grantz": []}', 'json: unknown field "grantz"'],
        ["a tag nobody owns", '{"grants": [{"src": ["tag:x"], "dst": ["*"], "ip": ["*"]}]}', 'tag not found: "tag:x"'],
        [
            "a group without members",
            '{"acls": [{"action": "accept", "src": ["group:x"], "dst": ["*:*"]}]}',
            'group not found: "group:x"',
        ],
        ["bad syntax", '{\n  "acls": [}\n', expect.stringContaining("invalid HuJSON")],
    ])("with %s it is refused, and validation says the same with status 200", async (_, policy, message) => {
        const posted = await acl("POST", policy);
        expect([posted.status, posted.body]).toEqual([400, { message }]);
        const validated = await call("POST", "tailnet/-/acl/validate", policy);
        expect([validated.status, validated.body]).toEqual([200, { message }]);
    });

    test("a good one validates to an empty object and changes nothing", async () => {
        const validated = await call("POST", "tailnet/-/acl/validate", POLICY);
        expect([validated.status, validated.body]).toEqual([200, {}]);
        expect(cloud.state().policy).toBeNull();
    });
});

describe("keys", () => {
    test("a person who keeps the policy has entered the tags, and who may give routes", async () => {
        await cloud.close();
        cloud = await startTailscale({
            port: 0,
            stateFile: join(folder, "kept.json"),
            tailnet: "example.ts.net",
            tags: ["shed"],
            credentials: { apiKeys: [KEY], oauthClients: [] },
        });
        expect((await call("POST", "tailnet/-/acl/validate", cloud.state().policy ?? "")).body).toEqual({});
        expect((await newKey({ tags: ["tag:shed"] })).status).toBe(200);
        expect((await newKey({ tags: ["tag:router"] })).status).toBe(400);
        const policy = parsePolicy(cloud.state().policy ?? "");
        expect(approvedRoutes(policy, ["10.3.3.3/32", "8.8.8.8/32"], ["tag:shed"])).toEqual(["10.3.3.3/32"]);
    });

    test("a tag must be in the policy first", async () => {
        const early = await newKey({ tags: ["tag:router"] });
        expect([early.status, early.body]).toEqual([
            400,
            { message: "requested tags [tag:router] are invalid or not permitted" },
        ]);
        await acl("POST", POLICY);
        expect((await newKey({ tags: ["tag:router"] })).status).toBe(200);
    });

    test("tell their secret once", async () => {
        const made = await newKey({ reusable: true, preauthorized: true });
        expect(made.body).toMatchObject({
            id: expect.any(String),
            key: expect.stringMatching(/^tskey-auth-/),
            keyType: "auth",
            invalid: false,
            expirySeconds: 3600,
            capabilities: { devices: { create: { reusable: true, ephemeral: false, preauthorized: true, tags: [] } } },
        });
        const { body } = await call("GET", `tailnet/-/keys/${String(made.body["id"])}`);
        expect(body).not.toHaveProperty("key");
        expect(body["description"]).toBe("router");
    });

    test("a deleted one is not found", async () => {
        const id = String((await newKey({})).body["id"]);
        expect((await call("DELETE", `tailnet/-/keys/${id}`)).status).toBe(200);
        expect((await call("GET", `tailnet/-/keys/${id}`)).status).toBe(404);
    });

    test("an expiry beyond 90 days is refused, none means 90 days", async () => {
        expect((await newKey({}, { expirySeconds: 7776001 })).status).toBe(400);
        expect((await newKey({}, { expirySeconds: 0 })).body["expirySeconds"]).toBe(7776000);
    });
});

describe("DNS", () => {
    test("split DNS: PATCH changes one domain, an empty list removes it, PUT replaces all", async () => {
        await call("PATCH", "tailnet/-/dns/split-dns", { "a.org": ["192.0.2.1"] });
        await call("PATCH", "tailnet/-/dns/split-dns", { "b.org": ["192.0.2.2"] });
        expect((await call("PATCH", "tailnet/-/dns/split-dns", { "a.org": [] })).body).toEqual({
            "b.org": ["192.0.2.2"],
        });
        expect((await call("PUT", "tailnet/-/dns/split-dns", {})).body).toEqual({});
    });

    test("nameservers are kept", async () => {
        await call("POST", "tailnet/-/dns/nameservers", { dns: ["192.0.2.53"] });
        expect((await call("GET", "tailnet/-/dns/nameservers")).body).toEqual({ dns: ["192.0.2.53"] });
    });
});

describe("devices", () => {
    const register = async (create: object, routes: string[]) => {
        await acl("POST", POLICY);
        const key = String((await newKey(create)).body["key"]);
        return { key, device: cloud.registerDevice({ authKey: key, hostname: "router", routes }) };
    };

    test("routes that the policy approves are enabled, others wait", async () => {
        const { device } = await register({ tags: ["tag:router"] }, ["192.168.0.0/24", "10.0.0.0/8", "0.0.0.0/0"]);
        expect(device).toMatchObject({
            enabledRoutes: ["192.168.0.0/24", "0.0.0.0/0"],
            advertisedRoutes: ["192.168.0.0/24", "10.0.0.0/8", "0.0.0.0/0"],
        });
    });

    test("a route wider than the approved one waits", async () => {
        expect((await register({ tags: ["tag:router"] }, ["192.0.0.0/8"])).device).toMatchObject({ enabledRoutes: [] });
    });

    test("a single-use key lets one device in, and the same one back", async () => {
        const { key } = await register({}, []);
        expect(cloud.registerDevice({ authKey: key, hostname: "other" })).toEqual({
            refused: expect.stringContaining("invalid key"),
        });
        cloud.disconnectDevice("router");
        expect(cloud.registerDevice({ authKey: key, hostname: "router" })).toMatchObject({ online: true });
        expect(cloud.state().devices).toHaveLength(1);
    });

    test("an ephemeral device is gone with its pod, another stays, offline", async () => {
        await register({ ephemeral: true }, []);
        cloud.disconnectDevice("router");
        expect(cloud.state().devices).toEqual([]);
    });

    test("are listed, and their routes can be set by hand", async () => {
        const { device } = await register({}, ["10.1.0.0/16"]);
        const id = "nodeId" in device ? device.nodeId : "";
        await call("POST", `device/${id}/routes`, { routes: ["10.1.0.0/16"] });
        const { body } = await call("GET", "tailnet/-/devices?fields=all");
        expect(body["devices"]).toEqual([
            expect.objectContaining({ nodeId: id, name: "router.example.ts.net", enabledRoutes: ["10.1.0.0/16"] }),
        ]);
    });

    test("an invented key is refused", () => {
        expect(cloud.registerDevice({ authKey: "tskey-auth-x", hostname: "x" })).toEqual({
            refused: expect.any(String),
        });
    });
});

describe("HuJSON", () => {
    test("comments and commas inside strings are left alone", () => {
        expect(parseHuJson('{"a": "// no /* comment */ ,}", "b": [1, 2,],}')).toEqual({
            a: "// no /* comment */ ,}",
            b: [1, 2],
        });
    });
});
