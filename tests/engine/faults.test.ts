/**
 * What breaks while the engine works: Cloudflare, the API server, the engine itself, a plugin. Each time a person reads
 * what happened, and the next run ends with everything there, once.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { parseAllDocuments } from "yaml";
import { sandboxOptions } from "../../sandbox/options";
import { isBuiltIn } from "../../sandbox/providers/kubernetes/kinds";
import { planStack } from "../../tools/plan/plan";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { expectSuccess, named, SandboxHarness, type CliResult } from "./harness";

jest.setTimeout(5 * 60_000);

// Services settle sooner than the ten seconds of the official plugin, but long enough to be caught in the act.
const sandbox = new SandboxHarness({ SANDBOX_SETTLE_SECONDS: "2" });
afterAll(() => sandbox.remove());

interface Cloudflare {
    records: Record<string, { name: string; type: string }[]>;
    tunnels: { name: string; deletedAt: string | null }[];
}

const FOREVER = 1_000;
const TUNNEL = { match: "^POST .*/cfd_tunnel$", status: 500 };
const RECORD = { match: "^POST .*/dns_records$", status: 500 };

const records = () => Object.values(sandbox.cloud<Cloudflare>("cloudflare").records).flat();
const tunnels = () => sandbox.cloud<Cloudflare>("cloudflare").tunnels.filter(({ deletedAt }) => deletedAt === null);

/** A failure that a person can read: a non-zero end, the sentence, and nothing of the machinery. */
function expectFailure({ code, stdout, stderr }: CliResult, ...sentences: RegExp[]): void {
    const text = stdout + stderr;
    expect(code).toBe(1);
    for (const sentence of sentences) expect(text).toMatch(sentence);
    expect(text).not.toMatch(/\n\s+at .*\(.*:\d+:\d+\)/);
    expect(text).not.toMatch(/panic|goroutine|UnhandledPromise/);
}

/** Runs an up, ends a process of it once something is so, and says how it ended. */
async function upUntil(
    reached: (from: number) => Promise<void>,
    victim: RegExp,
): Promise<{ result: CliResult; secondsToEnd: number }> {
    const from = sandbox.transcript.length;
    const { result } = sandbox.start("up", "homelab");
    await reached(from);
    sandbox.kill(victim);
    const killed = Date.now();
    return { result: await result, secondsToEnd: (Date.now() - killed) / 1_000 };
}

/** What outlives a command: the control plane, and the clouds with the controllers. */
const workers = () => sandbox.processes().filter((line) => !/\/kwok\/|sandbox\/daemon\.ts/.test(line));

let clean: string[];

describe("Cloudflare answers 500", () => {
    test("and does not stop: the tunnel fails with what Cloudflare said", async () => {
        const { result } = sandbox.start("up", "homelab");
        await sandbox.fail("cloudflare", { ...TUNNEL, times: FOREVER });
        expectFailure(await result, /ZeroTrustTunnelCloudflared \(tunnel\):\s+error: .*POST .*\/cfd_tunnel: 500/);
        expect([tunnels(), records()]).toEqual([[], []]);
        // Asked three times, as the official plugin does, and then no more.
        expect((await requests("POST", /cfd_tunnel$/)).map(({ status }) => status)).toEqual([500, 500, 500]);
    });

    test("twice for the tunnel, which is then made; and does not stop for the records", async () => {
        await sandbox.fail("cloudflare", { ...TUNNEL, times: 2 }, { ...RECORD, times: FOREVER });
        expectFailure(
            await sandbox.run("up", "homelab"),
            /DnsRecord \(.*\.peterstorm\.io\):\s+error: .*POST .*\/dns_records: 500/,
        );
        expect((await requests("POST", /cfd_tunnel$/)).slice(3).map(({ status }) => status)).toEqual([500, 500, 200]);
        expect([tunnels().length, records()]).toEqual([1, []]);
    });

    test("twice for a record: up goes on, and everything is there once", async () => {
        await sandbox.fail("cloudflare", { ...RECORD, times: 2 });
        expectSuccess(await sandbox.run("up", "homelab"));
        expect(tunnels()).toHaveLength(1);
        expect(records()).toHaveLength(9);
        expect(new Set(records().map(({ name }) => name)).size).toBe(9);
        clean = sandbox.objects();
    });
});

interface Planned {
    apiVersion: string;
    kind: string;
    metadata: { name: string; namespace?: string };
}

/** Every Kubernetes object of the plan. */
async function plannedObjects(): Promise<Planned[]> {
    const { resources } = await planStack("homelab", readStackValue(ROOT, "homelab"), ROOT);
    return resources
        .filter(({ type }) => type.startsWith("kubernetes:") && !type.startsWith("kubernetes:helm.sh/"))
        .map(({ inputs }) => inputs as unknown as Planned);
}

test("nothing of the plan is missing", async () => {
    const objects = (await plannedObjects()).map(
        ({ kind, metadata }) => `${kind} ${metadata.namespace ?? ""}/${metadata.name}`,
    );
    expect(objects.length).toBeGreaterThan(50);
    expect(objects.filter((object) => !clean.includes(object))).toEqual([]);
});

interface Crd {
    metadata: { name: string };
    spec: {
        group: string;
        names: { kind: string };
        versions: { name: string; schema: { openAPIV3Schema: { properties: { spec: object } } } }[];
    };
}

const schemas = ({ spec }: Pick<Crd, "spec">) =>
    spec.versions.map(({ name, schema }) => [name, schema.openAPIV3Schema] as const);

/** A CRD as its project publishes it; more than one where several releases of a project are at hand. */
function published(folder: string, name: string): Crd[] {
    return readdirSync(folder)
        .map((project) => join(folder, project, `${name}.yaml`))
        .filter((file) => existsSync(file))
        .flatMap((file) => parseAllDocuments(readFileSync(file, "utf8")).map((each) => each.toJS() as Crd));
}

const groupKind = ({ apiVersion, kind }: Planned) => `${apiVersion.split("/")[0]} ${kind}`;

describe("custom resources", () => {
    const { crds } = sandboxOptions();
    const whenThere = crds === undefined ? test.skip : test;
    const skipped = crds === undefined ? " (skipped: ../shared/crds is not here, nor does SANDBOX_CRDS name one)" : "";

    whenThere(`each is validated by the CRD that its project publishes${skipped}`, async () => {
        const served = sandbox
            .json<{ items: Crd[] }>("get", "crd")
            .items.filter(({ spec }) => spec.group !== "kwok.x-k8s.io");
        const names = served.map(({ metadata }) => metadata.name).join(",");
        const kinds = new Set(
            sandbox.json<{ items: Planned[] }>("get", names, "--all-namespaces").items.map(groupKind),
        );
        const wanted = (await plannedObjects()).filter(({ apiVersion }) => !isBuiltIn(apiVersion)).map(groupKind);
        expect(new Set(wanted).size).toBeGreaterThan(3);
        expect([...new Set(wanted)].filter((kind) => !kinds.has(kind))).toEqual([]);

        for (const { metadata, spec } of served) {
            if (!kinds.has(`${spec.group} ${spec.names.kind}`)) continue;
            // Compared as a whole, and told by name only: a difference would fill the screen.
            const same = published(crds ?? "", metadata.name).some((crd) =>
                isDeepStrictEqual(schemas(crd), schemas({ spec })),
            );
            expect([metadata.name, same]).toEqual([metadata.name, true]);
            // And it says something of the fields: it is no stub that takes all.
            for (const { schema } of spec.versions)
                expect(Object.keys(schema.openAPIV3Schema.properties.spec)).toContain("properties");
        }
    });

    whenThere(`one with a field of the wrong type is refused${skipped}`, () => {
        const refused = (kind: string, name: string, patch: object) => () =>
            sandbox.kubectl(
                "patch",
                kind,
                name,
                "--type=merge",
                "--dry-run=server",
                `--patch=${JSON.stringify(patch)}`,
            );
        const pool = sandbox.json<{ items: Planned[] }>("get", "ciliumloadbalancerippools.cilium.io").items[0];
        expect(refused("ciliumloadbalancerippool", pool?.metadata.name ?? "", { spec: { blocks: "all" } })).toThrow(
            /spec\.blocks: Invalid value: "string".* must be of type array/,
        );
    });
});

test("workloads are built side by side", () => {
    const apps = ["plex", "sonarr", "radarr", "prowlarr", "overseerr", "transmission", "echo-server"];
    const open = new Set<string>();
    let most = 0;
    for (const line of sandbox.transcript.split("\n")) {
        const [, kind, name = "", verb] = /:(Deployment|Service) (\S+) (creating|created)/.exec(line) ?? [];
        if (!apps.includes(name)) continue;
        if (verb === "creating") open.add(name);
        else if (kind === "Service") open.delete(name);
        most = Math.max(most, open.size);
    }
    // Not all: the engine does four things a core at once.
    expect(most).toBeGreaterThan(3);
});

describe("the API server", () => {
    test("dies before a preview looks: it ends with a sentence, and touches nothing", async () => {
        const from = sandbox.transcript.length;
        const { result } = sandbox.start("preview", "homelab");
        await sandbox.printed("sandbox: charts", from);
        sandbox.kill(/\/bin\/kube-apiserver /);
        expectFailure(
            await result,
            /node homelab \(192\.168\.0\.28\) is not ready; nothing was touched\.\s+- k3s\.service is "failed", not active/,
            /sandbox: the API server does not answer\. Run the same command again/,
        );
        expect(workers()).toEqual([]);
    });

    test("is down: the next command starts it again, and nothing has changed", async () => {
        const result = await sandbox.run("up", "homelab", "--expect-no-changes");
        expectSuccess(result);
        expect(result.stderr).toContain("sandbox: control plane started");
    });
});

describe("killed in the middle of an up", () => {
    test("the engine: the command says so, and leaves no process behind", async () => {
        expectSuccess(await sandbox.run("down", "homelab"));
        const { result, secondsToEnd } = await upUntil(
            (from) => sandbox.printed("Release argocd creating", from),
            /\/tools\/bin\/pulumi up /,
        );
        expectFailure(result, /sandbox: the engine was ended from outside \(SIGKILL\)\. Run the same command again/);
        expect(secondsToEnd).toBeLessThan(30);
        expect(workers()).toEqual([]);
    });

    test("then the plugins: what it was doing fails, in words", async () => {
        const { result, secondsToEnd } = await upUntil(async (from) => {
            await sandbox.printed("Service plex creating", from);
            // Printed before the plugin has asked for it.
            await sandbox.made("--namespace=media", "service", "plex");
        }, /main\.ts --plugins kubernetes:/);
        expectFailure(
            result,
            /core\/v1:Service \(plex\):\s+error: /,
            /sandbox: the stand-in plugins ended in the middle \(SIGKILL\)\. Run the same command again/,
        );
        expect(secondsToEnd).toBeLessThan(60);
        expect(workers()).toEqual([]);
        // Made, and unknown to the state: a plain create of it would be refused.
        expect(sandbox.kubectl("-n", "media", "get", "service", "plex", "-o", "name")).toContain("plex");
    });

    test("the next up finishes: nothing is twice, nothing is lost, and there is nothing left to do", async () => {
        expectSuccess(await sandbox.run("up", "homelab"));
        expect(named(sandbox.objects())).toEqual(named(clean));
        expect([tunnels().length, records().length]).toEqual([1, 9]);
        expectSuccess(await sandbox.run("up", "homelab", "--expect-no-changes"));
    });
});

interface LoggedRequest {
    method: string;
    path: string;
    status: number;
}

/** Requests that the loopback Cloudflare got, oldest first. */
async function requests(method: string, path: RegExp): Promise<LoggedRequest[]> {
    const log = await sandbox.lever<LoggedRequest[]>("cloudflare", "requests");
    return log.filter((request) => request.method === method && path.test(request.path));
}
