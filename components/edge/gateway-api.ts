/** Objects of the Gateway API, whoever implements it. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { Route } from "./edge";

/** Ports of every gateway inside the cluster. */
export const LISTENERS = { http: 80, https: 443 } as const;

/** Most listeners that a Gateway may have. https://gateway-api.sigs.k8s.io/reference/spec/#gatewayspec */
export const MOST_LISTENERS = 64;

/** HTTP for `httpsRedirect` and challenges alone: for every host, and for routes of the gateway's own namespace. */
const HTTP_LISTENER = {
    name: "http",
    protocol: "HTTP",
    port: LISTENERS.http,
    allowedRoutes: { namespaces: { from: "Same" } },
} as const;

const httpsListener = (name: string, hostname: string, certificate: pulumi.Input<string>) => ({
    name,
    protocol: "HTTPS",
    port: LISTENERS.https,
    hostname,
    allowedRoutes: { namespaces: { from: "All" } },
    tls: { mode: "Terminate", certificateRefs: [{ kind: "Secret", name: certificate }] },
});

/** Listeners of a gateway: HTTPS for every host of the domain with one certificate, HTTP for `httpsRedirect` alone. */
export const gatewayListeners = (domain: string, certificate: pulumi.Input<string>) => [
    HTTP_LISTENER,
    httpsListener("https", `*.${domain}`, certificate),
];

/** A host's own listener and the Secret with its certificate. `host`: fully qualified, of the domain. */
export function hostListener(host: string, domain: string): { readonly listener: string; readonly secret: string } {
    const label = host.slice(0, -`.${domain}`.length);
    return { listener: `https-${label}`, secret: `${label}-tls` };
}

/** Listeners of a gateway whose hosts each have a certificate of their own. Throws a `RunError` on more than there may be. */
export function hostListeners(hosts: readonly string[], domain: string) {
    if (hosts.length >= MOST_LISTENERS) {
        throw new pulumi.RunError(
            `${hosts.length} hosts with a certificate each: a Gateway has ${MOST_LISTENERS} listeners at most, one of them for HTTP. ` +
                "Take a certificate for the whole domain (DNS-01), or hosts out",
        );
    }
    return [
        HTTP_LISTENER,
        ...[...hosts].sort().map((host) => {
            const { listener, secret } = hostListener(host, domain);
            return httpsListener(listener, host, secret);
        }),
    ];
}

/** Sends plain HTTP to HTTPS. `port`: the one that the browser sees, where it is not the listener's. */
export function httpsRedirect(
    name: string,
    { gateway, namespace, port }: Pick<RouteParent, "gateway" | "namespace"> & { readonly port?: number },
    opts: pulumi.CustomResourceOptions,
): k8s.apiextensions.CustomResource {
    const requestRedirect = { scheme: "https", ...(port === undefined ? {} : { port }), statusCode: 301 };
    return new k8s.apiextensions.CustomResource(
        name,
        {
            apiVersion: "gateway.networking.k8s.io/v1",
            kind: "HTTPRoute",
            metadata: { name: `${gateway}-redirect`, namespace },
            spec: {
                parentRefs: [{ name: gateway, namespace, sectionName: "http" }],
                rules: [{ filters: [{ type: "RequestRedirect", requestRedirect }] }],
            },
        },
        opts,
    );
}

/** The https listener that a route hangs on. */
export interface RouteParent {
    readonly gateway: string;
    readonly namespace: pulumi.Input<string>;
    /** Name of the listener; default: the one for the whole domain. */
    readonly listener?: string;
    /** The route is made after it. */
    readonly ready: pulumi.Resource;
}

/** A host's HTTPRoute. */
export function httpRoute(
    name: string,
    { host, backend, annotations }: Route,
    parent: RouteParent,
    opts: pulumi.CustomResourceOptions,
): k8s.apiextensions.CustomResource {
    return new k8s.apiextensions.CustomResource(
        name,
        {
            apiVersion: "gateway.networking.k8s.io/v1",
            kind: "HTTPRoute",
            metadata: {
                name: backend.workload,
                namespace: backend.namespace,
                labels: { "app.kubernetes.io/name": backend.workload },
                ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
            },
            spec: {
                // Without a port, also where people come in by another than 443: gateways compare names alone.
                hostnames: [host],
                parentRefs: [
                    { name: parent.gateway, namespace: parent.namespace, sectionName: parent.listener ?? "https" },
                ],
                rules: [
                    {
                        matches: [{ path: { type: "PathPrefix", value: "/" } }],
                        backendRefs: [{ name: backend.service, port: backend.port }],
                    },
                ],
            },
        },
        pulumi.mergeOptions(opts, { dependsOn: parent.ready }),
    );
}
