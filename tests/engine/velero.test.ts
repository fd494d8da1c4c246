/**
 * A volume's way through Velero on a real API server, with the commands that the program runs: new and empty, written to, backed
 * up by a destroy, and back with its contents in a cluster that was made anew. No engine: objects are made and commands run in the
 * order of the plan, and deleted in the reverse. Velero is the sandbox's; volumes are of a driver that is nothing but names.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { Velero } from "../../components/backup/velero";
import type { BackupLocation, LocationName } from "../../components/backup/velero-locations";
import { veleroBackupsOf } from "../../components/backup/velero-volume";
import type { SecretArgs, SecretStore } from "../../components/secrets/secret-store";
import { runProgram } from "../../lib/run-program";
import { standInCrds } from "../../sandbox/charts/crds";
import { ControlPlane, type ToolPaths } from "../../sandbox/control-plane";
import { type Action, collections, type Controller } from "../../sandbox/controllers/controller";
import { snapshots, snapshotClasses, type VolumeSnapshot } from "../../sandbox/operators/rook/volumes";
import { openKube, type Kube } from "../../sandbox/controllers/kube";
import { nodes } from "../../sandbox/cluster/nodes";
import type { PersistentVolumeClaim, StorageClass } from "../../sandbox/controllers/objects";
import { objectPath } from "../../sandbox/controllers/controller";
import { runControllers, type Running } from "../../sandbox/controllers/runner";
import { velero } from "../../sandbox/operators/velero/controller";
import type { Buckets } from "../../sandbox/operators/velero/bucket";
import { PROVISIONED_BY, reclaim } from "../../sandbox/cluster/volumes";
import { sandboxLayout } from "../../sandbox/layout";
import { freePorts } from "../../sandbox/ports";
import type { PlannedResource } from "../../tools/plan/plan";
import { hasVelero, listBackups, restoreBackup, type WithBash } from "../../tools/restore/velero";
import { planComponent } from "../unit/component-plan";
import { toolPaths } from "./harness";

jest.setTimeout(6 * 60_000);

const DRIVER = "csi.test";
const base = mkdtempSync(join(tmpdir(), "homelab-velero-test-"));
const bucketFile = join(base, "velero.json");
const layout = sandboxLayout("velero", { SANDBOX_HOME: base });
const log: string[] = [];

let tools: ToolPaths;
let plane: ControlPlane;
let kube: Kube;
let running: Running;

const house: BackupLocation = {
    name: "minio",
    endpoint: "https://minio.example.net",
    bucket: "velero",
    region: "us-east-1",
    every: "6h",
    keepDays: 14,
};
const outside: BackupLocation = {
    name: "b2",
    endpoint: "https://s3.us-west-004.backblazeb2.com",
    bucket: "velero",
    region: "us-west-004",
    every: "24h",
    keepDays: 60,
};

class PlainSecrets implements SecretStore {
    constructor(private readonly minioKey: string) {}
    deliver(name: string, { data, templates, ...args }: SecretArgs, opts: pulumi.CustomResourceOptions) {
        const value = (ref: string) => (ref === "velero.minioSecretKey" ? this.minioKey : `value-of-${ref}`);
        const texts = Object.entries(templates ?? {}).map(([key, template]) => [key, template(value)]);
        const values = Object.entries(data).map(([key, ref]) => [key, value(ref)]);
        return new k8s.core.v1.ConfigMap(
            name,
            {
                // What is a Secret in the cluster, in a class that hides nothing from a plan.
                metadata: { name: args.name, namespace: args.namespace, annotations: { test: "secret" } },
                data: Object.fromEntries([...values, ...texts]) as Record<string, string>,
            },
            opts,
        ).metadata.name;
    }
    refer(name: string): pulumi.Output<string> {
        return pulumi.output(name);
    }
}

interface Wanted {
    readonly size?: string;
    readonly restoreFrom?: LocationName;
    readonly readOnly?: boolean;
    readonly minioKey?: string;
}

function plan({ size = "1Gi", restoreFrom = "minio", readOnly = false, minioKey = "key" }: Wanted) {
    return planComponent(() => {
        const cluster = { kubeconfig: pulumi.output("") };
        const secrets = new PlainSecrets(minioKey);
        const server = new Velero(
            "velero",
            { cluster, secrets, locations: [house, outside], restoreFrom, readOnly },
            {},
        );
        const backups = veleroBackupsOf({ cluster, velero: server, snapshotClass: "snap", beforeDestroy: true });
        const app = new k8s.core.v1.Namespace("media", { metadata: { name: "media" } });
        const claim = backups.volume(
            "sonarr",
            {
                claim: "sonarr",
                namespace: app.metadata.name,
                size,
                storageClass: "data",
                owner: { uid: 1000, gid: 1000 },
            },
            {},
        );
        new k8s.core.v1.ConfigMap("app", { metadata: { name: "app", namespace: "media" }, data: { claim } });
    });
}

/** A driver whose volumes are there as soon as they are asked for, and whose snapshots are, too. */
const driver: Controller = {
    name: "driver",
    lists: [collections.claims, collections.volumes, collections.storageClasses, snapshots, snapshotClasses],
    reconcile(view) {
        const classes = view
            .list<StorageClass>(collections.storageClasses)
            .filter(({ provisioner }) => provisioner === DRIVER)
            .map(({ metadata }) => metadata.name);
        return [
            ...view
                .list<PersistentVolumeClaim>(collections.claims)
                .filter(
                    ({ spec, status, metadata }) =>
                        classes.includes(spec.storageClassName ?? "") &&
                        spec.volumeName === undefined &&
                        status?.phase === "Pending" &&
                        // As the real library: no claim with a selector.
                        spec.selector === undefined &&
                        metadata.annotations?.["volume.kubernetes.io/storage-provisioner"] === DRIVER,
                )
                .map(({ metadata, spec }): Action => ({
                    verb: "create",
                    path: collections.volumes,
                    body: {
                        apiVersion: "v1",
                        kind: "PersistentVolume",
                        metadata: { name: `pvc-${metadata.uid ?? ""}`, annotations: { [PROVISIONED_BY]: DRIVER } },
                        spec: {
                            capacity: { storage: spec.resources?.requests?.storage },
                            accessModes: spec.accessModes,
                            storageClassName: spec.storageClassName,
                            persistentVolumeReclaimPolicy: "Delete",
                            claimRef: {
                                apiVersion: "v1",
                                kind: "PersistentVolumeClaim",
                                namespace: metadata.namespace,
                                name: metadata.name,
                                uid: metadata.uid,
                            },
                            csi: { driver: DRIVER, volumeHandle: metadata.uid ?? "" },
                        },
                    },
                })),
            ...reclaim(view, { provisioner: DRIVER }),
            ...view
                .list<VolumeSnapshot>(snapshots)
                .filter(({ status }) => status?.["readyToUse"] !== true)
                .map((one): Action => ({
                    verb: "patch",
                    path: `${objectPath(snapshots, one.metadata)}/status`,
                    body: { status: { readyToUse: true } },
                })),
        ];
    },
};

async function kubectl(args: readonly string[], stdin?: object): Promise<string> {
    const ran = await runProgram(tools.kubectl, args, {
        env: { KUBECONFIG: plane.kubeconfig },
        timeout: 120_000,
        ...(stdin === undefined ? {} : { stdin: JSON.stringify(stdin) }),
    });
    if (ran.code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${ran.stderr}`);
    return ran.stdout;
}
const apply = (object: object) =>
    kubectl(["apply", "--server-side", "--field-manager=pulumi", "-f", "-"], object).then(() => undefined);

/** A new control plane; what is in the buckets stays. */
async function makeCluster(): Promise<void> {
    const [port = 0] = await freePorts(1);
    plane = new ControlPlane(layout, tools, port);
    await plane.start();
    kube = openKube(plane.kubeconfig);
    const machine = { name: "n1", address: "10.0.0.1", capacity: { cpu: "8", memory: "16Gi" } };
    running = runControllers(kube, [nodes([machine]), driver, velero(bucketFile)], {
        intervalMs: 200,
        log: (line) => log.push(line),
    });
    for (const crd of [
        ...standInCrds("velero"),
        ...standInCrds("external-snapshotter"),
        ...standInCrds("prometheus-operator"),
    ]) {
        await apply(crd);
    }
    await apply({
        apiVersion: "storage.k8s.io/v1",
        kind: "StorageClass",
        metadata: { name: "data" },
        provisioner: DRIVER,
        reclaimPolicy: "Delete",
        allowVolumeExpansion: true,
    });
    await kubectl(["wait", "crd", "volumesnapshotclasses.snapshot.storage.k8s.io", "--for=condition=Established"]);
    await apply({
        apiVersion: "snapshot.storage.k8s.io/v1",
        kind: "VolumeSnapshotClass",
        metadata: { name: "snap" },
        driver: DRIVER,
        deletionPolicy: "Delete",
    });
}

async function removeCluster(): Promise<void> {
    await running.stop();
    kube.close();
    await plane.delete();
    rmSync(layout.kwok, { recursive: true, force: true });
    rmSync(plane.kubeconfig, { force: true });
}

/** What the chart makes, as far as the sandbox's Velero looks at it. */
function chartObjects(values: Record<string, unknown>): object[] {
    const labels = { "app.kubernetes.io/name": "velero" };
    const pod = (name: string, more: object) => ({
        metadata: { labels: { ...labels, name } },
        spec: { containers: [{ name, image: "velero", ...more }] },
    });
    const nodeAgent = values["nodeAgent"] as { extraArgs: string[] };
    const template = pod("velero", {});
    const initContainers = (values["initContainers"] as { name: string; image: string }[]).map(({ name, image }) => ({
        name,
        image,
    }));
    const metadata = (name: string) => ({ name, namespace: "velero", labels });
    return [
        {
            apiVersion: "apps/v1",
            kind: "Deployment",
            metadata: metadata("velero"),
            spec: {
                selector: { matchLabels: { name: "velero" } },
                template: { ...template, spec: { ...template.spec, initContainers } },
            },
        },
        {
            apiVersion: "apps/v1",
            kind: "DaemonSet",
            metadata: metadata("node-agent"),
            spec: {
                selector: { matchLabels: { name: "node-agent" } },
                template: pod("node-agent", { args: nodeAgent.extraArgs }),
            },
        },
    ];
}

function objectOf({ type, inputs }: PlannedResource): Record<string, unknown> | undefined {
    const [, apiVersion = "", kind = ""] = /^kubernetes:(.+):(\w+)$/.exec(type) ?? [];
    if (kind === "" || kind === "Release") return undefined;
    const object: Record<string, unknown> = { ...(inputs as Record<string, unknown>) };
    const { annotations } = object["metadata"] as { annotations?: Record<string, string> };
    if (annotations?.["test"] === "secret") {
        const { data, ...rest } = object;
        return { ...rest, apiVersion: "v1", kind: "Secret", stringData: data };
    }
    return { apiVersion: apiVersion.replace(/^core\//, ""), kind, ...object };
}

async function script(resource: PlannedResource, part: "create" | "delete"): Promise<string> {
    const { [part]: text, environment } = resource.inputs as Record<string, unknown>;
    if (typeof text !== "string") return "";
    const ran = await runProgram("bash", ["-euo", "pipefail", "-c", text], {
        env: {
            ...(environment as Record<string, string>),
            CLUSTER_KUBECONFIG: readFileSync(plane.kubeconfig, "utf8"),
            PATH: [dirname(tools.kubectl), process.env["PATH"]].join(delimiter),
            HOME: base,
            XDG_RUNTIME_DIR: base,
        },
        timeout: 200_000,
    });
    if (ran.code !== 0) throw new Error(`${resource.name}: ${ran.stderr}`);
    return ran.stdout;
}

/** Makes everything of the plan up to a fault; throws that. */
async function up(wanted: Wanted = {}): Promise<PlannedResource[]> {
    const resources = await plan(wanted);
    for (const resource of resources) {
        if (resource.type === "command:local:Command") await script(resource, "create");
        else if (resource.type.endsWith(":Release")) {
            const { values } = resource.inputs as { values: Record<string, unknown> };
            for (const object of chartObjects(values)) await apply(object);
            await kubectl(["-n", "velero", "rollout", "status", "deployment/velero", "--timeout=60s"]);
        } else {
            const object = objectOf(resource);
            if (object === undefined) continue;
            await apply(object);
            if (object["kind"] === "PersistentVolumeClaim") {
                await kubectl([
                    ...["-n", "media", "wait", "persistentvolumeclaim/sonarr"],
                    ...["--for=jsonpath={.status.phase}=Bound", "--timeout=60s"],
                ]);
            }
        }
    }
    return resources;
}

async function destroy(resources: readonly PlannedResource[]): Promise<void> {
    for (const resource of [...resources].reverse()) {
        if (resource.type === "command:local:Command") await script(resource, "delete");
        else if (resource.type.endsWith(":Release")) {
            await kubectl(["-n", "velero", "delete", "deployment/velero", "daemonset/node-agent"]);
        } else {
            const object = objectOf(resource) as
                { kind: string; metadata: { name: string; namespace?: string } } | undefined;
            if (object === undefined || object.kind === "Namespace") continue;
            await kubectl(["delete", "--timeout=60s", "-f", "-"], object);
        }
    }
}

const contentsOf = async (): Promise<string> => {
    const volume = await kubectl(["-n", "media", "get", "pvc", "sonarr", "--output=jsonpath={.spec.volumeName}"]);
    return kubectl(["get", "pv", volume, "--output=jsonpath={.metadata.annotations.sandbox/contents}"]);
};
const write = async (contents: string): Promise<void> => {
    const volume = await kubectl(["-n", "media", "get", "pvc", "sonarr", "--output=jsonpath={.spec.volumeName}"]);
    await kubectl(["annotate", "--overwrite", "pv", volume, `sandbox/contents=${contents}`]);
};
const buckets = (): Buckets => JSON.parse(readFileSync(bucketFile, "utf8")) as Buckets;
const stored = (endpoint: string) => Object.entries(buckets().buckets[`${endpoint}/velero`]?.backups ?? {});

beforeAll(async () => {
    mkdirSync(layout.home, { recursive: true });
    tools = await toolPaths();
    await makeCluster();
});
afterAll(async () => {
    if (existsSync(plane.kubeconfig)) await removeCluster();
    rmSync(base, { recursive: true, force: true });
});

let made: PlannedResource[] = [];

test("a new volume starts empty; a second up leaves what is in it", async () => {
    made = await up();
    expect(await contentsOf()).toBe("");
    await write("season-1");
    await up();
    expect(await contentsOf()).toBe("season-1");
});

test("a destroy takes a last backup, and leaves nothing of Velero that would hold its definitions", async () => {
    await destroy(made);
    expect(stored("https://minio.example.net").map(([, { claims }]) => claims[0]?.moved?.contents)).toEqual([
        "season-1",
    ]);
    const left = await kubectl([
        "get",
        "restores.velero.io,datauploads.velero.io",
        "--all-namespaces",
        "--output=name",
    ]);
    expect(left).toBe("");
});

test("in a cluster made anew it comes back, grown as the file says, as an ordinary claim on a volume that goes with it", async () => {
    await removeCluster();
    await makeCluster();
    made = await up({ size: "2Gi" });
    expect(await contentsOf()).toBe("season-1");
    const claim = JSON.parse(await kubectl(["-n", "media", "get", "pvc", "sonarr", "--output=json"])) as {
        metadata: { labels: object };
        spec: { selector?: object; volumeName: string };
        status: { capacity: { storage: string } };
    };
    expect(claim.status.capacity.storage).toBe("2Gi");
    expect(claim.spec.selector).toBeUndefined();
    expect(Object.keys(claim.metadata.labels).sort()).toEqual(["homelab.claim", "homelab.namespace"]);
    const volume = JSON.parse(await kubectl(["get", "pv", claim.spec.volumeName, "--output=json"])) as {
        metadata: { labels?: Record<string, string> };
        spec: { persistentVolumeReclaimPolicy: string };
    };
    expect(volume.spec.persistentVolumeReclaimPolicy).toBe("Delete");
    expect(Object.keys(volume.metadata.labels ?? {})).not.toContain("homelab.claim");
    expect(await kubectl(["-n", "velero-restores", "get", "pvc", "--output=name"])).toBe("");
});

test("a destroy that cannot take its last backup stops with the volume there, and says how to go on", async () => {
    await write("season-2");
    writeFileSync(bucketFile, JSON.stringify({ ...buckets(), down: ["https://minio.example.net"] }));
    await kubectl([
        ...["-n", "velero", "wait", "backupstoragelocation/minio"],
        ...["--for=jsonpath={.status.phase}=Unavailable", "--timeout=60s"],
    ]);
    await expect(destroy(made)).rejects.toThrow(
        /last backup of media\/sonarr to minio \(bucket velero at https:\/\/minio\.example\.net\) was not taken[\s\S]*backups\.beforeDestroy to false/,
    );
    expect(await contentsOf()).toBe("season-2");
    writeFileSync(bucketFile, JSON.stringify({ ...buckets(), down: [] }));
    await kubectl([
        ...["-n", "velero", "wait", "backupstoragelocation/minio"],
        ...["--for=jsonpath={.status.phase}=Available", "--timeout=60s"],
    ]);
});

test("a newer last backup takes the place of the one before", async () => {
    made = await up({ size: "2Gi" });
    await destroy(made);
    expect(stored("https://minio.example.net").map(([, { claims }]) => claims[0]?.moved?.contents)).toEqual([
        "season-2",
    ]);
});

test("keys that do not open the bucket: nothing starts, and the fault names bucket, endpoint and both keys", async () => {
    await removeCluster();
    await makeCluster();
    await expect(up({ size: "2Gi", minioKey: "another" })).rejects.toThrow(
        /cannot use its location minio \(bucket velero at https:\/\/minio\.example\.net\): Unavailable[\s\S]*InvalidAccessKeyId[\s\S]*velero\.minioAccessKey, velero\.minioSecretKey/,
    );
    expect(await kubectl(["get", "pvc", "--all-namespaces", "--output=name"])).toBe("");
});

test("with the right ones it comes back; a backup that is partial is not taken for one", async () => {
    const state = buckets();
    const bucket = state.buckets["https://minio.example.net/velero"];
    const [[name, whole] = ["", undefined]] = Object.entries(bucket?.backups ?? {});
    if (bucket === undefined || whole === undefined) throw new Error("no backup");
    bucket.backups["later"] = {
        ...whole,
        status: { ...whole.status, phase: "PartiallyFailed", startTimestamp: "2099-01-01T00:00:00Z", errors: 1 },
    };
    writeFileSync(bucketFile, JSON.stringify(state));
    made = await up({ size: "2Gi" });
    expect(await contentsOf()).toBe("season-2");
    const restores = await kubectl([
        "-n",
        "velero",
        "get",
        "restores.velero.io",
        "--output=jsonpath={.items[*].spec.backupName}",
    ]);
    expect(restores).toBe(name);
});

describe("by hand", () => {
    const volumeNow = () => kubectl(["-n", "media", "get", "pvc", "sonarr", "--output=jsonpath={.spec.volumeName}"]);
    const contentsIn = (volume: string) =>
        kubectl(["get", "pv", volume, "--output=jsonpath={.metadata.annotations.sandbox/contents}"]);
    const said: string[] = [];
    const around: WithBash = {
        kubectl: (args, stdin) =>
            runProgram(tools.kubectl, args, {
                env: { KUBECONFIG: plane.kubeconfig },
                timeout: 120_000,
                ...(stdin === undefined ? {} : { stdin }),
            }),
        bash: (text, env) =>
            runProgram("bash", ["-euo", "pipefail", "-c", text], {
                env: {
                    ...env,
                    KUBECONFIG: plane.kubeconfig,
                    PATH: [dirname(tools.kubectl), process.env["PATH"]].join(delimiter),
                },
                timeout: 120_000,
            }),
        say: (line) => said.push(line),
        now: () => Date.now(),
        sleep: () => Promise.resolve(),
    };

    test("what there is: each with its place, and those that are no good", async () => {
        expect(await hasVelero(around)).toBe(true);
        expect((await listBackups(around, "media/sonarr")).split("\n")).toEqual([
            expect.stringMatching(/^2.*Z {2}media\/sonarr {2}minio {2}media-sonarr-before-destroy-\S+$/),
            "2099-01-01T00:00:00Z  media/sonarr  minio  later  (PartiallyFailed)",
        ]);
    });

    test("one that is partial is refused, and nothing is touched", async () => {
        await write("season-3");
        const before = await volumeNow();
        await expect(restoreBackup(around, { volume: "media/sonarr", snapshot: "later" })).rejects.toThrow(
            /"later" is no complete backup of media\/sonarr; nothing was touched/,
        );
        expect(await volumeNow()).toBe(before);
    });

    test("a restore that fails leaves the claim on the volume that it had", async () => {
        const before = await volumeNow();
        const failing: WithBash = {
            ...around,
            bash: () => Promise.resolve({ code: 1, stdout: "", stderr: "Velero said no" }),
        };
        await expect(restoreBackup(failing, { volume: "media/sonarr" })).rejects.toThrow(
            "media/sonarr is as it was: Velero said no",
        );
        expect(await volumeNow()).toBe(before);
        expect(await contentsIn(before)).toBe("season-3");
        expect(await kubectl(["get", "pv", before, "--output=jsonpath={.spec.persistentVolumeReclaimPolicy}"])).toBe(
            "Delete",
        );
    });

    test("the newest good one is restored beside what was, and the claim stays the program's", async () => {
        const before = await volumeNow();
        await restoreBackup(around, { volume: "media/sonarr" });
        expect(await contentsOf()).toBe("season-2");
        expect(await contentsIn(before)).toBe("season-3");
        expect(said.at(-1)).toMatch(
            new RegExp(`is as in media-sonarr-before-destroy-.*What was there is in ${before}`),
        );
        // A change of the program's own meets no other writer.
        await up({ size: "3Gi" });
    });
});
