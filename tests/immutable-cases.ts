/**
 * Changes of objects that exist, as the API server takes them. The unit tests hold tools/plan-diff/immutable.ts to it,
 * the engine tests ask the real API server.
 */
import type { Json } from "../tools/plan/monitor";

interface Body {
    readonly [key: string]: Json;
}

export interface Case {
    readonly title: string;
    readonly refused: boolean;
    readonly before: Body;
    readonly after: Body;
}

interface Kind {
    readonly apiVersion: string;
    readonly kind: string;
    /** False for kinds of the whole cluster. */
    readonly namespaced?: boolean;
    /** Name that the kind demands. */
    readonly name?: string;
    /** An object as it is before each change. */
    readonly body: Body;
    /** Changes by title: what stands in place of the body's own keys. */
    readonly refused: Readonly<Record<string, Body | ((body: Body) => Body)>>;
    readonly taken: Readonly<Record<string, Body | ((body: Body) => Body)>>;
}

/** The value with the key at a path set; undefined takes it away. */
function set(body: Body, path: string, value: Json | undefined): Body {
    const [key = "", ...rest] = path.split(".");
    const inner = body[key];
    if (rest.length === 0) {
        const { [key]: _, ...others } = body;
        return value === undefined ? others : { ...others, [key]: value };
    }
    return { ...body, [key]: set((inner ?? {}) as Body, rest.join("."), value) as Json };
}

const to =
    (path: string, value: Json | undefined) =>
    (body: Body): Body =>
        set(body, path, value);

const both =
    (...changes: readonly ((body: Body) => Body)[]) =>
    (body: Body): Body =>
        changes.reduce((changed, change) => change(changed), body);

const template = (app: string, image = "example.org/books:1", more: Body = {}): Json => ({
    metadata: { labels: { app } },
    spec: { containers: [{ name: "books", image, ...more }] },
});

const workload = (app = "books"): Body => ({ selector: { matchLabels: { app } }, template: template(app) });

const otherSelector = both(
    to("spec.selector", { matchLabels: { app: "library" } }),
    to("spec.template", template("library")),
);

const otherImage = to("spec.template", template("books", "example.org/books:2"));

const claimTemplate = (storage: string): Json => [
    {
        metadata: { name: "data" },
        spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage } } },
    },
];

const affinity = (node: string): Json => ({
    required: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: "books", operator: "In", values: [node] }] }],
    },
});

const role = (name: string): Json => ({ apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name });
const group = (name: string): Json => [{ apiGroup: "rbac.authorization.k8s.io", kind: "Group", name }];

const names = (kind: string, more: Body = {}): Json => ({
    plural: "books",
    singular: "book",
    kind,
    listKind: `${kind}List`,
    ...more,
});

const device = (deviceClassName: string): Json => ({
    devices: { requests: [{ name: "gpu", exactly: { deviceClassName } }] },
});

const kinds: readonly Kind[] = [
    ...["Deployment", "ReplicaSet", "DaemonSet"].map((kind): Kind => ({
        ...{ apiVersion: "apps/v1", kind, body: { spec: workload() } },
        refused: { "another selector": otherSelector },
        taken: {
            "another image": otherImage,
            ...(kind === "DaemonSet" ? {} : { "more replicas": to("spec.replicas", 2) }),
        },
    })),
    {
        ...{ apiVersion: "apps/v1", kind: "StatefulSet" },
        body: { spec: { ...workload(), serviceName: "books", volumeClaimTemplates: claimTemplate("1Gi") } },
        refused: {
            "another selector": otherSelector,
            "another Service": to("spec.serviceName", "library"),
            "other claims": to("spec.volumeClaimTemplates", claimTemplate("2Gi")),
            "pods all at once": to("spec.podManagementPolicy", "Parallel"),
        },
        taken: {
            "another image": otherImage,
            "more replicas": to("spec.replicas", 2),
            "the default written out": to("spec.podManagementPolicy", "OrderedReady"),
            "the same size in another unit": to("spec.volumeClaimTemplates", claimTemplate("1024Mi")),
            "what becomes of claims": to("spec.persistentVolumeClaimRetentionPolicy", {
                whenDeleted: "Delete",
                whenScaled: "Retain",
            }),
            "how long a pod is watched": to("spec.minReadySeconds", 5),
            "how it is rolled out": to("spec.updateStrategy", {
                type: "RollingUpdate",
                rollingUpdate: { partition: 1 },
            }),
        },
    },
    {
        ...{ apiVersion: "batch/v1", kind: "Job" },
        body: {
            spec: {
                template: { spec: { restartPolicy: "Never", containers: [{ name: "a", image: "example.org/a:1" }] } },
            },
        },
        refused: {
            "another image": to("spec.template", {
                spec: { restartPolicy: "Never", containers: [{ name: "a", image: "example.org/a:2" }] },
            }),
            "more completions": to("spec.completions", 2),
        },
        taken: {
            "more at once": to("spec.parallelism", 2),
            "the default written out": to("spec.completions", 1),
            "more attempts": to("spec.backoffLimit", 2),
            "when it is cleaned up": to("spec.ttlSecondsAfterFinished", 60),
        },
    },
    {
        ...{ apiVersion: "v1", kind: "Pod" },
        body: { spec: { containers: [{ name: "a", image: "example.org/a:1" }] } },
        refused: {
            "another variable": to("spec.containers", [
                { name: "a", image: "example.org/a:1", env: [{ name: "A", value: "1" }] },
            ]),
            "another node": to("spec.nodeSelector", { a: "b" }),
        },
        taken: {
            "another image": to("spec.containers", [{ name: "a", image: "example.org/a:2" }]),
            "a deadline": to("spec.activeDeadlineSeconds", 60),
        },
    },
    {
        ...{ apiVersion: "v1", kind: "PersistentVolumeClaim" },
        body: {
            spec: {
                ...{ accessModes: ["ReadWriteOnce"], storageClassName: "books", volumeName: "some" },
                resources: { requests: { storage: "1Gi" } },
            },
        },
        refused: {
            "other ways of access": to("spec.accessModes", ["ReadWriteMany"]),
            "a raw device": to("spec.volumeMode", "Block"),
            "a source": to("spec.dataSource", { kind: "PersistentVolumeClaim", name: "other" }),
            "a selector": to("spec.selector", { matchLabels: { a: "b" } }),
            "another volume": to("spec.volumeName", "other"),
            "no word of the volume": to("spec.volumeName", undefined),
        },
        taken: {
            "more of it": to("spec.resources", { requests: { storage: "2Gi" } }),
            "the default written out": to("spec.volumeMode", "Filesystem"),
        },
    },
    {
        ...{ apiVersion: "v1", kind: "PersistentVolumeClaim" },
        body: {
            spec: {
                ...{ accessModes: ["ReadWriteOnce"], storageClassName: "books" },
                resources: { requests: { storage: "1Gi" } },
            },
        },
        refused: {},
        taken: { "a volume by name": to("spec.volumeName", "some") },
    },
    {
        ...{ apiVersion: "v1", kind: "PersistentVolume", namespaced: false },
        body: {
            spec: {
                ...{ accessModes: ["ReadWriteOnce"], capacity: { storage: "1Gi" }, storageClassName: "books" },
                ...{ hostPath: { path: "/var/data/books" }, nodeAffinity: affinity("one") },
            },
        },
        refused: {
            "another directory": to("spec.hostPath", { path: "/srv/books" }),
            "another source": both(to("spec.hostPath", undefined), to("spec.nfs", { server: "nas", path: "/books" })),
            "another node": to("spec.nodeAffinity", affinity("two")),
            "a raw device": to("spec.volumeMode", "Block"),
        },
        taken: {
            "what becomes of it": to("spec.persistentVolumeReclaimPolicy", "Retain"),
            "another size": to("spec.capacity", { storage: "2Gi" }),
            "another class": to("spec.storageClassName", "other"),
            "other ways of access": to("spec.accessModes", ["ReadWriteMany"]),
            "a claim": to("spec.claimRef", { namespace: "default", name: "books" }),
        },
    },
    {
        ...{ apiVersion: "v1", kind: "Service" },
        body: { spec: { clusterIP: "10.96.77.1", ports: [{ name: "http", port: 80 }] } },
        refused: {
            "another address": to("spec.clusterIP", "10.96.77.2"),
            "no address": to("spec.clusterIP", "None"),
        },
        taken: {
            "another port": to("spec.ports", [{ name: "http", port: 81 }]),
            "no word of the address": to("spec.clusterIP", undefined),
            "a name in place of it": () => ({ spec: { type: "ExternalName", externalName: "books.example.org" } }),
        },
    },
    {
        ...{ apiVersion: "v1", kind: "Service" },
        body: { spec: { type: "LoadBalancer", loadBalancerClass: "a.org/a", ports: [{ port: 80 }] } },
        refused: { "another balancer": to("spec.loadBalancerClass", "a.org/b") },
        taken: {
            "a Service inside": both(to("spec.type", "ClusterIP"), to("spec.loadBalancerClass", undefined)),
        },
    },
    {
        ...{ apiVersion: "v1", kind: "Secret", body: { type: "a.org/a", stringData: { a: "1" } } },
        refused: { "another type": to("type", "a.org/b") },
        taken: { "another value": to("stringData", { a: "2" }) },
    },
    ...[
        { kind: "Secret", key: "stringData" },
        { kind: "ConfigMap", key: "data" },
    ].map(({ kind, key }): Kind => ({
        ...{ apiVersion: "v1", kind, body: { immutable: true, [key]: { a: "1" } } },
        refused: {
            "another value of an immutable one": to(key, { a: "2" }),
            "no longer immutable": to("immutable", false),
        },
        taken: { "a label": to("metadata", { labels: { a: "b" } }) },
    })),
    {
        ...{ apiVersion: "v1", kind: "ConfigMap", body: { data: { a: "1" } } },
        refused: {},
        taken: { "another value": to("data", { a: "2" }), "immutable from now on": to("immutable", true) },
    },
    {
        ...{
            apiVersion: "v1",
            kind: "ResourceQuota",
            body: { spec: { hard: { pods: "1" }, scopes: ["Terminating"] } },
        },
        refused: { "another scope": to("spec.scopes", ["NotTerminating"]) },
        taken: { "another limit": to("spec.hard", { pods: "2" }) },
    },
    ...["RoleBinding", "ClusterRoleBinding"].map((kind): Kind => ({
        ...{ apiVersion: "rbac.authorization.k8s.io/v1", kind, namespaced: kind === "RoleBinding" },
        body: { roleRef: role("view"), subjects: group("readers") },
        refused: { "another role": to("roleRef", role("edit")) },
        taken: { "other people": to("subjects", group("writers")) },
    })),
    {
        ...{ apiVersion: "storage.k8s.io/v1", kind: "StorageClass", namespaced: false },
        body: { provisioner: "a.org/a", parameters: { pool: "a" }, reclaimPolicy: "Delete" },
        refused: {
            "another provisioner": to("provisioner", "a.org/b"),
            "another pool": to("parameters", { pool: "b" }),
            "what becomes of volumes": to("reclaimPolicy", "Retain"),
            "when volumes are made": to("volumeBindingMode", "WaitForFirstConsumer"),
        },
        taken: {
            "whether volumes may grow": to("allowVolumeExpansion", true),
            "the default written out": to("volumeBindingMode", "Immediate"),
            "options of mounts": to("mountOptions", ["ro"]),
        },
    },
    {
        ...{ apiVersion: "storage.k8s.io/v1", kind: "VolumeAttributesClass", namespaced: false },
        body: { driverName: "a.org", parameters: { iops: "1" } },
        refused: { "another driver": to("driverName", "b.org"), "other parameters": to("parameters", { iops: "2" }) },
        taken: { "a label": to("metadata", { labels: { a: "b" } }) },
    },
    {
        ...{
            apiVersion: "storage.k8s.io/v1",
            kind: "CSIDriver",
            namespaced: false,
            body: { spec: { attachRequired: false } },
        },
        refused: {
            "whether it attaches": to("spec.attachRequired", true),
            "other lives": to("spec.volumeLifecycleModes", ["Ephemeral"]),
        },
        taken: {
            "whether it hears of pods": to("spec.podInfoOnMount", true),
            "whether it knows of space": to("spec.storageCapacity", true),
        },
    },
    {
        ...{
            apiVersion: "networking.k8s.io/v1",
            kind: "IngressClass",
            namespaced: false,
            body: { spec: { controller: "a.org/a" } },
        },
        refused: { "another controller": to("spec.controller", "a.org/b") },
        taken: { "a label": to("metadata", { labels: { a: "b" } }) },
    },
    {
        ...{ apiVersion: "scheduling.k8s.io/v1", kind: "PriorityClass", namespaced: false, body: { value: 1 } },
        refused: { "another value": to("value", 2), "no preemption": to("preemptionPolicy", "Never") },
        taken: {
            "another description": to("description", "a"),
            "the default written out": to("preemptionPolicy", "PreemptLowerPriority"),
        },
    },
    {
        ...{ apiVersion: "node.k8s.io/v1", kind: "RuntimeClass", namespaced: false, body: { handler: "a" } },
        refused: { "another handler": to("handler", "b") },
        taken: { "a label": to("metadata", { labels: { a: "b" } }) },
    },
    {
        ...{ apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", body: { addressType: "IPv4", endpoints: [] } },
        refused: { "another family": to("addressType", "IPv6") },
        taken: { "an address": to("endpoints", [{ addresses: ["10.0.0.9"] }]) },
    },
    {
        ...{
            apiVersion: "resource.k8s.io/v1",
            kind: "ResourceClaimTemplate",
            body: { spec: { spec: device("a.org") } },
        },
        refused: { "another device": to("spec.spec", device("b.org")) },
        taken: { "a label": to("metadata", { labels: { a: "b" } }) },
    },
    {
        ...{ apiVersion: "resource.k8s.io/v1", kind: "ResourceClaim", body: { spec: device("a.org") } },
        refused: { "another device": to("spec", device("b.org")) },
        taken: { "a label": to("metadata", { labels: { a: "b" } }) },
    },
    {
        ...{
            apiVersion: "apiextensions.k8s.io/v1",
            kind: "CustomResourceDefinition",
            namespaced: false,
            name: "books.a.org",
        },
        body: {
            spec: {
                ...{ group: "a.org", scope: "Namespaced", names: names("Book") },
                versions: [
                    { name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } },
                ],
            },
        },
        refused: { "another scope": to("spec.scope", "Cluster"), "another kind": to("spec.names", names("Volume")) },
        taken: { "a short name": to("spec.names", names("Book", { shortNames: ["bk"] })) },
    },
    ...[
        [
            "policy/v1",
            "PodDisruptionBudget",
            { minAvailable: 1, selector: { matchLabels: { a: "b" } } },
            "minAvailable",
            2,
        ],
        ["networking.k8s.io/v1", "NetworkPolicy", { podSelector: {} }, "podSelector", { matchLabels: { a: "b" } }],
    ].map(([apiVersion, kind, spec, key, value]): Kind => ({
        ...{ apiVersion: String(apiVersion), kind: String(kind), body: { spec: spec as Json }, refused: {} },
        taken: { "what it says": to(`spec.${String(key)}`, value as Json) },
    })),
];

export const cases: readonly Case[] = kinds.flatMap(
    ({ apiVersion, kind, namespaced = true, name, body, refused, taken }, index) => {
        const whole = (changed: Body): Body => ({
            ...{ apiVersion, kind },
            ...changed,
            metadata: {
                ...(changed["metadata"] as Body | undefined),
                name: name ?? `books-${index}`,
                ...(namespaced ? { namespace: "default" } : {}),
            },
        });
        const side = (changes: Kind["refused"], isRefused: boolean) =>
            Object.entries(changes).map(([title, change]): Case => ({
                title: `${kind}: ${title}`,
                refused: isRefused,
                before: whole(body),
                after: whole(typeof change === "function" ? change(body) : { ...body, ...change }),
            }));
        return [...side(refused, true), ...side(taken, false)];
    },
);
