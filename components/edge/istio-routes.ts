import type { Routes } from "./edge";
import { httpRoute } from "./gateway-api";
import { ISTIO_INGRESS, type IstioGateway } from "./istio-gateway";

/** Routes by Istio's gateway: an HTTPRoute a host. `address`: of the machine whose ports lead to the gateway. */
export function istioRoutes(gateway: IstioGateway, address: string): Routes {
    const parent = { gateway: ISTIO_INGRESS, namespace: gateway.namespace, ready: gateway.gateway };
    return {
        scheme: "https",
        port: gateway.ports.https,
        address: () => address,
        route: (name, route, opts) => httpRoute(name, route, parent, opts),
    };
}
