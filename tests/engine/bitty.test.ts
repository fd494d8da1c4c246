/**
 * What the life of bitty shows that chongus' does not: data on a node's disk that comes back from its backup after a
 * rebuild, Intel's GPUs, no Ceph and no account. Then its app moves to a cluster of chongus' recipe that runs beside it.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { ROOT, TYPESCRIPT } from "../../stacks/stack-file";
import type { Repositories } from "../../sandbox/operators/volsync/controller";
import type { Step } from "../../tools/move/steps";
import { expectSuccess, SandboxHarness } from "./harness";

jest.setTimeout(15 * 60_000);

const KEY = "homelab-infrastructure:cluster";
/** One machine of chongus' recipe: Ceph, so that a restore leaves the mover's words, and NVIDIA's GPU. */
const SMALL_CHONGUS = {
    domain: "chongus.example",
    nodes: [
        {
            name: "node01",
            address: "172.30.11.1",
            mac: "24:6e:96:00:00:01",
            systemDisk: "/dev/disk/by-id/ata-SYSTEM_SSD_240GB_NODE01",
            osdDisks: ["/dev/disk/by-id/ata-Samsung_SSD_870_EVO_2TB_S000000000000A1"],
            gpus: { nvidia: 1 },
        },
    ],
    talos: { vip: "172.30.11.10", gateway: "172.30.11.254" },
    network: { pool: "172.22.12.0/24" },
    secrets: { doppler: { project: "home-ops", config: "chongus" } },
    storage: { nfs: { server: "nas.rtrox.io", media: "/volume1/media" } },
    backups: { minio: { endpoint: "https://minio.rtrox.io", bucket: "volsync" } },
    apps: { "echo-server": {} } as Record<string, object>,
};

const files = mkdtempSync(join(tmpdir(), "homelab-engine-stacks-"));
const env = { SANDBOX_SETTLE_SECONDS: "2", SANDBOX_STACK_FILES: files };
const bitty = new SandboxHarness(env, "bitty", 600);
const chongus = new SandboxHarness(env, "chongus", 600);
afterAll(async () => {
    await Promise.all([bitty.remove(), chongus.remove()]);
    rmSync(files, { recursive: true });
});

interface Facts {
    apps: Record<string, object>;
    phaseOut?: { to: string; apps: string[] };
}
const file = (stack: string) => join(files, `Pulumi.${stack}.yaml`);
const write = (stack: string, facts: object) => writeFileSync(file(stack), stringify({ config: { [KEY]: facts } }));
const read = (stack: string) =>
    (parse(readFileSync(file(stack), "utf8")) as { config: Record<string, Facts> }).config[KEY] as Facts;

beforeAll(() => {
    cpSync(join(ROOT, "Pulumi.yaml"), join(files, "Pulumi.yaml"));
    cpSync(join(ROOT, "Pulumi.bitty.yaml"), file("bitty"));
    write("chongus", SMALL_CHONGUS);
});

const get = (from: SandboxHarness, path: string, ...args: string[]) =>
    from.kubectl("get", ...args, "-o", `jsonpath=${path}`);
const bucket = (of: SandboxHarness) => join(of.home, "daemon", "restic.json");
/** restic's repositories; none before the first backup. */
const repositories = (of: SandboxHarness) =>
    existsSync(bucket(of)) ? (JSON.parse(readFileSync(bucket(of), "utf8")) as Repositories).repositories : {};
const OURS = "s3:https://minio.rtrox.io/volsync-bitty/jellyfin";
const THEIRS = "s3:https://minio.rtrox.io/volsync/jellyfin";

/** The volume that jellyfin's claim is bound to. */
const volume = () =>
    bitty.json<{ metadata: { annotations: Record<string, string> }; spec: { storageClassName: string } }>(
        ...[
            "get",
            "persistentvolume",
            get(bitty, "{.spec.volumeName}", "-n", "media", "persistentvolumeclaim", "jellyfin"),
        ],
    );
const restoredFrom = () => volume().metadata.annotations["sandbox/restored-from"];

test("up builds it without Ceph and without an account; a new volume has nothing to restore", async () => {
    expectSuccess(await bitty.run("up", "bitty"));
    const kinds = bitty.kubectl("get", "customresourcedefinitions", "-o", "name");
    expect(kinds).not.toMatch(/ceph|cnpg/);
    expect(existsSync(join(bitty.home, "daemon", "ceph-machines.json"))).toBe(false);
    expect(volume().spec.storageClassName).toBe("openebs-hostpath");
    expect(restoredFrom()).toBeUndefined();
});

test("the nodes offer their Intel GPUs, and jellyfin has one (B-APP-01)", () => {
    const offered = get(bitty, "{.items[*].status.allocatable.gpu\\.intel\\.com/i915}", "nodes");
    expect(offered).toBe("1 1 1");
    const limits = "{.items[0].spec.containers[0].resources.limits.gpu\\.intel\\.com/i915}";
    const app = ["-n", "media", "pods", "-l", "app.kubernetes.io/name=jellyfin"];
    expect(get(bitty, limits, ...app)).toBe("1");
    expect(get(bitty, "{.items[0].status.phase}", ...app)).toBe("Running");
});

test("a second up changes nothing", async () => {
    expectSuccess(await bitty.run("up", "bitty", "--expect-no-changes"));
});

test("destroy takes a last backup of the disk's content and leaves no volume behind", async () => {
    // One may be there by now: the schedule's first turn comes at once, and finds the volume empty or not.
    const before = repositories(bitty)[OURS]?.backups.length ?? 0;
    expectSuccess(await bitty.run("destroy", "bitty"));
    expect(repositories(bitty)[OURS]?.backups.length).toBe(before + 1);
    const left = bitty
        .objects()
        .filter((object) => /^(PersistentVolume|PersistentVolumeClaim|Namespace|Secret) /.test(object));
    expect(left).toEqual(
        ["default", "kube-node-lease", "kube-public", "kube-system"].map((name) => `Namespace /${name}`),
    );
});

test("the next up restores it in place, before the app starts (B-HW-03); another cluster comes up beside it", async () => {
    const last = repositories(bitty)[OURS]?.backups.at(-1)?.at;
    const [rebuilt, other] = await Promise.all([bitty.run("up", "bitty"), chongus.run("up", "chongus")]);
    expectSuccess(rebuilt);
    expectSuccess(other);
    expect(restoredFrom()).toBe(`${OURS} ${last}`);
    expect(
        get(bitty, "{.metadata.labels.homelab\\.restored}", "-n", "media", "persistentvolumeclaim", "jellyfin"),
    ).toBe("true");
    expect(bitty.kubectl("get", "replicationdestinations", "--all-namespaces", "-o", "name")).toBe("");
});

/** The checklist as a person gets it, both clusters looked at. */
function move(): { code: number | null; steps: Step[] } {
    const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [
            ...["--require", TYPESCRIPT, join(ROOT, "tools/move/main.ts"), "jellyfin", "bitty", "chongus", "--json"],
            ...["--root", files, "--from-kubeconfig", join(bitty.home, "kubeconfig.yaml")],
            ...["--to-kubeconfig", join(chongus.home, "kubeconfig.yaml")],
        ],
        { encoding: "utf8" },
    );
    if (stdout === "") throw new Error(stderr);
    return { code: status, steps: (JSON.parse(stdout) as { steps: Step[] }).steps };
}
const told = (steps: readonly Step[]) => steps.map(({ part, verdict, title }) => `${part} ${verdict}: ${title}`);
const next = () => move().steps.find(({ verdict }) => verdict === "todo");

/** Does what a step says on a cluster, word by word. */
function follow(on: SandboxHarness, { fix }: Step): void {
    for (const line of fix.filter((text) => text.startsWith("  kubectl "))) {
        const { status, stderr } = spawnSync("bash", ["-c", line], {
            encoding: "utf8",
            env: {
                ...process.env,
                KUBECONFIG: join(on.home, "kubeconfig.yaml"),
                PATH: `${join(on.home, "tools", "bin")}:${process.env["PATH"]}`,
            },
        });
        expect([line, status, status === 0 ? "" : stderr]).toEqual([line, 0, ""]);
    }
}

/** Both restic commands of the step: the newest snapshot of the one repository becomes the other's. */
function copySnapshot(): void {
    const from = repositories(bitty)[OURS];
    if (from === undefined) throw new Error("bitty has no repository");
    // A second on: backups are dated in whole ones, and a quick machine copies within the one that the backup ended in.
    const at = new Date(Date.now() + 1_000).toISOString().replace(/\.\d+Z$/, "Z");
    const copy = { password: from.password, backups: [{ at, claim: from.backups.at(-1)?.claim ?? "" }] };
    writeFileSync(bucket(chongus), JSON.stringify({ repositories: { ...repositories(chongus), [THEIRS]: copy } }));
}

test("jellyfin moves to the other cluster by the nine steps, each seen in both (B-OPS-06..09, B-EDGE-03, B-GITOPS-06, B-GITOPS-07, B-SEC-04, B-SEC-05)", async () => {
    expect(told(move().steps)).toEqual([
        "1 unseen: jellyfin is declared on chongus as it was on bitty",
        "2 done: jellyfin has its way in on chongus, and no Ingress beside it",
        "3 done: no shared HelmRepository delivers jellyfin",
        "4 unseen: the store of chongus has the secrets of jellyfin",
        "5 done: nothing is substituted into jellyfin from a Secret",
        "6 done: jellyfin has its namespace and its backed-up volumes on chongus",
        "7 todo: jellyfin is stopped on bitty",
        "7 todo: the data of jellyfin is backed up since",
        "7 unseen: the data of jellyfin is where chongus looks for it",
        "7 todo: jellyfin runs on chongus",
        "8 todo: the data of jellyfin is restored on chongus",
        "8 todo: jellyfin.chongus.example leads to chongus",
        "9 todo: jellyfin is gone from bitty",
    ]);
    follow(bitty, next() as Step);
    const pods = () => get(bitty, "{.status.replicas}", "-n", "media", "deployment", "jellyfin");
    await bitty.until(() => pods() === "", "jellyfin did not stop");
    expect(next()?.title).toBe("the data of jellyfin is backed up since");
    follow(bitty, next() as Step);
    expect(next()?.title).toBe("jellyfin runs on chongus");
    copySnapshot();
    write("chongus", { ...SMALL_CHONGUS, apps: { ...SMALL_CHONGUS.apps, jellyfin: {} } });
    expectSuccess(await chongus.run("up", "chongus"));

    const taken = '{.status.parents[*].conditions[?(@.type=="Accepted")].status}';
    await chongus.until(
        () => get(chongus, taken, "-n", "media", "httproute", "jellyfin").includes("True"),
        "the edge did not take jellyfin's route up",
    );
    const arrived = move().steps.filter(({ part }) => part === 4 || part >= 7);
    expect(told(arrived)).toEqual([
        "4 done: the store of chongus has the secrets of jellyfin",
        "7 done: jellyfin is stopped on bitty",
        "7 done: the data of jellyfin is backed up since",
        "7 unseen: the data of jellyfin is where chongus looks for it",
        "7 done: jellyfin runs on chongus",
        // A copy is dated by the copying: only a person can tell it from a backup of an empty volume.
        "8 unseen: the data of jellyfin is restored on chongus",
        "8 done: jellyfin.chongus.example leads to chongus",
        "9 todo: jellyfin is gone from bitty",
    ]);
    const at = repositories(chongus)[THEIRS]?.backups[0]?.at ?? "";
    expect(arrived.find(({ part }) => part === 8)?.found).toContain(new Date(at).toISOString());

    const { apps, phaseOut, ...rest } = read("bitty");
    const { jellyfin: _gone, ...stay } = apps;
    write("bitty", { ...rest, phaseOut, apps: stay });
    expectSuccess(await bitty.run("up", "bitty"));
    // The last app of its namespace: to end one, Kubernetes asks every API what is in it, metrics-server's too.
    expect(bitty.kubectl("get", "namespace", "media", "--ignore-not-found")).toBe("");
    expect(next()).toMatchObject({ part: 9, fix: ["take jellyfin out of phaseOut.apps"] });
    write("bitty", { ...rest, phaseOut: { to: "chongus", apps: Object.keys(stay) }, apps: stay });
    const { code, steps } = move();
    expect(steps.filter(({ verdict }) => verdict === "todo")).toEqual([]);
    expect(code).toBe(0);
});

test("the way back is refused: bitty is on its way out (B-OPS-03)", () => {
    const { status, stderr } = spawnSync(
        process.execPath,
        ["--require", TYPESCRIPT, join(ROOT, "tools/move/main.ts"), "jellyfin", "chongus", "bitty", "--root", files],
        { encoding: "utf8" },
    );
    expect(status).toBe(1);
    expect(stderr).toContain("bitty is being phased out: apps move from it to chongus, never to it");
});
