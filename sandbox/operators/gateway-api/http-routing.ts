/** Where a request goes that comes in by a Gateway: the precedence of listeners, hosts and paths, as Cilium's operator puts it into Envoy's tables. */
import {
    attachment,
    certificateProblem,
    type Gateway,
    type HttpMatch,
    type HttpRoute,
    type HttpRule,
    isTaken,
    type Listener,
    type ReferenceGrant,
} from "./routes";
import type { KubeObject, Secret } from "../../controllers/objects";

export interface Request {
    readonly scheme: "http" | "https";
    readonly host: string;
    readonly path: string;
}

export type Answer =
    | { readonly kind: "backend"; readonly route: HttpRoute; readonly service: string; readonly namespace: string }
    | { readonly kind: "redirect"; readonly route: HttpRoute; readonly scheme: string }
    /** A host that is known, or everybody's, without a rule for the path; or no host at all. */
    | { readonly kind: "404" }
    /** Nothing listens, or TLS has no certificate for the name. */
    | { readonly kind: "reset"; readonly why: string };

export interface Routing {
    readonly routes: readonly HttpRoute[];
    readonly namespaces: readonly KubeObject[];
    readonly secrets: readonly Secret[];
    readonly grants: readonly ReferenceGrant[];
}

/** What a gateway answers. A route that no controller has taken is none. */
export function answerOf(gateway: Gateway, request: Request, around: Routing): Answer {
    const protocol = request.scheme === "http" ? "HTTP" : "HTTPS";
    const listeners = gateway.spec.listeners.filter((one) => one.protocol === protocol);
    if (listeners.length === 0) return { kind: "reset", why: `no listener for ${protocol}` };
    if (protocol === "HTTPS") {
        const named = mostSpecific(listeners, ({ hostname }) => hostname ?? "*", request.host);
        if (named === undefined) return { kind: "reset", why: `no listener for the name ${request.host}` };
        const problem = certificateProblem(gateway, named, around.secrets, around.grants);
        if (problem !== undefined) return { kind: "reset", why: problem.message };
    }
    const host = mostSpecific(hostsOf(gateway, listeners, around), (one) => one, request.host);
    if (host === undefined) return { kind: "404" };
    const [first] = rulesOf(gateway, listeners, host, around)
        .filter(({ match }) => matches(match, request.path))
        .sort(byPrecedence);
    return first === undefined ? { kind: "404" } : actionOf(first.route, first.rule);
}

interface Placed {
    readonly route: HttpRoute;
    readonly rule: HttpRule;
    readonly match: HttpMatch;
}

/** Attached routes with the listener of each. */
function attached(gateway: Gateway, listeners: readonly Listener[], { routes, namespaces }: Routing) {
    return [...routes].sort(byAge).flatMap((route) =>
        (route.spec.parentRefs ?? [])
            .filter((parent) => isTaken(route, parent))
            .flatMap((parent) => {
                const home = parent.namespace ?? route.metadata.namespace;
                if (parent.name !== gateway.metadata.name || home !== gateway.metadata.namespace) return [];
                const found = attachment(route, parent, gateway, namespaces);
                return typeof found === "string" ? [] : found;
            })
            .filter((listener) => listeners.includes(listener))
            .map((listener) => ({ route, listener })),
    );
}

/** Every host that some rule is for. */
function hostsOf(gateway: Gateway, listeners: readonly Listener[], around: Routing): string[] {
    const all = attached(gateway, listeners, around).flatMap(({ route, listener }) =>
        hostsAt(route.spec.hostnames ?? [], listener, listeners),
    );
    return [...new Set(all)];
}

function rulesOf(gateway: Gateway, listeners: readonly Listener[], host: string, around: Routing): Placed[] {
    return attached(gateway, listeners, around)
        .filter(({ route, listener }) => hostsAt(route.spec.hostnames ?? [], listener, listeners).includes(host))
        .flatMap(({ route }) =>
            (route.spec.rules ?? []).flatMap((rule) =>
                (rule.matches ?? [{}]).map((match): Placed => ({ route, rule, match })),
            ),
        );
}

/**
 * Hosts of a route at a listener. What another listener of the protocol says more exactly is that one's alone: on a listener
 * without a host, a route for a host that has a listener of its own is never asked.
 */
function hostsAt(routeHosts: readonly string[], { hostname }: Listener, listeners: readonly Listener[]): string[] {
    if (routeHosts.length === 0) return [hostname ?? "*"];
    const others = listeners.flatMap((one) =>
        one.hostname === undefined || one.hostname === hostname ? [] : [one.hostname],
    );
    const taken = (host: string) =>
        others.some((other) => other === host || (under(host, other) && other.length > (hostname ?? "").length));
    return routeHosts.flatMap((host) => {
        if (hostname === undefined) return taken(host) ? [] : [host];
        if (hostname === host) return [host];
        if (under(host, hostname)) return taken(host) ? [] : [host];
        return under(hostname, host) ? [hostname] : [];
    });
}

const under = (host: string, pattern: string): boolean =>
    pattern.startsWith("*") && host.endsWith(pattern.slice(1)) && host.length > pattern.length - 1;

/** The one whose host name says most of the name that is asked for: itself, the longest pattern, everything. */
function mostSpecific<T>(items: readonly T[], hostOf: (item: T) => string, asked: string): T | undefined {
    const exact = items.find((item) => hostOf(item) === asked);
    const [pattern] = items
        .filter((item) => under(asked, hostOf(item)))
        .sort((one, other) => hostOf(other).length - hostOf(one).length);
    return exact ?? pattern;
}

const typeOf = ({ path }: HttpMatch) => path?.type ?? "PathPrefix";
const valueOf = ({ path }: HttpMatch) => path?.value ?? "/";

function matches(match: HttpMatch, path: string): boolean {
    // Requests of this sandbox are plain GETs.
    if ((match.method ?? "GET") !== "GET" || (match.headers ?? []).length + (match.queryParams ?? []).length > 0)
        return false;
    const value = valueOf(match);
    switch (typeOf(match)) {
        case "Exact":
            return path === value;
        case "RegularExpression":
            return new RegExp(`^(?:${value})$`).test(path);
        default: {
            const prefix = value.replace(/\/$/, "");
            return path === prefix || path.startsWith(`${prefix}/`);
        }
    }
}

/** An exact path before an expression before a prefix, the longer before the shorter; what is left, oldest first. */
function byPrecedence(one: Placed, other: Placed): number {
    for (const type of ["Exact", "RegularExpression", "PathPrefix"]) {
        const length = ({ match }: Placed) => (typeOf(match) === type ? valueOf(match).length : 0);
        if (length(one) !== length(other)) return length(other) - length(one);
    }
    return Number(one.match.method === undefined) - Number(other.match.method === undefined);
}

const byAge = (one: HttpRoute, other: HttpRoute): number =>
    (one.metadata.creationTimestamp ?? "").localeCompare(other.metadata.creationTimestamp ?? "") ||
    one.metadata.name.localeCompare(other.metadata.name);

function actionOf(route: HttpRoute, { filters = [], backendRefs = [] }: HttpRule): Answer {
    const redirect = filters.find(({ type }) => type === "RequestRedirect")?.requestRedirect;
    if (redirect !== undefined) return { kind: "redirect", route, scheme: redirect.scheme ?? "http" };
    const [backend] = backendRefs;
    return backend === undefined
        ? { kind: "404" }
        : {
              kind: "backend",
              route,
              service: backend.name,
              namespace: backend.namespace ?? route.metadata.namespace ?? "",
          };
}
