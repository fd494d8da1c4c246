/** Objects of the Gateway API, whoever implements it. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { Route } from "./edge";

/** Ports of every gateway inside the cluster. */
export const LISTENERS = { http: 80, https: 443 } as const;

/** Listeners of a gateway: HTTPS for every host of the domain with one certificate, HTTP for `httpsRedirect` alone. */
export const gatewayListeners = (domain: string, certificate: pulumi.Input<string>) => [
    {
        name: "http",
        protocol: "HTTP",
        port: LISTENERS.http,
        allowedRoutes: { namespaces: { from: "Same" } },
    },
    {
        name: "https",
        protocol: "HTTPS",
        port: LISTENERS.https,
        hostname: `*.${domain}`,
        allowedRoutes: { namespaces: { from: "All" } },
        tls: { mode: "Terminate", certificateRefs: [{ kind: "Secret", name: certificate }] },
    },
];

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
                parentRefs: [{ name: parent.gateway, namespace: parent.namespace, sectionName: "https" }],
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
