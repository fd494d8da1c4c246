/** The whole life of the chongus stack on the real engine: up, up, destroy with data kept, up again from backups, down. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { talosCalls } from "../../sandbox/machines/talos";
import type { Step } from "../../tools/move/steps";
import { planStack, type Plan } from "../../tools/plan/plan";
import { readStackValue, ROOT, TYPESCRIPT } from "../../stacks/stack-file";
import { expectSuccess, named, SandboxHarness } from "./harness";

jest.setTimeout(15 * 60_000);

const sandbox = new SandboxHarness({ SANDBOX_SETTLE_SECONDS: "2" }, "chongus", 600);
afterAll(() => sandbox.remove());

interface Cloudflare {
    records: Record<string, { name: string; type: string; content: string; proxied: boolean }[]>;
    tunnels: { id: string; name: string; deletedAt: string | null }[];
}

const records = () => Object.values(sandbox.cloud<Cloudflare>("cloudflare").records).flat();
const tunnels = () => sandbox.cloud<Cloudflare>("cloudflare").tunnels.filter(({ deletedAt }) => deletedAt === null);
const get = (path: string, ...args: string[]) => sandbox.kubectl("get", ...args, "-o", `jsonpath=${path}`);

/** What the mover of a workload's volume said when it was made from its backup. */
const restored = (namespace: string, workload: string) =>
    get("{.status.latestMoverStatus.logs}", "-n", namespace, "replicationdestination", `${workload}-dst`);

/**
 * What charts mark to be kept when they go: definitions of CloudNativePG, its Barman plugin and flux-operator. The stand-in
 * of rook-ceph-cluster keeps its class besides. And what opens the Ceph that stays on the machines.
 */
const KEPT =
    /^(APIService|CustomResourceDefinition) .*(cnpg\.io|fluxcd\.controlplane\.io)$|^StorageClass \/ceph-block$|^Secret kube-system\/rook-ceph-identity$/;

/** Where PostgreSQL archives to, and where it came from. */
const life = () => {
    const server = ["-n", "database", "clusters.postgresql.cnpg.io", "postgres"];
    return [
        get("{.spec.plugins[0].parameters.serverName}", ...server),
        get("{.spec.bootstrap.recovery.source}", ...server),
    ];
};
const fsid = () => get("{.items[0].status.ceph.fsid}", "-n", "rook-ceph", "cephcluster");

/** Objects that have the same name in each life of the cluster. */
const lasting = (objects: readonly string[]) =>
    named(objects).filter((object) => !/^(Backup|VolumeSnapshot|VolumeSnapshotContent) /.test(object));

let plan: Plan;
let baseline: string[];
let first: string[];
let ceph: string;

beforeAll(async () => {
    plan = await planStack("chongus", readStackValue(ROOT, "chongus"), ROOT);
});

test("preview of machines that have no cluster yet touches nothing", async () => {
    expectSuccess(await sandbox.run("preview", "chongus"));
    baseline = sandbox.objects();
    expect(baseline.filter((object) => /cilium|rook|envoy|jellyfin/.test(object))).toEqual([]);
    expect(talosCalls(sandbox.node("")).filter(({ args }) => args.includes("apply-config"))).toEqual([]);
});

test("up builds the cluster from bare machines to every workload", async () => {
    const result = await sandbox.run("up", "chongus");
    expectSuccess(result);
    for (const { host, address, access } of plan.exposures) {
        expect(result.stdout).toMatch(new RegExp(`${host.replaceAll(".", "\\.")}\\s+${address}\\S*\\s+${access}`));
    }
    first = sandbox.objects();
    expect(life()).toEqual(["postgres-v1", ""]);
    ceph = fsid();
});

test("Talos was applied node by node, and etcd founded once", () => {
    const steps = talosCalls(sandbox.node("")).map(({ args }) => args.join(" "));
    expect(steps.filter((step) => /\bbootstrap\b/.test(step))).toHaveLength(1);
    const applied = steps.filter((step) => step.includes("apply-config"));
    expect(applied.map((step) => /172\.30\.11\.\d/.exec(step)?.[0])).toEqual([
        "172.30.11.1",
        "172.30.11.2",
        "172.30.11.3",
    ]);
});

test("gateways have their addresses, and external-dns keeps exactly the plan's records", async () => {
    const gateway = (name: string) => get("{.status.addresses[0].value}", "-n", "network", "gateway", name);
    expect([gateway("envoy-internal"), gateway("envoy-external")]).toEqual(["172.22.12.1", "172.22.12.2"]);
    const tunnel = tunnels()[0]?.id ?? "";
    const wanted = plan.dns.map(({ name, type, content, proxied }) => ({
        name,
        type,
        content: content.replace("<tunnel-id>", tunnel),
        proxied,
    }));
    const kept = () =>
        records()
            .filter(({ type }) => type !== "TXT")
            .map(({ name, type, content, proxied }) => ({ name, type, content, proxied }))
            .sort((a, b) => (a.name < b.name ? -1 : 1));
    await sandbox.until(() => kept().length === wanted.length, "external-dns has not made its records");
    expect(kept()).toEqual([...wanted].sort((a, b) => (a.name < b.name ? -1 : 1)));
});

test("Ceph is healthy, volumes are bound, the database has its owner, GPUs are asked for", () => {
    expect(get("{.items[0].status.ceph.health}", "-n", "rook-ceph", "cephcluster")).toBe("HEALTH_OK");
    const claims = sandbox.json<{ items: { metadata: { name: string }; status: { phase: string } }[] }>(
        "get",
        "pvc",
        "--all-namespaces",
    ).items;
    expect(claims.length).toBeGreaterThan(8);
    expect(claims.filter(({ status }) => status.phase !== "Bound")).toEqual([]);
    expect(restored("media", "sonarr")).toContain("No eligible snapshots found");
    expect(get("{.status.applied}", "-n", "database", "databases.postgresql.cnpg.io", "postgres-paperless")).toBe(
        "true",
    );
    for (const name of ["media/jellyfin", "ai/ollama"]) {
        const [namespace = "", workload = ""] = name.split("/");
        const limits = "{.spec.template.spec.containers[0].resources.limits.nvidia\\.com/gpu}";
        expect(get(limits, "-n", namespace, "deployment", workload)).toBe("1");
    }
});

/** The checklist of a move to or from the sandbox's chongus; nobody answers for the other cluster. */
function moveSteps(app: string, direction: "from" | "to"): Step[] {
    const stacks = direction === "from" ? ["chongus", "homelab"] : ["homelab", "chongus"];
    const { stdout, stderr } = spawnSync(
        process.execPath,
        [
            ...["--require", TYPESCRIPT, join(ROOT, "tools/move/main.ts"), app, ...stacks, "--json"],
            ...[`--${direction}-kubeconfig`, join(sandbox.home, "kubeconfig.yaml"), "--timeout=3"],
        ],
        { encoding: "utf8" },
    );
    if (stdout === "") throw new Error(stderr);
    return (JSON.parse(stdout) as { steps: Step[] }).steps;
}
const verdict = (steps: readonly Step[], title: string) => steps.find((step) => step.title.startsWith(title))?.verdict;

/** Does what a step says, word by word. */
function follow(lines: readonly string[]): void {
    for (const line of lines.filter((text) => text.startsWith("  kubectl "))) {
        const { status, stderr } = spawnSync("bash", ["-c", line], {
            encoding: "utf8",
            env: {
                ...process.env,
                KUBECONFIG: join(sandbox.home, "kubeconfig.yaml"),
                PATH: `${join(sandbox.home, "tools", "bin")}:${process.env["PATH"]}`,
            },
        });
        expect([line, status, status === 0 ? "" : stderr]).toEqual([line, 0, ""]);
    }
}

test("the checklist of a move sees what is so, and what it says to do is what takes a step", async () => {
    const arriving = moveSteps("sonarr", "to");
    expect(verdict(arriving, "sonarr runs on chongus")).toBe("done");
    expect(verdict(arriving, "sonarr.rtrox.io leads to chongus")).toBe("done");
    // Started empty: what homelab has never came here.
    expect(verdict(arriving, "the data of sonarr is restored")).toBe("todo");
    expect(verdict(arriving, "sonarr is stopped on homelab")).toBe("unseen");

    const leaving = () => {
        const steps = moveSteps("sonarr", "from");
        const named = (title: string) => steps.find((one) => one.title.startsWith(title)) as Step;
        return { stopped: named("sonarr is stopped"), backedUp: named("the data of sonarr is backed up since") };
    };
    const running = leaving();
    expect(running.stopped.verdict).toBe("todo");
    follow(running.stopped.fix);
    const pods = () => get("{.status.replicas}", "-n", "media", "deployment", "sonarr");
    await sandbox.until(() => pods() === "", "sonarr did not stop");
    const { stopped, backedUp } = leaving();
    expect([stopped.verdict, backedUp.verdict]).toEqual(["done", "todo"]);
    follow(backedUp.fix);
    expect(leaving().backedUp.verdict).toBe("done");

    // And back, as it says there.
    follow(running.stopped.back ?? []);
    sandbox.kubectl("-n", "media", "rollout", "status", "deployment", "sonarr", "--timeout=60s");
});

test("the state of an earlier main loses nothing (docs/upgrading.md)", async () => {
    const { replaced, deleted } = await sandbox.previewFromEarlier();
    expect({ replaced, deleted }).toEqual({
        replaced: ["tailscale:index:TailnetKey tailnet"],
        deleted: ["tailscale:index:Acl tailnet-policy"],
    });
});

test("a second up changes nothing, and refresh finds nothing to correct", async () => {
    expectSuccess(await sandbox.run("up", "chongus", "--expect-no-changes"));
    expectSuccess(await sandbox.run("refresh", "chongus", "--expect-no-changes"));
});

test("no bootstrap secret is in state, plan, logs, arguments or the project", () => {
    const secrets = ["sandbox-cloudflare-token-0123456789abcdefghij", "sandbox-doppler-serviceToken"];
    const places = new Map([
        ["everything printed", sandbox.transcript],
        [
            "arguments of talosctl",
            talosCalls(sandbox.node(""))
                .map(({ args }) => args.join(" "))
                .join("\n"),
        ],
        ...sandbox.files(join(sandbox.home, "state")),
        ...sandbox.files(join(sandbox.home, "project")),
    ]);
    expect([...places.keys()].some((path) => path.endsWith(".json"))).toBe(true);
    for (const [place, text] of places) {
        for (const secret of [...secrets, Buffer.from("sandbox-secrets-bootstraptoken").toString("base64")]) {
            expect([place, text.includes(secret)]).toEqual([place, false]);
        }
    }
});

test("destroy backs up each volume, empties cluster and clouds, and leaves the machines as they are", async () => {
    const before = talosCalls(sandbox.node("")).length;
    // A sick metrics-server, as in life when its node is gone: no namespace ends while its API is there.
    sandbox.kubectl("scale", "deployment", "metrics-server", "-n", "kube-system", "--replicas=0");
    await sandbox.until(
        () => sandbox.kubectl("get", "apiservice", "v1beta1.metrics.k8s.io").includes("False"),
        "the metrics API did not become unavailable",
    );
    expectSuccess(await sandbox.run("destroy", "chongus"));
    expect(sandbox.objects().filter((object) => !KEPT.test(object))).toEqual(baseline);
    expect(records()).toEqual([]);
    expect(tunnels()).toEqual([]);
    const after = talosCalls(sandbox.node("")).slice(before);
    expect(after.filter(({ args }) => /reset|wipe|shutdown/.test(args.join(" ")))).toEqual([]);
});

test("the next up restores the volumes from their backups and equals the first (C-DR-06)", async () => {
    expectSuccess(await sandbox.run("up", "chongus"));
    expect(lasting(sandbox.objects())).toEqual(lasting(first));
    for (const [namespace, workload] of [
        ["media", "jellyfin"],
        ["media", "sonarr"],
        ["productivity", "paperless"],
    ] as const) {
        expect(restored(namespace, workload)).toMatch(/^restoring snapshot \w{8} of \[\/data\]/);
    }
    // Databases from the archive of the life before, and Ceph as it was left on the machines.
    expect(life()).toEqual(["postgres-v2", "postgres-v1"]);
    const { archives } = JSON.parse(readFileSync(join(sandbox.home, "daemon", "postgres-archives.json"), "utf8")) as {
        archives: Record<string, { data: string; backups: number }>;
    };
    const [before, now] = ["postgres-v1", "postgres-v2"].map((name) => archives[`s3://cloudnative-pg/${name}`]);
    expect(now?.data).toBe(before?.data);
    expect(now?.backups).toBeGreaterThan(0);
    expect(fsid()).toBe(ceph);
    // A snapshot, and nobody but a person can tell whether homelab's files are in it.
    expect(verdict(moveSteps("sonarr", "to"), "the data of sonarr is restored")).toBe("unseen");
});

test("nothing changes after that, either: what was decided of the databases stays", async () => {
    expectSuccess(await sandbox.run("up", "chongus", "--expect-no-changes"));
});

test("down removes every process and file", async () => {
    expectSuccess(await sandbox.run("down", "chongus"));
    expect(sandbox.processes()).toEqual([]);
    expect(existsSync(sandbox.home)).toBe(false);
});
