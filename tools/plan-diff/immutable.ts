/**
 * What the API server refuses to change in an object that exists: the update validation of Kubernetes' own kinds
 * (pkg/apis/<group>/validation), as tests/engine/immutable.test.ts finds it on the sandbox's API server. Not the same as what the provider
 * replaces: a field that is only here makes an update fail.
 */
import { canonicalQuantity } from "../../sandbox/providers/kubernetes/normalize";
import { isObject, type Json } from "../plan/monitor";
import { equal } from "./fields";
import { dig, type KubeObject } from "./objects";

interface Refusal {
    readonly path: string;
    readonly before: Json | undefined;
    readonly after: Json | undefined;
}

/**
 * A field that Kubernetes lets nobody change: a path of keys; every key below a path with exceptions; a path that is fixed
 * only while the object satisfies `while`, before and after; or each element of a list, with the exception of one key.
 */
type Field =
    | string
    | { readonly below: string; readonly except: readonly string[] }
    | { readonly path: string; readonly while: (body: Json) => boolean }
    | { readonly path: string; readonly without: string };

const SELECTOR = "spec.selector";

const hasAddress = (service: Json) => dig(service, "spec", "type") !== "ExternalName";
const isBalanced = (service: Json) => dig(service, "spec", "type") === "LoadBalancer";

const FIELDS: Readonly<Record<string, readonly Field[]>> = {
    "apps/DaemonSet": [SELECTOR],
    "apps/Deployment": [SELECTOR],
    "apps/ReplicaSet": [SELECTOR],
    "apps/StatefulSet": [
        {
            below: "spec",
            except: [
                ...["replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit", "minReadySeconds"],
                "persistentVolumeClaimRetentionPolicy",
            ],
        },
    ],
    "batch/Job": [
        ...[SELECTOR, "spec.template", "spec.completionMode", "spec.completions", "spec.podFailurePolicy"],
        ...["spec.backoffLimitPerIndex", "spec.successPolicy", "spec.managedBy"],
    ],
    // What is asked for may grow; claim-shrinks and claim-class are dangers of their own.
    "/PersistentVolumeClaim": [
        { below: "spec", except: ["resources", "storageClassName", "volumeAttributesClassName"] },
    ],
    "/PersistentVolume": [
        {
            below: "spec",
            except: [
                ...["accessModes", "capacity", "claimRef", "mountOptions", "persistentVolumeReclaimPolicy"],
                ...["storageClassName", "volumeAttributesClassName"],
            ],
        },
    ],
    "/Pod": [
        {
            below: "spec",
            except: [
                ...["activeDeadlineSeconds", "containers", "initContainers", "terminationGracePeriodSeconds"],
                "tolerations",
            ],
        },
        // Another image restarts a container in place; nothing else of it can change.
        { path: "spec.containers", without: "image" },
        { path: "spec.initContainers", without: "image" },
    ],
    "/ResourceQuota": ["spec.scopes"],
    "/Secret": ["type"],
    "/Service": [
        { path: "spec.clusterIP", while: hasAddress },
        { path: "spec.clusterIPs", while: hasAddress },
        { path: "spec.loadBalancerClass", while: isBalanced },
    ],
    "discovery.k8s.io/EndpointSlice": ["addressType"],
    "networking.k8s.io/IngressClass": ["spec.controller"],
    "node.k8s.io/RuntimeClass": ["handler"],
    "resource.k8s.io/ResourceClaim": [{ below: "spec", except: [] }],
    "resource.k8s.io/ResourceClaimTemplate": [{ below: "spec", except: [] }],
    "rbac.authorization.k8s.io/ClusterRoleBinding": ["roleRef"],
    "rbac.authorization.k8s.io/RoleBinding": ["roleRef"],
    "scheduling.k8s.io/PriorityClass": ["value", "preemptionPolicy"],
    "storage.k8s.io/CSIDriver": ["spec.attachRequired", "spec.volumeLifecycleModes"],
    "storage.k8s.io/StorageClass": ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"],
    "storage.k8s.io/VolumeAttributesClass": ["driverName", "parameters"],
    "apiextensions.k8s.io/CustomResourceDefinition": ["spec.group", "spec.names.kind", "spec.scope"],
};

/** Kinds with such fields, `group/kind`. */
export const kindsWithImmutableFields: readonly string[] = Object.keys(FIELDS);

/** What the server fills in: leaving such a field out keeps it or means this value, so it is no change. */
const DEFAULTS: Readonly<Record<string, Json>> = {
    "spec.podManagementPolicy": "OrderedReady",
    "spec.volumeMode": "Filesystem",
    "spec.completionMode": "NonIndexed",
    "spec.completions": 1,
    reclaimPolicy: "Delete",
    volumeBindingMode: "Immediate",
    preemptionPolicy: "PreemptLowerPriority",
    type: "Opaque",
};

/** Fields that the server gives a value when they are left out: to write one says nothing new, and so does to leave it out again. */
const KEPT = new Set(["/Service spec.clusterIP", "/Service spec.clusterIPs", "batch/Job spec.selector"]);

/** Fields that the server takes once: to write one is well, to leave it out again is not. */
const FILLED_ONCE = new Set(["/PersistentVolumeClaim spec.volumeName"]);

/** The changes between two states of one object that the API server would refuse as an update. */
export function refusals(before: KubeObject, after: KubeObject): Refusal[] {
    const kind = `${before.group}/${before.kind}`;
    const locked = ["/Secret", "/ConfigMap"].includes(kind) && dig(before.body, "immutable") === true;
    const fields = [...(FIELDS[kind] ?? []), ...(locked ? ["data", "stringData", "binaryData", "immutable"] : [])];
    return fields
        .flatMap((field) => paths(field, before.body, after.body))
        .flatMap((path): Refusal[] => {
            const [was, is] = [at(before.body, path), at(after.body, path)];
            const field = `${kind} ${path}`;
            const kept =
                (KEPT.has(field) && (was === undefined || is === undefined) && !headless(was, is)) ||
                (FILLED_ONCE.has(field) && was === undefined);
            return kept || same(was, is) ? [] : [{ path, before: was, after: is }];
        });
}

function paths(field: Field, before: Json, after: Json): string[] {
    if (typeof field === "string") return [field];
    if ("without" in field)
        return sameBut(at(before, field.path), at(after, field.path), field.without) ? [] : [field.path];
    if ("path" in field) return field.while(before) && field.while(after) ? [field.path] : [];
    const keys = [at(before, field.below), at(after, field.below)].flatMap((value) =>
        isObject(value) ? Object.keys(value) : [],
    );
    return [...new Set(keys)]
        .filter((key) => !field.except.includes(key))
        .sort()
        .map((key) => `${field.below}.${key}`);
}

function sameBut(before: Json | undefined, after: Json | undefined, key: string): boolean {
    const rest = (list: Json | undefined) =>
        Array.isArray(list) ? list.map((item) => (isObject(item) ? { ...item, [key]: null } : item)) : (list ?? null);
    return same(rest(before), rest(after));
}

function at(value: Json, path: string): Json | undefined {
    return dig(value, ...path.split(".")) ?? DEFAULTS[path];
}

/** A Service that gets or loses its address as a whole: the one case in which leaving it out does mean another value. */
function headless(before: Json | undefined, after: Json | undefined): boolean {
    return before === undefined && after === "None";
}

/** Equal as the server stores it: `1Gi` is `1024Mi`, and what only the update will know is taken for equal. */
function same(before: Json | undefined, after: Json | undefined): boolean {
    if (before === "[unknown]" || after === "[unknown]") return true;
    return equal(stored(before), stored(after));
}

function stored(value: Json | undefined): Json | undefined {
    if (value === undefined) return undefined;
    if (Array.isArray(value)) return value.map((item) => stored(item) ?? null);
    if (!isObject(value)) return typeof value === "string" ? canonicalQuantity(value) : value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, stored(item) ?? null]));
}
