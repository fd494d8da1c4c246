import { text, type Props } from "../values";

/** Groups that the API server has by itself; all others come from CRDs or aggregated servers. */
const BUILT_IN = new Set([
    ...["", "apps", "autoscaling", "batch", "extensions", "policy"],
    ...["admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "authentication.k8s.io"],
    ...["authorization.k8s.io", "certificates.k8s.io", "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io"],
    ...["flowcontrol.apiserver.k8s.io", "networking.k8s.io", "node.k8s.io", "rbac.authorization.k8s.io"],
    ...["resource.k8s.io", "scheduling.k8s.io", "storage.k8s.io", "storagemigration.k8s.io"],
]);

/** Built-in kinds without a namespace, so that scope is known while the cluster is down. */
const CLUSTER_SCOPED = new Set([
    ...["APIService", "CSIDriver", "CSINode", "CertificateSigningRequest", "ClusterRole", "ClusterRoleBinding"],
    ...["ClusterTrustBundle", "ComponentStatus", "CustomResourceDefinition", "DeviceClass", "FlowSchema", "IPAddress"],
    ...["IngressClass", "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration"],
    ...["Namespace", "Node", "PersistentVolume", "PriorityClass", "PriorityLevelConfiguration", "ResourceSlice"],
    ...["RuntimeClass", "ServiceCIDR", "StorageClass", "StorageVersionMigration", "ValidatingAdmissionPolicy"],
    ...["ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration", "VolumeAttachment"],
    "VolumeAttributesClass",
]);

/** The API group of an apiVersion; "" is the core. */
export function group(apiVersion: string): string {
    return apiVersion.includes("/") ? (apiVersion.split("/")[0] ?? "") : "";
}

export function isBuiltIn(apiVersion: string): boolean {
    return BUILT_IN.has(group(apiVersion));
}

/** Is a built-in kind namespaced? */
export function builtInNamespaced(kind: string): boolean {
    return !CLUSTER_SCOPED.has(kind.replace(/Patch$/, ""));
}

export function isCrd(object: Props): boolean {
    return (
        text(object, "kind") === "CustomResourceDefinition" &&
        group(text(object, "apiVersion") ?? "") === "apiextensions.k8s.io"
    );
}

/** `NamespacePatch` and such: fields of an object that somebody else owns. */
export function isPatchType(type: string, kind: string): boolean {
    return type.endsWith(`:${kind}Patch`);
}
