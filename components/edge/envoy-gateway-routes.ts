import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { Route, Routes } from "./edge";
import { GATEWAYS, type EnvoyGateway, type GatewayName } from "./envoy-gateway";
import { httpRoute, LISTENERS } from "./gateway-api";

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
        route: (name, route, opts) => {
            const which: GatewayName = route.access === "external" ? "external" : "internal";
            const parent = { gateway: GATEWAYS[which], namespace: gateway.namespace, ready: gateway.gateways[which] };
            const made = httpRoute(name, route, parent, opts);
            if (route.upgrade !== undefined) {
                passOn(`${name}-upgrade`, route.upgrade, route, pulumi.mergeOptions(opts, { dependsOn: made }));
            }
            return made;
        },
    };
}

/** Envoy refuses what it is not told of. https://gateway.envoyproxy.io/docs/api/extension_types/#protocolupgradeconfig */
function passOn(name: string, upgrade: string, { backend }: Route, opts: pulumi.CustomResourceOptions): void {
    new k8s.apiextensions.CustomResource(
        name,
        {
            apiVersion: "gateway.envoyproxy.io/v1alpha1",
            kind: "BackendTrafficPolicy",
            metadata: {
                name: backend.workload,
                namespace: backend.namespace,
                labels: { "app.kubernetes.io/name": backend.workload },
            },
            spec: {
                targetRefs: [{ group: "gateway.networking.k8s.io", kind: "HTTPRoute", name: backend.workload }],
                // Else it takes the place of the Gateway's policy, and Envoy ends answers early again.
                mergeType: "StrategicMerge",
                // A list takes the place of what is passed on without one, which is WebSocket.
                httpUpgrade: [{ type: "websocket" }, { type: upgrade }],
            },
        },
        opts,
    );
}
