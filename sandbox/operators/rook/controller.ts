/**
 * Rook and the Ceph-CSI operator. A cluster becomes healthy with the disks it lists; it goes only when no pool and no
 * volume is left, and pools only when no image is; both only while the operator runs. A file system is ready once one of its
 * metadata servers is; it goes only when no group of volumes is left in it, and a group only when it is empty. Its drivers are
 * Deployments and DaemonSets, as those of the real one.
 *
 * What a cluster leaves on the machines outlives it: a monitor does not come up on another cluster's /var/lib/rook, nor
 * under another address than the one it knows itself by, and another cluster's disk is passed over.
 */
import { createHash } from "node:crypto";
import { openStore } from "../../clouds/store";
import {
    type Action,
    collectionIn,
    collections,
    type Controller,
    objectPath,
    resources,
    type View,
} from "../../controllers/controller";
import {
    type CustomResource,
    ensure,
    hold,
    isLeaving,
    ownedBy,
    release,
    running,
    statusOf,
} from "../../controllers/custom-resources";
import {
    type ConfigMap,
    type Deployment,
    keyOf,
    type KubeObject,
    type Node,
    type PersistentVolume,
    type Pod,
    type Secret,
    type Service,
} from "../../controllers/objects";
import { isPlayed, played } from "../../controllers/played-pods";

interface Devices {
    readonly devices?: readonly { readonly name?: string }[];
}

export type CephCluster = CustomResource<{
    readonly cephVersion?: { readonly image?: string };
    readonly storage?: Devices & { readonly nodes?: readonly (Devices & { readonly name: string })[] };
    readonly cleanupPolicy?: {
        readonly confirmation?: string;
        readonly allowUninstallWithVolumes?: boolean;
        readonly wipeDevicesFromOtherClusters?: boolean;
    };
}>;

/** A monitor's directory on a machine: whose it is, and the address by which the others know it. */
export interface MonStore {
    readonly fsid: string;
    readonly key: string;
    readonly address: string;
}

/** What Ceph wrote on the machines. */
export interface CephMachines {
    /** /var/lib/rook of each node: monitors by letter. */
    nodes: Record<string, Record<string, MonStore>>;
    /** Cluster (fsid) that a disk belongs to, by `<node>/<disk>`. */
    disks: Record<string, string>;
}

/** Value of `app.kubernetes.io/name` on pods that look into, or empty, /var/lib/rook of the node they run on. */
const LOOKS_AT_REMAINS = "ceph-remains";
const MONITORS = ["a", "b", "c"] as const;

const ROOK = "ceph.rook.io";
export const cephClusters = resources(ROOK, "v1", "cephclusters");
export const cephBlockPools = resources(ROOK, "v1", "cephblockpools");

export const cephFilesystems = resources(ROOK, "v1", "cephfilesystems");
export const subVolumeGroups = resources(ROOK, "v1", "cephfilesystemsubvolumegroups");

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

/** @param file where is kept what is on the machines; absent: in memory. */
export function rook(file?: string): Controller {
    const start = (): CephMachines => ({ nodes: {}, disks: {} });
    const store = file === undefined ? { state: start(), save: () => undefined } : openStore(file, start);
    return {
        name: "rook",
        lists: [
            collections.deployments,
            collections.volumes,
            collections.nodes,
            collections.secrets,
            collections.configMaps,
            collections.services,
            collections.pods,
            daemonSets,
            jobs,
            cephClusters,
            ...DEPENDENTS.map(({ list }) => list),
            ...[drivers, connections, profiles],
        ],
        reconcile(view) {
            const operator = running(view, ({ metadata }) => metadata.name === "rook-ceph-operator");
            const csi = running(view, ({ metadata }) => metadata.name === "ceph-csi-controller-manager");
            const written = JSON.stringify(store.state);
            const actions = [
                ...(operator === undefined ? [] : rookActions(view, store.state)),
                ...(csi === undefined ? [] : csiActions(view)),
                ...view
                    .list<Pod>(collections.pods)
                    .filter((pod) => isPlayed(pod, LOOKS_AT_REMAINS))
                    .flatMap((pod) => played(view, pod, remains(pod, store.state))),
            ];
            if (JSON.stringify(store.state) !== written) store.save();
            return actions;
        },
    };
}

/** What a pod finds in its node's /var/lib/rook; it empties it if it is asked to. */
function remains(pod: Pod, machines: CephMachines): string {
    const node = pod.spec.nodeName ?? "";
    const env = pod.spec.containers[0]?.env ?? [];
    if (env.some(({ name, value }) => name === "EMPTY" && value === "yes")) {
        machines.nodes = Object.fromEntries(Object.entries(machines.nodes).filter(([name]) => name !== node));
    }
    return Object.keys(machines.nodes[node] ?? {}).length > 0 ? "old" : "none";
}

function rookActions(view: View, machines: CephMachines): Action[] {
    const clusters = view.list<CephCluster>(cephClusters);
    return [
        ...clusters.flatMap((cluster) =>
            isLeaving(cluster) ? farewell(view, cluster, machines) : clusterActions(view, cluster, machines),
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

const isConfirmed = ({ spec: { cleanupPolicy } }: CephCluster): boolean => cleanupPolicy?.confirmation === CONFIRMED;

interface Identity {
    readonly fsid: string;
    readonly key: string;
}

/** Identity from the Secret that has it; a new cluster's comes from its uid. */
function identityOf(secret: Secret | undefined, { metadata: { uid = "" } }: CephCluster): Identity {
    const text = (key: string) => Buffer.from(secret?.data?.[key] ?? "", "base64").toString("utf8");
    const hash = createHash("sha256").update(uid).digest("hex");
    return secret === undefined
        ? { fsid: uid, key: hash.slice(0, 40) }
        : { fsid: text("fsid"), key: text("mon-secret") };
}

const monName = (letter: string) => `rook-ceph-mon-${letter}`;

/** Each monitor's node: as noted before, or one after the other. */
function schedule(endpoints: ConfigMap | undefined, nodes: readonly string[]): Map<string, string> {
    const mapping = JSON.parse(endpoints?.data?.["mapping"] ?? "{}") as { node?: Record<string, { Name: string }> };
    const letters = MONITORS.slice(0, nodes.length);
    return new Map(letters.map((letter, index) => [letter, mapping.node?.[letter]?.Name ?? nodes[index] ?? ""]));
}

function clusterActions(view: View, cluster: CephCluster, machines: CephMachines): Action[] {
    const { namespace = "" } = cluster.metadata;
    const { storage, cleanupPolicy } = cluster.spec;
    // With the confirmation set Rook configures nothing any more.
    if (isConfirmed(cluster)) return hold(cephClusters, cluster, CLUSTER_FINALIZER);
    const find = <T extends KubeObject>(list: string, name: string) =>
        view.list<T>(list).find((one) => keyOf(one) === `${namespace}/${name}`);
    const present = new Set(view.list<Node>(collections.nodes).map(({ metadata }) => metadata.name));
    const nodes = (storage?.nodes ?? []).filter(({ name }) => present.has(name));
    const secret = find<Secret>(collections.secrets, "rook-ceph-mon");
    const endpoints = find<ConfigMap>(collections.configMaps, "rook-ceph-mon-endpoints");
    const identity = identityOf(secret, cluster);
    const monitors = schedule(
        endpoints,
        nodes.map(({ name }) => name),
    );
    const addresses = new Map(
        [...monitors.keys()].map((letter) => [
            letter,
            find<Service>(collections.services, monName(letter))?.spec.clusterIP,
        ]),
    );
    const connection = csiObject("CephConnection", namespace, { monitors: ["10.0.0.1:6789"] }, cluster);
    const profile = csiObject("ClientProfile", namespace, { cephConnectionRef: { name: namespace } }, cluster);
    const before = [
        ...hold(cephClusters, cluster, CLUSTER_FINALIZER),
        ...(secret === undefined
            ? [
                  create(
                      collections.secrets,
                      protectedObject("Secret", "rook-ceph-mon", namespace, {
                          fsid: identity.fsid,
                          "mon-secret": identity.key,
                          "ceph-username": "client.admin",
                          "ceph-secret": identity.key,
                      }),
                  ),
              ]
            : []),
        ...[...addresses]
            .filter(([, address]) => address === undefined)
            .map(([letter]) => create(collections.services, monService(letter, namespace, cluster))),
    ];
    const progressing = (message: string) => [
        ...before,
        ...statusOf(cephClusters, cluster, view.now, { phase: "Progressing", state: "Creating", message }),
    ];
    if ([...addresses.values()].includes(undefined)) return progressing("Configuring Ceph Mons");

    const refused = [...monitors].filter(([letter, node]) => {
        const own: MonStore = { ...identity, address: addresses.get(letter) ?? "" };
        const store = ((machines.nodes[node] ??= {})[letter] ??= own);
        return store.fsid !== own.fsid || store.key !== own.key || store.address !== own.address;
    });
    if (refused.length > 0) {
        const names = refused.map(([letter, node]) => `${letter} on ${node}`).join(", ");
        return progressing(
            `failed to start ceph monitors: failed to wait for mon quorum: exceeded max retry count waiting for monitors to reach quorum (${names})`,
        );
    }
    const osds = nodes.flatMap(({ name, devices = storage?.devices ?? [] }) =>
        devices
            .map((device, index) => `${name}/${device.name ?? index}`)
            .filter((disk) => {
                if (cleanupPolicy?.wipeDevicesFromOtherClusters === true) machines.disks[disk] = identity.fsid;
                return (machines.disks[disk] ??= identity.fsid) === identity.fsid;
            }),
    ).length;
    const known = protectedObject("ConfigMap", "rook-ceph-mon-endpoints", namespace, {
        data: [...addresses].map(([letter, address]) => `${letter}=${address}:6789`).join(","),
        mapping: JSON.stringify({
            node: Object.fromEntries([...monitors].map(([letter, Name]) => [letter, { Name, Hostname: Name }])),
        }),
        maxMonId: String(monitors.size - 1),
    });
    return [
        ...before,
        ...(endpoints === undefined ? [create(collections.configMaps, known)] : []),
        ...(find(connections, namespace) === undefined ? [create(connections, connection)] : []),
        ...(find(profiles, namespace) === undefined ? [create(profiles, profile)] : []),
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
                    fsid: identity.fsid,
                },
                storage: { osd: { storeType: { bluestore: osds } } },
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

/** The Service by which a monitor is known; whatever address it gets, or has, is the monitor's. */
function monService(letter: string, namespace: string, cluster: CephCluster): KubeObject & { spec: object } {
    const labels = { app: "rook-ceph-mon", ceph_daemon_id: letter };
    return {
        apiVersion: "v1",
        kind: "Service",
        metadata: {
            name: monName(letter),
            namespace,
            labels,
            ownerReferences: ownedBy(cluster, `${ROOK}/v1`, "CephCluster"),
        },
        spec: {
            selector: labels,
            ports: [
                { name: "tcp-msgr1", port: 6789, targetPort: 6789 },
                { name: "tcp-msgr2", port: 3300, targetPort: 3300 },
            ],
        },
    };
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
function farewell(view: View, cluster: CephCluster, machines: CephMachines): Action[] {
    const { namespace = "" } = cluster.metadata;
    const { allowUninstallWithVolumes = false } = cluster.spec.cleanupPolicy ?? {};
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
        ...(isConfirmed(cluster) ? cleanup(view, cluster, machines) : []),
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
function cleanup(view: View, cluster: CephCluster, machines: CephMachines): Action[] {
    const { namespace = "" } = cluster.metadata;
    const fsid = (cluster.status?.["ceph"] as { fsid?: string } | undefined)?.fsid;
    const wiped = new Set((cluster.spec.storage?.nodes ?? []).map(({ name }) => name));
    machines.nodes = Object.fromEntries(Object.entries(machines.nodes).filter(([node]) => !wiped.has(node)));
    machines.disks = Object.fromEntries(Object.entries(machines.disks).filter(([, owner]) => owner !== fsid));
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

/** Volumes of the cluster in a namespace, or of one of its pools or file systems. */
function cephVolumes(
    view: View,
    clusterId: string,
    of: { readonly pool?: string; readonly fsName?: string } = {},
): PersistentVolume[] {
    return view.list<PersistentVolume>(collections.volumes).filter(({ spec: { csi } }) => {
        const attributes = csi?.volumeAttributes ?? {};
        return (
            attributes["clusterID"] === clusterId &&
            Object.entries(of).every(([attribute, value]) => attributes[attribute] === value)
        );
    });
}

type Filesystem = CustomResource<{
    readonly metadataServer?: { readonly activeCount?: number; readonly activeStandby?: boolean };
}>;
type SubVolumeGroup = CustomResource<{ readonly name?: string; readonly filesystemName: string }>;

const groupsOf = (view: View, { metadata: { name, namespace } }: KubeObject): SubVolumeGroup[] =>
    view
        .list<SubVolumeGroup>(subVolumeGroups)
        .filter((group) => group.metadata.namespace === namespace && group.spec.filesystemName === name);

/** Whether volumes can be made in a file system: it serves, and so does the group that the driver makes them in. */
export function servesFiles(view: View, namespace: string, name: string): boolean {
    const filesystem = view.list<Filesystem>(cephFilesystems).find((one) => keyOf(one) === `${namespace}/${name}`);
    return (
        filesystem?.status?.["phase"] === "Ready" &&
        !isLeaving(filesystem) &&
        groupsOf(view, filesystem).some(({ spec, status }) => spec.name === "csi" && status?.["phase"] === "Ready")
    );
}

/** Its metadata servers are Deployments of their own; Rook waits for one, as only that can make the group for volumes. */
function filesystemActions(view: View, filesystem: Filesystem): Action[] {
    const { name, namespace = "" } = filesystem.metadata;
    const { activeCount = 0, activeStandby = false } = filesystem.spec.metadataServer ?? {};
    const wanted = Array.from({ length: activeCount * (activeStandby ? 2 : 1) }, (_, index) =>
        metadataServer(filesystem, String.fromCharCode("a".charCodeAt(0) + index)),
    );
    const deployments = view.list<Deployment>(collections.deployments);
    const present = (server: KubeObject) => deployments.find((one) => keyOf(one) === keyOf(server));
    const active = running(
        view,
        ({ metadata }) => metadata.namespace === namespace && metadata.labels?.["rook_file_system"] === name,
    );
    return [
        ...wanted.flatMap((server) => {
            const { metadata } = present(server) ?? {};
            return ensure(collections.deployments, metadata && { ...server, metadata }, server);
        }),
        ...statusOf(cephFilesystems, filesystem, view.now, { phase: active === undefined ? "Progressing" : "Ready" }),
    ];
}

function metadataServer(filesystem: Filesystem, letter: string): KubeObject {
    const { name: filesystemName, namespace = "" } = filesystem.metadata;
    const name = `rook-ceph-mds-${filesystemName}-${letter}`;
    const labels = { app: "rook-ceph-mds", rook_file_system: filesystemName, mds: `${filesystemName}-${letter}` };
    return {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name, namespace, labels, ownerReferences: ownedBy(filesystem, `${ROOK}/v1`, "CephFilesystem") },
        ...{
            spec: {
                replicas: 1,
                strategy: { type: "Recreate" },
                selector: { matchLabels: labels },
                template: { metadata: { labels }, spec: { containers: [{ name: "mds", image: "quay.io/ceph/ceph" }] } },
            },
        },
    };
}

/** What Rook does to an object on its way out, once nothing is in it any more. */
function leavingActions(view: View, list: string, finalizer: string, object: CustomResource): Action[] {
    const { namespace = "", name } = object.metadata;
    const blocked = (reason: string, message: string) =>
        statusOf(list, object, view.now, {}, [{ type: "DeletionIsBlocked", status: "True", reason, message }]);
    const named = (objects: readonly KubeObject[]) => objects.map(keyOf).join(", ");
    switch (list) {
        case cephBlockPools: {
            const images = cephVolumes(view, namespace, { pool: name });
            if (images.length > 0) {
                return blocked("PoolNotEmpty", `pool "${name}" contains images or snapshots: ${named(images)}`);
            }
            break;
        }
        case cephFilesystems: {
            const groups = groupsOf(view, object);
            if (groups.length > 0) {
                const message = `CephFilesystem "${keyOf(object)}" will not be deleted until all dependents are removed: CephFilesystemSubVolumeGroups: ${named(groups)}`;
                return blocked("ObjectHasDependents", message);
            }
            break;
        }
        case subVolumeGroups: {
            const { filesystemName } = (object as SubVolumeGroup).spec;
            // Rook says so in its log alone, and tries again.
            if (cephVolumes(view, namespace, { fsName: filesystemName }).length > 0) return [];
            break;
        }
    }
    return release(list, object, finalizer);
}

function dependentActions(view: View, list: string, finalizer: string, object: CustomResource): Action[] {
    const { namespace } = object.metadata;
    const cluster = view.list<CephCluster>(cephClusters).find((one) => one.metadata.namespace === namespace);
    if (isLeaving(object)) {
        // In a cluster that is on its way out to be wiped nothing is looked at any more.
        const wiped = cluster !== undefined && isLeaving(cluster) && isConfirmed(cluster);
        return cluster === undefined || wiped
            ? release(list, object, finalizer)
            : leavingActions(view, list, finalizer, object);
    }
    if (!isServing(cluster)) return [];
    const ready = (phase: "Ready" | "Progressing") => statusOf(list, object, view.now, { phase });
    const held = hold(list, object, finalizer);
    switch (list) {
        case cephFilesystems:
            return [...held, ...filesystemActions(view, object)];
        case subVolumeGroups: {
            const { filesystemName } = (object as SubVolumeGroup).spec;
            const filesystem = view
                .list<Filesystem>(cephFilesystems)
                .find((one) => keyOf(one) === `${namespace ?? ""}/${filesystemName}`);
            return [...held, ...ready(filesystem?.status?.["phase"] === "Ready" ? "Ready" : "Progressing")];
        }
        default:
            return [...held, ...ready("Ready")];
    }
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
