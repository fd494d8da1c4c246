/** What the Gateway API says of routes and listeners: who may attach where, and what is wrong with a backend. */
import { type Action, objectPath } from "../../controllers/controller";
import { type ConditionNow, conditionsNow, type CustomResource, shows } from "../../controllers/custom-resources";
import {
    type Condition,
    keyOf,
    type KubeObject,
    type LabelSelector,
    type Secret,
    selects,
    type Service,
} from "../../controllers/objects";

export interface Listener {
    readonly name: string;
    readonly port: number;
    readonly protocol: string;
    readonly hostname?: string;
    readonly tls?: {
        readonly certificateRefs?: readonly { readonly name: string; readonly namespace?: string }[];
    };
    readonly allowedRoutes?: {
        readonly namespaces?: { readonly from?: string; readonly selector?: LabelSelector };
    };
}

export interface ParametersReference {
    readonly kind: string;
    readonly name: string;
    readonly namespace?: string;
}

export type Gateway = CustomResource<{
    readonly gatewayClassName: string;
    readonly addresses?: readonly { readonly type?: string; readonly value?: string }[];
    readonly listeners: readonly Listener[];
    readonly infrastructure?: {
        readonly annotations?: Readonly<Record<string, string>>;
        readonly labels?: Readonly<Record<string, string>>;
        readonly parametersRef?: ParametersReference;
    };
}>;

export interface ParentReference {
    readonly group?: string;
    readonly kind?: string;
    readonly name: string;
    readonly namespace?: string;
    readonly sectionName?: string;
    readonly port?: number;
}

interface BackendReference {
    readonly group?: string;
    readonly kind?: string;
    readonly name: string;
    readonly namespace?: string;
    readonly port?: number;
}

export interface HttpMatch {
    readonly path?: { readonly type?: string; readonly value?: string };
    readonly method?: string;
    readonly headers?: readonly object[];
    readonly queryParams?: readonly object[];
}

export interface HttpRule {
    readonly matches?: readonly HttpMatch[];
    readonly filters?: readonly {
        readonly type: string;
        readonly requestRedirect?: { readonly scheme?: string; readonly port?: number };
    }[];
    readonly backendRefs?: readonly BackendReference[];
}

export type HttpRoute = CustomResource<{
    readonly hostnames?: readonly string[];
    readonly parentRefs?: readonly ParentReference[];
    readonly rules?: readonly HttpRule[];
}>;

export type ReferenceGrant = CustomResource<{
    readonly from: readonly { readonly kind: string; readonly namespace: string }[];
    readonly to: readonly { readonly kind: string; readonly name?: string }[];
}>;

/** What routes are judged by. */
export interface Surroundings {
    readonly gateways: readonly Gateway[];
    readonly services: readonly Service[];
    readonly namespaces: readonly KubeObject[];
    readonly grants: readonly ReferenceGrant[];
}

/** The gateway that a parent reference of an object in `namespace` means. */
export function gatewayOf(
    parent: ParentReference,
    namespace: string,
    gateways: readonly Gateway[],
): Gateway | undefined {
    return (parent.kind ?? "Gateway") === "Gateway"
        ? gateways.find((gateway) => keyOf(gateway) === `${parent.namespace ?? namespace}/${parent.name}`)
        : undefined;
}

/** Listeners that a route attaches to by a parent reference, or the reason why there is none. */
export function attachment(
    route: HttpRoute,
    parent: ParentReference,
    gateway: Gateway,
    namespaces: readonly KubeObject[],
): readonly Listener[] | "NoMatchingParent" | "NotAllowedByListeners" | "NoMatchingListenerHostname" {
    const named = gateway.spec.listeners.filter(
        (listener) =>
            (parent.sectionName === undefined || listener.name === parent.sectionName) &&
            (parent.port === undefined || listener.port === parent.port),
    );
    if (named.length === 0) return "NoMatchingParent";
    const open = named.filter((listener) => allows(listener, gateway, route, namespaces));
    if (open.length === 0) return "NotAllowedByListeners";
    const hosts = route.spec.hostnames ?? [];
    const matching = open.filter(
        ({ hostname }) =>
            hosts.length === 0 || hostname === undefined || hosts.some((host) => hostsMeet(host, hostname)),
    );
    return matching.length === 0 ? "NoMatchingListenerHostname" : matching;
}

function allows(
    { allowedRoutes }: Listener,
    gateway: Gateway,
    route: HttpRoute,
    namespaces: readonly KubeObject[],
): boolean {
    const { from = "Same", selector } = allowedRoutes?.namespaces ?? {};
    const home = route.metadata.namespace;
    if (from === "All") return true;
    if (from === "Same") return home === gateway.metadata.namespace;
    const labels = namespaces.find(({ metadata }) => metadata.name === home)?.metadata.labels ?? {};
    return from === "Selector" && selects(selector, labels);
}

/** Whether two host names, either of which may begin with `*.`, have one in common. */
export function hostsMeet(one: string, other: string): boolean {
    const under = (name: string, pattern: string) => pattern.startsWith("*.") && name.endsWith(pattern.slice(1));
    return one === other || under(one, other) || under(other, one);
}

/** Whether an object may point into another namespace. */
export function granted(
    grants: readonly ReferenceGrant[],
    from: { readonly kind: string; readonly namespace: string },
    to: { readonly kind: string; readonly namespace: string; readonly name: string },
): boolean {
    return (
        from.namespace === to.namespace ||
        grants.some(
            ({ metadata, spec }) =>
                metadata.namespace === to.namespace &&
                spec.from.some((one) => one.kind === from.kind && one.namespace === from.namespace) &&
                spec.to.some((one) => one.kind === to.kind && (one.name === undefined || one.name === to.name)),
        )
    );
}

/** ResolvedRefs of a route: every Service and port it names is there. */
function resolvedRefs(route: HttpRoute, { services, grants }: Surroundings): ConditionNow {
    const { namespace = "" } = route.metadata;
    const refused = (reason: string, message: string): ConditionNow => ({
        type: "ResolvedRefs",
        status: "False",
        reason,
        message,
    });
    for (const { kind = "Service", name, namespace: elsewhere, port } of (route.spec.rules ?? []).flatMap(
        ({ backendRefs = [] }) => backendRefs,
    )) {
        if (kind !== "Service") continue;
        const home = elsewhere ?? namespace;
        if (!granted(grants, { kind: "HTTPRoute", namespace }, { kind, namespace: home, name })) {
            return refused(
                "RefNotPermitted",
                `Backend ref to Service ${home}/${name} not permitted by any ReferenceGrant.`,
            );
        }
        const service = services.find((one) => keyOf(one) === `${home}/${name}`);
        if (service === undefined) return refused("BackendNotFound", `Service ${home}/${name} not found.`);
        if (!(service.spec.ports ?? []).some((one) => one.port === port)) {
            return refused("PortNotFound", `TCP Port ${port ?? "?"} not found on Service ${home}/${name}.`);
        }
    }
    return {
        type: "ResolvedRefs",
        status: "True",
        reason: "ResolvedRefs",
        message: "Resolved all the Object references for the Route",
    };
}

/** Accepted of a route at one parent. */
export function accepted(attached: ReturnType<typeof attachment>): ConditionNow {
    const problems = {
        NoMatchingParent: "No listeners match this parent ref",
        NotAllowedByListeners: "No listeners included by this parent ref allowed this attachment.",
        NoMatchingListenerHostname:
            "There were no hostname intersections between the HTTPRoute and this parent ref's Listener(s).",
    } as const;
    return typeof attached === "string"
        ? { type: "Accepted", status: "False", reason: attached, message: problems[attached] }
        : { type: "Accepted", status: "True", reason: "Accepted", message: "Route is accepted" };
}

/** What is wrong with a listener's certificate: not there, or in a namespace that does not share it. */
export function certificateProblem(
    gateway: Gateway,
    { tls }: Listener,
    secrets: readonly Secret[],
    grants: readonly ReferenceGrant[],
): { readonly reason: string; readonly message: string } | undefined {
    const { namespace = "" } = gateway.metadata;
    const there = new Set(secrets.map(keyOf));
    for (const { name, namespace: home = namespace } of tls?.certificateRefs ?? []) {
        if (!granted(grants, { kind: "Gateway", namespace }, { kind: "Secret", namespace: home, name })) {
            return {
                reason: "RefNotPermitted",
                message: `Certificate ref to secret ${home}/${name} not permitted by any ReferenceGrant.`,
            };
        }
        if (!there.has(`${home}/${name}`)) {
            return { reason: "InvalidCertificateRef", message: `Secret ${home}/${name} does not exist.` };
        }
    }
    return undefined;
}

/** How many routes a listener has. */
export function attachedRoutes(
    gateway: Gateway,
    listener: Listener,
    routes: readonly HttpRoute[],
    namespaces: readonly KubeObject[],
): number {
    return routes.filter((route) =>
        (route.spec.parentRefs ?? []).some((parent) => {
            if (gatewayOf(parent, route.metadata.namespace ?? "", [gateway]) === undefined) return false;
            const attached = attachment(route, parent, gateway, namespaces);
            return typeof attached !== "string" && attached.includes(listener);
        }),
    ).length;
}

interface ParentStatus {
    readonly parentRef: ParentReference;
    readonly controllerName: string;
    readonly conditions: readonly Condition[];
}

/** Whether any controller has taken a route at this parent of it. */
export const isTaken = (route: HttpRoute, parent: ParentReference): boolean =>
    ((route.status?.["parents"] ?? []) as readonly ParentStatus[]).some(
        ({ parentRef, conditions }) =>
            shows(parentRef, parent) && conditions.some(({ type, status }) => type === "Accepted" && status === "True"),
    );

/** What a controller says of a route at each of its gateways; what others say stays. `accept`: in its own words. */
export function routeActions(
    collection: string,
    route: HttpRoute,
    controllerName: string,
    around: Surroundings,
    now: number,
    accept: (attached: ReturnType<typeof attachment>, parent: ParentReference) => ConditionNow = accepted,
): Action[] {
    const { namespace = "", generation } = route.metadata;
    const present = (route.status?.["parents"] ?? []) as readonly ParentStatus[];
    const own = (route.spec.parentRefs ?? []).flatMap((parentRef): ParentStatus[] => {
        const gateway = gatewayOf(parentRef, namespace, around.gateways);
        if (gateway === undefined) return [];
        const before = present.find((one) => one.controllerName === controllerName && shows(one.parentRef, parentRef));
        const conditions = conditionsNow(
            before?.conditions ?? [],
            [accept(attachment(route, parentRef, gateway, around.namespaces), parentRef), resolvedRefs(route, around)],
            generation,
            now,
        );
        return [{ parentRef, controllerName, conditions }];
    });
    const parents = [...present.filter((one) => one.controllerName !== controllerName), ...own];
    return shows(route.status?.["parents"] ?? [], parents)
        ? []
        : [{ verb: "patch", path: `${objectPath(collection, route.metadata)}/status`, body: { status: { parents } } }];
}
