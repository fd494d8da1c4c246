import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LoopbackCloudflare, startCloudflare } from "../../sandbox/clouds";

const ACCOUNT = "0123456789abcdef0123456789abcdef";
const ZONE = "fedcba9876543210fedcba9876543210";
const TOKEN = "test-token";

interface Body {
    readonly success: boolean;
    readonly errors: readonly { readonly code: number; readonly message: string }[];
    readonly result: Record<string, unknown>;
    readonly result_info?: { readonly total_count: number };
}

let folder: string;
let cloud: LoopbackCloudflare;

const start = (): Promise<LoopbackCloudflare> =>
    startCloudflare({
        port: 0,
        stateFile: join(folder, "cloudflare.json"),
        accountId: ACCOUNT,
        zones: [{ id: ZONE, name: "example.org" }],
        tokens: [TOKEN],
    });

async function call(
    method: string,
    path: string,
    body?: unknown,
    token = TOKEN,
): Promise<{ status: number; body: Body; headers: Headers }> {
    const response = await fetch(`${cloud.url}/client/v4${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Body, headers: response.headers };
}

async function lever(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`${cloud.url}/__sandbox/${path}`, {
        method,
        ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return response.json();
}

const record = (fields: object) =>
    call("POST", `/zones/${ZONE}/dns_records`, { type: "A", content: "192.0.2.1", ttl: 1, ...fields });
const tunnel = async (name = "homelab"): Promise<string> =>
    String(
        (await call("POST", `/accounts/${ACCOUNT}/cfd_tunnel`, { name, config_src: "cloudflare" })).body.result["id"],
    );
const codeOf = (answer: { body: Body }): number | undefined => answer.body.errors[0]?.code;

beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "cloudflare-"));
    cloud = await start();
});

afterEach(async () => {
    await cloud.close();
    rmSync(folder, { recursive: true });
});

describe("access", () => {
    test.each(["wrong", ""])("token %p is refused with 403 and code 10000", async (token) => {
        const answer = await call("GET", `/zones/${ZONE}/dns_records`, undefined, token);
        expect(answer.status).toBe(403);
        expect(answer.body).toEqual({
            success: false,
            errors: [{ code: 10000, message: "Authentication error" }],
            messages: [],
            result: null,
        });
    });

    test("a good token verifies as active", async () => {
        expect((await call("GET", "/user/tokens/verify")).body.result["status"]).toBe("active");
    });

    test("another account is not ours to look into", async () => {
        expect(codeOf(await call("GET", "/accounts/other/cfd_tunnel"))).toBe(10000);
    });
});

describe("zones", () => {
    test("are found by name, with the account they belong to", async () => {
        const { body } = await call("GET", "/zones?name=example.org");
        expect(body.result).toHaveLength(1);
        expect((body.result as unknown as { id: string; account: { id: string } }[])[0]).toMatchObject({
            id: ZONE,
            account: { id: ACCOUNT },
        });
    });

    test("a page past the end is empty, so that paging clients stop", async () => {
        expect((await call("GET", "/zones?page=2")).body.result).toEqual([]);
    });

    test("an unknown zone is no route", async () => {
        const answer = await call("GET", "/zones/nope/dns_records");
        expect([answer.status, codeOf(answer)]).toEqual([404, 7003]);
    });
});

describe("DNS records", () => {
    test("a created record carries what providers read back", async () => {
        const { status, body } = await record({
            name: "sonarr.example.org",
            content: "192.168.0.240",
            comment: "local",
        });
        expect(status).toBe(200);
        expect(body.result).toEqual({
            id: expect.stringMatching(/^[0-9a-f]{32}$/),
            name: "sonarr.example.org",
            type: "A",
            content: "192.168.0.240",
            proxiable: false,
            proxied: false,
            ttl: 1,
            settings: {},
            meta: {},
            comment: "local",
            tags: [],
            created_on: expect.any(String),
            modified_on: expect.any(String),
            comment_modified_on: expect.any(String),
        });
    });

    test("relative names and @ are completed; a name of another zone is taken for a relative one", async () => {
        expect((await record({ name: "a" })).body.result["name"]).toBe("a.example.org");
        expect((await record({ name: "@" })).body.result["name"]).toBe("example.org");
        expect((await record({ name: "a.other.net" })).body.result["name"]).toBe("a.other.net.example.org");
    });

    test("proxied means an automatic ttl", async () => {
        const { body } = await record({
            name: "x",
            type: "CNAME",
            content: "t.cfargotunnel.com",
            proxied: true,
            ttl: 300,
        });
        expect(body.result).toMatchObject({
            ttl: 1,
            proxied: true,
            proxiable: true,
            settings: { flatten_cname: false },
        });
    });

    test.each([
        ["the same again", { type: "A", content: "192.0.2.1" }, 81058],
        ["the same with another ttl", { type: "A", content: "192.0.2.1", ttl: 300 }, 81057],
        ["a CNAME beside it", { type: "CNAME", content: "t.example.net" }, 81053],
    ])("beside an A record, %s is refused", async (_, fields, code) => {
        await record({ name: "a" });
        const answer = await record({ name: "a", ...fields });
        expect([answer.status, codeOf(answer)]).toEqual([400, code]);
    });

    test.each([
        ["a second address", { type: "A", content: "192.0.2.2" }],
        ["an AAAA record", { type: "AAAA", content: "2001:db8::1" }],
        ["a TXT record", { type: "TXT", content: "hello" }],
    ])("beside an A record, %s is fine", async (_, fields) => {
        await record({ name: "a" });
        expect((await record({ name: "a", ...fields })).status).toBe(200);
    });

    test("an A record beside a CNAME is refused", async () => {
        await record({ name: "a", type: "CNAME", content: "t.example.net" });
        expect(codeOf(await record({ name: "a" }))).toBe(81053);
    });

    test.each([
        ["an A record without an IPv4 address", { content: "nowhere" }, 9005],
        ["a proxied TXT record", { type: "TXT", content: "x", proxied: true }, 9004],
        ["a private address behind the proxy", { content: "192.168.0.240", proxied: true }, 9003],
        ["a ttl of 5 s", { ttl: 5 }, 9021],
        ["a type that is none", { type: "B" }, 9000],
    ])("%s is refused", async (_, fields, code) => {
        expect(codeOf(await record({ name: "a", ...fields }))).toBe(code);
    });

    test("are listed by name, type and content", async () => {
        await record({ name: "a" });
        await record({ name: "a", content: "192.0.2.2" });
        await record({ name: "b", type: "TXT", content: "x" });
        const total = async (query: string) =>
            (await call("GET", `/zones/${ZONE}/dns_records?${query}`)).body.result_info?.total_count;
        expect(await total("name=a.example.org")).toBe(2);
        expect(await total("name.exact=a.example.org&content.exact=192.0.2.2")).toBe(1);
        expect(await total("type=TXT")).toBe(1);
    });

    test("PATCH keeps what it does not name, PUT does not; DELETE forgets", async () => {
        const id = String((await record({ name: "a", comment: "kept" })).body.result["id"]);
        const path = `/zones/${ZONE}/dns_records/${id}`;
        expect((await call("PATCH", path, { content: "192.0.2.9" })).body.result).toMatchObject({
            content: "192.0.2.9",
            comment: "kept",
        });
        const put = await call("PUT", path, { name: "a.example.org", type: "A", content: "192.0.2.9", ttl: 1 });
        expect(put.body.result).toMatchObject({ id, comment: null });
        expect((await call("DELETE", path)).body.result).toEqual({ id });
        const gone = await call("GET", path);
        expect([gone.status, codeOf(gone)]).toEqual([404, 81044]);
    });
});

describe("tunnels", () => {
    test("a created tunnel is inactive and remotely managed", async () => {
        const { body } = await call("POST", `/accounts/${ACCOUNT}/cfd_tunnel`, {
            name: "homelab",
            config_src: "cloudflare",
        });
        expect(body.result).toMatchObject({
            id: expect.stringMatching(/^[0-9a-f-]{36}$/),
            account_tag: ACCOUNT,
            name: "homelab",
            status: "inactive",
            tun_type: "cfd_tunnel",
            remote_config: true,
            config_src: "cloudflare",
            connections: [],
            conns_active_at: null,
            deleted_at: null,
            metadata: {},
        });
    });

    test("a name can be taken once at a time", async () => {
        const id = await tunnel();
        const again = await call("POST", `/accounts/${ACCOUNT}/cfd_tunnel`, { name: "homelab" });
        expect([again.status, codeOf(again)]).toEqual([409, 1013]);
        await call("DELETE", `/accounts/${ACCOUNT}/cfd_tunnel/${id}`);
        expect(await tunnel()).not.toBe(id);
    });

    test("deletion is soft: readable by id, listed only when asked for", async () => {
        const id = await tunnel();
        await call("DELETE", `/accounts/${ACCOUNT}/cfd_tunnel/${id}`);
        expect((await call("GET", `/accounts/${ACCOUNT}/cfd_tunnel/${id}`)).body.result["deleted_at"]).toEqual(
            expect.any(String),
        );
        expect((await call("GET", `/accounts/${ACCOUNT}/cfd_tunnel?is_deleted=false`)).body.result).toEqual([]);
        expect((await call("GET", `/accounts/${ACCOUNT}/cfd_tunnel?is_deleted=true`)).body.result).toHaveLength(1);
        expect((await call("GET", `/accounts/${ACCOUNT}/cfd_tunnel/${id}/token`)).status).toBe(404);
    });

    test("live connections protect it until they are gone or removed", async () => {
        const id = await tunnel();
        cloud.setConnections(id, 4);
        const path = `/accounts/${ACCOUNT}/cfd_tunnel/${id}`;
        expect((await call("GET", path)).body.result["status"]).toBe("healthy");
        const refused = await call("DELETE", path);
        expect([refused.status, codeOf(refused)]).toEqual([400, 1022]);
        const clients = (await call("GET", `${path}/connections`)).body.result as unknown as {
            conns: { colo_name: string }[];
        }[];
        expect(clients).toHaveLength(1);
        expect(new Set(clients[0]?.conns.map((connection) => connection.colo_name)).size).toBe(2);
        await call("DELETE", `${path}/connections`);
        expect((await call("GET", path)).body.result["status"]).toBe("down");
        expect((await call("DELETE", path)).status).toBe(200);
    });

    test("two replicas are two clients with four connections each", async () => {
        const id = await tunnel();
        cloud.setConnections(id, 4);
        cloud.setConnections(id, 8);
        const { body } = await call("GET", `/accounts/${ACCOUNT}/cfd_tunnel/${id}/connections`);
        expect((body.result as unknown as { conns: unknown[] }[]).map(({ conns }) => conns.length)).toEqual([4, 4]);
    });

    test("the token holds account, tunnel and secret", async () => {
        const id = await tunnel();
        const { body } = await call("GET", `/accounts/${ACCOUNT}/cfd_tunnel/${id}/token`);
        const token = JSON.parse(Buffer.from(String(body.result), "base64").toString()) as object;
        expect(token).toEqual({ a: ACCOUNT, t: id, s: cloud.state().tunnels[0]?.secret });
    });

    test("each put configuration counts one up", async () => {
        const id = await tunnel();
        const path = `/accounts/${ACCOUNT}/cfd_tunnel/${id}/configurations`;
        const config = {
            ingress: [
                { hostname: "a.example.org", service: "http://cilium-ingress.kube-system:80" },
                { service: "http_status:404" },
            ],
        };
        expect((await call("GET", path)).body.result).toMatchObject({ version: 0, config: null });
        await call("PUT", path, { config });
        expect((await call("PUT", path, { config })).body.result).toMatchObject({
            tunnel_id: id,
            version: 2,
            source: "cloudflare",
            config,
        });
    });

    test.each([
        [
            "no catch-all at the end",
            [{ hostname: "a.example.org", service: "http://x" }],
            /last ingress rule must match all/,
        ],
        [
            "a catch-all before the end",
            [{ service: "http://x" }, { service: "http_status:404" }],
            /Rule #1 matches every hostname/,
        ],
        ["no rule", [], /at least one rule/],
        [
            "a service with a path",
            [{ hostname: "a.b", service: "http://x/y" }, { service: "http_status:404" }],
            /invalid service/,
        ],
        [
            "a hostname with a scheme",
            [{ hostname: "https://a.b", service: "http://x" }, { service: "http_status:404" }],
            /invalid hostname/,
        ],
    ])("a configuration with %s is refused", async (_, ingress, message) => {
        const answer = await call("PUT", `/accounts/${ACCOUNT}/cfd_tunnel/${await tunnel()}/configurations`, {
            config: { ingress },
        });
        expect(answer.status).toBe(400);
        expect(answer.body.errors[0]?.message).toMatch(message);
    });
});

describe("the sandbox's own levers", () => {
    test("a fault comes as often as ordered, with its Retry-After", async () => {
        await lever("POST", "faults", { match: "^POST .*dns_records$", status: 429, times: 2, retryAfter: 3 });
        for (const expected of [429, 429, 200]) {
            const answer = await record({ name: "a" });
            expect(answer.status).toBe(expected);
            expect(answer.headers.get("retry-after")).toBe(expected === 429 ? "3" : null);
        }
    });

    test("a fault that makes no sense is refused", async () => {
        expect(await lever("POST", "faults", { match: "(", status: 500 })).toEqual({
            message: expect.stringContaining("match"),
        });
    });

    test("requests are logged without bodies", async () => {
        await record({ name: "a", content: "192.0.2.77" });
        const log = await lever("GET", "requests");
        expect(log).toEqual([
            { at: expect.any(String), method: "POST", path: `/client/v4/zones/${ZONE}/dns_records`, status: 200 },
        ]);
    });

    test("connections can be set from another process", async () => {
        const id = await tunnel();
        await lever("POST", "connections", { tunnelId: id, count: 4 });
        expect(cloud.state().tunnels[0]?.connections).toHaveLength(4);
    });
});

test("the state outlives the process, in a file for its owner only", async () => {
    await record({ name: "a" });
    const id = await tunnel();
    await cloud.close();
    const file = join(folder, "cloudflare.json");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, "utf8")).toContain(id);
    cloud = await start();
    expect((await call("GET", `/zones/${ZONE}/dns_records`)).body.result).toHaveLength(1);
    expect((await call("GET", `/accounts/${ACCOUNT}/cfd_tunnel/${id}`)).body.result["name"]).toBe("homelab");
});

test("a port that is taken is named", async () => {
    const other = startCloudflare({
        port: cloud.port,
        stateFile: join(folder, "other.json"),
        accountId: ACCOUNT,
        zones: [],
        tokens: [],
    });
    await expect(other).rejects.toThrow(`EADDRINUSE: loopback Cloudflare cannot listen on 127.0.0.1:${cloud.port}`);
});
