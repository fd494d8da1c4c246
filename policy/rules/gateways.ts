/** Gateways: what their listeners, routes and challenges owe each other. */
import { chartName, isKind, namespaceOf, objectName, settings } from "./kubernetes";
import {
    dig,
    fields,
    items,
    text,
    UNKNOWN,
    type Context,
    type Finding,
    type Json,
    type Rule,
    type Subject,
} from "./rule";

const GATEWAY_API = "gateway.networking.k8s.io";
const CERT_MANAGER = "cert-manager.io";

const isGateway = (one: Subject) => isKind(one, GATEWAY_API, "Gateway");

/** The Gateway of the stack that a parent reference of an object in `namespace` means; undefined: it is none of this program's. */
function gatewayOf(parent: Json, namespace: string | undefined, { resources }: Context): Subject | undefined {
    const { kind, name, namespace: elsewhere } = fields(parent);
    if ((text(kind) ?? "Gateway") !== "Gateway") return undefined;
    return resources.find(
        (one) => isGateway(one) && objectName(one) === name && namespaceOf(one) === (text(elsewhere) ?? namespace),
    );
}

/** Undefined where they are not known yet. */
function listenersOf(gateway: Subject) {
    const listeners = dig(gateway.inputs, "spec", "listeners");
    return listeners === UNKNOWN ? undefined : items(listeners);
}

/** Whether two host names, either of which may begin with `*.`, have one in common. */
function hostsMeet(one: string, other: string): boolean {
    const under = (name: string, pattern: string) => pattern.startsWith("*.") && name.endsWith(pattern.slice(1));
    return one === other || under(one, other) || under(other, one);
}

const gatewayAlpn: Rule = {
    id: "gateway-alpn",
    title: "Cilium's Gateways speak HTTP/2",
    description:
        "Where a Gateway is served by Cilium, its chart has ALPN and appProtocol on: without them a browser's HTTP/2 ends in a connection reset, and gRPC never reaches its backend.",
    sources: ["K-EDGE-03", "K-EDGE-07", "K-EDGE-09", "K-EDGE-10", "K-EDGE-11", "K-EDGE-12"],
    fix: "Set gatewayAPI.enableAlpn and gatewayAPI.enableAppProtocol, or take Cilium's profile `tunnel`, which has them.",
    scope: "stack",
    check: (resource, { resources }) => {
        if (chartName(resource) !== "cilium") return [];
        const served = resources.some(
            (one) => isGateway(one) && dig(one.inputs, "spec", "gatewayClassName") === "cilium",
        );
        if (!served) return [];
        return ["enabled", "enableAlpn", "enableAppProtocol"].flatMap((key): Finding[] => {
            const value = dig(settings(resource), "gatewayAPI", key);
            return value === true || value === UNKNOWN
                ? []
                : [{ part: `gatewayAPI.${key}`, message: `gatewayAPI.${key} is ${String(value ?? "not set")}` }];
        });
    },
};

const routeListener: Rule = {
    id: "route-listener",
    title: "A route hangs on a listener that is there",
    description:
        "A route that names a listener its Gateway does not have, or one for other hosts, is taken by nobody: the host answers with a reset or 404.",
    sources: ["K-EDGE-06"],
    fix: "Expose the app by `expose`, and tell the Gateway its host: the listener follows from it.",
    scope: "stack",
    check: (resource, context) => {
        if (!isKind(resource, GATEWAY_API, "HTTPRoute")) return [];
        const hostnames = dig(resource.inputs, "spec", "hostnames");
        const hosts = Array.isArray(hostnames) ? hostnames.map(String) : [];
        return items(dig(resource.inputs, "spec", "parentRefs")).flatMap((parent): Finding[] => {
            const gateway = gatewayOf(parent, namespaceOf(resource), context);
            const section = text(parent["sectionName"]);
            const listeners = gateway && listenersOf(gateway);
            if (gateway === undefined || listeners === undefined || section === undefined || section === UNKNOWN)
                return [];
            const listener = listeners.find(({ name }) => name === section);
            const where = `${namespaceOf(gateway) ?? ""}/${objectName(gateway)}`;
            if (listener === undefined) {
                return [{ part: section, message: `the Gateway ${where} has no listener ${section}` }];
            }
            const own = text(listener["hostname"]);
            return own === undefined ||
                own === UNKNOWN ||
                hosts.length === 0 ||
                hosts.some((host) => hostsMeet(host, own))
                ? []
                : [
                      {
                          part: section,
                          message: `the listener ${section} of ${where} is for ${own}, the route for ${hosts.join(", ")}`,
                      },
                  ];
        });
    },
};

const httpChallenge: Rule = {
    id: "http-challenge",
    title: "A challenge over HTTP can be answered",
    description:
        "By HTTP-01 there is no wildcard, and the challenge's route hangs beside the certificate on a listener for plain HTTP and for every host: on one of the host's own a redirect would swallow it, and an HTTPS listener has no certificate yet.",
    sources: ["K-SEC-01", "K-SEC-02"],
    fix: "A certificate a host in the Gateway's namespace, the issuer's parentRefs with the sectionName of that listener; or prove the names by DNS-01.",
    scope: "stack",
    check: (resource, context) => {
        if (isKind(resource, CERT_MANAGER, "ClusterIssuer") || isKind(resource, CERT_MANAGER, "Issuer")) {
            return challengeParents(resource).flatMap((parent) => parentFaults(parent, resource, context));
        }
        return isKind(resource, CERT_MANAGER, "Certificate") ? certificateFaults(resource, context) : [];
    },
};

const solversOf = (issuer: Subject) => items(dig(issuer.inputs, "spec", "acme", "solvers"));

const challengeParents = (issuer: Subject) =>
    solversOf(issuer).flatMap((solver) => items(dig(solver, "http01", "gatewayHTTPRoute", "parentRefs")));

function parentFaults(parent: { readonly [key: string]: Json }, issuer: Subject, context: Context): Finding[] {
    const gateway = gatewayOf(parent, namespaceOf(issuer), context);
    const listeners = gateway && listenersOf(gateway);
    if (listeners === undefined) return [];
    const section = text(parent["sectionName"]);
    if (section === undefined) return [{ part: "sectionName", message: "it names no listener, and would hang on all" }];
    const listener = listeners.find(({ name }) => name === section);
    if (listener === undefined) return [{ part: "sectionName", message: `the Gateway has no listener ${section}` }];
    return [
        ...(listener["protocol"] === "HTTP"
            ? []
            : [{ part: "sectionName", message: `the listener ${section} is not for plain HTTP` }]),
        ...(listener["hostname"] === undefined
            ? []
            : [
                  {
                      part: "sectionName",
                      message: `the listener ${section} is for ${String(listener["hostname"])} only`,
                  },
              ]),
    ];
}

function certificateFaults(certificate: Subject, context: Context): Finding[] {
    const { kind, name } = fields(dig(certificate.inputs, "spec", "issuerRef"));
    const issuer = context.resources.find(
        (one) => isKind(one, CERT_MANAGER, text(kind) ?? "Issuer") && objectName(one) === name,
    );
    const overHttp =
        issuer !== undefined &&
        solversOf(issuer).length > 0 &&
        solversOf(issuer).every((one) => one["http01"] !== undefined);
    if (!overHttp) return [];
    const names = dig(certificate.inputs, "spec", "dnsNames");
    const home = namespaceOf(certificate);
    const elsewhere = challengeParents(issuer)
        .map((parent) => gatewayOf(parent, home, context))
        .find(
            (gateway) =>
                gateway !== undefined && home !== undefined && home !== UNKNOWN && namespaceOf(gateway) !== home,
        );
    return [
        ...(Array.isArray(names) ? names.map(String) : [])
            .filter((one) => one.startsWith("*."))
            .map((one) => ({ part: one, message: `${one} is a wildcard, which HTTP-01 does not give` })),
        ...(elsewhere === undefined
            ? []
            : [
                  {
                      part: "namespace",
                      message: `it is in ${home ?? ""}, and the Gateway that answers its challenge in ${namespaceOf(elsewhere) ?? ""}`,
                  },
              ]),
    ];
}

export const gatewayRules: readonly Rule[] = [gatewayAlpn, routeListener, httpChallenge];
