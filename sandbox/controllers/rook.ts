/**
 * Rook and the Ceph-CSI operator. A cluster becomes healthy with the disks it lists; it goes only when no pool and no
 * volume is left, and pools only when no image is; both only while the operator runs. Its drivers are Deployments and
 * DaemonSets, as those of the real one.
 */
import {
    type Action,
    collectionIn,
    collections,
    type Controller,
    objectPath,
    resources,
    type View,
} from "./controller";
import {
    type CustomResource,
    ensure,
    hold,
    isLeaving,
    ownedBy,
    release,
    running,
    statusOf,
    timestamp,
} from "./custom-resources";
import {
    type ConfigMap,
    type Deployment,
    keyOf,
    type KubeObject,
    type Node,
    type PersistentVolume,
    type Secret,
} from "./objects";

interface Devices {
    readonly devices?: readonly unknown[];
}

export type CephCluster = CustomResource<{
    readonly cephVersion?: { readonly image?: string };
    readonly storage?: Devices & { readonly nodes?: readonly (Devices & { readonly name: string })[] };
    readonly cleanupPolicy?: {
        readonly confirmation?: string;
        readonly allowUninstallWithVolumes?: boolean;
    };
}>;

const ROOK = "ceph.rook.io";
export const cephClusters = resources(ROOK, "v1", "cephclusters");
export const cephBlockPools = resources(ROOK, "v1", "cephblockpools");

/** Other kinds of a cluster: kind's plural and its finalizer. */
const DEPENDENTS = [
    "cephblockpools",
    "cephfilesystems",
    "cephobjectstores",
    "cephobjectstoreusers",
    "cephnfses",
    "cephclients",
    "cephrbdmirrors",
    "cephblockpoolradosnamespaces",
    "cephfilesystemsubvolumegroups",
].map((plural) => ({ list: resources(ROOK, "v1", plural), finalizer: `${singular(plural)}.${ROOK}` }));

const CSI = "csi.ceph.io";
const drivers = resources(CSI, "v1", "drivers");
const connections = resources(CSI, "v1", "cephconnections");
const profiles = resources(CSI, "v1", "clientprofiles");
const daemonSets = "/apis/apps/v1/daemonsets";
const jobs = "/apis/batch/v1/jobs";

const CLUSTER_FINALIZER = `cephcluster.${ROOK}`;
const PROFILE_FINALIZER = `${CSI}/cleanup`;
const PROTECTION = "ceph.rook.io/disaster-protection";
const CONFIRMED = "yes-really-destroy-data";

function singular(plural: string): string {
    return plural === "cephnfses" ? "cephnfs" : plural.replace(/s$/, "");
}

export const rook: Controller = {
    name: "rook",
    lists: [
        collections.deployments,
        collections.volumes,
        collections.nodes,
        collections.secrets,
        collections.configMaps,
        daemonSets,
        jobs,
        cephClusters,
        ...DEPENDENTS.map(({ list }) => list),
        ...[drivers, connections, profiles],
    ],
    reconcile(view) {
        const operator = running(view, ({ metadata }) => metadata.name === "rook-ceph-operator");
        const csi = running(view, ({ metadata }) => metadata.name === "ceph-csi-controller-manager");
        return [...(operator === undefined ? [] : rookActions(view)), ...(csi === undefined ? [] : csiActions(view))];
    },
};

function rookActions(view: View): Action[] {
    const clusters = view.list<CephCluster>(cephClusters);
    return [
        ...clusters.flatMap((cluster) =>
            isLeaving(cluster) ? farewell(view, cluster) : clusterActions(view, cluster),
        ),
        ...DEPENDENTS.flatMap(({ list, finalizer }) =>
            view.list<CustomResource>(list).flatMap((object) => dependentActions(view, list, finalizer, object)),
        ),
    ];
}

/** A cluster that serves: Rook has configured it and Ceph is healthy. */
export function isServing(cluster: CephCluster | undefined): boolean {
    return cluster !== undefined && !isLeaving(cluster) && cluster.status?.["phase"] === "Ready";
}

function clusterActions(view: View, cluster: CephCluster): Action[] {
    const { namespace = "" } = cluster.metadata;
    const { storage, cleanupPolicy } = cluster.spec;
    // With the confirmation set Rook configures nothing any more.
    if (cleanupPolicy?.confirmation === CONFIRMED) return hold(cephClusters, cluster, CLUSTER_FINALIZER);
    const nodes = new Set(view.list<Node>(collections.nodes).map(({ metadata }) => metadata.name));
    const osds = (storage?.nodes ?? [])
        .filter(({ name }) => nodes.has(name))
        .reduce((sum, { devices = storage?.devices ?? [] }) => sum + devices.length, 0);
    const secret = protectedObject("Secret", "rook-ceph-mon", namespace, { fsid: "sandbox" });
    const endpoints = protectedObject("ConfigMap", "rook-ceph-mon-endpoints", namespace, { data: "a=10.0.0.1:6789" });
    const find = <T extends KubeObject>(list: string, object: KubeObject) =>
        view.list<T>(list).find((one) => keyOf(one) === keyOf(object));
    const connection = csiObject("CephConnection", namespace, { monitors: ["10.0.0.1:6789"] }, cluster);
    const profile = csiObject("ClientProfile", namespace, { cephConnectionRef: { name: namespace } }, cluster);
    return [
        ...hold(cephClusters, cluster, CLUSTER_FINALIZER),
        ...(find<Secret>(collections.secrets, secret) === undefined ? [create(collections.secrets, secret)] : []),
        ...(find<ConfigMap>(collections.configMaps, endpoints) === undefined
            ? [create(collections.configMaps, endpoints)]
            : []),
        ...(find(connections, connection) === undefined ? [create(connections, connection)] : []),
        ...(find(profiles, profile) === undefined ? [create(profiles, profile)] : []),
        ...statusOf(
            cephClusters,
            cluster,
            view.now,
            {
                phase: "Ready",
                state: "Created",
                message: "Cluster created successfully",
                observedGeneration: cluster.metadata.generation ?? 1,
                ceph: {
                    health: "HEALTH_OK",
                    fsid: "5a6d0b0c-0000-4000-8000-000000000000",
                    ...(cluster.status?.["ceph"] === undefined && { lastChecked: timestamp(view.now) }),
                },
                storage: { deviceClasses: [{ name: "ssd" }], osd: { storeType: { bluestore: osds } } },
                version: { image: cluster.spec.cephVersion?.image ?? "" },
            },
            [
                {
                    type: "Ready",
                    status: "True",
                    reason: "ClusterCreated",
                    message: "Cluster created successfully",
                },
            ],
        ),
    ];
}

function create(list: string, object: KubeObject): Action {
    return { verb: "create", path: collectionIn(list, object.metadata.namespace), body: object };
}

function protectedObject(kind: string, name: string, namespace: string, data: Record<string, string>): KubeObject {
    const content = kind === "Secret" ? { stringData: data } : { data };
    return { apiVersion: "v1", kind, metadata: { name, namespace, finalizers: [PROTECTION] }, ...content };
}

function csiObject(kind: string, namespace: string, spec: object, owner: CephCluster): KubeObject & { spec: object } {
    const ownerReferences = ownedBy(owner, `${ROOK}/v1`, "CephCluster");
    return { apiVersion: `${CSI}/v1`, kind, metadata: { name: namespace, namespace, ownerReferences }, spec };
}

/** What holds a cluster back, and, once nothing does, what Rook cleans up. */
function farewell(view: View, cluster: CephCluster): Action[] {
    const { namespace = "" } = cluster.metadata;
    const { confirmation, allowUninstallWithVolumes = false } = cluster.spec.cleanupPolicy ?? {};
    const dependents = DEPENDENTS.flatMap(({ list }) =>
        view.list<KubeObject>(list).filter((object) => object.metadata.namespace === namespace),
    );
    const volumes = allowUninstallWithVolumes ? [] : cephVolumes(view, namespace);
    if (dependents.length > 0 || volumes.length > 0) {
        const what =
            dependents.length > 0
                ? `CephCluster "${keyOf(cluster)}" will not be deleted until all dependents are removed: ${dependents.map(keyOf).join(", ")}`
                : `waiting for csi volume attachments in cluster "${namespace}" to be cleaned up: ${volumes.map(keyOf).join(", ")}`;
        return statusOf(cephClusters, cluster, view.now, { phase: "Deleting", state: "Deleting", message: what }, [
            { type: "DeletionIsBlocked", status: "True", reason: "ObjectHasDependents", message: what },
        ]);
    }
    const named = (list: string, name: string) =>
        view.list<KubeObject>(list).filter((one) => keyOf(one) === `${namespace}/${name}`);
    return [
        ...(confirmation === CONFIRMED ? cleanup(view, cluster) : []),
        ...named(collections.secrets, "rook-ceph-mon").flatMap((one) => remove(collections.secrets, one)),
        ...named(collections.configMaps, "rook-ceph-mon-endpoints").flatMap((one) =>
            remove(collections.configMaps, one),
        ),
        ...release(cephClusters, cluster, CLUSTER_FINALIZER),
    ];
}

function remove(list: string, object: KubeObject): Action[] {
    return [...release(list, object, PROTECTION), { verb: "delete", path: objectPath(list, object.metadata) }];
}

/** A Job on each storage node that wipes disks and directories. */
function cleanup(view: View, cluster: CephCluster): Action[] {
    const { namespace = "" } = cluster.metadata;
    const present = new Set(view.list<KubeObject>(jobs).map(keyOf));
    return (cluster.spec.storage?.nodes ?? []).flatMap(({ name: node }) => {
        const name = `cluster-cleanup-job-${node}`;
        if (present.has(`${namespace}/${name}`)) return [];
        const container = { name: "host-cleanup", image: "docker.io/rook/ceph", args: ["ceph", "clean"] };
        return [
            create(jobs, {
                apiVersion: "batch/v1",
                kind: "Job",
                metadata: { name, namespace, labels: { app: "rook-ceph-cleanup", "rook-ceph-cleanup": "true" } },
                ...{
                    spec: {
                        template: {
                            spec: {
                                restartPolicy: "OnFailure",
                                nodeSelector: { "kubernetes.io/hostname": node },
                                containers: [container],
                            },
                        },
                    },
                },
            }),
        ];
    });
}

/** Volumes of the cluster in a namespace, or of one of its pools. */
function cephVolumes(view: View, clusterId: string, pool?: string): PersistentVolume[] {
    return view.list<PersistentVolume>(collections.volumes).filter(({ spec: { csi } }) => {
        const attributes = csi?.volumeAttributes ?? {};
        return attributes["clusterID"] === clusterId && (pool === undefined || attributes["pool"] === pool);
    });
}

function dependentActions(view: View, list: string, finalizer: string, object: CustomResource): Action[] {
    const { namespace = "", name } = object.metadata;
    const cluster = view.list<CephCluster>(cephClusters).find((one) => one.metadata.namespace === namespace);
    if (isLeaving(object)) {
        const images = list === cephBlockPools ? cephVolumes(view, namespace, name) : [];
        if (images.length === 0) return release(list, object, finalizer);
        const message = `pool "${name}" contains images or snapshots: ${images.map(keyOf).join(", ")}`;
        return statusOf(list, object, view.now, {}, [
            { type: "DeletionIsBlocked", status: "True", reason: "PoolNotEmpty", message },
        ]);
    }
    if (!isServing(cluster)) return [];
    return [...hold(list, object, finalizer), ...statusOf(list, object, view.now, { phase: "Ready" })];
}

function csiActions(view: View): Action[] {
    const deployments = view.list<Deployment>(collections.deployments);
    const sets = view.list<KubeObject>(daemonSets);
    return [
        ...view.list<CustomResource>(drivers).flatMap((driver) => {
            if (isLeaving(driver)) return [];
            const [controller, node] = driverWorkloads(driver);
            const find = (list: readonly KubeObject[], wanted: KubeObject) =>
                list.filter((one) => keyOf(one) === keyOf(wanted)).map(({ metadata }) => ({ ...wanted, metadata }))[0];
            return [
                ...ensure(collections.deployments, find(deployments, controller), controller),
                ...ensure(daemonSets, find(sets, node), node),
            ];
        }),
        ...view
            .list<CustomResource>(profiles)
            .flatMap((profile) =>
                isLeaving(profile)
                    ? release(profiles, profile, PROFILE_FINALIZER)
                    : hold(profiles, profile, PROFILE_FINALIZER),
            ),
    ];
}

/** The two workloads of a driver, by the operator's naming. */
function driverWorkloads(driver: CustomResource): [controller: KubeObject, node: KubeObject] {
    const { name, namespace = "" } = driver.metadata;
    const { controllerPlugin } = driver.spec as { controllerPlugin?: { replicas?: number } };
    const workload = (kind: string, part: string, more: object, privileged: boolean) => ({
        apiVersion: "apps/v1",
        kind,
        metadata: {
            name: `${name}-${part}`,
            namespace,
            ownerReferences: ownedBy(driver, `${CSI}/v1`, "Driver"),
        },
        spec: {
            ...more,
            selector: { matchLabels: { app: `${name}-${part}` } },
            template: {
                metadata: { labels: { app: `${name}-${part}` } },
                spec: {
                    ...(privileged && { tolerations: [{ operator: "Exists" }] }),
                    containers: [
                        {
                            name: "csi-plugin",
                            image: "quay.io/cephcsi/cephcsi",
                            ...(privileged && { securityContext: { privileged: true } }),
                        },
                    ],
                },
            },
        },
    });
    return [
        workload("Deployment", "ctrlplugin", { replicas: controllerPlugin?.replicas ?? 2 }, false),
        workload("DaemonSet", "nodeplugin", {}, true),
    ];
}
