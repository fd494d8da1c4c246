import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { clusterCommand, valueAfter } from "../cluster/cluster-command";
import type { Cluster } from "../platform";
import {
    CEPHFS_DRIVER as DRIVER,
    CONTROL_PLANE_TOLERATIONS,
    copiesOf,
    type CephCluster,
    type CephNode,
} from "./ceph-cluster";
import { drainScript } from "./drain";
import { ROOK_NAMESPACE } from "./rook-operator";

/** Upstream's name for the file system and its StorageClass. */
export const CEPH_FILESYSTEM_CLASS = "ceph-filesystem";

const DATA_POOL = "data0";
/** The group that the CSI driver makes its volumes in. */
const GROUP = "csi";

export interface CephFilesystemArgs {
    cluster: Pick<Cluster, "kubeconfig">;
    /** Made with `filesystem: true`, so that its driver is there. */
    ceph: CephCluster;
    /** As of the CephCluster. */
    nodes: readonly CephNode[];
    /** As of the CephCluster. */
    onControlPlanes?: boolean;
    /** Name of its VolumeSnapshotClass. */
    snapshotClass: string;
}

/**
 * A shared file system of a Ceph cluster, for volumes that pods on several machines write at once (ReadWriteMany): pools,
 * metadata servers, StorageClass and VolumeSnapshotClass. Its objects are the program's own and not the chart's, which
 * would delete all at once: Rook lets a file system go once no group of volumes is left in it, and a group once it is empty.
 *
 * Teardown: the last volumes and snapshots, the classes, the group, the file system; then the cluster's own.
 * Source: https://rook.io/docs/rook/v1.20/CRDs/Shared-Filesystem/ceph-filesystem-crd/
 */
export class CephFilesystem extends pulumi.ComponentResource {
    /** StorageClass; known once the file system serves volumes. */
    readonly className: pulumi.Output<string>;

    constructor(name: string, args: CephFilesystemArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:storage:CephFilesystem", name, {}, opts);
        const { cluster, ceph, nodes, snapshotClass, onControlPlanes } = args;
        const metadata = { name: CEPH_FILESYSTEM_CLASS, namespace: ROOK_NAMESPACE };
        const filesystem = new k8s.apiextensions.CustomResource(
            name,
            {
                apiVersion: "ceph.rook.io/v1",
                kind: "CephFilesystem",
                metadata: { ...metadata, annotations: READY },
                spec: filesystemSpec(nodes, onControlPlanes),
            },
            // Rook makes nothing in a cluster that is not healthy, and deletes nothing in one that is being wiped.
            { parent: this, dependsOn: ceph.ready, ...PATIENT },
        );
        const group = new k8s.apiextensions.CustomResource(
            `${name}-group`,
            {
                apiVersion: "ceph.rook.io/v1",
                kind: "CephFilesystemSubVolumeGroup",
                metadata: { ...metadata, name: `${CEPH_FILESYSTEM_CLASS}-${GROUP}`, annotations: READY },
                spec: { name: GROUP, filesystemName: CEPH_FILESYSTEM_CLASS, pinning: { distributed: 1 } },
            },
            { parent: this, dependsOn: filesystem, ...PATIENT },
        );
        // Rook calls a file system ready that one metadata server serves: the second, which takes over, may still be missing.
        const servers = clusterCommand(
            `${name}-servers`,
            cluster,
            {
                create:
                    `kubectl --namespace ${ROOK_NAMESPACE} wait deployments --selector=rook_file_system=${CEPH_FILESYSTEM_CLASS} ` +
                    "--for=condition=Available --timeout=600s",
                triggers: [filesystem.metadata.uid],
            },
            { parent: this, dependsOn: filesystem },
        );
        const classes = [
            new k8s.storage.v1.StorageClass(
                `${name}-class`,
                {
                    metadata: { name: CEPH_FILESYSTEM_CLASS },
                    provisioner: DRIVER,
                    parameters: {
                        clusterID: ROOK_NAMESPACE,
                        fsName: CEPH_FILESYSTEM_CLASS,
                        pool: `${CEPH_FILESYSTEM_CLASS}-${DATA_POOL}`,
                        ...secrets(["provisioner", "controller-expand", "controller-publish"], "provisioner"),
                        ...secrets(["node-stage"], "node"),
                    },
                    reclaimPolicy: "Delete",
                    allowVolumeExpansion: true,
                    volumeBindingMode: "Immediate",
                },
                { parent: this, dependsOn: [group, servers] },
            ),
            new k8s.apiextensions.CustomResource(
                `${name}-snapshot-class`,
                {
                    apiVersion: "snapshot.storage.k8s.io/v1",
                    kind: "VolumeSnapshotClass",
                    metadata: { name: snapshotClass },
                    driver: DRIVER,
                    deletionPolicy: "Delete",
                    parameters: {
                        clusterID: ROOK_NAMESPACE,
                        "csi.storage.k8s.io/snapshotter-secret-name": "rook-csi-cephfs-provisioner",
                        "csi.storage.k8s.io/snapshotter-secret-namespace": ROOK_NAMESPACE,
                    },
                },
                { parent: this, dependsOn: group },
            ),
        ];
        const drained = clusterCommand(
            `${name}-drain`,
            cluster,
            {
                create: "kubectl get --raw /version > /dev/null",
                delete: [
                    drainScript("volumesnapshotcontents", `.spec.driver=="${DRIVER}"`),
                    drainScript("persistentvolumes", `.spec.csi.driver=="${DRIVER}"`),
                ].join("\n"),
            },
            { parent: this, dependsOn: classes },
        );
        this.className = valueAfter(drained, CEPH_FILESYSTEM_CLASS);
        this.registerOutputs({ className: this.className });
    }
}

const READY = { "pulumi.com/waitFor": "jsonpath={.status.phase}=Ready" };
/** Pools are made one by one, and a group of volumes goes only once the driver has emptied its trash. */
const PATIENT = { customTimeouts: { create: "20m", update: "20m", delete: "20m" } };

function secrets(steps: readonly string[], whose: "provisioner" | "node"): Record<string, string> {
    return Object.fromEntries(
        steps.flatMap((step) => [
            [`csi.storage.k8s.io/${step}-secret-name`, `rook-csi-cephfs-${whose}`],
            [`csi.storage.k8s.io/${step}-secret-namespace`, ROOK_NAMESPACE],
        ]),
    );
}

/** What each metadata server requests. */
export const METADATA_REQUESTS = { cpu: "500m", memory: "1Gi" } as const;

/** One metadata server, and where there are machines for it one that takes over. */
export const metadataServers = ({ length }: readonly CephNode[]): number => (length > 1 ? 2 : 1);

/** Spec of the CephFilesystem: copies as of block volumes; one metadata server, and where there are machines for it one that takes over. */
export function filesystemSpec(nodes: readonly CephNode[], onControlPlanes = false) {
    const standby = metadataServers(nodes) > 1;
    return {
        metadataPool: copiesOf(nodes),
        dataPools: [{ name: DATA_POOL, ...copiesOf(nodes) }],
        metadataServer: {
            activeCount: 1,
            activeStandby: standby,
            priorityClassName: "system-cluster-critical",
            resources: { requests: METADATA_REQUESTS },
            ...(standby
                ? {
                      placement: {
                          podAntiAffinity: APART,
                          ...(onControlPlanes ? { tolerations: CONTROL_PLANE_TOLERATIONS } : {}),
                      },
                  }
                : {}),
        },
    };
}

/** Rook itself would put both on one machine, and lose both with it. */
const APART = {
    requiredDuringSchedulingIgnoredDuringExecution: [
        {
            labelSelector: { matchExpressions: [{ key: "app", operator: "In", values: ["rook-ceph-mds"] }] },
            topologyKey: "kubernetes.io/hostname",
        },
    ],
};
