/**
 * Longhorn's manager, its driver's deployer and its uninstaller. What its disks carry outlives the cluster as what is
 * written on the machines does; a volume goes with Longhorn, as upstream's uninstaller has it.
 *
 * Its webhooks are played by admission policies: the API server of a sandbox calls no webhook, and a controller would
 * see a change when it is made.
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
    conditionsNow,
    type CustomResource,
    ensure,
    isLeaving,
    release,
    running,
    shows,
} from "../../controllers/custom-resources";
import { type ConfigMap, isReady, keyOf, type KubeObject, type Node, type Pod } from "../../controllers/objects";
import { failed, isPlayed, played } from "../../controllers/played-pods";

export const LONGHORN_NAMESPACE = "longhorn-system";
export const LONGHORN_DRIVER = "driver.longhorn.io";
const GROUP = "longhorn.io";
const FINALIZER = GROUP;
const API = `${GROUP}/v1beta2`;

export const longhornNodes = resources(GROUP, "v1beta2", "nodes");
export const longhornVolumes = resources(GROUP, "v1beta2", "volumes");
export const longhornReplicas = resources(GROUP, "v1beta2", "replicas");
export const longhornSettings = resources(GROUP, "v1beta2", "settings");
export const daemonSets = "/apis/apps/v1/daemonsets";
const csiNodes = "/apis/storage.k8s.io/v1/csinodes";
const csiDrivers = "/apis/storage.k8s.io/v1/csidrivers";
const policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
const bindings = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings";
const validators = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
const mutators = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";

/** Value of `app.kubernetes.io/name` on pods that look at the file systems of the node they run on. */
const LOOKS_AT_DISKS = "longhorn-disks";
const UNINSTALL_JOB = "longhorn-uninstall";

/** What of the root disk of a machine Longhorn would see, were it given that. */
const ROOT_BYTES = 100 * 2 ** 30;
const UNSAID_BYTES = 2 ** 40;

/** What is on the machines, by `<node> <directory>`. */
export interface LonghornMachines {
    /** Bytes of file systems, as the program's configuration says when it looks at them. */
    sizes: Record<string, number>;
    /** Bytes of those that have less than the configuration says. */
    smaller: Record<string, number>;
    /** Directories at which nothing is mounted; whoever writes there writes on the root disk. */
    unmounted: string[];
    /** longhorn-disk.cfg and the directories of replicas. The root disk of a node is `<node> /`. */
    written: Record<string, { uuid: string; replicas: Record<string, number> }>;
}

export interface DiskSpec {
    readonly path?: string;
    readonly allowScheduling?: boolean;
    readonly evictionRequested?: boolean;
    readonly storageReserved?: number;
    readonly tags?: readonly string[];
}

export interface DiskStatus {
    readonly diskUUID?: string;
    readonly storageMaximum?: number;
    readonly storageScheduled?: number;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
}

export type LonghornNode = CustomResource<{
    readonly name?: string;
    readonly allowScheduling?: boolean;
    readonly tags?: readonly string[];
    readonly disks?: Readonly<Record<string, DiskSpec>>;
}> & { readonly status?: { readonly diskStatus?: Readonly<Record<string, DiskStatus>> } };

export type LonghornReplica = CustomResource<{
    readonly volumeName: string;
    readonly volumeSize: string;
    readonly nodeID: string;
    readonly diskID: string;
}>;

/** Value of a setting; upstream's default where nobody has set it. */
function settingOf(view: View, name: keyof typeof DEFAULTS): string {
    const found = view
        .list<KubeObject & { readonly value: string }>(longhornSettings)
        .find((one) => keyOf(one) === `${LONGHORN_NAMESPACE}/${name}`);
    return found?.value ?? DEFAULTS[name];
}

/** Upstream's defaults of what is read here. types/setting.go of longhorn-manager v1.12.1 */
const DEFAULTS = {
    "create-default-disk-labeled-nodes": "false",
    "default-data-path": "/var/lib/longhorn/",
    "deleting-confirmation-flag": "false",
    "replica-soft-anti-affinity": "false",
    "allow-empty-disk-selector-volume": "true",
    "allow-empty-node-selector-volume": "true",
    "storage-over-provisioning-percentage": "100",
    "storage-minimal-available-percentage": "25",
    "system-managed-components-node-selector": "",
};

const emptyMachines = (): LonghornMachines => ({ sizes: {}, smaller: {}, unmounted: [], written: {} });

/** @param file where is kept what is on the machines; absent: in memory. */
export function longhorn(file?: string): Controller {
    const store =
        file === undefined ? { state: emptyMachines(), save: () => undefined } : openStore(file, emptyMachines);
    return {
        name: "longhorn",
        lists: [
            ...[collections.deployments, collections.pods, collections.nodes, collections.configMaps],
            ...[daemonSets, csiNodes, csiDrivers, longhornSettings, longhornNodes, longhornVolumes, longhornReplicas],
            ...[policies, bindings, validators, mutators, collections.storageClasses],
        ],
        reconcile(view) {
            const machines = store.state;
            const written = JSON.stringify(machines);
            const pods = view.list<Pod>(collections.pods);
            const actions = [
                ...pods
                    .filter((pod) => isPlayed(pod, LOOKS_AT_DISKS))
                    .flatMap((pod) => played(view, pod, seen(pod, machines))),
                ...pods.filter(isUninstaller).flatMap((pod) => uninstall(view, pod)),
                ...(managed(view).length === 0 ? [] : managerActions(view, machines)),
            ];
            if (JSON.stringify(machines) !== written) store.save();
            return actions;
        },
    };
}

/** Nodes on which a manager serves. */
export function managed(view: View): string[] {
    const sets = view.list<KubeObject>(daemonSets).map(keyOf);
    if (!sets.includes(`${LONGHORN_NAMESPACE}/longhorn-manager`)) return [];
    return nodesOf(view, "longhorn-manager");
}

const nodesOf = (view: View, app: string): string[] =>
    view
        .list<Pod>(collections.pods)
        .filter(({ metadata }) => metadata.namespace === LONGHORN_NAMESPACE && metadata.labels?.["app"] === app)
        .filter(isReady)
        .map(({ spec }) => spec.nodeName ?? "");

/** What a pod finds that looks at the directories of its node. */
function seen(pod: Pod, machines: LonghornMachines): string {
    const node = pod.spec.nodeName ?? "";
    const asked = pod.spec.containers[0]?.env?.find(({ name }) => name === "DISKS")?.value ?? "";
    const faults = asked.split("\n").flatMap((line) => {
        const [path = "", least = "0"] = line.split(" ");
        const place = `${node} ${path}`;
        if (machines.unmounted.includes(place)) {
            return [
                `nothing is mounted at ${path}, so it is the root disk, which Longhorn never gets: mount the disk there`,
            ];
        }
        const said = Number(least) > 0 ? Number(least) : (machines.sizes[place] ?? UNSAID_BYTES);
        const bytes = (machines.sizes[place] = machines.smaller[place] ?? said);
        return bytes < Number(least) ? [`${path} has ${bytes} bytes, fewer than its size in the configuration`] : [];
    });
    return faults.length === 0 ? "ok" : faults.map((fault) => `${fault}; `).join("");
}

const create = (list: string, object: KubeObject): Action => ({
    verb: "create",
    path: collectionIn(list, object.metadata.namespace),
    body: object,
});

/** An object of Longhorn's own kinds, held as its webhook holds them. */
export const longhornObject = (kind: string, name: string, body: object): KubeObject => ({
    apiVersion: API,
    kind,
    metadata: { name, namespace: LONGHORN_NAMESPACE, finalizers: [FINALIZER] },
    ...body,
});

/** Deletes it; what leaves is let go by the manager, or by the uninstaller. */
export function remove(list: string, object: KubeObject): Action[] {
    return isLeaving(object)
        ? release(list, object, FINALIZER)
        : [{ verb: "delete", path: objectPath(list, object.metadata) }];
}

function managerActions(view: View, machines: LonghornMachines): Action[] {
    const leaves = view.list<Pod>(collections.pods).some(isUninstaller);
    return [
        ...webhookActions(view),
        ...settingActions(view),
        ...(leaves ? [] : nodeActions(view, machines)),
        ...(leaves ? [] : driverActions(view)),
        ...replicaActions(view, machines),
    ];
}

/** The chart's ConfigMap is kept in step; every other setting keeps what it was set to. */
function settingActions(view: View): Action[] {
    const map = view
        .list<ConfigMap>(collections.configMaps)
        .find((one) => keyOf(one) === `${LONGHORN_NAMESPACE}/longhorn-default-setting`);
    const said = new Map(
        (map?.data?.["default-setting.yaml"] ?? "").split("\n").flatMap((line) => {
            const [, key, value] = /^\s*([a-z0-9-]+):\s*"?(.*?)"?\s*$/.exec(line) ?? [];
            return key === undefined || value === undefined ? [] : [[key, value] as const];
        }),
    );
    const present = new Map(
        view.list<KubeObject & { readonly value: string }>(longhornSettings).map((one) => [one.metadata.name, one]),
    );
    return [...new Map<string, string>([...Object.entries(DEFAULTS), ...said])].flatMap(([name, value]): Action[] => {
        const old = present.get(name);
        if (old === undefined) {
            const metadata = { name, namespace: LONGHORN_NAMESPACE };
            return [create(longhornSettings, { apiVersion: API, kind: "Setting", metadata, ...{ value } })];
        }
        return said.has(name) && old.value !== value
            ? [{ verb: "patch", path: objectPath(longhornSettings, old.metadata), body: { value } }]
            : [];
    });
}

function nodeActions(view: View, machines: LonghornMachines): Action[] {
    const hosts = managed(view);
    const kubernetes = new Set(view.list<Node>(collections.nodes).map(({ metadata }) => metadata.name));
    const present = view.list<LonghornNode>(longhornNodes);
    const names = present.map(({ metadata }) => metadata.name);
    return [
        ...hosts.filter((host) => !names.includes(host)).map((host) => create(longhornNodes, freshNode(view, host))),
        ...present.flatMap((node) => {
            if (isLeaving(node) || !kubernetes.has(node.metadata.name)) return remove(longhornNodes, node);
            return nodeStatus(view, node, machines, hosts.includes(node.metadata.name));
        }),
    ];
}

/** With upstream's default Longhorn takes the root disk of every node. */
function freshNode(view: View, name: string): KubeObject {
    const path = settingOf(view, "default-data-path");
    const disks =
        settingOf(view, "create-default-disk-labeled-nodes") === "true"
            ? {}
            : { "default-disk": { path, allowScheduling: true, diskType: "filesystem", tags: [] } };
    return longhornObject("Node", name, {
        spec: { name, allowScheduling: true, evictionRequested: false, tags: [], disks },
    });
}

const placeOf = (node: string, path: string, { unmounted, sizes }: LonghornMachines): string =>
    // What nobody looked at is a directory of the root disk.
    unmounted.includes(`${node} ${path}`) || sizes[`${node} ${path}`] === undefined ? `${node} /` : `${node} ${path}`;

function nodeStatus(view: View, node: LonghornNode, machines: LonghornMachines, managedHere: boolean): Action[] {
    const { name } = node.metadata;
    const replicas = view.list<LonghornReplica>(longhornReplicas);
    const before = node.status?.diskStatus ?? {};
    const taken = new Set<string>();
    const disks = Object.entries(node.spec.disks ?? {}).map(([disk, { path = "" }]) => {
        const place = placeOf(name, path, machines);
        const { uuid } = (machines.written[place] ??= { uuid: uuidOf(`${place} ${view.now}`), replicas: {} });
        const known = before[disk]?.diskUUID;
        const fault = taken.has(place)
            ? `Disk ${disk}(${path}) on node ${name} is not ready: disk has same file system ID as other disks`
            : known !== undefined && known !== uuid
              ? `Disk ${disk}(${path}) on node ${name} is not ready: record diskUUID doesn't match the one on the disk`
              : undefined;
        taken.add(place);
        const onIt = replicas.filter(({ spec }) => spec.diskID === (known ?? uuid));
        const scheduled = onIt.map(({ metadata, spec }) => [metadata.name, Number(spec.volumeSize)] as const);
        const bytes = fault === undefined ? (machines.sizes[place] ?? ROOT_BYTES) : 0;
        const ready = fault === undefined;
        return [
            disk,
            {
                diskName: disk,
                diskType: "filesystem",
                diskUUID: known ?? uuid,
                storageMaximum: bytes,
                storageScheduled: ready ? scheduled.reduce((sum, [, size]) => sum + size, 0) : 0,
                conditions: conditionsNow(
                    [...(before[disk]?.conditions ?? [])],
                    [
                        ready
                            ? {
                                  type: "Ready",
                                  status: "True",
                                  reason: "",
                                  message: `Disk ${disk}(${path}) on node ${name} is ready`,
                              }
                            : { type: "Ready", status: "False", reason: "DiskFilesystemChanged", message: fault },
                        ready
                            ? {
                                  type: "Schedulable",
                                  status: "True",
                                  reason: "",
                                  message: `Disk ${disk}(${path}) on node ${name} is schedulable`,
                              }
                            : {
                                  type: "Schedulable",
                                  status: "False",
                                  reason: "DiskNotReady",
                                  message: `Disk ${disk} (${path}) on the node ${name} is not ready`,
                              },
                    ],
                    undefined,
                    view.now,
                ),
            },
        ] as const;
    });
    const gone = Object.keys(before).filter((disk) => node.spec.disks?.[disk] === undefined);
    const status = {
        conditions: conditionsNow(
            node.status?.conditions ?? [],
            ["Ready", "Schedulable"].map((type) =>
                managedHere
                    ? { type, status: "True", reason: "", message: `Node ${name} is ready` }
                    : {
                          type,
                          status: "False",
                          reason: "ManagerPodMissing",
                          message: `manager pod missing: node ${name} has no manager pod running on it`,
                      },
            ),
            undefined,
            view.now,
        ),
        diskStatus: { ...Object.fromEntries(gone.map((disk) => [disk, null])), ...Object.fromEntries(disks) },
    };
    return shows(node.status, status)
        ? []
        : [{ verb: "patch", path: `${objectPath(longhornNodes, node.metadata)}/status`, body: { status } }];
}

const uuidOf = (text: string): string =>
    createHash("sha256")
        .update(text)
        .digest("hex")
        .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, "$1-$2-$3-$4-$5");

/** Replicas of volumes that are gone, and those that must leave a disk. */
function replicaActions(view: View, machines: LonghornMachines): Action[] {
    const volumes = new Set(view.list<KubeObject>(longhornVolumes).map(({ metadata }) => metadata.name));
    const replicas = view.list<LonghornReplica>(longhornReplicas);
    for (const one of Object.values(machines.written)) {
        one.replicas = Object.fromEntries(
            replicas
                .filter(({ spec }) => spec.diskID === one.uuid)
                .map(({ metadata, spec }) => [metadata.name, Number(spec.volumeSize)]),
        );
    }
    const evicted = new Set(
        view
            .list<LonghornNode>(longhornNodes)
            .flatMap(({ spec, status }) =>
                Object.entries(spec.disks ?? {}).flatMap(([disk, { evictionRequested }]) =>
                    evictionRequested === true ? [status?.diskStatus?.[disk]?.diskUUID] : [],
                ),
            ),
    );
    const moved: LonghornReplica[] = [];
    return replicas.flatMap((replica) => {
        if (isLeaving(replica) || !volumes.has(replica.spec.volumeName)) return remove(longhornReplicas, replica);
        if (!evicted.has(replica.spec.diskID)) return [];
        const volume = view
            .list<LonghornVolume>(longhornVolumes)
            .find(({ metadata }) => metadata.name === replica.spec.volumeName);
        if (volume === undefined) return [];
        const others = [...replicas.filter((one) => one !== replica && !moved.includes(one)), ...moved];
        const [place] = placesFor(view, volume.spec, others, replica.spec.volumeName);
        if (place === undefined) return [];
        const spec = { ...replica.spec, nodeID: place.node, diskID: place.diskUUID };
        moved.push({ ...replica, spec });
        return [{ verb: "patch", path: objectPath(longhornReplicas, replica.metadata), body: { spec } }];
    });
}

export type LonghornVolume = CustomResource<{
    readonly size: string;
    readonly numberOfReplicas: number;
    readonly diskSelector?: readonly string[];
    readonly nodeSelector?: readonly string[];
}>;

export interface Place {
    readonly node: string;
    readonly diskUUID: string;
}

/**
 * Disks that a further replica of a volume may lie on, the one with most room first. scheduler/replica_scheduler.go of
 * longhorn-manager v1.12.1
 */
export function placesFor(
    view: View,
    { size, diskSelector = [], nodeSelector = [] }: LonghornVolume["spec"],
    replicas: readonly LonghornReplica[],
    volume: string,
): Place[] {
    const flag = (name: keyof typeof DEFAULTS) => settingOf(view, name) === "true";
    const fits = (tags: readonly string[], selector: readonly string[], allowEmpty: boolean) =>
        (selector.length > 0 || allowEmpty || tags.length === 0) && selector.every((one) => tags.includes(one));
    const percentage = Number(settingOf(view, "storage-over-provisioning-percentage"));
    const used = new Set(replicas.filter(({ spec }) => spec.volumeName === volume).map(({ spec }) => spec.nodeID));
    const hosts = managed(view);
    return view
        .list<LonghornNode>(longhornNodes)
        .filter(({ metadata, spec }) => hosts.includes(metadata.name) && spec.allowScheduling !== false)
        .filter(({ metadata }) => !used.has(metadata.name) || flag("replica-soft-anti-affinity"))
        .filter(({ spec }) => fits(spec.tags ?? [], nodeSelector, flag("allow-empty-node-selector-volume")))
        .flatMap((node) =>
            Object.entries(node.spec.disks ?? {}).flatMap(([disk, spec]) => {
                const { diskUUID, storageMaximum = 0, conditions = [] } = node.status?.diskStatus?.[disk] ?? {};
                const schedulable = conditions.some(({ type, status }) => type === "Schedulable" && status === "True");
                if (
                    diskUUID === undefined ||
                    !schedulable ||
                    spec.allowScheduling !== true ||
                    spec.evictionRequested === true
                )
                    return [];
                if (!fits(spec.tags ?? [], diskSelector, flag("allow-empty-disk-selector-volume"))) return [];
                const scheduled = replicas
                    .filter((one) => one.spec.diskID === diskUUID)
                    .reduce((sum, one) => sum + Number(one.spec.volumeSize), 0);
                const room = ((storageMaximum - (spec.storageReserved ?? 0)) * percentage) / 100 - scheduled;
                return room >= Number(size) ? [{ node: node.metadata.name, diskUUID, room }] : [];
            }),
        )
        .sort((one, other) => other.room - one.room);
}

/** The driver's Deployments and DaemonSet, and its registration with the kubelet of each node that it runs on. */
function driverActions(view: View): Action[] {
    if (running(view, ({ metadata }) => metadata.name === "longhorn-driver-deployer") === undefined) return [];
    const nodeSelector = Object.fromEntries(
        settingOf(view, "system-managed-components-node-selector")
            .split(";")
            .filter((pair) => pair !== "")
            .map((pair) => pair.split(":")),
    ) as Record<string, string>;
    const workload = (kind: string, name: string, more: object): KubeObject => ({
        apiVersion: "apps/v1",
        kind,
        metadata: { name, namespace: LONGHORN_NAMESPACE, labels: { "longhorn.io/managed-by": "longhorn-manager" } },
        ...{
            spec: {
                ...more,
                selector: { matchLabels: { app: name } },
                template: {
                    metadata: { labels: { app: name } },
                    spec: {
                        nodeSelector,
                        containers: [{ name, image: `longhornio/${name}`, securityContext: { privileged: true } }],
                    },
                },
            },
        },
    });
    const made = new Set(
        [...view.list<KubeObject>(collections.deployments), ...view.list<KubeObject>(daemonSets)].map(keyOf),
    );
    const missing = (list: string, object: KubeObject) => (made.has(keyOf(object)) ? [] : [create(list, object)]);
    const driver = {
        apiVersion: "storage.k8s.io/v1",
        kind: "CSIDriver",
        metadata: { name: LONGHORN_DRIVER },
        spec: { attachRequired: true, podInfoOnMount: true },
    };
    const standing = new Set(view.list<KubeObject>(csiDrivers).map(keyOf));
    return [
        ...(standing.has(LONGHORN_DRIVER) ? [] : [create(csiDrivers, driver)]),
        ...missing(daemonSets, workload("DaemonSet", "longhorn-csi-plugin", {})),
        ...DRIVER_PARTS.flatMap((part) =>
            missing(collections.deployments, workload("Deployment", part, { replicas: 2 })),
        ),
        ...registrations(view),
    ];
}

const DRIVER_PARTS = ["csi-attacher", "csi-provisioner", "csi-resizer", "csi-snapshotter"];

type CsiNode = KubeObject & {
    readonly spec: { readonly drivers?: readonly { readonly name: string }[] | null };
};

/** The kubelet's word that volumes of its node are attached by Kubernetes' own controller. */
const ATTACHED_BY_CONTROLLER = "volumes.kubernetes.io/controller-managed-attach-detach";

function registrations(view: View): Action[] {
    const present = new Map(view.list<CsiNode>(csiNodes).map((one) => [one.metadata.name, one]));
    const unsaid = view
        .list<Node>(collections.nodes)
        .filter(({ metadata }) => metadata.annotations?.[ATTACHED_BY_CONTROLLER] !== "true")
        .map(({ metadata }) => metadata.name);
    const hosts = nodesOf(view, "longhorn-csi-plugin");
    const said = hosts
        .filter((node) => unsaid.includes(node))
        .map((node): Action => ({
            verb: "patch",
            path: `${collections.nodes}/${node}`,
            body: { metadata: { annotations: { [ATTACHED_BY_CONTROLLER]: "true" } } },
        }));
    const registered = hosts.flatMap((node): Action[] => {
        const known = present.get(node);
        const drivers = known?.spec.drivers ?? [];
        if (drivers.some(({ name }) => name === LONGHORN_DRIVER)) return [];
        const spec = { drivers: [...drivers, { name: LONGHORN_DRIVER, nodeID: node, topologyKeys: null }] };
        return known === undefined
            ? [
                  create(csiNodes, {
                      apiVersion: "storage.k8s.io/v1",
                      kind: "CSINode",
                      metadata: { name: node },
                      ...{ spec },
                  }),
              ]
            : [{ verb: "patch", path: objectPath(csiNodes, known.metadata), body: { spec } }];
    });
    return [...said, ...registered];
}

const POLICY = "longhorn-node-disks";

/** webhook/resources/node/validator.go of longhorn-manager v1.12.1, as far as disks go. */
const DISK_RULES = [
    {
        expression:
            "has(object.metadata.deletionTimestamp) || !has(oldObject.spec.disks) || size(oldObject.spec.disks) == 0 || " +
            "(has(oldObject.status) && has(oldObject.status.diskStatus) && size(oldObject.status.diskStatus) == size(oldObject.spec.disks) && " +
            "oldObject.spec.disks.all(d, d in oldObject.status.diskStatus))",
        message: "spec and status of disks on node are being syncing and please retry later.",
    },
    {
        expression:
            "has(object.metadata.deletionTimestamp) || !has(oldObject.spec.disks) || oldObject.spec.disks.all(d, " +
            "(has(object.spec.disks) && d in object.spec.disks) || (" +
            "!(has(oldObject.spec.disks[d].allowScheduling) && oldObject.spec.disks[d].allowScheduling) && " +
            "!(has(oldObject.status) && has(oldObject.status.diskStatus) && d in oldObject.status.diskStatus && " +
            "has(oldObject.status.diskStatus[d].storageScheduled) && oldObject.status.diskStatus[d].storageScheduled > 0)))",
        message: "Delete Disk on node error: Please disable the disk and remove all replicas and backing images first",
    },
    {
        expression:
            "!has(object.spec.disks) || object.spec.disks.all(d, " +
            "!(has(object.spec.disks[d].evictionRequested) && object.spec.disks[d].evictionRequested && " +
            "has(object.spec.disks[d].allowScheduling) && object.spec.disks[d].allowScheduling))",
        message:
            "need to disable scheduling on disk for disk eviction, or cancel eviction to enable scheduling on this disk",
    },
];

const WEBHOOKS = [
    [validators, "ValidatingWebhookConfiguration", "longhorn-webhook-validator"],
    [mutators, "MutatingWebhookConfiguration", "longhorn-webhook-mutator"],
] as const;

function webhookActions(view: View): Action[] {
    const apiVersion = "admissionregistration.k8s.io/v1";
    const metadata = { name: POLICY };
    const policy = {
        apiVersion,
        kind: "ValidatingAdmissionPolicy",
        metadata,
        spec: {
            failurePolicy: "Fail",
            matchConstraints: {
                resourceRules: [
                    { apiGroups: [GROUP], apiVersions: ["v1beta2"], operations: ["UPDATE"], resources: ["nodes"] },
                ],
            },
            validations: DISK_RULES,
        },
    };
    const binding = {
        apiVersion,
        kind: "ValidatingAdmissionPolicyBinding",
        metadata,
        spec: { policyName: POLICY, validationActions: ["Deny"] },
    };
    const find = (list: string, name: string) => view.list<KubeObject>(list).find((one) => one.metadata.name === name);
    return [
        ...ensure(policies, find(policies, POLICY), policy),
        ...ensure(bindings, find(bindings, POLICY), binding),
        ...WEBHOOKS.flatMap(([list, kind, name]) =>
            find(list, name) === undefined
                ? [create(list, { apiVersion, kind, metadata: { name }, ...{ webhooks: [] } })]
                : [],
        ),
        // Upstream makes it by itself, and its uninstaller leaves it.
        ...(find(collections.storageClasses, "longhorn-static") === undefined
            ? [
                  create(collections.storageClasses, {
                      apiVersion: "storage.k8s.io/v1",
                      kind: "StorageClass",
                      metadata: { name: "longhorn-static" },
                      ...{
                          provisioner: LONGHORN_DRIVER,
                          allowVolumeExpansion: true,
                          parameters: { staleReplicaTimeout: "30" },
                      },
                  }),
              ]
            : []),
    ];
}

const isUninstaller = ({ metadata, status }: Pod): boolean =>
    metadata.namespace === LONGHORN_NAMESPACE &&
    metadata.deletionTimestamp === undefined &&
    status?.phase === "Running" &&
    metadata.labels?.["batch.kubernetes.io/job-name"] === UNINSTALL_JOB;

/** controller/uninstall_controller.go of longhorn-manager v1.12.1: a step is begun when the one before has nothing left. */
function uninstall(view: View, pod: Pod): Action[] {
    if (settingOf(view, "deleting-confirmation-flag") !== "true") {
        return failed(
            view,
            pod,
            "cannot uninstall Longhorn because deleting-confirmation-flag is set to `false`. Please set it to `true` using Longhorn UI or kubectl -n longhorn-system edit settings.longhorn.io deleting-confirmation-flag",
        );
    }
    const own = (list: string) =>
        view.list<KubeObject>(list).filter(({ metadata }) => metadata.namespace === LONGHORN_NAMESPACE);
    const named = (list: string, ...names: readonly string[]) =>
        view.list<KubeObject>(list).filter(({ metadata }) => names.includes(metadata.name));
    const drop = (list: string, objects: readonly KubeObject[]) =>
        objects
            .filter((one) => !isLeaving(one))
            .map(({ metadata }): Action => ({ verb: "delete", path: objectPath(list, metadata) }));
    const kinds = [longhornVolumes, longhornReplicas, longhornNodes].find((list) => own(list).length > 0);
    if (kinds !== undefined) return own(kinds).flatMap((one) => remove(kinds, one));
    const rest = [
        ...drop(daemonSets, named(daemonSets, "longhorn-manager", "longhorn-csi-plugin")),
        ...drop(collections.deployments, named(collections.deployments, "longhorn-driver-deployer", ...DRIVER_PARTS)),
        ...drop(csiDrivers, named(csiDrivers, LONGHORN_DRIVER)),
        ...WEBHOOKS.flatMap(([list, , name]) => drop(list, named(list, name))),
        ...drop(policies, named(policies, POLICY)),
        ...drop(bindings, named(bindings, POLICY)),
        ...drop(collections.storageClasses, named(collections.storageClasses, "longhorn")),
    ];
    return rest.length > 0 ? rest : played(view, pod, "");
}
