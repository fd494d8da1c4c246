import { spawnSync } from "node:child_process";
import { createCipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runProgram } from "../../lib/run-program";
import { startCloudflare, startTailscale } from "../../sandbox/clouds";
import { ageKeyFile, newAgeKey, secretsDocument } from "../../sandbox/secrets-file";
import { judgeBitwarden, lookAtBitwarden } from "../../tools/doctor/bitwarden";
import { judgeCloudflare, lookAtCloudflare } from "../../tools/doctor/cloudflare";
import { lookAtCluster } from "../../tools/doctor/cluster";
import { judgeDoppler, lookAtDoppler } from "../../tools/doctor/doppler";
import { hasFailure, inOrder, type Finding } from "../../lib/finding";
import { localKey } from "../../tools/doctor/local-key";
import { cloudNeeds, nodePaths, pluginsOf } from "../../tools/doctor/needs";
import { judgeNixos, lookAtNixos } from "../../bootstrap/nixos/judge";
import { lookAtNames, nameWishes, publicServer, resolverAt } from "../../tools/doctor/names";
import { renderFindings } from "../../tools/doctor/render";
import { ageRecipients } from "../../tools/doctor/secrets";
import { holds, judgeTailscale, lookAtTailscale } from "../../tools/doctor/tailscale";
import { judgeTalos } from "../../bootstrap/talos/judge";
import { judgePlugins, lookAtTool, pluginsOnPath } from "../../tools/doctor/tools";
import { shell } from "../../bootstrap/ssh";
import { commonOptions } from "../../tools/live/options";
import { planStack, type Plan } from "../../tools/plan/plan";
import { readStackValue, ROOT, TYPESCRIPT } from "../../stacks/stack-file";
import { BITWARDEN, chongus, healthy, homelab, ill, refused, told } from "./doctor-fixtures";

const said = (findings: readonly Finding[]) => findings.map(({ verdict, check }) => `${verdict} ${check}`);

describe("judgements", () => {
    test.each(Object.entries(healthy))("%s: a world in which all is well is ok, line by line", (_, findings) => {
        expect(findings().length).toBeGreaterThan(0);
        expect(findings().filter(({ verdict }) => verdict !== "ok")).toEqual([]);
    });

    test.each(ill.map((fixture) => [fixture.name, fixture] as const))("%s: one finding, with its fix", (_, fixture) => {
        const bad = fixture.findings().filter(({ verdict }) => verdict !== "ok");
        expect(said(bad)).toEqual([`${fixture.verdict} ${fixture.check}`]);
        expect(bad[0]?.found).toMatch(fixture.found);
        if (fixture.verdict === "skipped") expect(bad[0]?.fix).toBeUndefined();
        else expect(bad[0]?.fix).toMatch(fixture.fix ?? /^$/);
    });

    test("what was not run is never ok: a silent machine, a refused token, a refused OAuth client", () => {
        const machines = homelab.machines;
        if (machines.kind !== "nixos-k3s") throw new Error("homelab is no NixOS machine any more");
        const nothing = { directories: [], devices: [] };
        expect(said(judgeNixos(machines.args, nothing, refused(255, "No route to host")))).toEqual([
            "failure ssh",
            ...["name", "networks", "k3s", "kubeconfig", "age key", "directories", "devices"].map(
                (part) => `skipped ${part}`,
            ),
        ]);
        const needs = { dnsRecords: true, tunnel: true, policy: true, authKeys: true, splitDns: false };
        const account = { accountId: "a", zoneId: "z", domain: "example.org", apiToken: "t" };
        const no = refused(403, "403, 10000 Authentication error");
        const token = judgeCloudflare(account, needs, { token: no, zone: no, records: no, tunnels: no });
        expect(said(token)).toEqual(["failure token", "skipped zone", "skipped DNS records", "skipped tunnels"]);
        const client = judgeTailscale({ tailnet: "-", clientId: "i", clientSecret: "s" }, needs, {
            granted: no,
            policy: no,
        });
        expect(said(client)).toEqual(["failure OAuth client", "skipped scopes", "skipped policy file"]);
        const doppler = { project: "p", config: "c", serviceToken: "t" };
        expect(said(judgeDoppler(doppler, { me: no, names: no }))).toEqual([
            "failure service token",
            "skipped secrets",
        ]);
    });

    test("what an edit alone would prove is not called ok", () => {
        const account = { accountId: "a", zoneId: "z", domain: "example.org", apiToken: "t" };
        const needs = { dnsRecords: true, tunnel: false, policy: false, authKeys: false, splitDns: false };
        const findings = judgeCloudflare(account, needs, {
            token: { ok: true, value: { status: "active", expires: "" } },
            zone: { ok: true, value: "example.org" },
            records: { ok: true, value: 3 },
            tunnels: refused(403),
        });
        expect(said(findings)).toEqual([
            "ok token",
            "ok zone",
            "ok DNS records",
            "skipped editing DNS records",
            "skipped tunnels",
        ]);
    });

    test("no machine is called well when talosctl or its secrets are not in order", () => {
        const machines = chongus.machines;
        if (machines.kind !== "talos") throw new Error("chongus is no Talos cluster any more");
        const answer = {
            secretsHash: "",
            cluster: "",
            faults: ["talosctl is not on the PATH: install v1.10.6"],
            warnings: [],
        };
        expect(said(judgeTalos(machines.args, { answer, extras: new Map() }))).toEqual([
            "skipped node01",
            "skipped node02",
            "skipped node03",
        ]);
    });
});

describe("what a plan asks of the world", () => {
    let plan: Plan;
    beforeAll(async () => {
        plan = await planStack("homelab", readStackValue(ROOT, "homelab"), ROOT);
    });

    test("paths and devices that pods take from the node, of homelab and of a pod with a USB stick", () => {
        const { directories, devices } = nodePaths(plan);
        expect(devices).toEqual(["/dev/net/tun"]);
        expect(directories).toEqual(
            expect.arrayContaining(["/var/data/configs/sonarr", "/var/data/media", "/var/data/torrents"]),
        );
        const stick = { hostPath: { path: "/dev/serial/by-id/usb-zigbee", type: "CharDevice" } };
        const pod = {
            ...plan.resources[0],
            type: "kubernetes:apps/v1:Deployment",
            inputs: { spec: { volumes: [stick] } },
        };
        expect(nodePaths({ resources: [pod as Plan["resources"][number]] }).devices).toEqual([
            "/dev/serial/by-id/usb-zigbee",
        ]);
    });

    test("scopes follow from the resources, and so do plugins with the versions of package.json", () => {
        expect(cloudNeeds(plan)).toEqual({
            dnsRecords: true,
            tunnel: true,
            policy: true,
            policyEntries: { stack: "homelab", fragment: expect.objectContaining({ routes: expect.anything() }) },
            authKeys: true,
            splitDns: false,
        });
        expect(cloudNeeds({ resources: [] })).toEqual({
            dnsRecords: false,
            tunnel: false,
            policy: false,
            authKeys: false,
            splitDns: false,
        });
        const { dependencies } = require("../../package.json") as { dependencies: Record<string, string> };
        expect(Object.keys(pluginsOf(plan, dependencies))).toEqual([
            "cloudflare",
            "command",
            "kubernetes",
            "random",
            "tailscale",
        ]);
        expect(pluginsOf(plan, dependencies)["kubernetes"]).toBe(dependencies["@pulumi/kubernetes"]);
    });

    test("a scope holds what it names, what it is short for, and never more", () => {
        expect(holds(["all"], "auth_keys")).toBe(true);
        expect(holds(["devices"], "devices:core")).toBe(true);
        expect(holds(["acl"], "policy_file")).toBe(true);
        expect(holds(["devices:core:read", "all:read"], "devices:core")).toBe(false);
    });
});

describe("looks", () => {
    const folder = mkdtempSync(join(tmpdir(), "doctor-"));
    const servers: { close(): unknown }[] = [];
    afterAll(async () => {
        await Promise.all(servers.map((server) => server.close()));
        rmSync(folder, { recursive: true, force: true });
    });
    const listening = async (handler: Parameters<typeof createServer>[1]): Promise<string> => {
        const server: Server = createServer(handler ?? (() => undefined));
        servers.push({ close: () => server.closeAllConnections() === undefined && server.close() });
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
        return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    };
    const account = { accountId: "a".repeat(32), zoneId: "b".repeat(32), domain: "example.org", apiToken: "t" };

    test("the cluster: what is left in the namespace default and which jobs failed, but for Kubernetes' own, Istio's and what another object owns", async () => {
        const items: Record<string, object[]> = {
            pods: [
                { metadata: { name: "pg-ext-check" } },
                { metadata: { name: "web-1", ownerReferences: [{ kind: "ReplicaSet", name: "web" }] } },
            ],
            services: [{ metadata: { name: "kubernetes" } }],
            configmaps: ["kube-root-ca.crt", "istio-ca-root-cert", "notes"].map((name) => ({ metadata: { name } })),
            jobs: [{ metadata: { name: "once" } }],
        };
        const job = (name: string, type: string) => ({
            metadata: { name, namespace: "scheduling" },
            status: { conditions: [{ type, status: "True" }] },
        });
        const api = (name: string, status: string, reason: string) => ({
            metadata: { name },
            status: { conditions: [{ type: "Available", status, reason }] },
        });
        const answers: Record<string, object> = {
            "/api/v1/namespaces/default/pods/pg-ext-check": { status: { phase: "Failed" } },
            "/apis/batch/v1/jobs": { items: [job("once", "Complete"), job("again", "Failed")] },
            "/apis/apiregistration.k8s.io/v1/apiservices": {
                items: [api("v1.apps", "True", "Local"), api("v1beta1.metrics.k8s.io", "False", "MissingEndpoints")],
            },
        };
        const methods: string[] = [];
        const url = await listening((request, response) => {
            methods.push(request.method ?? "");
            const { pathname } = new URL(request.url ?? "", "http://x");
            const list = /\/namespaces\/default\/(\w+)$/.exec(pathname)?.[1];
            const answer =
                list !== undefined
                    ? { items: items[list] ?? [] }
                    : (answers[pathname] ?? { gitVersion: "v1.35.1", items: [] });
            response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
        });
        const kubeconfig = JSON.stringify({
            clusters: [{ name: "c", cluster: { server: url } }],
            users: [{ name: "u", user: { token: "t" } }],
            contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
            "current-context": "x",
        });
        const fact = await lookAtCluster(told(kubeconfig), 5000);
        expect(fact).toMatchObject({
            ok: true,
            value: {
                strays: told(["pod pg-ext-check (Failed)", "configmap notes", "job once"]),
                failedJobs: told(["scheduling/again"]),
                sickApis: told(["v1beta1.metrics.k8s.io (MissingEndpoints)"]),
            },
        });
        expect(new Set(methods)).toEqual(new Set(["GET"]));
    });

    test("Cloudflare: a token that is known, and one that is not", async () => {
        const cloud = await startCloudflare({
            port: 0,
            stateFile: join(folder, "cloudflare.json"),
            accountId: account.accountId,
            zones: [{ id: account.zoneId, name: "example.org" }],
            tokens: ["good"],
        });
        servers.push(cloud);
        const env = { CLOUDFLARE_BASE_URL: `${cloud.url}/client/v4` };
        expect(await lookAtCloudflare(account, "good", env, 5000)).toEqual({
            token: { ok: true, value: { status: "active", expires: "" } },
            zone: { ok: true, value: "example.org" },
            records: { ok: true, value: 0 },
            tunnels: { ok: true, value: 0 },
        });
        expect((await lookAtCloudflare(account, "bad", env, 5000)).token).toEqual(
            refused(403, "403, 10000 Authentication error"),
        );
    });

    test("Tailscale: scopes come with the token", async () => {
        const cloud = await startTailscale({
            port: 0,
            stateFile: join(folder, "tailscale.json"),
            tailnet: "-",
            credentials: { apiKeys: [], oauthClients: [{ id: "id", secret: "secret" }] },
        });
        servers.push(cloud);
        const env = { TAILSCALE_BASE_URL: cloud.url };
        const client = { tailnet: "-", clientId: "id", clientSecret: "secret" };
        expect((await lookAtTailscale(client, env, 5000)).granted).toEqual({ ok: true, value: ["all"] });
        expect((await lookAtTailscale({ ...client, clientSecret: "x" }, env, 5000)).granted).toEqual(
            refused(401, "401, API token invalid"),
        );
    });

    test("Doppler: where the token belongs, and names of secrets but no values", async () => {
        const asked: string[] = [];
        const url = await listening((request, response) => {
            asked.push(`${request.method} ${request.url}`);
            const me = { type: "service_token", scope: { project: "home-ops", config: "chongus" } };
            response.end(JSON.stringify(request.url === "/v3/me" ? me : { names: ["A"] }));
        });
        const doppler = { project: "home-ops", config: "chongus", serviceToken: "t" };
        expect(await lookAtDoppler(doppler, "dp.st.x", { DOPPLER_API_HOST: url }, 5000)).toEqual({
            me: { ok: true, value: { type: "service_token", project: "home-ops", config: "chongus" } },
            names: { ok: true, value: ["A"] },
        });
        expect(asked.sort()).toEqual([
            "GET /v3/configs/config/secrets/names?project=home-ops&config=chongus",
            "GET /v3/me",
        ]);
    });

    describe("Bitwarden", () => {
        const TOKEN = "0.ec2c1d46-6a4b-4751-a310-af9601317f2d.C2IgxjjLF7qSshsbwe8JGcbM075YXw:X8vbvA0bduihIDe/qrzIQQ==";
        const seal = (text: string, key: Buffer) => {
            const iv = randomBytes(16);
            const cipher = createCipheriv("aes-256-cbc", key.subarray(0, 32), iv);
            const data = Buffer.concat([cipher.update(text), cipher.final()]);
            const mac = createHmac("sha256", key.subarray(32)).update(iv).update(data).digest();
            return `2.${[iv, data, mac].map((part) => part.toString("base64")).join("|")}`;
        };
        const organizationKey = randomBytes(64);
        const stretched = Buffer.from(
            hkdfSync(
                "sha256",
                Buffer.from("X8vbvA0bduihIDe/qrzIQQ==", "base64"),
                "bitwarden-accesstoken",
                "sm-access-token",
                64,
            ),
        );
        const jwt = `x.${Buffer.from(JSON.stringify({ organization: BITWARDEN.organizationId })).toString("base64url")}.x`;
        /** A Bitwarden that gives out the key as `payload`. */
        const served = async (payload: string, asked: string[] = []) => {
            const url = await listening((request, response) => {
                let body = "";
                request.on("data", (chunk) => (body += String(chunk)));
                request.on("end", () => {
                    asked.push(`${request.method} ${request.url} ${body}`);
                    if (request.url === "/connect/token") {
                        const good = body.includes("client_secret=C2IgxjjLF7qSshsbwe8JGcbM075YXw");
                        response.statusCode = good ? 200 : 400;
                        const granted = { access_token: jwt, encrypted_payload: payload, token_type: "Bearer" };
                        return response.end(JSON.stringify(good ? granted : { error: "invalid_client" }));
                    }
                    const secret = (name: string, project: string) => ({
                        key: seal(name, organizationKey),
                        projects: [{ id: project, name: seal("home", organizationKey) }],
                    });
                    const secrets = [secret("KOPIA_PASSWORD", BITWARDEN.projectId), secret("ELSEWHERE", "other")];
                    return response.end(JSON.stringify({ secrets, projects: [] }));
                });
            });
            return { ...BITWARDEN, apiUrl: url, identityUrl: url };
        };
        const payload = (key = stretched) =>
            seal(JSON.stringify({ encryptionKey: organizationKey.toString("base64") }), key);

        // bitwarden_crypto, shareable_key.rs: the SDK's own examples, of which the access token's key is one more.
        test.each([
            [
                "&/$%F1a895g67HlX",
                "",
                "4PV6+PcmF2w7YHRatvyMcVQtI7zvCyssv/wFWmzjiH6Iv9altjmDkuBD1aagLVaLezbthbSe+ktR+U6qswxNnQ==",
            ],
            [
                "67t9b5g67$%Dh89n",
                "test",
                "F9jVQmrACGx9VUPjuzfMYDjr726JtL300Y3Yg+VYUnVQtQ1s8oImJ5xtp1KALC9h2nav04++1LDW4iFD+infng==",
            ],
        ])("a key is stretched as the SDK stretches %s", (secret, info, expected) => {
            const key = Buffer.from(hkdfSync("sha256", Buffer.from(secret), "bitwarden-test_key", info, 64));
            expect(key.toString("base64")).toBe(expected);
        });

        test("whose the token is, and names of the project's secrets but no values", async () => {
            const asked: string[] = [];
            expect(await lookAtBitwarden(await served(payload(), asked), TOKEN, 5000)).toEqual({
                login: { ok: true, value: { organization: BITWARDEN.organizationId } },
                names: { ok: true, value: ["KOPIA_PASSWORD"] },
            });
            expect(asked).toEqual([
                "POST /connect/token grant_type=client_credentials&scope=api.secrets&client_id=ec2c1d46-6a4b-4751-a310-af9601317f2d&client_secret=C2IgxjjLF7qSshsbwe8JGcbM075YXw",
                `GET /organizations/${BITWARDEN.organizationId}/secrets `,
            ]);
        });

        test("a token that is none, one that is refused, and one whose key opens nothing", async () => {
            const at = await served(payload());
            const judged = async (token: string) => said(judgeBitwarden(at, await lookAtBitwarden(at, token, 5000)));
            expect(await judged("xxx")).toEqual(["failure access token", "skipped secrets"]);
            expect((await lookAtBitwarden(at, TOKEN.replace("C2Ig", "D2Ig"), 5000)).login).toEqual(
                refused(400, "400, invalid_client"),
            );
            const other = await served(payload(randomBytes(64)));
            expect((await lookAtBitwarden(other, TOKEN, 5000)).names).toMatchObject({
                reason: "what Bitwarden answered is encrypted with another key than the token's",
            });
        });
    });

    test("an API that never answers ends with the timeout and says so", async () => {
        const url = await listening(() => undefined);
        const begun = Date.now();
        const { token } = await lookAtCloudflare(account, "t", { CLOUDFLARE_BASE_URL: url }, 300);
        expect(token).toEqual(refused(0, `${new URL(url).host} gave no answer in 0.3 seconds`));
        expect(Date.now() - begun).toBeLessThan(3000);
    });

    test("a host that never answers ends with the timeout, with all that was started for it", async () => {
        const begun = Date.now();
        const ran = await shell(runProgram, "sleep 30", 300);
        expect(ran.code).not.toBe(0);
        expect(Date.now() - begun).toBeLessThan(5000);
    });

    test("names are asked of a resolver: addresses, none, or why it does not say", async () => {
        const server = createSocket("udp4");
        server.on("message", (question, from) => {
            const known = question.includes("known");
            const answer = Buffer.from(question);
            answer.writeUInt16BE(known ? 0x8180 : 0x8183, 2);
            answer.writeUInt16BE(known ? 1 : 0, 6);
            answer.writeUInt16BE(0, 10);
            // The question's own name, A, IN, a minute, four bytes.
            const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 114, 7]);
            const end = 12 + question.subarray(12).indexOf(0) + 5;
            server.send(Buffer.concat([answer.subarray(0, end), ...(known ? [record] : [])]), from.port, from.address);
        });
        await new Promise<void>((ready) => server.bind(0, "127.0.0.1", ready));
        try {
            const lookup = resolverAt(`127.0.0.1:${server.address().port}`, 2000);
            const wishes = { local: [{ host: "known.example", address: "1.2.3.4" }], public: ["none.example"] };
            const { local, public: outside } = await lookAtNames(wishes, lookup, lookup);
            expect(local.get("known.example")).toEqual(told(["203.0.114.7"]));
            expect(outside.get("none.example")).toEqual(refused(404, "is not known"));
        } finally {
            server.close();
        }
        const silent = await resolverAt("127.0.0.1:1", 300)("known.example");
        expect(silent).toMatchObject({ ok: false, status: 0 });
        expect(nameWishes({ dns: [], challenges: { address: "1.2.3.4", port: 80, hosts: ["a.example"] } })).toEqual({
            local: [],
            public: ["a.example"],
        });
        expect([publicServer({}), publicServer({ PUBLIC_DNS: "" })]).toEqual(["1.1.1.1", ""]);
    });

    test("a machine that cannot be reached is a reason, and no program more", async () => {
        const machines = homelab.machines;
        if (machines.kind !== "nixos-k3s") throw new Error("homelab is no NixOS machine any more");
        const nowhere = () =>
            Promise.resolve({ code: 255, stdout: "", stderr: "ssh: connect to host x: No route to host\n" });
        expect(await lookAtNixos(machines.args, { directories: [], devices: [] }, nowhere, 1000)).toEqual(
            refused(255, "ssh: connect to host x: No route to host"),
        );
    });

    test("programs say their versions, and one that is not there is not there", async () => {
        const wish = { name: "node", why: "", versionArgs: ["--version"], install: "" };
        expect(await lookAtTool(wish, runProgram, 5000)).toEqual({ found: true, version: process.version.slice(1) });
        expect(await lookAtTool({ ...wish, name: "no-such-program" }, runProgram, 5000)).toEqual({ found: false });
    });

    test("plugins on the PATH are what the engine takes, whatever is installed, unless it is told not to", () => {
        const random = join(folder, "pulumi-resource-random");
        writeFileSync(random, "", { mode: 0o755 });
        const judge = (env: NodeJS.ProcessEnv) =>
            judgePlugins({ command: "1.2.1", random: "4.21.2" }, [], pluginsOnPath(["command", "random"], env)).map(
                ({ verdict, found }) => `${verdict}: ${found}`,
            );
        const missing = "; the engine fetches them when they are needed";
        expect(judge({ PATH: folder })).toEqual([
            `ok: the engine takes these of the PATH: ${random}`,
            `warning: not installed: command 1.2.1${missing}`,
        ]);
        expect(judge({ PATH: folder, PULUMI_IGNORE_AMBIENT_PLUGINS: "true" })).toEqual([
            `warning: not installed: command 1.2.1, random 4.21.2${missing}`,
        ]);
    });

    test("a key file on this computer is tried on the secrets file itself", async () => {
        const [ours, theirs] = await Promise.all([newAgeKey(), newAgeKey()]);
        writeFileSync(join(folder, "s.enc.yaml"), await secretsDocument({ a: "b" }, ours.recipient));
        const look = (content: string, file = "s.enc.yaml") => {
            writeFileSync(join(folder, "keys.txt"), content);
            return localKey(join(folder, "keys.txt"), folder, file);
        };
        const { recipient } = ours;
        expect(await look(ageKeyFile(ours))).toEqual({ found: true, recipient, opens: true });
        expect(await look(`${ours.identity}\n`)).toEqual({ found: true, recipient: "", opens: true });
        expect(await look(ageKeyFile(theirs))).toEqual({ found: true, recipient: theirs.recipient, opens: false });
        expect(await look(ageKeyFile(ours), "none.yaml")).toEqual({ found: true, recipient });
        expect(await look("no key")).toEqual({ found: false, recipient: "" });
    });

    test("recipients of a file stand in its sops block", () => {
        expect(ageRecipients("a: ENC\nsops:\n  age:\n    - recipient: age1ours\n      enc: x\n")).toEqual(["age1ours"]);
        expect(ageRecipients("a: plain\n")).toBeUndefined();
    });
});

describe("the command line", () => {
    const findings: Finding[] = [
        { area: "cloudflare", check: "token", verdict: "failure", found: "is disabled", fix: "make a new one" },
        { area: "tools", check: "provider plugins", verdict: "skipped", found: "pulumi does not list them" },
    ];

    test("findings are aligned by area, each fix below its finding", () => {
        expect(renderFindings("homelab", inOrder(findings))).toBe(
            [
                "Doctor of homelab: nothing was changed",
                "",
                "tools",
                "  skip  provider plugins  pulumi does not list them",
                "",
                "cloudflare",
                "  FAIL  token             is disabled",
                "                          fix: make a new one",
                "",
                "0 ok, 0 warnings, 1 failure, 1 not looked at",
                "",
            ].join("\n"),
        );
        expect(hasFailure(findings)).toBe(true);
        expect(hasFailure(findings.slice(1))).toBe(false);
    });

    test.each([
        [[], "which stack? usage"],
        [["homelab", "chongus"], "one stack at a time, got homelab, chongus"],
        [["homelab", "--yaml"], "unknown option --yaml"],
        [["homelab", "--timeout", "0"], '--timeout: got "0"; allowed: seconds from 1 to 600'],
        [["homelab", "--root"], "--root needs a value"],
    ])("%j is answered with what is allowed", (words, message) => {
        expect(() => commonOptions(words, { usage: "usage", root: ROOT })).toThrow(message);
    });

    test("a stack that is not there, and a faulty file, are answered without a stack trace", () => {
        const run = (root: string, stack: string) =>
            spawnSync(
                process.execPath,
                ["--require", TYPESCRIPT, join(ROOT, "tools/doctor/main.ts"), stack, "--root", root],
                { cwd: ROOT, encoding: "utf8" },
            );
        const unknown = run(ROOT, "homelap");
        expect([unknown.status, unknown.stderr]).toEqual([
            1,
            expect.stringMatching(/^error: there is no stack "homelap".*Did you mean homelab\?\n$/s),
        ]);
        const folder = mkdtempSync(join(tmpdir(), "doctor-"));
        writeFileSync(join(folder, "Pulumi.homelab.yaml"), "config:\n  homelab-infrastructure:cluster: {}\n");
        const faulty = run(folder, "homelab");
        rmSync(folder, { recursive: true });
        expect(faulty.status).toBe(1);
        expect(faulty.stderr).toMatch(/^error: Pulumi\.homelab\.yaml has \d+ faults/);
        expect(faulty.stderr).not.toMatch(/\n\s+at /);
    });
});
