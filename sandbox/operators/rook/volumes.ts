/**
 * Volumes of Ceph's drivers, RBD and CephFS, and their snapshots: made while the driver runs, its pool or file system is
 * ready and its cluster serves. A claim with a data source waits for it. With a ReplicationDestination as source VolSync's populator does the
 * work, with its image.
 */
import {
    type Action,
    collectionIn,
    collections,
    type Controller,
    objectPath,
    resources,
    type View,
    warning,
} from "../../controllers/controller";
import {
    type CustomResource,
    isLeaving,
    labelled,
    ownedBy,
    running,
    statusOf,
    timestamp,
} from "../../controllers/custom-resources";
import { keyOf, type KubeObject, type PersistentVolumeClaim, type StorageClass } from "../../controllers/objects";
import {
    cephBlockPools,
    cephClusters,
    type CephCluster,
    cephFilesystems,
    isServing,
    servesFiles,
    subVolumeGroups,
} from "./controller";
import { askedBy, PROVISIONED_BY, reclaim } from "../../cluster/volumes";

const RBD = ".rbd.csi.ceph.com";
const CEPHFS = ".cephfs.csi.ceph.com";
const isCeph = ({ provisioner }: StorageClass) => provisioner.endsWith(RBD) || provisioner.endsWith(CEPHFS);
/** Drivers whose Deployment is called otherwise than after them. */
const SNAPSHOTTERS: Readonly<Record<string, string>> = { "driver.longhorn.io": "csi-snapshotter" };
const SNAPSHOTS = "snapshot.storage.k8s.io";
export const snapshots = resources(SNAPSHOTS, "v1", "volumesnapshots");
export const snapshotClasses = resources(SNAPSHOTS, "v1", "volumesnapshotclasses");
const contents = resources(SNAPSHOTS, "v1", "volumesnapshotcontents");
export const destinations = resources("volsync.backube", "v1alpha1", "replicationdestinations");

/** On a snapshot and on the volume made of it: the backup that is in it. */
export const RESTORED_FROM = "sandbox/restored-from";

interface SnapshotClass extends KubeObject {
    readonly driver: string;
    readonly deletionPolicy: string;
}

export type VolumeSnapshot = CustomResource<{
    readonly volumeSnapshotClassName?: string;
    readonly source: { readonly persistentVolumeClaimName?: string };
}>;

type SnapshotContent = CustomResource<{
    readonly driver: string;
    readonly deletionPolicy: string;
    readonly volumeSnapshotRef: { readonly namespace: string; readonly name: string; readonly uid?: string };
}>;

export const cephVolumes: Controller = {
    name: "ceph-volumes",
    lists: [
        collections.deployments,
        collections.claims,
        collections.volumes,
        collections.storageClasses,
        ...[
            cephClusters,
            cephBlockPools,
            cephFilesystems,
            subVolumeGroups,
            destinations,
            snapshots,
            snapshotClasses,
            contents,
        ],
    ],
    reconcile(view) {
        const classes = view.list<StorageClass>(collections.storageClasses).filter(isCeph);
        const provisioners = new Set(classes.map(({ provisioner }) => provisioner));
        return [
            ...view.list<PersistentVolumeClaim>(collections.claims).flatMap((claim) => provision(view, claim, classes)),
            ...[...provisioners]
                .filter((provisioner) => driverRuns(view, provisioner))
                .flatMap((provisioner) => reclaim(view, { provisioner })),
            ...snapshotActions(view),
        ];
    },
};

function driverRuns(view: View, driver: string): boolean {
    const deployment = SNAPSHOTTERS[driver] ?? `${driver}-ctrlplugin`;
    return running(view, ({ metadata }) => metadata.name === deployment) !== undefined;
}

/** Whether volumes of a class can be made now. */
export function isServed(view: View, { provisioner, parameters = {} }: StorageClass): boolean {
    const { clusterID = "", pool = "", fsName = "" } = parameters;
    const cluster = view.list<CephCluster>(cephClusters).find(({ metadata }) => metadata.namespace === clusterID);
    const ready = provisioner.endsWith(CEPHFS)
        ? servesFiles(view, clusterID, fsName)
        : view
              .list<CustomResource>(cephBlockPools)
              .some((one) => keyOf(one) === `${clusterID}/${pool}` && one.status?.["phase"] === "Ready");
    return driverRuns(view, provisioner) && isServing(cluster) && ready;
}

function provision(view: View, claim: PersistentVolumeClaim, classes: readonly StorageClass[]): Action[] {
    const storageClass = classes.find(({ metadata }) => metadata.name === claim.spec.storageClassName);
    const waits = claim.status?.phase === "Pending" && claim.spec.volumeName === undefined && !isLeaving(claim);
    if (storageClass === undefined || !waits || !isServed(view, storageClass)) return [];
    const source = dataSource(view, claim);
    if (source === "missing") return [];
    const { namespace = "", name, uid = "" } = claim.metadata;
    const driver = storageClass.provisioner;
    const several = (claim.spec.accessModes ?? []).includes("ReadWriteMany");
    if (several && driver.endsWith(RBD) && claim.spec.volumeMode !== "Block") {
        const involved = { kind: "PersistentVolumeClaim", namespace, name, uid };
        const message = `failed to provision volume with StorageClass "${storageClass.metadata.name}": rpc error: code = InvalidArgument desc = multi node access modes are only supported on rbd \`block\` type volumes`;
        return [warning(involved, "ProvisioningFailed", message, driver, view.now)];
    }
    const { clusterID = "", pool = "", fsName } = storageClass.parameters ?? {};
    return [
        {
            verb: "create",
            path: collections.volumes,
            body: {
                apiVersion: "v1",
                kind: "PersistentVolume",
                metadata: {
                    name: `pvc-${uid}`,
                    annotations: {
                        [PROVISIONED_BY]: driver,
                        ...(source !== undefined && { [RESTORED_FROM]: source }),
                    },
                },
                spec: {
                    ...askedBy(claim, storageClass),
                    csi: {
                        driver,
                        volumeHandle: `0001-0009-${clusterID}-${uid}`,
                        fsType: storageClass.parameters?.["csi.storage.k8s.io/fstype"] ?? "ext4",
                        volumeAttributes: {
                            clusterID,
                            ...(fsName === undefined ? { pool } : { fsName }),
                        },
                    },
                },
            },
        },
    ];
}

/** The backup that comes with a claim's data source; undefined: none; "missing": the source is not there yet. */
export function dataSource(view: View, claim: PersistentVolumeClaim): string | undefined {
    const { dataSourceRef: reference } = claim.spec;
    const { namespace = "" } = claim.metadata;
    if (reference === undefined) return undefined;
    const snapshot = (name: string): string | undefined => {
        const found = view.list<VolumeSnapshot>(snapshots).find((one) => keyOf(one) === `${namespace}/${name}`);
        if (found?.status?.["readyToUse"] !== true) return "missing";
        return found.metadata.annotations?.[RESTORED_FROM];
    };
    if (reference.kind === "VolumeSnapshot") return snapshot(reference.name);
    if (reference.kind !== "ReplicationDestination") return undefined;
    if (running(view, labelled({ "app.kubernetes.io/name": "volsync" })) === undefined) return "missing";
    const destination = view
        .list<CustomResource>(destinations)
        .find((one) => keyOf(one) === `${namespace}/${reference.name}`);
    const image = destination?.status?.["latestImage"] as { name: string } | undefined;
    return image === undefined ? "missing" : snapshot(image.name);
}

function snapshotActions(view: View): Action[] {
    if (running(view, ({ metadata }) => metadata.name === "snapshot-controller") === undefined) return [];
    const classes = view.list<SnapshotClass>(snapshotClasses);
    const held = view.list<SnapshotContent>(contents);
    const all = view.list<VolumeSnapshot>(snapshots);
    const made = all
        .filter((one) => !isLeaving(one))
        .flatMap((one): Action[] => {
            const ofClass = classes.find(({ metadata }) => metadata.name === one.spec.volumeSnapshotClassName);
            if (ofClass === undefined || !driverRuns(view, ofClass.driver)) return [];
            const name = `snapcontent-${one.metadata.uid ?? ""}`;
            const content = held.find(({ metadata }) => metadata.name === name);
            if (content === undefined) return [{ verb: "create", path: contents, body: contentOf(one, name, ofClass) }];
            return [
                ...statusOf(contents, content, view.now, { readyToUse: true, snapshotHandle: name, restoreSize: 0 }),
                ...statusOf(snapshots, one, view.now, {
                    readyToUse: true,
                    boundVolumeSnapshotContentName: name,
                    ...(one.status?.["creationTime"] === undefined && { creationTime: timestamp(view.now) }),
                }),
            ];
        });
    const alive = new Set(all.map(({ metadata }) => metadata.uid));
    const gone = held
        .filter(
            ({ metadata, spec }) =>
                metadata.deletionTimestamp === undefined &&
                spec.deletionPolicy === "Delete" &&
                !alive.has(spec.volumeSnapshotRef.uid ?? "") &&
                driverRuns(view, spec.driver),
        )
        .map(({ metadata }): Action => ({ verb: "delete", path: objectPath(contents, metadata) }));
    return [...made, ...gone];
}

function contentOf(one: VolumeSnapshot, name: string, { driver, deletionPolicy, metadata }: SnapshotClass): object {
    const { namespace = "", uid = "" } = one.metadata;
    return {
        apiVersion: `${SNAPSHOTS}/v1`,
        kind: "VolumeSnapshotContent",
        metadata: { name },
        spec: {
            driver,
            deletionPolicy,
            volumeSnapshotClassName: metadata.name,
            source: { volumeHandle: `claim-${one.spec.source.persistentVolumeClaimName ?? ""}` },
            volumeSnapshotRef: {
                apiVersion: `${SNAPSHOTS}/v1`,
                kind: "VolumeSnapshot",
                namespace,
                name: one.metadata.name,
                uid,
            },
        },
    };
}

/** A snapshot that VolSync made of a restored volume; it goes with the ReplicationDestination. */
export function snapshotOf(
    destination: CustomResource,
    name: string,
    className: string | undefined,
    restoredFrom: string | undefined,
): Action {
    const { namespace } = destination.metadata;
    return {
        verb: "create",
        path: collectionIn(snapshots, namespace),
        body: {
            apiVersion: `${SNAPSHOTS}/v1`,
            kind: "VolumeSnapshot",
            metadata: {
                name,
                namespace,
                labels: { "app.kubernetes.io/created-by": "volsync" },
                ...(restoredFrom !== undefined && { annotations: { [RESTORED_FROM]: restoredFrom } }),
                ownerReferences: ownedBy(destination, "volsync.backube/v1alpha1", "ReplicationDestination"),
            },
            spec: {
                ...(className !== undefined && { volumeSnapshotClassName: className }),
                source: { persistentVolumeClaimName: `volsync-${destination.metadata.name}-dest` },
            },
        },
    };
}
