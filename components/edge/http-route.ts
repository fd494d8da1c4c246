import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { Route } from "./edge";

/** The https listener that a route hangs on. */
export interface RouteParent {
    readonly gateway: string;
    readonly namespace: pulumi.Input<string>;
    /** The route is made after it. */
    readonly ready: pulumi.Resource;
}

/** A host's HTTPRoute of the Gateway API; whoever implements it. */
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
