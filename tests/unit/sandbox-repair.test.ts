import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { startCloudflare, startTailscale, type LoopbackCloudflare, type LoopbackTailscale } from "../../sandbox/clouds";
import { CLOUD_SECRETS } from "../../sandbox/clouds/credentials";
import type { EngineEvent } from "../../sandbox/engine";
import { sandboxLayout } from "../../sandbox/layout";
import { choosePlugins } from "../../sandbox/plugins";
import { endLeftovers, endOfficialPlugins } from "../../sandbox/repair";
import { removeUnknownFromClouds } from "../../sandbox/repair-clouds";
import {
    clusterId,
    creationsUnderWay,
    DNS_RECORD,
    forgetUnfinished,
    keepUnfinished,
    readUnfinished,
    RELEASE,
    TAILNET_KEY,
    TUNNEL,
    unfinished,
} from "../../sandbox/unfinished";

const folder = mkdtempSync(join(tmpdir(), "sandbox-repair-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SERVICE = "kubernetes:core/v1:Service";
const service = (name: string) => ({ apiVersion: "v1", kind: "Service", metadata: { name, namespace: "media" } });

describe("creations under way", () => {
    const before = (urn: string, op: string, type: string, inputs: unknown): EngineEvent => ({
        timestamp: 0,
        resourcePreEvent: { metadata: { urn, op, type, new: { inputs } } },
    });
    const after = (urn: string, op: string, type: string): EngineEvent => ({
        timestamp: 0,
        resOutputsEvent: { metadata: { urn, op, type } },
    });

    test("are those that began and did not succeed; only what identifies them is kept", () => {
        const events = [
            before("a", "create", SERVICE, { ...service("plex"), spec: { secret: "hush" } }),
            before("b", "create", SERVICE, service("sonarr")),
            after("b", "create", SERVICE),
            before("c", "create-replacement", RELEASE, { namespace: "argocd", name: "argocd", values: { a: "hush" } }),
            before("d", "update", SERVICE, service("radarr")),
            before("e", "same", SERVICE, service("prowlarr")),
            before("f", "create", "command:local:Command", { create: "true" }),
            before("g", "create", "homelab:apps:Workload", undefined),
        ];
        expect(creationsUnderWay(events)).toEqual([
            { type: SERVICE, identity: { apiVersion: "v1", kind: "Service", namespace: "media", name: "plex" } },
            { type: RELEASE, identity: { namespace: "argocd", name: "argocd" } },
        ]);
    });

    test("have the id that the state has", () => {
        const id = (type: string, inputs: unknown) => unfinished(type, inputs).map(clusterId);
        expect(id(SERVICE, service("plex"))).toEqual(["media/plex"]);
        expect(
            id("kubernetes:core/v1:Namespace", { apiVersion: "v1", kind: "Namespace", metadata: { name: "media" } }),
        ).toEqual(["media"]);
        expect(id(RELEASE, { namespace: "argocd", name: "argocd" })).toEqual(["argocd/argocd"]);
        // A name that is not known yet was never asked for.
        expect(id(SERVICE, { apiVersion: "v1", kind: "Service", metadata: { name: { secret: "?" } } })).toEqual([]);
    });

    test("stay on file, each once, until they are forgotten", () => {
        const layout = { ...sandboxLayout("homelab"), unfinished: join(folder, "unfinished.json") };
        expect(readUnfinished(layout)).toBeUndefined();
        keepUnfinished(layout, []);
        expect(readUnfinished(layout)).toEqual([]);
        const plex = unfinished(SERVICE, service("plex"));
        keepUnfinished(layout, plex);
        keepUnfinished(layout, [...plex, ...unfinished(SERVICE, service("sonarr"))]);
        expect(readUnfinished(layout)?.map(clusterId)).toEqual(["media/plex", "media/sonarr"]);
        forgetUnfinished(layout);
        expect(readUnfinished(layout)).toBeUndefined();
    });
});

describe("in the clouds", () => {
    const [accountId, zoneId] = ["a".repeat(32), "b".repeat(32)];
    let cloudflare: LoopbackCloudflare;
    let tailscale: LoopbackTailscale;
    beforeAll(async () => {
        cloudflare = await startCloudflare({
            port: 0,
            stateFile: join(folder, "cloudflare.json"),
            accountId,
            zones: [{ id: zoneId, name: "example.org" }],
            tokens: [CLOUD_SECRETS["cloudflare.apiToken"]],
        });
        const client = {
            id: CLOUD_SECRETS["tailscale.oauthClientId"],
            secret: CLOUD_SECRETS["tailscale.oauthClientSecret"],
        };
        tailscale = await startTailscale({
            port: 0,
            stateFile: join(folder, "tailscale.json"),
            tailnet: "example.ts.net",
            credentials: { apiKeys: ["tskey-api-test"], oauthClients: [client] },
        });
    });
    afterAll(() => Promise.all([cloudflare.close(), tailscale.close()]));

    const post = async (url: string, token: string, body: object) => {
        const headers = { authorization: `Bearer ${token}` };
        const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
        expect([url, answer.status]).toEqual([url, 200]);
        return (await answer.json()) as { id: string; result: { id: string } };
    };
    const api = (path: string, body: object) =>
        post(`${cloudflare.url}/client/v4/${path}`, CLOUD_SECRETS["cloudflare.apiToken"], body);

    test("what was made and never written down is removed; what the state knows, and all else, stays", async () => {
        const record = (name: string) =>
            api(`zones/${zoneId}/dns_records`, { name, type: "A", content: "192.0.2.1", ttl: 1 });
        const known = (await record("known.example.org")).result.id;
        await record("lost.example.org");
        await record("foreign.example.org");
        await api(`accounts/${accountId}/cfd_tunnel`, { name: "lost" });
        await api(`accounts/${accountId}/cfd_tunnel`, { name: "foreign" });
        const keys = `${tailscale.url}/api/v2/tailnet/-/keys`;
        const key = (await post(keys, "tskey-api-test", { capabilities: { devices: { create: {} } } })).id;
        await post(keys, "tskey-api-test", { capabilities: { devices: { create: {} } } });

        const said: string[] = [];
        const inZone = (name: string) => ({ type: DNS_RECORD, identity: { zoneId, name, type: "A" } });
        await removeUnknownFromClouds(
            { cloudflareUrl: cloudflare.url, tailscaleUrl: tailscale.url },
            [
                inZone("known.example.org"),
                inZone("lost.example.org"),
                inZone("never-made.example.org"),
                { type: TUNNEL, identity: { accountId, name: "lost" } },
                { type: TAILNET_KEY, identity: {} },
                { type: SERVICE, identity: { apiVersion: "v1", kind: "Service", name: "plex" } },
            ],
            (type, id) => [`${DNS_RECORD} ${known}`, `${TAILNET_KEY} ${key}`].includes(`${type} ${id}`),
            (line) => said.push(line),
        );

        const { records, tunnels } = cloudflare.state();
        expect(records[zoneId]?.map(({ name }) => name)).toEqual(["known.example.org", "foreign.example.org"]);
        expect(tunnels.filter(({ deletedAt }) => deletedAt === null).map(({ name }) => name)).toEqual(["foreign"]);
        expect(tailscale.state().keys.map(({ id }) => id)).toEqual([key]);
        expect(said).toHaveLength(3);
    });
});

describe("official plugins", () => {
    const home = (stack: string) => join(folder, "plugins", stack);
    const children: ChildProcess[] = [];
    afterAll(() => children.forEach((child) => child.kill("SIGKILL")));

    /** A program of that name that does nothing, in a group of its own as the engine starts them; resolves when it runs. */
    async function start(path: string): Promise<ChildProcess> {
        mkdirSync(dirname(path), { recursive: true });
        symlinkSync(process.execPath, path);
        const child = spawn(path, ["-e", "console.log('here'); setInterval(() => 0, 1000)", "127.0.0.1:1"], {
            detached: true,
            stdio: ["ignore", "pipe", "ignore"],
        });
        children.push(child);
        await once(child.stdout, "data");
        return child;
    }

    test.each([
        ["whose engine was killed", endOfficialPlugins],
        ["of a run that was cut short", endLeftovers],
    ])("%s are ended, and nobody else's", async (_, end) => {
        const [mine, other] = [`${end.name}-a`, `${end.name}-a-b`];
        const plugin = await start(join(home(mine), "pulumi", "official", "pulumi-resource-kubernetes"));
        const downloaded = await start(join(home(mine), "pulumi", "plugins", "v1", "pulumi-resource-command"));
        const theirs = await start(join(home(other), "pulumi", "official", "pulumi-resource-kubernetes"));
        const ended = [plugin, downloaded].map((child) => once(child, "exit"));
        end({ home: home(mine) });
        expect(await Promise.all(ended)).toEqual(Array(2).fill([null, "SIGKILL"]));
        expect([theirs.exitCode, theirs.signalCode]).toEqual([null, null]);
    });

    test("on the PATH are started by a path of the sandbox", async () => {
        const [bin, pulumiHome] = [join(folder, "bin"), join(home("c"), "pulumi")];
        const plugin = join(bin, "pulumi-resource-command");
        mkdirSync(bin);
        writeFileSync(plugin, "");
        chmodSync(plugin, 0o755);
        // Without a network, whatever this computer has.
        const asked = jest.spyOn(globalThis, "fetch").mockRejectedValue(new Error("no network"));
        const path = process.env["PATH"];
        process.env["PATH"] = [bin, path].join(delimiter);
        try {
            // Twice: the second time the links are there.
            for (const _ of [1, 2]) {
                const { origin, folders } = await choosePlugins("auto", "/nowhere/pulumi", pulumiHome);
                expect([origin.command, folders]).toEqual(["PATH", [join(pulumiHome, "official")]]);
                expect(readlinkSync(join(pulumiHome, "official", "pulumi-resource-command"))).toBe(plugin);
            }
        } finally {
            process.env["PATH"] = path;
            asked.mockRestore();
        }
    });
});
