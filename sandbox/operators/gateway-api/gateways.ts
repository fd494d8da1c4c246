/** What controllers of the Gateway API look at alike, and how a listener's status is made up. */
import { collections, resources, type View } from "../../controllers/controller";
import { type ConditionNow, conditionsNow, type CustomResource, isLeaving } from "../../controllers/custom-resources";
import type { Condition, KubeObject, Service } from "../../controllers/objects";
import {
    attachedRoutes,
    type Gateway,
    type HttpRoute,
    type Listener,
    type ParametersReference,
    type ReferenceGrant,
    type Surroundings,
} from "./routes";

export const GATEWAY_API = "gateway.networking.k8s.io";
export const gatewayClasses = resources(GATEWAY_API, "v1", "gatewayclasses");
export const gatewayList = resources(GATEWAY_API, "v1", "gateways");
export const httpRoutes = resources(GATEWAY_API, "v1", "httproutes");
/** Each controller reads grants of one version. */
export const grantsOf = (version: "v1" | "v1beta1"): string => resources(GATEWAY_API, version, "referencegrants");

export type GatewayClass = CustomResource<{
    readonly controllerName: string;
    readonly parametersRef?: ParametersReference;
}>;

/** The gateways of some classes, by the classes' names, and what their routes are judged by. `grants`: a collection. */
export const aroundGateways = (view: View, classes: ReadonlySet<string>, grants: string): Surroundings => ({
    gateways: view
        .list<Gateway>(gatewayList)
        .filter((gateway) => classes.has(gateway.spec.gatewayClassName) && !isLeaving(gateway)),
    services: view.list<Service>(collections.services),
    namespaces: view.list<KubeObject>(collections.namespaces),
    grants: view.list<ReferenceGrant>(grants),
});

/** A listener's status with these conditions; a time in them moves only with its status. */
export function listenerStatus(
    view: View,
    gateway: Gateway,
    listener: Listener,
    { namespaces }: Pick<Surroundings, "namespaces">,
    conditions: readonly ConditionNow[],
): object {
    const seen = (gateway.status?.["listeners"] ?? []) as readonly { name: string; conditions?: Condition[] }[];
    return {
        name: listener.name,
        attachedRoutes: attachedRoutes(gateway, listener, view.list<HttpRoute>(httpRoutes), namespaces),
        supportedKinds: ["HTTPRoute", "GRPCRoute"].map((kind) => ({ group: GATEWAY_API, kind })),
        conditions: conditionsNow(
            seen.find(({ name }) => name === listener.name)?.conditions ?? [],
            conditions,
            gateway.metadata.generation,
            view.now,
        ),
    };
}
