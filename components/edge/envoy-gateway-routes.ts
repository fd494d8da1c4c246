import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { Routes } from "./edge";
import { GATEWAYS, LISTENERS, type EnvoyGateway, type GatewayName } from "./envoy-gateway";

export interface EnvoyGatewayRoutesArgs {
    gateway: EnvoyGateway;
    internalAddress: string;
    externalAddress: string;
}

/** Routes by Envoy Gateway: an HTTPRoute a host, by the internal gateway unless the workload asks for the internet. */
export function envoyGatewayRoutes({ gateway, internalAddress, externalAddress }: EnvoyGatewayRoutesArgs): Routes {
    return {
        scheme: "https",
        port: LISTENERS.https,
        address: (access) => (access === "external" ? externalAddress : internalAddress),
        route: (name, { host, access, backend, annotations }, opts) => {
            const which: GatewayName = access === "external" ? "external" : "internal";
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
                        hostnames: [host],
                        parentRefs: [{ name: GATEWAYS[which], namespace: gateway.namespace, sectionName: "https" }],
                        rules: [
                            {
                                matches: [{ path: { type: "PathPrefix", value: "/" } }],
                                backendRefs: [{ name: backend.service, port: backend.port }],
                            },
                        ],
                    },
                },
                pulumi.mergeOptions(opts, { dependsOn: gateway.gateways[which] }),
            );
        },
    };
}
