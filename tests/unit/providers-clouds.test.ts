import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { cloudflarePlugin } from "../../sandbox/providers/cloudflare";
import { configFromWire, configToWire } from "../../sandbox/providers/cloudflare-wire";
import { parse } from "../../sandbox/providers/hujson";
import type { Host, Plugin, Session } from "../../sandbox/providers/plugin";
import { tailscalePlugin } from "../../sandbox/providers/tailscale";
import { planStack } from "../../tools/plan/plan";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { isSecret, secret, UNKNOWN, type Props } from "../../sandbox/providers/values";

interface Seen {
    method: string;
    url: string;
    headers: http.IncomingHttpHeaders;
    body: string;
}

interface Answer {
    status?: number;
    headers?: Record<string, string>;
    body: unknown;
}

/** A server that answers from a list, in order, and remembers what it was asked. */
let answers: Answer[] = [];
let seen: Seen[] = [];
let base = "";
const server = http.createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += String(chunk)));
    request.on("end", () => {
        seen.push({ method: request.method ?? "", url: request.url ?? "", headers: request.headers, body });
        const answer = answers.shift() ?? { status: 500, body: "nothing left to answer" };
        response.writeHead(answer.status ?? 200, answer.headers);
        response.end(typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body));
    });
});
beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));
beforeEach(() => {
    answers = [];
    seen = [];
});

const host: Host = { signal: new AbortController().signal, log: () => Promise.resolve() };
const asked = () => seen.map(({ method, url }) => `${method} ${url}`);
const on = (type: string) => ({
    id: "known",
    urn: "urn",
    name: "n",
    type,
    timeout: 0,
    preview: false,
    ignoreChanges: [],
});

describe("cloudflare", () => {
    const ok = (result: unknown): Answer => ({ body: { success: true, errors: [], messages: [], result } });
    const refused = (status: number, code: number, message: string, headers: Record<string, string> = {}): Answer => ({
        ...{ status, headers },
        body: { success: false, errors: [{ code, message }], messages: [], result: null },
    });
    const RECORD = "cloudflare:index/dnsRecord:DnsRecord";
    const TUNNEL = "cloudflare:index/zeroTrustTunnelCloudflared:ZeroTrustTunnelCloudflared";
    const CONFIG = "cloudflare:index/zeroTrustTunnelCloudflaredConfig:ZeroTrustTunnelCloudflaredConfig";
    const record = { zoneId: "z", name: "a.example.org", type: "A", content: "192.0.2.1", ttl: 1, proxied: true };
    let session: Session;
    beforeEach(async () => {
        const plugin = cloudflarePlugin({ env: { CLOUDFLARE_BASE_URL: `${base}/client/v4/` }, helm: "" });
        session = await plugin.configure({ apiToken: "t".repeat(40) }, host);
    });

    test("no credentials are an error before anything is asked", async () => {
        await expect(cloudflarePlugin({ env: {}, helm: "" }).configure({}, host)).rejects.toThrow(
            "CLOUDFLARE_API_TOKEN",
        );
    });

    test("a record is posted in the API's names, with the token", async () => {
        answers = [ok({ id: "r1", ...record, zoneId: undefined, created_on: "now", meta: { a: 1 } })];
        const { id, outputs } = await session.create({ ...on(RECORD), inputs: { ...record, comment: "c" } });
        expect(id).toBe("r1");
        expect(outputs).toMatchObject({ ...record, createdOn: "now", meta: '{"a":1}' });
        expect(asked()).toEqual(["POST /client/v4/zones/z/dns_records"]);
        expect(seen[0]?.headers.authorization).toBe(`Bearer ${"t".repeat(40)}`);
        const { zoneId: _, ...body } = record;
        expect(JSON.parse(seen[0]?.body ?? "")).toEqual({ ...body, comment: "c" });
    });

    test("a preview asks nothing", async () => {
        const { outputs } = await session.create({ ...on(RECORD), inputs: record, preview: true });
        expect(outputs).toMatchObject({ ...record, createdOn: UNKNOWN });
        await session.update({ ...on(RECORD), olds: {}, oldInputs: record, news: record, preview: true });
        expect(seen).toEqual([]);
    });

    test("an import reads by the official ids and yields what a program would say", async () => {
        const { zoneId: _, ...live } = record;
        answers = [
            ok({ id: "r1", ...live, comment: null, tags: [], meta: {}, created_on: "now" }),
            ok({ id: "t1", name: "home", config_src: "cloudflare", status: "healthy" }),
            ok({ tunnel_id: "t1", source: "cloudflare", config: { ingress: [{ service: "http_status:404" }] } }),
            refused(404, 81044, "Record does not exist."),
        ];
        const adopt = (type: string, id: string) => session.read({ ...on(type), id, state: {}, inputs: {} });
        expect(await adopt(RECORD, "z/r1")).toMatchObject({ id: "r1", inputs: record });
        expect((await adopt(TUNNEL, "a/t1"))?.inputs).toEqual({
            accountId: "a",
            name: "home",
            configSrc: "cloudflare",
        });
        expect((await adopt(CONFIG, "a/t1"))?.inputs).toEqual({
            accountId: "a",
            tunnelId: "t1",
            source: "cloudflare",
            config: { ingresses: [{ service: "http_status:404" }] },
        });
        expect(await adopt(RECORD, "z/gone")).toBeUndefined();
        expect(asked()).toEqual([
            "GET /client/v4/zones/z/dns_records/r1",
            "GET /client/v4/accounts/a/cfd_tunnel/t1",
            "GET /client/v4/accounts/a/cfd_tunnel/t1/configurations",
            "GET /client/v4/zones/z/dns_records/gone",
        ]);
    });

    test("errors carry the API's code and message", async () => {
        answers = [refused(400, 81053, "An A, AAAA or CNAME record already exists with that host.")];
        await expect(session.create({ ...on(RECORD), inputs: record })).rejects.toThrow(
            "POST /zones/z/dns_records: 400: 81053 An A, AAAA or CNAME record already exists with that host.",
        );
    });

    test("as cloudflare-go: two more attempts after 408, 409, 429 and 5xx, none after anything else", async () => {
        const now = { "retry-after": "0" };
        answers = [refused(429, 971, "slow down", now), refused(500, 1, "oops", now), ok({ id: "r1" })];
        expect((await session.create({ ...on(RECORD), inputs: record })).id).toBe("r1");
        expect(seen).toHaveLength(3);

        for (const status of [408, 409, 429, 500, 503]) {
            seen = [];
            answers = Array.from({ length: 4 }, () => refused(status, 7, "not now", now));
            await expect(session.create({ ...on(RECORD), inputs: record })).rejects.toThrow(`${status}: 7 not now`);
            expect([status, seen.length]).toEqual([status, 3]);
        }
        seen = [];
        answers = [refused(403, 10000, "Authentication error", now), ok({ id: "r1" })];
        await expect(session.create({ ...on(RECORD), inputs: record })).rejects.toThrow("403: 10000");
        expect(seen).toHaveLength(1);
    });

    test("a proxied record needs the automatic ttl", async () => {
        await expect(session.create({ ...on(RECORD), inputs: { ...record, ttl: 300 } })).rejects.toThrow(
            "ttl must be set to 1",
        );
        expect(seen).toEqual([]);
    });

    test("a new zone replaces, anything else is put", async () => {
        const news = { ...record, zoneId: "y", content: "192.0.2.2" };
        const { changes } = await session.diff({ ...on(RECORD), olds: {}, oldInputs: record, news });
        expect(changes).toEqual({
            zoneId: { kind: "update", replace: true },
            content: { kind: "update", replace: false },
        });
        answers = [ok({ id: "known" })];
        await session.update({
            ...on(RECORD),
            olds: record,
            oldInputs: record,
            news: { ...record, content: "192.0.2.2" },
        });
        expect(asked()).toEqual(["PUT /client/v4/zones/z/dns_records/known"]);
    });

    test("a refresh shows drift, takes the whole name for its first part, and misses what is gone", async () => {
        const said = { ...record, name: "a" };
        const read = { ...on(RECORD), state: said, inputs: said };
        answers = [
            ok({ id: "known", ...record }),
            ok({ id: "known", ...record, content: "192.0.2.9" }),
            refused(404, 81044, "gone"),
        ];
        expect((await session.read(read))?.inputs).toEqual(said);
        expect((await session.read(read))?.inputs).toEqual({ ...said, content: "192.0.2.9" });
        expect(await session.read(read)).toBeUndefined();
    });

    test("a record that is gone cannot be deleted: the official plugin does not mind 404 either", async () => {
        answers = [refused(404, 81044, "Record does not exist.")];
        await expect(session.delete({ ...on(RECORD), state: record, inputs: record })).rejects.toThrow("81044");
    });

    test("a tunnel's secret stays secret, and only what changed is patched", async () => {
        const inputs = { accountId: "a", name: "home", configSrc: "cloudflare", tunnelSecret: secret("AQID") };
        answers = [
            ok({ id: "t1", name: "home", status: "inactive", remote_config: true }),
            ok({ id: "t1", name: "house" }),
        ];
        const { id, outputs } = await session.create({ ...on(TUNNEL), inputs });
        expect(id).toBe("t1");
        expect(isSecret(outputs["tunnelSecret"])).toBe(true);
        expect(outputs).toMatchObject({ status: "inactive", remoteConfig: true });
        expect(JSON.parse(seen[0]?.body ?? "")).toEqual({
            name: "home",
            config_src: "cloudflare",
            tunnel_secret: "AQID",
        });
        await session.update({ ...on(TUNNEL), olds: outputs, oldInputs: inputs, news: { ...inputs, name: "house" } });
        expect(seen[1]).toMatchObject({ method: "PATCH", body: '{"name":"house"}' });
        const { changes } = await session.diff({
            ...on(TUNNEL),
            olds: {},
            oldInputs: inputs,
            news: { ...inputs, accountId: "b" },
        });
        expect(changes).toEqual({ accountId: { kind: "update", replace: true } });
    });

    test("a tunnel with connections is not deleted", async () => {
        answers = [refused(400, 1022, "Cannot delete tunnel because it has active connections")];
        const state = { accountId: "a", name: "home" };
        await expect(session.delete({ ...on(TUNNEL), state, inputs: state })).rejects.toThrow("1022");
    });

    test("a tunnel's configuration is put under its tunnel, and destroying it asks nothing", async () => {
        const inputs = { accountId: "a", tunnelId: "t1", config: { ingresses: [{ service: "http_status:404" }] } };
        answers = [ok({ tunnel_id: "t1", version: 1, config: { ingress: [] } })];
        const { id, outputs } = await session.create({ ...on(CONFIG), inputs });
        expect([id, outputs["version"]]).toEqual(["t1", 1]);
        expect(asked()).toEqual(["PUT /client/v4/accounts/a/cfd_tunnel/t1/configurations"]);
        expect(JSON.parse(seen[0]?.body ?? "")).toEqual({ config: { ingress: [{ service: "http_status:404" }] } });
        await session.delete({ ...on(CONFIG), state: outputs, inputs });
        expect(seen).toHaveLength(1);
    });

    test("the configuration's own names are kept", () => {
        const said = {
            ingresses: [
                { service: "s", originRequest: { noTlsVerify: true, access: { audTags: ["x"], teamName: "t" } } },
            ],
        };
        const wire = {
            ingress: [{ service: "s", originRequest: { noTLSVerify: true, access: { audTag: ["x"], teamName: "t" } } }],
        };
        expect(configToWire(said)).toEqual(wire);
        expect(configFromWire({ ...wire, "warp-routing": { enabled: false } })).toEqual(said);
    });

    test("the token function answers the bare token, not marked secret", async () => {
        answers = [ok("tok")];
        const token = "cloudflare:index/getZeroTrustTunnelCloudflaredToken:getZeroTrustTunnelCloudflaredToken";
        expect(await session.invoke(token, { accountId: "a", tunnelId: "t1" })).toMatchObject({ token: "tok" });
        expect(asked()).toEqual(["GET /client/v4/accounts/a/cfd_tunnel/t1/token"]);
    });
});

describe("tailscale", () => {
    const ACL = "tailscale:index/acl:Acl";
    const KEY = "tailscale:index/tailnetKey:TailnetKey";
    const SPLIT = "tailscale:index/dnsSplitNameservers:DnsSplitNameservers";
    let plugin: Plugin;
    let session: Session;
    beforeEach(async () => {
        plugin = tailscalePlugin({ env: { TAILSCALE_BASE_URL: base, TAILSCALE_TAILNET: "example.org" }, helm: "" });
        session = await plugin.configure({ apiKey: "key" }, host);
    });
    const api = "/api/v2/tailnet/example.org";

    test("credentials are one kind or the other", async () => {
        await expect(plugin.configure({}, host)).rejects.toThrow("credentials are empty");
        await expect(plugin.configure({ apiKey: "a", oauthClientId: "b" }, host)).rejects.toThrow("conflicting");
        await expect(plugin.configure({ oauthClientId: "b" }, host)).rejects.toThrow("oauthClientSecret");
    });

    test("an OAuth client gets itself a token", async () => {
        answers = [{ body: { access_token: "bearer" } }, { body: "{}" }];
        const oauth = await plugin.configure({ oauthClientId: "i", oauthClientSecret: "s" }, host);
        await oauth.invoke("tailscale:index/getAcl:getAcl", {});
        expect(asked()).toEqual(["POST /api/v2/oauth/token", `GET ${api}/acl`]);
        expect(seen[1]?.headers.authorization).toBe("Bearer bearer");
    });

    test("a policy is validated, then set only while it is the default one", async () => {
        answers = [{ body: {} }, { body: "{}" }];
        await session.create({ ...on(ACL), inputs: { acl: "{}" } });
        expect(asked()).toEqual([`POST ${api}/acl/validate`, `POST ${api}/acl`]);
        expect(seen[1]?.headers).toMatchObject({
            "content-type": "application/hujson",
            "if-match": '"ts-default"',
            authorization: `Basic ${Buffer.from("key:").toString("base64")}`,
        });
    });

    test("another policy is refused, unless overwriting is asked for", async () => {
        answers = [
            { body: {} },
            { status: 412, body: { message: "precondition failed" } },
            { body: {} },
            { body: "{}" },
        ];
        await expect(session.create({ ...on(ACL), inputs: { acl: "{}" } })).rejects.toThrow("overwriteExistingContent");
        await session.create({ ...on(ACL), inputs: { acl: "{}", overwriteExistingContent: true } });
        expect(seen[3]?.headers["if-match"]).toBeUndefined();
    });

    test("a preview validates and does not set", async () => {
        answers = [{ body: { message: "test(s) failed", data: [{ user: "u", errors: ["no access"] }] } }];
        await expect(session.create({ ...on(ACL), inputs: { acl: "{}" }, preview: true })).rejects.toThrow("no access");
        expect(asked()).toEqual([`POST ${api}/acl/validate`]);
    });

    test("comments and order of keys are no difference", async () => {
        const diff = (before: string, after: string) =>
            session.diff({ ...on(ACL), olds: {}, oldInputs: { acl: before }, news: { acl: after } });
        expect((await diff('{"a":1,"b":[2]}', '{"b":[2,], // two\n"a":1}')).changes).toEqual({});
        expect((await diff('{"a":1}', '{"a":2}')).changes).toEqual({ acl: { kind: "update", replace: false } });
    });

    test("deleting a policy lets go of it, or resets it where that is asked for", async () => {
        await session.delete({ ...on(ACL), state: { acl: "{}" }, inputs: {} });
        expect(seen).toEqual([]);
        answers = [{ body: "{}" }];
        await session.delete({ ...on(ACL), state: { acl: "{}", resetAclOnDestroy: true }, inputs: {} });
        expect(seen[0]).toMatchObject({ method: "POST", url: `${api}/acl`, body: "" });
    });

    test("an auth key is secret and is made as the API wants it", async () => {
        answers = [{ body: { id: "k1", key: "tskey", created: "c", expires: "e" } }];
        const { id, outputs } = await session.create({ ...on(KEY), inputs: { reusable: true, tags: ["tag:a"] } });
        expect(id).toBe("k1");
        expect(outputs["key"]).toEqual(secret("tskey"));
        expect(outputs).toMatchObject({ createdAt: "c", expiresAt: "e", invalid: false });
        expect(JSON.parse(seen[0]?.body ?? "")).toEqual({
            capabilities: {
                devices: { create: { reusable: true, ephemeral: false, preauthorized: false, tags: ["tag:a"] } },
            },
            expirySeconds: 0,
            description: "",
        });
    });

    test("a key that is used up or gone is invalid, and replaced only when it was reusable, or always", async () => {
        const gone = { status: 404, body: { message: "not found" } };
        const replaced = async (inputs: Props) => {
            const found = await session.read({ ...on(KEY), state: { key: "x" }, inputs });
            expect(found).toMatchObject({ id: "known", outputs: { invalid: true } });
            // As refresh compares: what it found with what the program last said.
            const { changes, replaces = [] } = await session.diff({
                ...{ ...on(KEY), olds: found?.outputs ?? {}, oldInputs: found?.inputs ?? {}, news: inputs },
                ignoreChanges: [],
            });
            return Object.keys(changes).length + replaces.length > 0;
        };
        answers = [gone, gone, gone, gone, { body: { id: "known", invalid: true } }];
        expect(await replaced({ reusable: true })).toBe(true);
        expect(await replaced({})).toBe(false);
        expect(await replaced({ recreateIfInvalid: "always" })).toBe(true);
        expect(await replaced({ reusable: true, recreateIfInvalid: "never" })).toBe(false);
        expect(await replaced({ reusable: true, recreateIfInvalid: "never" })).toBe(false);
    });

    test("the router's key is no drift when it has expired, nor a change of one from before a crash", async () => {
        const plan = await planStack("homelab", readStackValue(ROOT, "homelab"), ROOT);
        const inputs = plan.resources.find(({ type }) => type.endsWith(":TailnetKey"))?.inputs as Props;
        const compare = async (olds: Props, oldInputs: Props) =>
            (await session.diff({ ...on(KEY), olds, oldInputs, news: inputs, ignoreChanges: [] })) as {
                changes: Record<string, { replace: boolean }>;
                replaces?: string[];
            };
        expect(await compare({ ...inputs, invalid: true }, inputs)).toEqual({ changes: {} });
        // The provider's update asks for the key, and crashes where it is gone: a replacement does not.
        const before = { ...inputs, recreateIfInvalid: "always", description: "homelab subnet router" };
        const { changes } = await compare({ ...before, invalid: false }, before);
        expect(Object.values(changes).some(({ replace }) => replace)).toBe(true);
    });

    test("split DNS is patched by domain, and emptied to delete it", async () => {
        answers = [{ body: {} }, { body: { lan: ["2", "1"] } }, { body: {} }];
        const inputs = { domain: "lan", nameservers: ["1", "2"] };
        expect((await session.create({ ...on(SPLIT), inputs })).id).toBe("lan");
        const found = await session.read({ ...on(SPLIT), id: "lan", state: inputs, inputs });
        expect(found?.inputs).toEqual(inputs);
        await session.delete({ ...on(SPLIT), id: "lan", state: inputs, inputs });
        expect(seen.map(({ method, body }) => `${method} ${body}`)).toEqual([
            'PATCH {"lan":["1","2"]}',
            "GET ",
            'PATCH {"lan":[]}',
        ]);
    });

    test("the policy can be asked for", async () => {
        answers = [{ body: '{ "a": 1, /* c */ }' }];
        const found = await session.invoke("tailscale:index/getAcl:getAcl", {});
        expect(found).toMatchObject({ json: '{"a":1}', hujson: '{ "a": 1, /* c */ }' });
    });
});

test("HuJSON leaves strings alone", () => {
    expect(parse('{"url": "http://x,]", "b": ["a,}",], } // end')).toEqual({ url: "http://x,]", b: ["a,}"] });
    expect(() => parse("{,}")).toThrow(SyntaxError);
});
