import type { Routes } from "./edge";
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
            return httpRoute(name, route, parent, opts);
        },
    };
}
