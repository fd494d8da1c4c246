/** Kubernetes objects and Helm releases among the resources. */
import { dig, items, text, UNKNOWN, type Json, type Subject } from "./rule";

/** Group and kind of a Kubernetes object, e.g. `apps` and `Deployment`; `core` for the first API. Undefined for anything else. */
export function objectType({ type }: Subject): { readonly group: string; readonly kind: string } | undefined {
    const [provider, version = "", kind] = type.split(":");
    if (provider !== "kubernetes" || kind === undefined || kind === "Release") return undefined;
    return { group: version.includes("/") ? (version.split("/")[0] ?? "") : "core", kind };
}

export function isKind(resource: Subject, group: string, kind: string): boolean {
    const object = objectType(resource);
    return object !== undefined && object.group === group && object.kind === kind;
}

export function isRelease({ type }: Subject): boolean {
    return type === "kubernetes:helm.sh/v3:Release";
}

/** Values of a release; of anything else its inputs. */
export function settings(resource: Subject): Json | undefined {
    return isRelease(resource) ? dig(resource.inputs, "values") : resource.inputs;
}

/** Chart of a release without its repository, e.g. `cert-manager`. */
export function chartName(resource: Subject): string | undefined {
    const chart = isRelease(resource) ? text(dig(resource.inputs, "chart")) : undefined;
    return chart === UNKNOWN
        ? undefined
        : chart
              ?.replace(/\.tgz$/, "")
              .split("/")
              .at(-1);
}

/** Name in the cluster: of the object, or of the release. Where that is not known, the logical name. */
export function objectName(resource: Subject): string {
    const name = isRelease(resource) ? dig(resource.inputs, "name") : dig(resource.inputs, "metadata", "name");
    return typeof name === "string" && name !== UNKNOWN ? name : resource.name;
}

export function namespaceOf(resource: Subject): string | undefined {
    return text(dig(resource.inputs, "metadata", "namespace"));
}

const TEMPLATES: Readonly<Record<string, readonly string[]>> = {
    "core/Pod": [],
    "core/ReplicationController": ["spec", "template"],
    "apps/Deployment": ["spec", "template"],
    "apps/StatefulSet": ["spec", "template"],
    "apps/DaemonSet": ["spec", "template"],
    "apps/ReplicaSet": ["spec", "template"],
    "batch/Job": ["spec", "template"],
    "batch/CronJob": ["spec", "jobTemplate", "spec", "template"],
};

/** The pod that an object of Kubernetes itself runs: metadata and spec. */
export function podOf(resource: Subject): { readonly metadata: Json; readonly spec: Json } | undefined {
    const object = objectType(resource);
    const path = object === undefined ? undefined : TEMPLATES[`${object.group}/${object.kind}`];
    if (path === undefined) return undefined;
    const pod = dig(resource.inputs, ...path);
    return { metadata: dig(pod, "metadata") ?? {}, spec: dig(pod, "spec") ?? {} };
}

/** Every container of a pod, those that run first or are attached later included. */
export function containersOf(
    podSpec: Json,
): { readonly name: string; readonly container: { readonly [key: string]: Json } }[] {
    return ["initContainers", "containers", "ephemeralContainers"].flatMap((list) =>
        items(dig(podSpec, list)).map((container) => ({ name: text(container["name"]) ?? list, container })),
    );
}
