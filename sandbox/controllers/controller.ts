/** One change a controller wants made. Paths are those of the API server, e.g. `/api/v1/namespaces/x/services/y`. */
export type Action =
    | { readonly verb: "create"; readonly path: string; readonly body: object }
    /** JSON merge patch. */
    | { readonly verb: "patch"; readonly path: string; readonly body: object }
    /** Server-side apply, conflicts forced: the object is ours. */
    | { readonly verb: "apply"; readonly path: string; readonly body: object }
    | { readonly verb: "delete"; readonly path: string };

/** What a controller sees in one pass. */
export interface View {
    /** Milliseconds since the epoch. */
    readonly now: number;
    /** The items of a collection that the controller named in `lists`; empty where its API is not served. */
    list<T>(path: string): readonly T[];
    /** One object, asked for at once; `undefined` where there is none. */
    get<T>(path: string): Promise<T | undefined>;
}

/**
 * Something that brings the cluster closer to what a real one would show. It decides from what it sees alone, so that a pass may
 * be repeated, skipped or cut short by a restart of the API server.
 */
export interface Controller {
    readonly name: string;
    /** Collections to list before each pass. */
    readonly lists: readonly string[];
    reconcile(view: View): Promise<readonly Action[]> | readonly Action[];
}

/** Paths of the collections that several controllers list. */
export const collections = {
    services: "/api/v1/services",
    pods: "/api/v1/pods",
    nodes: "/api/v1/nodes",
    namespaces: "/api/v1/namespaces",
    configMaps: "/api/v1/configmaps",
    /** Without Helm's records, which are as long as all others together. */
    secrets: "/api/v1/secrets?fieldSelector=type%21%3Dhelm.sh%2Frelease.v1",
    claims: "/api/v1/persistentvolumeclaims",
    volumes: "/api/v1/persistentvolumes",
    deployments: "/apis/apps/v1/deployments",
    ingresses: "/apis/networking.k8s.io/v1/ingresses",
    ingressClasses: "/apis/networking.k8s.io/v1/ingressclasses",
    storageClasses: "/apis/storage.k8s.io/v1/storageclasses",
    ciliumPools: "/apis/cilium.io/v2/ciliumloadbalancerippools",
    ciliumPoolsAlpha: "/apis/cilium.io/v2alpha1/ciliumloadbalancerippools",
    metalLbPools: "/apis/metallb.io/v1beta1/ipaddresspools",
} as const;

/** Path of a namespaced object of the core group. */
export function corePath(plural: string, namespace: string, name: string): string {
    return `/api/v1/namespaces/${namespace}/${plural}/${name}`;
}

/** Collection of a custom resource, in all namespaces. */
export function resources(group: string, version: string, plural: string): string {
    return `/apis/${group}/${version}/${plural}`;
}

/** Path of the part of a collection (of {@link resources} or {@link collections}) that is in a namespace. */
export function collectionIn(collection: string, namespace: string | undefined): string {
    const [path = ""] = collection.split("?");
    if (namespace === undefined) return path;
    const cut = path.lastIndexOf("/");
    return `${path.slice(0, cut)}/namespaces/${namespace}${path.slice(cut)}`;
}

/** Path of an object in a collection. */
export function objectPath(collection: string, { namespace, name }: { namespace?: string; name: string }): string {
    return `${collectionIn(collection, namespace)}/${name}`;
}

/** A core/v1 Event that says what a controller could not do. */
export function warning(
    involved: { readonly kind: string; readonly namespace: string; readonly name: string; readonly uid?: string },
    reason: string,
    message: string,
    source: string,
    now: number,
): Action {
    const time = new Date(now).toISOString().replace(/\.\d+Z$/, "Z");
    const { kind, namespace, name, uid } = involved;
    return {
        verb: "create",
        path: `/api/v1/namespaces/${namespace}/events`,
        body: {
            apiVersion: "v1",
            kind: "Event",
            // The name is made of what happened: the same event is told once (the second create conflicts and is ignored).
            metadata: { name: `${name}.${hash(`${kind}/${uid ?? name}/${reason}/${message}`)}`, namespace },
            involvedObject: { kind, namespace, name, ...(uid !== undefined && { uid }) },
            type: "Warning",
            reason,
            message,
            source: { component: source },
            firstTimestamp: time,
            lastTimestamp: time,
            count: 1,
        },
    };
}

/** FNV-1a, enough to name an event. */
function hash(text: string): string {
    let value = 0x811c9dc5;
    for (const character of text) {
        value = Math.imul(value ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
    }
    return value.toString(16).padStart(8, "0");
}
