import { isObject, text, type Json, type Props } from "../values";
import { group } from "./kinds";

/**
 * Properties whose change replaces an object, by group and kind: the table of the official plugin (its provider/diff.go),
 * not what the API server would refuse. What is missing here the plugin tries to update in place, and the API server says
 * no. The versions in that table differ only for kinds that no server still has.
 */

const SELECTOR = ["spec.selector"];

const VOLUME_SOURCES = [
    ...["awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "csi", "fc", "flexVolume", "flocker"],
    ...[
        "gcePersistentDisk",
        "glusterfs",
        "hostPath",
        "iscsi",
        "local",
        "nfs",
        "photonPersistentDisk",
        "portworxVolume",
    ],
    ...["quobyte", "rbd", "scaleIO", "storageos", "vsphereVolume"],
].map((source) => `spec.${source}`);

const POD_SPEC = [
    ...["affinity", "automountServiceAccountToken", "dnsConfig", "dnsPolicy", "enableServiceLinks", "hostAliases"],
    ...["hostIPC", "hostNetwork", "hostPID", "hostname", "imagePullSecrets", "nodeName", "nodeSelector", "overhead"],
    ...["preemptionPolicy", "priority", "priorityClassName", "readinessGates", "restartPolicy", "runtimeClassName"],
    ...["schedulerName", "securityContext", "serviceAccount", "serviceAccountName", "shareProcessNamespace"],
    ...["subdomain", "terminationGracePeriodSeconds", "volumes"],
].map((field) => `spec.${field}`);

const CONTAINER = [
    ...["args", "command", "env", "image", "imagePullPolicy", "lifecycle", "livenessProbe", "ports", "readinessProbe"],
    ...["resources", "securityContext", "stdin", "stdinOnce", "terminationMessagePath", "terminationMessagePolicy"],
    ...["tty", "volumeDevices", "volumeMounts", "workingDir"],
].flatMap((field) => [`spec.containers[*].${field}`, `spec.initContainers[*].${field}`]);

const TABLE: Record<string, Record<string, readonly string[]>> = {
    apps: {
        DaemonSet: SELECTOR,
        Deployment: SELECTOR,
        StatefulSet: [
            ...SELECTOR,
            "spec.podManagementPolicy",
            "spec.revisionHistoryLimit",
            "spec.serviceName",
            "spec.volumeClaimTemplates",
        ],
    },
    "": {
        PersistentVolume: VOLUME_SOURCES,
        PersistentVolumeClaim: ["spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName"],
        Pod: [...POD_SPEC, ...CONTAINER],
        ResourceQuota: ["spec.scopes"],
        Secret: ["type"],
        Service: ["spec.clusterIP"],
    },
    "rbac.authorization.k8s.io": { ClusterRoleBinding: ["roleRef"], RoleBinding: ["roleRef"] },
    "storage.k8s.io": { StorageClass: ["parameters", "provisioner"] },
    batch: { Job: [...SELECTOR, "spec.completions", "spec.parallelism", "spec.template"] },
};

/** Provider switches that make changed data an update. */
export interface Mutable {
    secrets: boolean;
    configMaps: boolean;
}

/** The properties of an object whose change replaces it. */
export function forceNew(object: Props, mutable: Mutable): readonly string[] {
    const kind = text(object, "kind") ?? "";
    const of = group(text(object, "apiVersion") ?? "");
    const immutable = object["immutable"] === true;
    const identity = ["metadata.name", "metadata.namespace"];
    if (of === "" && kind === "Secret" && (!mutable.secrets || immutable)) {
        return [...identity, "type", "stringData", "data"];
    }
    if (of === "" && kind === "ConfigMap" && (!mutable.configMaps || immutable)) {
        return [...identity, "binaryData", "data"];
    }
    return [...identity, ...(TABLE[of]?.[kind] ?? [])];
}

/**
 * Does a change at `path` touch a force-new property? The change may be inside of it, or - when a whole subtree is added -
 * contain it.
 */
export function replaces(patterns: readonly string[], path: readonly (string | number)[], value?: Json): boolean {
    return patterns.some((pattern) => {
        const wanted = pattern.replaceAll("[*]", ".*").split(".");
        let inside: Json | undefined = value;
        for (const [depth, part] of wanted.entries()) {
            if (depth < path.length) {
                if (part === "*" ? typeof path[depth] !== "number" : part !== path[depth]) {
                    return false;
                }
            } else if (part === "*") {
                inside = Array.isArray(inside) ? inside[0] : undefined;
            } else {
                inside = isObject(inside) ? inside[part] : undefined;
                if (inside === undefined) {
                    return false;
                }
            }
        }
        return true;
    });
}
