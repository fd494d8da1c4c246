/** Kubernetes objects and Helm releases among planned resources: who they are in the cluster. */
import type { Json } from "../plan/monitor";
import { isObject } from "../plan/monitor";
import type { PlannedResource } from "../plan/plan";

/** A Kubernetes object, whoever sends it to the API server. */
export interface KubeObject {
    /** "" for the core. */
    readonly group: string;
    readonly kind: string;
    readonly namespace?: string;
    readonly name: string;
    readonly body: Json;
}

/** The value at a path of keys; undefined where it ends early. */
export function dig(value: Json | undefined, ...path: readonly string[]): Json | undefined {
    return path.reduce<Json | undefined>((node, key) => (isObject(node) ? node[key] : undefined), value);
}

export function text(value: Json | undefined): string | undefined {
    return typeof value === "string" ? value : undefined;
}

export function isRelease({ type }: Pick<PlannedResource, "type">): boolean {
    return type === "kubernetes:helm.sh/v3:Release";
}

export function isProvider({ type }: Pick<PlannedResource, "type">): boolean {
    return type.startsWith("pulumi:providers:");
}

/** The object that a resource is in the cluster; undefined for releases and for what is not in the cluster. */
export function kubeObject(resource: Pick<PlannedResource, "type" | "name" | "inputs">): KubeObject | undefined {
    const [provider, version = "", kind] = resource.type.split(":");
    if (provider !== "kubernetes" || kind === undefined || isRelease(resource)) return undefined;
    return {
        group: version.includes("/") && !version.startsWith("core/") ? (version.split("/")[0] ?? "") : "",
        kind,
        ...named(resource.inputs, resource.name),
        body: resource.inputs,
    };
}

/** An object of a manifest; undefined for what is none. */
export function manifestObject(body: Json): KubeObject | undefined {
    const [apiVersion, kind] = [text(dig(body, "apiVersion")), text(dig(body, "kind"))];
    if (apiVersion === undefined || kind === undefined) return undefined;
    const group = apiVersion.includes("/") ? (apiVersion.split("/")[0] ?? "") : "";
    return { group, kind, ...named(body, ""), body };
}

function named(body: Json, otherwise: string): Pick<KubeObject, "namespace" | "name"> {
    const namespace = text(dig(body, "metadata", "namespace"));
    return {
        name: text(dig(body, "metadata", "name")) ?? otherwise,
        ...(namespace === undefined ? {} : { namespace }),
    };
}

/** `StatefulSet media/sonarr`. */
export function objectTitle({ kind, namespace, name }: KubeObject): string {
    return `${kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
}

/** Chart of a release without its repository; undefined for anything else. */
export function chartName(resource: Pick<PlannedResource, "type" | "inputs">): string | undefined {
    return isRelease(resource) ? text(dig(resource.inputs, "chart"))?.split("/").at(-1) : undefined;
}

/** `kubernetes:apps/v1:Deployment` to `Deployment`. */
export function shortType(type: string): string {
    return type.split(":").at(-1) ?? type;
}

/** `Deployment media/sonarr`, `Release argocd/argocd`, `DnsRecord plex.example.org`: what a person calls it. */
export function title(resource: Pick<PlannedResource, "type" | "name" | "inputs">): string {
    const object = kubeObject(resource);
    if (object !== undefined) return objectTitle(object);
    if (isProvider(resource)) return `provider ${resource.name} (${shortType(resource.type)})`;
    return `${shortType(resource.type)} ${resource.name}`;
}

/**
 * Who a resource is outside of the state: two resources of one identity are the same thing under two URNs. Undefined
 * where the inputs do not say.
 */
export function identity(resource: PlannedResource): string | undefined {
    const object = kubeObject(resource);
    if (object !== undefined) {
        return dig(object.body, "metadata", "name") === undefined
            ? undefined
            : [object.group, object.kind, object.namespace ?? "", object.name].join("/");
    }
    if (isRelease(resource)) {
        const name = text(dig(resource.inputs, "name"));
        return name === undefined ? undefined : `release/${text(dig(resource.inputs, "namespace")) ?? ""}/${name}`;
    }
    if (resource.type === "cloudflare:index/dnsRecord:DnsRecord") {
        const at = (key: string) => String(dig(resource.inputs, key));
        return `record/${at("zoneId")}/${at("name")}/${at("type")}`;
    }
    return undefined;
}
