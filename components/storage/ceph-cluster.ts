import { createHash } from "node:crypto";
import type * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { charts } from "../charts";
import { clusterCommand, valueAfter } from "../cluster/cluster-command";
import { helmRelease } from "../cluster/helm-release";
import type { Cluster } from "../platform";
import { cephIdentity, FORGET_IDENTITY, SAVE_IDENTITY } from "./ceph-identity";
import { drainScript } from "./drain";
import { ROOK_NAMESPACE, type RookOperator } from "./rook-operator";
import type { SnapshotController } from "./snapshot-controller";

/** Upstream's name for both the StorageClass and the VolumeSnapshotClass of the block pool. */
export const CEPH_BLOCK_CLASS = "ceph-block";

const POOL = "ceph-blockpool";
const RBD_DRIVER = `${ROOK_NAMESPACE}.rbd.csi.ceph.com`;
export const CEPHFS_DRIVER = `${ROOK_NAMESPACE}.cephfs.csi.ceph.com`;

export interface CephNode {
    /** Kubernetes node name. */
    readonly name: string;
    /** Disks that Ceph takes whole, by /dev/disk/by-id. */
    readonly osdDisks: readonly string[];
}

export interface CephClusterArgs {
    cluster: Pick<Cluster, "kubeconfig">;
    operator: RookOperator;
    /** Serves snapshots, and removes those that are left when the cluster goes. */
    snapshots: SnapshotController;
    /** One, or at least three: two monitors have no majority. */
    nodes: readonly CephNode[];
    /**
     * Destroy also wipes the disks and /var/lib/rook, and `up` wipes what an earlier Ceph cluster left.
     * Otherwise both stay, and the next `up` takes that cluster over: docs/storage.md.
     */
    confirmDataLoss: boolean;
    /** Whether there is to be a CephFilesystem: its CSI driver comes with the cluster. */
    filesystem?: boolean;
    /** Name of the block volumes' VolumeSnapshotClass, the cluster's default; absent: `ceph-block`. */
    snapshotClass?: string;
    /** True: control planes with a taint are among the nodes. Default: none of them has one that Ceph would have to bear. */
    onControlPlanes?: boolean;
}

/** Of the taint that kubeadm gives: for daemons that may be on control planes. */
export const CONTROL_PLANE_TOLERATIONS = [
    { key: "node-role.kubernetes.io/control-plane", operator: "Exists", effect: "NoSchedule" },
] as const;

/**
 * A Ceph cluster on the nodes' own disks with its CSI drivers, the default StorageClass `ceph-block`, a
 * VolumeSnapshotClass, and the toolbox.
 *
 * Teardown, in the order in which the graph deletes: the last volumes and snapshots (whoever uses a class is deleted
 * before `ready`, which then waits for what controllers remove on their own), pool and CephCluster, what Rook does
 * after the CephCluster is gone, the CSI driver, the operator.
 */
export class CephCluster extends pulumi.ComponentResource {
    /** StorageClass; known once Ceph serves volumes. */
    readonly blockClass: pulumi.Output<string>;
    /** VolumeSnapshotClass. */
    readonly snapshotClass: pulumi.Output<string>;
    /** Done when Ceph serves volumes; deleted once the last volume and snapshot is gone. */
    readonly ready: command.local.Command;

    constructor(name: string, args: CephClusterArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:storage:CephCluster", name, {}, opts);
        const { namespace } = args.operator;
        const drivers = helmRelease(
            `${name}-csi-drivers`,
            charts.cephCsiDrivers,
            {
                name: "ceph-csi-drivers",
                namespace,
                timeout: 300,
                values: cephCsiDriversValues(args.nodes.length, args.filesystem),
            },
            { parent: this },
        );
        // Made before the cluster so that it is deleted after it, while operator and driver still run.
        const gone = clusterCommand(
            `${name}-gone`,
            args.cluster,
            { create: "kubectl get --raw /version > /dev/null", delete: goneScript(args) },
            // The chart makes a VolumeSnapshotClass; its CRD comes before the snapshot controller.
            { parent: this, dependsOn: [drivers, args.snapshots] },
        );
        const identity = cephIdentity(
            `${name}-identity`,
            { ...args, bornWith: args.operator.namespaceUid },
            // The first image of the namespace may be pulled, and its CRDs are there.
            { parent: this, dependsOn: [args.operator, drivers] },
        );
        const values = cephClusterValues({ ...args, monitoring: args.operator.monitoring });
        const release = helmRelease(
            name,
            charts.rookCephCluster,
            {
                name: "rook-ceph-cluster",
                namespace,
                // The toolbox is ready once the monitors are.
                timeout: 1800,
                values,
            },
            { parent: this, dependsOn: [gone, identity] },
        );
        const healthy = clusterCommand(
            `${name}-healthy`,
            args.cluster,
            {
                create: healthyScript(args.nodes.flatMap(({ osdDisks }) => osdDisks).length),
                triggers: [
                    charts.rookCephCluster.version,
                    createHash("sha256").update(JSON.stringify(values)).digest("hex"),
                    args.operator.namespaceUid,
                ],
            },
            { parent: this, dependsOn: release },
        );
        // No triggers: a replaced command runs its delete script.
        this.ready = clusterCommand(
            `${name}-ready`,
            args.cluster,
            { create: "kubectl get --raw /version > /dev/null", delete: drainedScript(args) },
            { parent: this, dependsOn: healthy },
        );
        this.blockClass = valueAfter(this.ready, CEPH_BLOCK_CLASS);
        this.snapshotClass = valueAfter(this.ready, args.snapshotClass ?? CEPH_BLOCK_CLASS);
        this.registerOutputs({ blockClass: this.blockClass, snapshotClass: this.snapshotClass });
    }
}

const inNamespace = `kubectl --namespace ${ROOK_NAMESPACE}`;

/** Phase Ready says nothing of disks: a CephCluster that refused every one is Ready too. */
function healthyScript(disks: number): string {
    return `
${inNamespace} wait cephcluster/${ROOK_NAMESPACE} --for=jsonpath='{.status.phase}'=Ready --timeout=1800s
${inNamespace} wait cephcluster/${ROOK_NAMESPACE} --for=jsonpath='{.status.storage.osd.storeType.bluestore}'=${disks} --timeout=900s || {
  echo "Ceph does not run on all ${disks} disks. A disk that carries data of an earlier cluster is refused: docs/storage.md, Remains that nothing opens." >&2
  exit 1
}
${inNamespace} wait cephblockpool/${POOL} --for=jsonpath='{.status.phase}'=Ready --timeout=600s
${SAVE_IDENTITY}`.trim();
}

/**
 * Rook refuses to delete a cluster with volumes, and only a running driver removes them. The confirmation is patched in
 * at the last moment: Rook stops configuring a cluster that has it, so in the chart's values it would keep the next
 * `up` from ever getting ready.
 */
function drainedScript({ confirmDataLoss }: Pick<CephClusterArgs, "confirmDataLoss">): string {
    const confirm = JSON.stringify({ spec: { cleanupPolicy: { confirmation: "yes-really-destroy-data" } } });
    return [
        drainScript("volumesnapshotcontents", `.spec.driver=="${RBD_DRIVER}"`),
        drainScript("persistentvolumes", `.spec.csi.driver=="${RBD_DRIVER}"`),
        ...(confirmDataLoss
            ? [`${inNamespace} patch cephcluster ${ROOK_NAMESPACE} --type=merge --patch '${confirm}'`]
            : // Monitors may have moved since the last `up`.
              [SAVE_IDENTITY]),
    ].join("\n");
}

/** What the operators do after the CephCluster object is gone: ClientProfiles have a finalizer; disks are wiped. */
function goneScript({ confirmDataLoss, nodes }: Pick<CephClusterArgs, "confirmDataLoss" | "nodes">): string {
    const wait = (what: string, seconds: number) => `${inNamespace} wait ${what} --timeout=${seconds}s`;
    const jobs = nodes.map((node) => `job/cluster-cleanup-job-${node.name}`);
    return [
        wait(`--for=delete cephblockpool/${POOL} cephcluster/${ROOK_NAMESPACE}`, 900),
        wait("--for=delete clientprofiles.csi.ceph.io,cephconnections.csi.ceph.io --all", 300),
        ...(confirmDataLoss
            ? [
                  ...jobs.map((job) => wait(`--for=create ${job}`, 600)),
                  ...jobs.map((job) => wait(`--for=condition=Complete ${job}`, 1800)),
                  FORGET_IDENTITY,
              ]
            : []),
    ].join("\n");
}

/**
 * Values of chart ceph-csi-drivers 1.0, which Rook 1.20 needs beside its own charts. Names carry the operator's
 * namespace, as the classes do. Source: https://rook.io/docs/rook/v1.20/Helm-Charts/csi-drivers-chart/
 */
export function cephCsiDriversValues(hosts: number, filesystem = false) {
    const driver = (name: string) => ({
        enabled: true,
        name,
        // The chart's default is "none": no snapshotter beside the driver, and no backup would ever start.
        snapshotPolicy: "volumeSnapshot",
        controllerPlugin: { replicas: Math.min(2, hosts) },
    });
    return {
        operatorConfig: {
            namespace: ROOK_NAMESPACE,
            driverSpecDefaults: {
                imageSet: { name: "rook-csi-operator-image-set-configmap" },
                nodePlugin: { priorityClassName: "system-node-critical" },
                controllerPlugin: { priorityClassName: "system-cluster-critical" },
            },
        },
        drivers: {
            rbd: driver(RBD_DRIVER),
            cephfs: filesystem ? driver(CEPHFS_DRIVER) : { enabled: false },
            nfs: { enabled: false },
            nvmeof: { enabled: false },
        },
    };
}

/** What each of its servers requests. Those that are beside them (collectors, drivers) request little. */
export const CEPH_REQUESTS = {
    mon: { cpu: "1000m", memory: "1Gi" },
    mgr: { cpu: "500m", memory: "512Mi" },
    osd: { cpu: "1000m", memory: "4Gi" },
} as const;

/** How many monitors and managers there are: monitors need a majority, which two are not. */
export const cephServers = ({ length }: readonly CephNode[]) => ({ mon: length < 3 ? 1 : 3, mgr: Math.min(2, length) });

/** Requests without a limit: null takes the chart's own away. */
const requests = (cpu: string, memory: string) => ({ limits: null, requests: { cpu, memory } });

/**
 * Values of chart rook-ceph-cluster v1.20. Source: seed 002 (Storage, Resource Quotas and Limits),
 * https://rook.io/docs/rook/v1.20/CRDs/Cluster/ceph-cluster-crd/
 */
export function cephClusterValues({
    nodes,
    confirmDataLoss,
    monitoring,
    snapshotClass = CEPH_BLOCK_CLASS,
    onControlPlanes = false,
}: Pick<CephClusterArgs, "nodes" | "confirmDataLoss" | "snapshotClass" | "onControlPlanes"> & { monitoring: boolean }) {
    const { mon, mgr } = cephServers(nodes);
    return {
        operatorNamespace: ROOK_NAMESPACE,
        clusterName: ROOK_NAMESPACE,
        toolbox: { enabled: true, resources: requests("100m", "128Mi") },
        monitoring: { enabled: monitoring, createPrometheusRules: monitoring },
        cephClusterSpec: {
            mon: { count: mon, allowMultiplePerNode: false },
            mgr: { count: mgr, allowMultiplePerNode: false },
            // Rook passes over a node whose taint its daemons do not bear: no disk of it would be taken.
            ...(onControlPlanes ? { placement: { all: { tolerations: CONTROL_PLANE_TOLERATIONS } } } : {}),
            // For `kubectl port-forward`; no route leads to it.
            dashboard: { enabled: true, ssl: false },
            // Without a memory limit an OSD takes the node's whole memory as its measure.
            cephConfig: { osd: { osd_memory_target: String(4 * 1024 ** 3) } },
            ...(confirmDataLoss ? { cleanupPolicy: { wipeDevicesFromOtherClusters: true } } : {}),
            resources: {
                mgr: { limits: null, requests: CEPH_REQUESTS.mgr },
                mon: { limits: null, requests: CEPH_REQUESTS.mon },
                osd: { limits: null, requests: CEPH_REQUESTS.osd },
                "mgr-sidecar": requests("100m", "40Mi"),
                crashcollector: requests("100m", "60Mi"),
                logcollector: requests("100m", "100Mi"),
                cleanup: requests("500m", "100Mi"),
                exporter: requests("50m", "50Mi"),
                "cmd-reporter": requests("500m", "100Mi"),
            },
            storage: {
                useAllNodes: false,
                useAllDevices: false,
                nodes: nodes.map(({ name, osdDisks }) => ({ name, devices: osdDisks.map((disk) => ({ name: disk })) })),
            },
        },
        cephBlockPools: [
            {
                name: POOL,
                spec: {
                    ...copiesOf(nodes),
                    parameters: { compression_mode: "aggressive", compression_algorithm: "zstd" },
                },
                storageClass: {
                    enabled: true,
                    name: CEPH_BLOCK_CLASS,
                    isDefault: true,
                    reclaimPolicy: "Delete",
                    allowVolumeExpansion: true,
                    volumeBindingMode: "Immediate",
                    parameters: rbdParameters(),
                },
            },
        ],
        cephBlockPoolsVolumeSnapshotClass: {
            enabled: true,
            name: snapshotClass,
            isDefault: true,
            deletionPolicy: "Delete",
        },
        // The chart would make one of each; a file system is CephFilesystem's.
        cephFileSystems: [],
        cephObjectStores: [],
    };
}

/** Copies by host where there are hosts enough, else by disk; one disk has one copy, which Ceph must be told is meant. */
export function copiesOf(nodes: readonly CephNode[]) {
    if (nodes.length >= 3) return { failureDomain: "host", replicated: { size: 3 } };
    const size = Math.min(3, nodes.flatMap(({ osdDisks }) => osdDisks).length);
    return { failureDomain: "osd", replicated: { size, ...(size === 1 ? { requireSafeReplicaSize: false } : {}) } };
}

function rbdParameters(): Record<string, string> {
    const secret = (step: string, name: string) => ({
        [`csi.storage.k8s.io/${step}-secret-name`]: name,
        [`csi.storage.k8s.io/${step}-secret-namespace`]: ROOK_NAMESPACE,
    });
    return {
        imageFormat: "2",
        imageFeatures: "layering,fast-diff,object-map,deep-flatten,exclusive-lock",
        "csi.storage.k8s.io/fstype": "ext4",
        ...secret("provisioner", "rook-csi-rbd-provisioner"),
        ...secret("controller-expand", "rook-csi-rbd-provisioner"),
        ...secret("controller-publish", "rook-csi-rbd-provisioner"),
        ...secret("node-stage", "rook-csi-rbd-node"),
    };
}
