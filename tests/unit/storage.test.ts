import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";
import { backupSchedule, resticRepository } from "../../components/backup/restic";
import { BackedUpVolume, type BackupSettings, volSyncBackups } from "../../components/backup/backed-up-volume";
import { RESTORE } from "../../components/backup/velero-scripts";
import { VolSync, volSyncValues } from "../../components/backup/volsync";
import { BASH } from "../../components/cluster/cluster-command";
import type { SecretArgs, SecretStore } from "../../components/secrets/secret-store";
import {
    CephCluster,
    cephClusterValues,
    cephCsiDriversValues,
    type CephClusterArgs,
} from "../../components/storage/ceph-cluster";
import { filesystemSpec } from "../../components/storage/ceph-filesystem";
import { ClassStorage, nfsLibraries } from "../../components/storage/class-storage";
import { OpenEbs, openEbsValues } from "../../components/storage/openebs";
import { RookOperator, rookOperatorValues } from "../../components/storage/rook-operator";
import { SnapshotController } from "../../components/storage/snapshot-controller";
import { cache, data, device, KEPT_OF_CLAIM, scratch, shared } from "../../components/storage/volumes";
import { commandPlugin } from "../../sandbox/providers/command";
import type { Session } from "../../sandbox/providers/plugin";
import { Processes } from "../../sandbox/providers/process";
import type { Props } from "../../sandbox/providers/values";
import type { PlannedResource } from "../../tools/plan/plan";
import { ROOT } from "../../stacks/stack-file";
import { planComponent } from "./component-plan";

const disks = (node: string) =>
    ["1", "2"].map((disk) => `/dev/disk/by-id/ata-Samsung_SSD_870_EVO_2TB_S00000000000${node}${disk}`);
const nodes = ["node01", "node02", "node03"].map((name) => ({ name, osdDisks: disks(name) }));

type Inputs = Record<string, unknown>;
const dig = (value: unknown, ...path: (string | number)[]): unknown =>
    path.reduce<unknown>((node, key) => (node as Record<string | number, unknown> | undefined)?.[key], value);

class Plan {
    constructor(readonly resources: PlannedResource[]) {}

    find(type: string, name: string): PlannedResource {
        const found = this.resources.find((resource) => resource.type.endsWith(type) && resource.name === name);
        if (found === undefined) throw new Error(`no ${type} ${name} in the plan`);
        return found;
    }

    inputs(type: string, name: string): Inputs {
        return this.find(type, name).inputs as Inputs;
    }

    /** Each is made after the one before it, and so deleted before it. */
    inOrder(...resources: PlannedResource[]): void {
        resources.slice(1).forEach((later, index) => {
            const earlier = resources[index] as PlannedResource;
            expect([later.name, earlier.name, this.waitsFor(later.urn).has(earlier.urn)]).toEqual([
                later.name,
                earlier.name,
                true,
            ]);
        });
    }

    /** Everything that the engine finishes first, owners' children included, as it does for a component. */
    private waitsFor(urn: string): Set<string> {
        const seen = new Set<string>();
        const visit = (here: string) => {
            for (const next of this.resources.find((resource) => resource.urn === here)?.dependsOn ?? []) {
                if (seen.has(next)) continue;
                seen.add(next);
                visit(next);
            }
        };
        visit(urn);
        return seen;
    }
}

/** A store that makes a plain Secret of names, so that the tests see what was asked for. */
class NamedSecrets implements SecretStore {
    readonly asked: SecretArgs[] = [];
    deliver(name: string, args: SecretArgs, opts: pulumi.CustomResourceOptions): pulumi.Output<string> {
        this.asked.push(args);
        const stringData = { ...args.literals, ...args.data };
        return new k8s.core.v1.Secret(name, { metadata: { name: args.name }, stringData }, opts).metadata.name;
    }
    refer(name: string, args: SecretArgs, opts: pulumi.CustomResourceOptions): pulumi.Output<string> {
        return this.deliver(name, args, opts);
    }
}

/** Of seed 002. */
const BACKENDS = ["b2", "minio"] as const;
const backups = {
    backends: {
        b2: { endpoint: "https://s3.us-west-004.backblazeb2.com", bucket: "rtrox-volsync" },
        minio: { endpoint: "https://minio.rtrox.io", bucket: "volsync" },
    },
    restoreFrom: "minio",
    beforeDestroy: true,
} as const;
const nfs = {
    server: "nas.rtrox.io",
    media: "/volume1/media",
    downloads: "/volume1/downloads",
    inbox: "/volume1/paperless",
};

/** Everything this part brings, and one workload that uses it. */
async function planStorage(overrides: { ceph?: Partial<CephClusterArgs>; backups?: Partial<BackupSettings> } = {}) {
    const secrets = new NamedSecrets();
    let storage: ClassStorage | undefined;
    const resources = await planComponent(() => {
        const cluster = { kubeconfig: pulumi.secret("kubeconfig") };
        const operator = new RookOperator("rook-ceph", { cluster, monitoring: true }, {});
        const snapshots = new SnapshotController("snapshot-controller", {}, {});
        const ceph = new CephCluster(
            "ceph",
            { cluster, operator, snapshots, nodes, confirmDataLoss: false, ...overrides.ceph },
            {},
        );
        const openebs = new OpenEbs("openebs", { cluster, path: "/var/mnt/local-hostpath", isDefault: false }, {});
        const volsync = new VolSync("volsync", { cluster }, {});
        const { server, ...exports } = nfs;
        storage = new ClassStorage({
            volumes: { className: ceph.blockClass, title: "ceph-block" },
            scratchClass: openebs.className,
            libraries: nfsLibraries(server, exports),
            owner: { uid: 1000, gid: 1001 },
            backups: volSyncBackups({
                ...{ cluster, volsync, secrets, snapshotClass: ceph.snapshotClass, cacheClass: openebs.className },
                ...backups,
                ...overrides.backups,
            }),
        });
        const args = { workload: "sonarr", namespace: "media", size: "5Gi" };
        const claimName = storage.claim("sonarr", args, {});
        const cacheName = storage.cache("sonarr", { ...args, size: "100Gi" }, {});
        new k8s.core.v1.Pod("sonarr", {
            metadata: { name: "sonarr" },
            spec: {
                containers: [{ name: "sonarr" }],
                volumes: [
                    { name: "config", persistentVolumeClaim: { claimName } },
                    { name: "cache", persistentVolumeClaim: { claimName: cacheName } },
                ],
            },
        });
    });
    if (storage === undefined) throw new Error("not planned");
    return { plan: new Plan(resources), secrets, storage };
}

let plan: Plan;
let asked: SecretArgs[];
let storage: ClassStorage;
beforeAll(async () => {
    const whole = await planStorage();
    plan = whole.plan;
    asked = whole.secrets.asked;
    storage = whole.storage;
});

describe("Rook-Ceph", () => {
    const values = cephClusterValues({ nodes, confirmDataLoss: false, monitoring: true });
    const [pool] = values.cephBlockPools;

    test("Ceph's daemons bear the taint of control planes where those have its disks, and only there", () => {
        const spec = (onControlPlanes: boolean) =>
            cephClusterValues({ nodes, confirmDataLoss: false, monitoring: true, onControlPlanes }).cephClusterSpec;
        const tolerations = [
            { key: "node-role.kubernetes.io/control-plane", operator: "Exists", effect: "NoSchedule" },
        ];
        expect(spec(true)).toMatchObject({ placement: { all: { tolerations } } });
        expect(spec(false)).not.toHaveProperty("placement");
        expect(filesystemSpec(nodes, true).metadataServer.placement).toMatchObject({ tolerations });
        expect(filesystemSpec(nodes).metadataServer.placement).not.toHaveProperty("tolerations");
    });

    test("two disks a node by id, no other device (C-HW-05)", () => {
        const { storage: osds } = values.cephClusterSpec;
        expect([osds.useAllNodes, osds.useAllDevices]).toEqual([false, false]);
        expect(osds.nodes).toHaveLength(3);
        expect(osds.nodes[0]).toEqual({ name: "node01", devices: disks("node01").map((name) => ({ name })) });
        expect(new Set(osds.nodes.flatMap((node) => node.devices.map(({ name }) => name))).size).toBe(6);
    });

    test("ceph-block is the default class with five image features, three replicas on three hosts, zstd (C-STOR-01, C-STOR-02, C-STOR-03, C-STOR-04, C-STOR-05)", () => {
        expect(values.cephBlockPools).toHaveLength(1);
        expect(pool?.spec).toEqual({
            failureDomain: "host",
            replicated: { size: 3 },
            parameters: { compression_mode: "aggressive", compression_algorithm: "zstd" },
        });
        expect(pool?.storageClass).toMatchObject({ enabled: true, name: "ceph-block", isDefault: true });
        expect(pool?.storageClass.parameters["imageFeatures"]?.split(",").sort()).toEqual([
            "deep-flatten",
            "exclusive-lock",
            "fast-diff",
            "layering",
            "object-map",
        ]);
        expect(Object.keys(pool?.storageClass.parameters ?? {}).filter((key) => key.includes("secret"))).toHaveLength(
            8,
        );
        expect([values.cephFileSystems, values.cephObjectStores]).toEqual([[], []]);
    });

    test("the toolbox is there, by the name the runbook uses (C-STOR-13)", () => {
        expect(values.toolbox.enabled).toBe(true);
        expect(plan.inputs(":Release", "ceph")).toMatchObject({ name: "rook-ceph-cluster", namespace: "rook-ceph" });
    });

    test("Ceph has no limits, and an OSD has a measure of memory without one (C-POL-24)", () => {
        const { resources, cephConfig } = values.cephClusterSpec;
        const operator = rookOperatorValues({ monitoring: true });
        const csi = operator["ceph-csi-operator"].controllerManager.manager.resources;
        for (const one of [...Object.values(resources), values.toolbox.resources, operator.resources, csi]) {
            expect(one.limits).toBeNull();
        }
        expect(cephConfig).toEqual({ osd: { osd_memory_target: "4294967296" } });
    });

    test("only the RBD driver, with the snapshotter that its chart leaves out", () => {
        const { drivers, operatorConfig } = cephCsiDriversValues(3);
        expect(drivers.rbd).toMatchObject({
            enabled: true,
            name: "rook-ceph.rbd.csi.ceph.com",
            snapshotPolicy: "volumeSnapshot",
        });
        expect([drivers.cephfs, drivers.nfs, drivers.nvmeof]).toEqual(Array(3).fill({ enabled: false }));
        expect(operatorConfig.driverSpecDefaults.imageSet.name).toBe("rook-csi-operator-image-set-configmap");
    });

    test("operator, drivers, cluster, health, and who uses it; deleted the other way round", () => {
        plan.inOrder(
            plan.find(":Namespace", "rook-ceph"),
            plan.find(":Command", "rook-ceph-crd-cleanup"),
            plan.find(":Release", "rook-ceph"),
            plan.find(":Release", "ceph-csi-drivers"),
            plan.find(":Command", "ceph-gone"),
            plan.find(":Release", "ceph"),
            plan.find(":Command", "ceph-healthy"),
            plan.find(":Command", "ceph-ready"),
            plan.find(":PersistentVolumeClaim", "sonarr-cache"),
        );
        // Snapshots that are left are removed by their controller, and the cluster's chart makes a class of them.
        plan.inOrder(
            plan.find(":Deployment", "snapshot-controller"),
            plan.find(":Release", "ceph"),
            plan.find(":Command", "ceph-ready"),
        );
    });

    test("a cluster without all its disks is not healthy", () => {
        const { create } = plan.inputs(":Command", "ceph-healthy");
        expect(create).toContain("jsonpath='{.status.storage.osd.storeType.bluestore}'=6");
        expect(create).toContain("docs/storage.md");
    });

    test("commands with a delete script have no triggers: a replacement would run it", () => {
        const commands = plan.resources.filter(({ type }) => type === "command:local:Command");
        const deleting = commands.filter(({ inputs }) => (inputs as Inputs)["delete"] !== undefined);
        expect(deleting.map(({ name }) => name).sort()).toEqual([
            "ceph-gone",
            "ceph-ready",
            "openebs-drain",
            "rook-ceph-crd-cleanup",
            "sonarr-last-backup",
            "volsync-crd-cleanup",
        ]);
        for (const { inputs } of deleting) expect((inputs as Inputs)["triggers"]).toBeUndefined();
    });

    test("without a confirmation nothing is wiped", () => {
        expect(values.cephClusterSpec).not.toHaveProperty("cleanupPolicy");
        const scripts = ["ceph-ready", "ceph-gone"].map((name) => String(plan.inputs(":Command", name)["delete"]));
        for (const script of scripts) expect(script).not.toMatch(/cleanup-job|cleanupPolicy|really-destroy/);
        expect(scripts[0]).toContain('@.spec.csi.driver=="rook-ceph.rbd.csi.ceph.com"');
        expect(scripts[0]).toContain("volumesnapshotcontents");
        expect(scripts[1]).toContain("--for=delete cephblockpool/ceph-blockpool cephcluster/rook-ceph");
        expect(scripts[1]).toContain("clientprofiles.csi.ceph.io");
    });

    test("with it, Rook is told at the last moment and waited for on each node", async () => {
        const { plan: confirmed } = await planStorage({ ceph: { confirmDataLoss: true } });
        expect(confirmed.inputs(":Command", "ceph-ready")["delete"]).toContain(
            `patch cephcluster rook-ceph --type=merge --patch '{"spec":{"cleanupPolicy":{"confirmation":"yes-really-destroy-data"}}}'`,
        );
        for (const { name } of nodes) {
            expect(confirmed.inputs(":Command", "ceph-gone")["delete"]).toContain(
                `--for=condition=Complete job/cluster-cleanup-job-${name}`,
            );
        }
        // In the chart's values it would stop Rook from configuring the next cluster.
        expect(dig(confirmed.inputs(":Release", "ceph"), "values", "cephClusterSpec", "cleanupPolicy")).toEqual({
            wipeDevicesFromOtherClusters: true,
        });
    });
});

describe("local volumes and snapshots", () => {
    test("openebs-hostpath is on /var/mnt/local-hostpath and not the default (C-STOR-06, C-STOR-07)", () => {
        const { localpv, hostpathClass, analytics } = openEbsValues({
            path: "/var/mnt/local-hostpath",
            isDefault: false,
        });
        expect(localpv).toMatchObject({
            basePath: "/var/mnt/local-hostpath",
            resources: { limits: { memory: "128Mi" } },
        });
        expect(hostpathClass).toMatchObject({
            enabled: true,
            name: "openebs-hostpath",
            basePath: "/var/mnt/local-hostpath",
            isDefaultClass: false,
        });
        expect(analytics.enabled).toBe(false);
        plan.inOrder(plan.find(":Release", "openebs"), plan.find(":Command", "openebs-drain"));
    });

    test("the snapshot controller has two replicas, no root and a memory limit", () => {
        const { metadata, spec } = plan.inputs(":Deployment", "snapshot-controller");
        expect(metadata).toMatchObject({ name: "snapshot-controller", namespace: "kube-system" });
        expect(dig(spec, "replicas")).toBe(2);
        expect(dig(spec, "template", "spec", "securityContext", "runAsNonRoot")).toBe(true);
        expect(dig(spec, "template", "spec", "containers", 0)).toMatchObject({
            image: expect.stringMatching(
                /^registry\.k8s\.io\/sig-storage\/snapshot-controller:v8\.6\.0@sha256:[0-9a-f]{64}$/,
            ) as unknown,
            resources: { limits: { memory: "256Mi" } },
        });
        plan.inOrder(
            plan.find(":ClusterRole", "snapshot-controller"),
            plan.find(":ClusterRoleBinding", "snapshot-controller"),
            plan.find(":Deployment", "snapshot-controller"),
        );
    });

    test("a value after a command is known in a preview", async () => {
        let known: string | undefined;
        await planComponent(() => {
            const openebs = new OpenEbs(
                "openebs",
                { cluster: { kubeconfig: pulumi.secret("") }, path: "/srv", isDefault: false },
                {},
            );
            openebs.className.apply((name) => (known = name));
        });
        expect(known).toBe("openebs-hostpath");
    });
});

describe("VolSync", () => {
    const restic = (kind: string, name: string) => dig(plan.inputs(kind, name), "spec", "restic") as Inputs;

    test("one operator, in upstream's namespace, with a memory limit", () => {
        expect(plan.inputs(":Release", "volsync")).toMatchObject({
            chart: "volsync",
            name: "volsync",
            namespace: "volsync-system",
        });
        expect(volSyncValues().resources.limits).toEqual({ memory: "1Gi" });
    });

    test("one word brings both backends: B2 each day for 7 days, MinIO each hour for 24 hours, 7 days, 5 weeks (C-BKP-02, C-BKP-06, C-BKP-07, C-BKP-10, C-BKP-18)", () => {
        const sources = plan.resources.filter(({ type }) => type.endsWith(":ReplicationSource"));
        expect(sources.map(({ inputs }) => dig(inputs, "metadata", "name"))).toEqual(["sonarr-b2", "sonarr-minio"]);
        const [b2, minio] = sources.map(({ inputs }) => dig(inputs, "spec") as Inputs);
        expect(dig(b2, "trigger", "schedule")).toMatch(/^[0-5]?\d 9 \* \* \*$/);
        expect(dig(b2, "restic", "retain")).toEqual({ daily: 7 });
        expect(dig(minio, "trigger", "schedule")).toMatch(/^[0-5]?\d \* \* \* \*$/);
        expect(dig(minio, "restic", "retain")).toEqual({ hourly: 24, daily: 7, weekly: 5 });
    });

    test("the claim is called after the workload and as big as declared, on ceph-block (C-BKP-04, C-BKP-05, C-STOR-10, C-STOR-11)", () => {
        const claim = plan.inputs(":PersistentVolumeClaim", "sonarr");
        expect(claim).toMatchObject({
            metadata: { name: "sonarr", namespace: "media" },
            spec: { storageClassName: "ceph-block", resources: { requests: { storage: "5Gi" } } },
        });
        expect(restic(":ReplicationDestination", "sonarr-dst")["capacity"]).toBe("5Gi");
        for (const backend of BACKENDS) {
            expect(dig(plan.inputs(":ReplicationSource", `sonarr-${backend}`), "spec", "sourcePVC")).toBe("sonarr");
        }
    });

    test("copies are snapshots of ceph-block, the cache is 4Gi on openebs-hostpath (C-BKP-11, C-BKP-12, C-STOR-08)", () => {
        for (const [kind, name] of [
            [":ReplicationSource", "sonarr-b2"],
            [":ReplicationSource", "sonarr-minio"],
            [":ReplicationDestination", "sonarr-dst"],
        ] as const) {
            expect(restic(kind, name)).toMatchObject({
                copyMethod: "Snapshot",
                storageClassName: "ceph-block",
                volumeSnapshotClassName: "ceph-block",
                cacheCapacity: "4Gi",
                cacheStorageClassName: "openebs-hostpath",
                moverSecurityContext: { runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1001, fsGroup: 1001 },
                moverResources: { limits: { memory: "2Gi" } },
            });
        }
    });

    test("restic over S3, one repository a claim and backend, keys from the store (C-BKP-08)", () => {
        expect(asked.map(({ name, literals }) => [name, literals])).toEqual([
            [
                "sonarr-volsync-b2",
                { RESTIC_REPOSITORY: "s3:https://s3.us-west-004.backblazeb2.com/rtrox-volsync/sonarr" },
            ],
            ["sonarr-volsync-minio", { RESTIC_REPOSITORY: "s3:https://minio.rtrox.io/volsync/sonarr" }],
        ]);
        for (const { data: keys } of asked) {
            expect(Object.keys(keys)).toEqual(["RESTIC_PASSWORD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]);
        }
        expect(restic(":ReplicationSource", "sonarr-b2")["repository"]).toBe("sonarr-volsync-b2");
        expect(restic(":ReplicationSource", "sonarr-minio")["repository"]).toBe("sonarr-volsync-minio");
        expect(resticRepository({ endpoint: "http://minio:9000/", bucket: "b" }, "app")).toBe(
            "s3:http://minio:9000/b/app",
        );
    });

    test("deploy or restore: the claim waits for the restore it is made from (C-DR-01, C-DR-06)", () => {
        expect(plan.inputs(":ReplicationDestination", "sonarr-dst")).toMatchObject({
            metadata: {
                name: "sonarr-dst",
                namespace: "media",
                annotations: { "pulumi.com/waitFor": "jsonpath={.status.lastManualSync}=restore-once" },
            },
            spec: {
                trigger: { manual: "restore-once" },
                restic: {
                    repository: "sonarr-volsync-minio",
                    cleanupTempPVC: true,
                    cleanupCachePVC: true,
                    enableFileDeletion: true,
                },
            },
        });
        const claim = plan.inputs(":PersistentVolumeClaim", "sonarr");
        expect(dig(claim, "spec", "dataSourceRef")).toEqual({
            apiGroup: "volsync.backube",
            kind: "ReplicationDestination",
            name: "sonarr-dst",
        });
        expect(dig(claim, "metadata", "annotations")).toBeUndefined();
    });

    test("made in order: operator, keys, restore, claim, backups, gate, workload; deleted the other way round", () => {
        for (const backend of BACKENDS) {
            plan.inOrder(
                plan.find(":Secret", "sonarr-volsync-minio"),
                plan.find(":ReplicationDestination", "sonarr-dst"),
                plan.find(":PersistentVolumeClaim", "sonarr"),
                plan.find(":ReplicationSource", `sonarr-${backend}`),
                plan.find(":Command", "sonarr-last-backup"),
                plan.find(":Pod", "sonarr"),
            );
        }
        plan.inOrder(plan.find(":Release", "volsync"), plan.find(":ReplicationDestination", "sonarr-dst"));
        plan.inOrder(plan.find(":Command", "ceph-ready"), plan.find(":ReplicationDestination", "sonarr-dst"));
        plan.inOrder(plan.find(":Command", "openebs-drain"), plan.find(":ReplicationDestination", "sonarr-dst"));
        expect(dig(plan.inputs(":Pod", "sonarr"), "spec", "volumes")).toEqual([
            { name: "config", persistentVolumeClaim: { claimName: "sonarr" } },
            { name: "cache", persistentVolumeClaim: { claimName: "sonarr-cache" } },
        ]);
    });

    test("destroy takes a last backup of the stopped workload and gives the schedule back", () => {
        const gate = plan.inputs(":Command", "sonarr-last-backup");
        expect(gate["environment"]).toMatchObject({ NAMESPACE: "media", SOURCE: "sonarr-minio" });
        const script = String(gate["delete"]);
        const steps = ["condition=Synchronizing=false", '\\"manual\\":\\"$stamp', "lastManualSync", '"manual":null'];
        const found = steps.map((step) => script.indexOf(step));
        expect(found.every((at) => at > 0)).toBe(true);
        expect(found).toEqual([...found].sort((a, b) => a - b));
    });

    test.each(BACKENDS)("a volume that is restored from %s is backed up there before it goes", async (restoreFrom) => {
        const { plan: other } = await planStorage({ backups: { restoreFrom } });
        expect(dig(other.inputs(":ReplicationDestination", "sonarr-dst"), "spec", "restic", "repository")).toBe(
            `sonarr-volsync-${restoreFrom}`,
        );
        const { SOURCE } = other.inputs(":Command", "sonarr-last-backup")["environment"] as Record<string, string>;
        expect(dig(other.inputs(":ReplicationSource", SOURCE ?? ""), "spec", "restic", "repository")).toBe(
            `sonarr-volsync-${restoreFrom}`,
        );
    });

    test("a command with a script for destroy has it with every setting, and triggers with none", async () => {
        const { plan: other } = await planStorage({
            backups: { beforeDestroy: false },
            ceph: { confirmDataLoss: true },
        });
        const shape = ({ resources }: Plan) =>
            resources
                .filter(({ type }) => type === "command:local:Command")
                .map(({ name, inputs }) => [
                    name,
                    ...["delete", "triggers"].map((key) => dig(inputs, key) !== undefined),
                ]);
        expect(shape(other)).toEqual(shape(plan));
        for (const [name, deletes, triggered] of shape(plan))
            expect([name, deletes && triggered]).toEqual([name, false]);
    });

    test("schedules are stable and spread", () => {
        const names = ["sonarr", "radarr", "prowlarr", "sabnzbd", "jellyfin", "paperless", "recyclarr"];
        const minutes = names.map((name) => backupSchedule("minio", name));
        expect(minutes).toEqual(names.map((name) => backupSchedule("minio", name)));
        expect(new Set(minutes).size).toBeGreaterThan(names.length / 2);
    });
});

/** A kubectl that notes each call and then does what `kubectl` says, in Bash; everything is gone after `use`. */
function withKubectl<T>(kubectl: string, use: (env: Record<string, string>, calls: () => string[]) => T): T {
    const directory = mkdtempSync(join(tmpdir(), "storage-test-"));
    const calls = join(directory, "calls");
    writeFileSync(calls, "");
    writeFileSync(join(directory, "kubectl"), `#!/bin/bash\necho "$*" >> ${calls}\n${kubectl}\n`);
    chmodSync(join(directory, "kubectl"), 0o755);
    const env = { PATH: `${directory}${delimiter}${process.env["PATH"] ?? ""}`, XDG_RUNTIME_DIR: directory };
    const remove = () => rmSync(directory, { recursive: true });
    const result = use(env, () => readFileSync(calls, "utf8").split("\n").filter(Boolean));
    if (result instanceof Promise) return result.finally(remove) as T;
    remove();
    return result;
}

/** Runs a script of a command under that kubectl. */
function runScript(
    script: string,
    environment: Record<string, string>,
    kubectl: string,
): { status: number | null; stderr: string; calls: string[] } {
    return withKubectl(kubectl, (env, calls) => {
        const [bash = "", ...options] = BASH;
        const result = spawnSync(bash, [...options, script], { encoding: "utf8", env: { ...env, ...environment } });
        return { status: result.status, stderr: result.stderr, calls: calls() };
    });
}

function runDelete(name: string, kubectl: string) {
    const { delete: script, environment } = plan.inputs(":Command", name);
    return runScript(String(script), environment as Record<string, string>, kubectl);
}

/** What the engine does with a command whose inputs have changed, on the stand-in of its plugin. */
async function change(session: Session, before: PlannedResource, after: PlannedResource): Promise<string> {
    const [olds, news] = [before.inputs as Props, after.inputs as Props];
    const request = { id: "x", urn: before.urn, type: before.type, ignoreChanges: [], timeout: 0 };
    const { changes, replaces = [] } = await session.diff({ ...request, olds, oldInputs: olds, news });
    if (replaces.length > 0 || Object.values(changes).some(({ replace }) => replace)) {
        await session.create({ ...request, name: before.name, inputs: news, preview: false });
        await session.delete({ ...request, state: olds, inputs: olds });
        return "replaced";
    }
    if (Object.keys(changes).length === 0) return "same";
    await session.update({ ...request, olds, oldInputs: olds, news, preview: false });
    return "updated";
}

describe("beforeDestroy is switched off because the backups cannot be reached", () => {
    // A backup never ends; everything else answers.
    const dead = 'case "$*" in *lastManualSync*) echo "error: no backup" >&2; exit 1 ;; esac';
    const open = (env: Record<string, string>) =>
        commandPlugin({ env, helm: "helm" }, new Processes()).configure(
            {},
            {
                signal: new AbortController().signal,
                log: () => Promise.resolve(),
            },
        );

    test("up updates the gate, takes no backup, and destroy takes none after it", async () => {
        const { plan: off } = await planStorage({ backups: { beforeDestroy: false } });
        const [before, after] = [plan, off].map((each) => each.find(":Command", "sonarr-last-backup"));
        if (before === undefined || after === undefined) throw new Error("no gate");
        await withKubectl(dead, async (env, calls) => {
            const session = await open(env);
            expect(await change(session, before, after)).toBe("updated");
            const looked = calls();
            expect(looked).toEqual([expect.stringContaining("get persistentvolumeclaim sonarr")]);
            const state = after.inputs as Props;
            await session.delete({ id: "x", urn: after.urn, type: after.type, state, inputs: state, timeout: 0 });
            expect(calls()).toEqual(looked);
        });
    });

    test("on again, the next destroy stops at the backup that cannot be taken", async () => {
        const { plan: off } = await planStorage({ backups: { beforeDestroy: false } });
        const [before, after] = [off, plan].map((each) => each.find(":Command", "sonarr-last-backup"));
        if (before === undefined || after === undefined) throw new Error("no gate");
        await withKubectl(dead, async (env) => {
            const session = await open(env);
            expect(await change(session, before, after)).toBe("updated");
            const state = after.inputs as Props;
            await expect(
                session.delete({ id: "x", urn: after.urn, type: after.type, state, inputs: state, timeout: 0 }),
            ).rejects.toThrow("The last backup of media/sonarr-minio was not taken");
        });
    });
});

describe("a destroy that was cut short", () => {
    const sources = `case "$*" in "get replicationsources"*)
  printf '%s\\n' "media sonarr-minio before-destroy-1700000000" "media radarr-b2 by-hand" "docs paperless-minio before-destroy-1700000001" ;;
esac`;

    test("the next up gives every schedule back that it had switched off, and no preview touches any", async () => {
        const asked: { tok: string; inputs: Record<string, unknown> }[] = [];
        const build = async (preview: boolean) => {
            asked.length = 0;
            await pulumi.runtime.setMocks(
                {
                    newResource: ({ inputs, name }) => ({ id: name, state: inputs as Record<string, unknown> }),
                    call: ({ token, inputs }) => {
                        asked.push({ tok: token, inputs: inputs as Record<string, unknown> });
                        return { stdout: "", stderr: "" };
                    },
                },
                "homelab-infrastructure",
                "test",
                preview,
            );
            new VolSync("volsync", { cluster: { kubeconfig: pulumi.secret("kubeconfig") } }, {});
            await pulumi.runtime.disconnect();
        };
        await build(true);
        expect(asked).toEqual([]);
        await build(false);
        expect(asked.map(({ tok }) => tok)).toEqual(["command:local:run"]);
        const { command: script, environment } = asked[0]?.inputs as {
            command: string;
            environment: Record<string, string>;
        };
        const { status, calls, stderr } = runScript(script, environment, sources);
        expect(status).toBe(0);
        expect(calls.slice(1)).toEqual([
            '--namespace media patch replicationsource sonarr-minio --type=merge --patch {"spec":{"trigger":{"manual":null}}}',
            '--namespace docs patch replicationsource paperless-minio --type=merge --patch {"spec":{"trigger":{"manual":null}}}',
        ]);
        expect(stderr).toContain("media/sonarr-minio is backed up on schedule again");
        // A schedule that stays off is no success.
        expect(runScript(script, environment, `${sources}\ncase "$*" in *patch*) exit 1 ;; esac`).status).toBe(1);
        expect(runScript(script, environment, "exit 1").status).toBe(1);
    });

    test("a killed script's private files are gone after the next one's start, a living one's are not", () => {
        const { delete: script } = plan.inputs(":Command", "openebs-drain");
        const place = (name: string) => `"$XDG_RUNTIME_DIR/homelab-infrastructure-$UID/${name}"`;
        // kubectl sees what is there while the script runs.
        const { status, calls } = runScript(
            `mkdir -p -m 755 ${place("99999999.dead")} ${place("$PPID.alive")}; echo secret > ${place("99999999.dead/kubeconfig")}
${String(script)}`,
            { CLUSTER_KUBECONFIG: "kubeconfig" },
            `(cd "\${KUBECONFIG%/*/kubeconfig}" && ls -d . ./* | sed 's/\\.[A-Za-z0-9]*$//' && stat -c %a . * */*) >> "\${0%/*}/calls"`,
        );
        expect(status).toBe(0);
        const seen = calls.slice(1).join("\n");
        expect(seen).not.toContain("99999999");
        expect(seen).toContain(String(process.pid));
        expect(seen).toContain("700");
        expect(seen).toContain("600");
    });
});

describe("delete scripts, with a kubectl that only notes what it is asked", () => {
    const stamp = (line: string) => line.replaceAll(/before-destroy-\d+/g, "STAMP");

    test("a last backup that ends lets destroy go on", () => {
        const { status, calls } = runDelete("sonarr-last-backup", "exit 0");
        expect(status).toBe(0);
        expect(calls.map(stamp)).toEqual([
            "--namespace media wait replicationsource/sonarr-minio --for=condition=Synchronizing=false --timeout=20s",
            '--namespace media patch replicationsource/sonarr-minio --type=merge --patch {"spec":{"trigger":{"manual":"STAMP"}}}',
            "--namespace media wait replicationsource/sonarr-minio --for=jsonpath={.status.lastManualSync}=STAMP --timeout=20s",
            '--namespace media patch replicationsource/sonarr-minio --type=merge --patch {"spec":{"trigger":{"manual":null}}}',
        ]);
    });

    test("one that takes long is waited for in short turns: a killed script leaves no kubectl for an hour", () => {
        const { status, calls } = runDelete(
            "sonarr-last-backup",
            `case "$*" in *lastManualSync*)
  [ "$(grep -c lastManualSync "\${0%/*}/calls")" -ge 3 ] && exit 0
  echo "error: timed out waiting for the condition on replicationsources/sonarr-minio" >&2; exit 1 ;;
esac`,
        );
        expect([status, calls.filter((call) => call.includes("lastManualSync")).length]).toEqual([0, 3]);
    });

    test("one that does not end stops destroy, gives the schedule back and says how to go on", () => {
        const { status, calls, stderr } = runDelete(
            "sonarr-last-backup",
            'case "$*" in *lastManualSync*) echo "error: gone" >&2; exit 1;; esac',
        );
        expect(status).toBe(1);
        expect(calls.at(-1)).toContain('"manual":null');
        expect(stderr).toContain("error: gone");
        expect(stderr).toContain("The last backup of media/sonarr-minio was not taken");
        expect(stderr).toContain("backups.beforeDestroy");
    });

    test("one under way that does not end is not followed by another", () => {
        const { status, calls } = runDelete("sonarr-last-backup", "exit 1");
        expect([status, calls.length]).toEqual([1, 1]);
    });

    test("volumes are waited for one by one; one that stays stops destroy", () => {
        const twoVolumes = `case "$*" in "get persistentvolumes"*) printf 'pvc-1\\npvc-2\\n';; esac`;
        const { status, calls } = runDelete("ceph-ready", twoVolumes);
        expect(status).toBe(0);
        expect(calls.map((call) => call.split(" --")[0])).toEqual([
            "get volumesnapshotcontents",
            "get persistentvolumes",
            "wait",
            "wait",
            // Monitors may have moved since the copy of what opens them was written.
            "--namespace rook-ceph get secret rook-ceph-mon",
            "--namespace rook-ceph get configmap rook-ceph-mon-endpoints",
            "--namespace rook-ceph get services",
        ]);
        expect(calls[3]).toBe("wait --for=delete persistentvolumes/pvc-2 --timeout=600s");
        expect(runDelete("ceph-ready", `${twoVolumes}\ncase "$*" in wait*pvc-1*) exit 1;; esac`).status).toBe(1);
        expect(runDelete("openebs-drain", "exit 0").calls).toHaveLength(1);
    });

    test("CRDs of Rook go, others stay; without any nothing is deleted", () => {
        const list = `case "$*" in "get crd"*) printf 'customresourcedefinition.apiextensions.k8s.io/%s\\n' cephclusters.ceph.rook.io objectbuckets.objectbucket.io gateways.gateway.networking.k8s.io;; esac`;
        const { status, calls } = runDelete("rook-ceph-crd-cleanup", list);
        expect(status).toBe(0);
        expect(calls.at(-1)).toMatch(
            /^delete --wait --timeout=120s \S+cephclusters.ceph.rook.io \S+objectbuckets.objectbucket.io$/,
        );
        expect(runDelete("rook-ceph-crd-cleanup", "exit 0")).toMatchObject({ status: 0, calls: ["get crd -o name"] });
    });
});

describe("a claim that is there", () => {
    /** Answers as the API server of that state; of what it does not know it says nothing. */
    const kubectl = `case "$*" in
*"get persistentvolumeclaim"*labels*) printf %s "\${LABEL:-}" ;;
*"get persistentvolumeclaim"*volumeName*) printf %s "\${VOLUME:-}" ;;
*"get persistentvolumeclaim"*storageClassName*) printf %s "\${CLAIM_IS:-}" ;;
*"get replicationdestination"*) printf %s "\${BEGUN:-}" ;;
esac`;
    const restore = (state: Record<string, string>) => {
        const { create, environment } = inPlace.inputs(":Command", "sonarr-restored");
        const { status, calls } = runScript(
            String(create),
            { ...(environment as Record<string, string>), ...state },
            kubectl,
        );
        const done = calls.flatMap(
            (call) => / (apply|wait|delete) /.exec(call)?.[1] ?? (call.startsWith("apply ") ? ["apply"] : []),
        );
        const marks = calls.flatMap((call) => /homelab.restored=(\w+)/.exec(call)?.[1] ?? []);
        return { status, done, marks };
    };
    const whole = ["apply", "wait", "delete"];
    let inPlace: Plan;
    beforeAll(async () => {
        inPlace = new Plan(
            await planComponent(() => {
                const cluster = { kubeconfig: pulumi.output("kubeconfig") };
                const volsync = new VolSync("volsync", { cluster }, {});
                const claim = { claim: "sonarr", namespace: "media", size: "5Gi", owner: { uid: 1000, gid: 1000 } };
                const classes = { storageClass: "openebs-hostpath", cacheClass: "openebs-hostpath" };
                const secrets = new NamedSecrets();
                new BackedUpVolume("sonarr", { cluster, volsync, secrets, ...claim, ...classes, ...backups }, {});
            }),
        );
    });

    test("new, it is restored in place, once", () => {
        expect(restore({})).toEqual({ status: 0, done: whole, marks: ["false", "true"] });
        expect(restore({ LABEL: "true", VOLUME: "pvc-1" })).toEqual({ status: 0, done: [], marks: [] });
    });

    test("in use before it had backups, it is never restored into", () => {
        expect(restore({ VOLUME: "pvc-1" })).toEqual({ status: 0, done: [], marks: ["true"] });
    });

    test("with a restore that was cut short, it is restored to the end", () => {
        expect(restore({ LABEL: "false", VOLUME: "pvc-1" })).toEqual({ status: 0, done: whole, marks: ["true"] });
        const begun = { VOLUME: "pvc-1", BEGUN: "replicationdestination/sonarr-dst" };
        expect(restore(begun)).toEqual({ status: 0, done: whole, marks: ["false", "true"] });
    });

    test("keeps its mark, and all of its spec but the size", () => {
        const { ignoreChanges } = inPlace.find(":PersistentVolumeClaim", "sonarr");
        expect(ignoreChanges).toEqual([...KEPT_OF_CLAIM, "metadata.labels"]);
        expect(plan.find(":PersistentVolumeClaim", "sonarr").ignoreChanges).toEqual(KEPT_OF_CLAIM);
    });

    test.each(["create", "update"])("on another class, it ends %s in words", (script) => {
        const gate = inPlace.inputs(":Command", "sonarr-last-backup");
        const on = (is: string) =>
            runScript(
                String(gate[script]),
                { ...(gate["environment"] as Record<string, string>), CLAIM_IS: is },
                kubectl,
            );
        expect(on("sonarr openebs-hostpath").status).toBe(0);
        const { status, stderr } = on("sonarr ceph-block");
        expect(status).toBe(1);
        expect(stderr).toContain("media/sonarr has its data on ceph-block and is to be on openebs-hostpath");
    });

    test("of Velero's is left alone on its class, and refused on another or on the file server", () => {
        const environment = { NAMESPACE: "media", CLAIM: "sonarr", STORAGE_CLASS: "longhorn" };
        const on = (is: string) => runScript(RESTORE, { ...environment, CLAIM_IS: is }, kubectl);
        expect(on("sonarr longhorn")).toMatchObject({ status: 0, calls: [expect.anything()] });
        const other = on("sonarr longhorn-slow");
        expect(other).toMatchObject({ status: 1, calls: [expect.anything()] });
        expect(other.stderr).toContain("docs/longhorn.md#from-the-nas-or-another-tier");
        expect(on("sonarr ").stderr).toContain("has its data on the file server");
    });
});

describe("the workload's view", () => {
    test("libraries are NFS mounts straight from the NAS (C-STOR-09, C-STOR-12)", () => {
        expect((["media", "downloads", "inbox"] as const).map((library) => storage.library(library))).toEqual([
            { name: "media", nfs: { server: "nas.rtrox.io", path: "/volume1/media" } },
            { name: "downloads", nfs: { server: "nas.rtrox.io", path: "/volume1/downloads" } },
            { name: "inbox", nfs: { server: "nas.rtrox.io", path: "/volume1/paperless" } },
        ]);
        expect(["media", "downloads", "inbox"].map((library) => storage.path(library as "media"))).toEqual([
            "/media",
            "/downloads",
            "/inbox",
        ]);
        expect(storage.owner).toEqual({ uid: 1000, gid: 1001 });
    });

    test("a cache is on Ceph and has no backup", () => {
        const claim = plan.inputs(":PersistentVolumeClaim", "sonarr-cache");
        expect(claim).toMatchObject({
            metadata: { name: "sonarr-cache", namespace: "media" },
            spec: { storageClassName: "ceph-block", resources: { requests: { storage: "100Gi" } } },
        });
        expect(dig(claim, "spec", "dataSourceRef")).toBeUndefined();
        const backedUp = plan.resources.filter(({ type }) => type.endsWith(":ReplicationSource"));
        expect(backedUp.map(({ inputs }) => dig(inputs, "spec", "sourcePVC"))).toEqual(["sonarr", "sonarr"]);
    });

    test("the table says where each volume is and whether it survives", () => {
        const volumes = {
            "/config": data("5Gi"),
            "/models": cache("100Gi"),
            "/tmp": scratch(),
            "/media": shared("media"),
            "/downloads": shared("downloads", { subPath: "complete" }),
            "/dev/net/tun": device("/dev/net/tun"),
        };
        for (const [path, volume] of Object.entries(volumes)) storage.record("app", path, volume);
        expect(
            storage.rows.map(({ mountPath, source, survivesDestroy }) => [mountPath, source, survivesDestroy]),
        ).toEqual([
            ["/config", "ceph-block, backed up to b2 and minio", true],
            ["/models", "ceph-block, not backed up", false],
            ["/tmp", "emptyDir", false],
            ["/media", "nas.rtrox.io:/volume1/media", true],
            ["/downloads", "nas.rtrox.io:/volume1/downloads/complete", true],
            ["/dev/net/tun", "/dev/net/tun", false],
        ]);
    });
});

interface Schema {
    readonly properties?: Record<string, Schema>;
    readonly items?: Schema;
    readonly additionalProperties?: Schema | boolean;
    readonly "x-kubernetes-preserve-unknown-fields"?: boolean;
}

/** Paths of a value that a CRD's schema does not know; the API server would drop them without a word. */
function unknownFields(value: unknown, schema: Schema | undefined, path: string): string[] {
    if (schema === undefined) return [path];
    if (Array.isArray(value))
        return value.flatMap((item, index) => unknownFields(item, schema.items, `${path}[${index}]`));
    if (typeof value !== "object" || value === null) return [];
    if (schema["x-kubernetes-preserve-unknown-fields"] === true) return [];
    return Object.entries(value).flatMap(([key, item]) => {
        const any = schema.additionalProperties;
        const below = schema.properties?.[key] ?? (typeof any === "object" ? any : undefined);
        return unknownFields(item, below, `${path}.${key}`);
    });
}

const CRDS = join(ROOT, "..", "shared", "crds");
const here = existsSync(CRDS) ? test : test.skip;
const skipped = existsSync(CRDS) ? "" : " (skipped: ../shared/crds is not here)";
const specOf = (file: string): Schema => {
    const crd = parse(readFileSync(join(CRDS, file), "utf8")) as { spec: { versions: { schema: unknown }[] } };
    return dig(crd.spec.versions[0]?.schema, "openAPIV3Schema", "properties", "spec") as Schema;
};

here(`every field is one that the real CRDs know${skipped}`, async () => {
    const { plan: confirmed } = await planStorage({ ceph: { confirmDataLoss: true } });
    const values = cephClusterValues({ nodes, confirmDataLoss: true, monitoring: true });
    const spec = (kind: string, name: string) => dig(confirmed.inputs(kind, name), "spec");
    expect([
        ...unknownFields(values.cephClusterSpec, specOf("rook/cephclusters.ceph.rook.io.yaml"), "CephCluster"),
        ...unknownFields(
            values.cephBlockPools[0]?.spec,
            specOf("rook/cephblockpools.ceph.rook.io.yaml"),
            "CephBlockPool",
        ),
        ...unknownFields(
            spec(":ReplicationDestination", "sonarr-dst"),
            specOf("volsync/replicationdestinations.volsync.backube.yaml"),
            "ReplicationDestination",
        ),
        ...BACKENDS.flatMap((backend) =>
            unknownFields(
                spec(":ReplicationSource", `sonarr-${backend}`),
                specOf("volsync/replicationsources.volsync.backube.yaml"),
                "ReplicationSource",
            ),
        ),
    ]).toEqual([]);
});
