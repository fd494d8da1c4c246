/** Istio's control plane: the class of its gateways, what becomes of a Gateway that is bound to a Service, routes, its root certificate. */
import { type Action, collectionIn, collections, type Controller, type View } from "../../controllers/controller";
import { type ConditionNow, isLeaving, running, statusOf } from "../../controllers/custom-resources";
import {
    certificateProblem,
    type Gateway,
    type HttpRoute,
    type Listener,
    routeActions,
    type Surroundings,
} from "../gateway-api/routes";
import {
    aroundGateways,
    GATEWAY_API,
    type GatewayClass,
    gatewayClasses,
    gatewayList,
    grantsOf,
    httpRoutes,
    listenerStatus,
} from "../gateway-api/gateways";
import {
    type ConfigMap,
    type Deployment,
    isRolledOut,
    type KubeObject,
    type Secret,
    selects,
    type Service,
} from "../../controllers/objects";

const CONTROLLER = "istio.io/gateway-controller";
const ROOT_CERTIFICATE = "istio-ca-root-cert";

const grants = grantsOf("v1beta1");

export const istio: Controller = {
    name: "istio",
    lists: [
        collections.deployments,
        collections.services,
        collections.secrets,
        collections.namespaces,
        collections.configMaps,
        ...[gatewayClasses, gatewayList, httpRoutes, grants],
    ],
    reconcile(view) {
        const istiod = running(view, isIstiod);
        if (istiod === undefined) return [];
        const ours = view
            .list<GatewayClass>(gatewayClasses)
            .filter((one) => one.spec.controllerName === CONTROLLER && !isLeaving(one));
        const names = new Set(ours.map(({ metadata }) => metadata.name));
        const around = aroundGateways(view, names, grants);
        return [
            ...ownClass(istiod, names),
            ...ours.flatMap((one) =>
                statusOf(gatewayClasses, one, view.now, {}, [
                    { type: "Accepted", status: "True", reason: "Accepted", message: "Handled by Istio controller" },
                ]),
            ),
            ...around.gateways.flatMap((gateway) => gatewayActions(view, gateway, istiod, around)),
            ...view
                .list<HttpRoute>(httpRoutes)
                .flatMap((route) => routeActions(httpRoutes, route, CONTROLLER, around, view.now)),
            ...rootCertificates(view, around.namespaces),
        ];
    },
};

const isIstiod = ({ metadata, spec }: Deployment) =>
    ({ ...spec.template.metadata?.labels, ...metadata.labels })["app"] === "istiod";

/** A class that nobody has made, istiod makes, unless it is told not to. */
function ownClass(istiod: Deployment, names: ReadonlySet<string>): Action[] {
    const told = istiod.spec.template.spec?.containers
        .flatMap(({ env = [] }) => env)
        .find(({ name }) => name === "PILOT_ENABLE_GATEWAY_API_GATEWAYCLASS_CONTROLLER")?.value;
    if (told === "false" || names.has("istio")) return [];
    const body = {
        apiVersion: `${GATEWAY_API}/v1`,
        kind: "GatewayClass",
        metadata: { name: "istio" },
        spec: { controllerName: CONTROLLER, description: "The default Istio GatewayClass" },
    };
    return [{ verb: "create", path: gatewayClasses, body }];
}

/** Its root certificate, in every namespace. */
function rootCertificates(view: View, namespaces: readonly KubeObject[]): Action[] {
    const there = new Set(
        view
            .list<ConfigMap>(collections.configMaps)
            .filter(({ metadata }) => metadata.name === ROOT_CERTIFICATE)
            .map(({ metadata }) => metadata.namespace),
    );
    return namespaces
        .filter((one) => !isLeaving(one) && !there.has(one.metadata.name))
        .map(({ metadata: { name: namespace } }): Action => ({
            verb: "create",
            path: collectionIn(collections.configMaps, namespace),
            body: {
                apiVersion: "v1",
                kind: "ConfigMap",
                metadata: { name: ROOT_CERTIFICATE, namespace, labels: { "istio.io/config": "true" } },
                data: { "root-cert.pem": "-----BEGIN CERTIFICATE-----\nsandbox\n-----END CERTIFICATE-----\n" },
            },
        }));
}

/** Conditions by pilot/pkg/config/kube/gateway/conversion.go and gatewaycommon/context.go of Istio 1.30. */
function gatewayActions(view: View, gateway: Gateway, istiod: Deployment, around: Surroundings): Action[] {
    const { listeners } = gateway.spec;
    const { external, warnings, unusable } = resolve(view, gateway, istiod, around.services);
    const programmed: ConditionNow =
        warnings.length === 0
            ? { type: "Programmed", status: "True", reason: "Programmed", message: "Resource programmed" }
            : {
                  type: "Programmed",
                  status: "False",
                  reason: unusable ? "AddressNotUsable" : "AddressNotAssigned",
                  message: `Failed to assign to any requested addresses: ${warnings.join("; ")}`,
              };
    return statusOf(
        gatewayList,
        gateway,
        view.now,
        {
            // Once told, an address stays.
            ...(external.length > 0 && { addresses: external.map((value) => ({ type: "IPAddress", value })) }),
            listeners: listeners.map((listener) =>
                listenerStatus(view, gateway, listener, around, conditionsOf(view, gateway, listener, around)),
            ),
        },
        [{ type: "Accepted", status: "True", reason: "Accepted", message: "Resource accepted" }, programmed],
    );
}

/** Host names of the Services that a Gateway is bound to. Without any it would get a Deployment and a Service, which are not played. */
function hostsOf({ metadata: { namespace = "", name }, spec }: Gateway): string[] {
    const named = (spec.addresses ?? []).flatMap(({ type = "IPAddress", value = "" }) =>
        type === "Hostname" ? [value] : [],
    );
    return named.length > 0
        ? named.map((host) => (host.includes(".") ? host : `${host}.${namespace}.svc.cluster.local`))
        : [`${name}-${spec.gatewayClassName}.${namespace}.svc.cluster.local`];
}

function resolve(view: View, gateway: Gateway, istiod: Deployment, services: readonly Service[]) {
    const { namespace = "" } = gateway.metadata;
    const [external, warnings] = [new Set<string>(), new Set<string>()];
    let unusable = false;
    const refuse = (warning: string) => {
        warnings.add(warning);
        unusable = true;
    };
    for (const host of hostsOf(gateway)) {
        const service = services.find(
            (one) => `${one.metadata.name}.${one.metadata.namespace ?? ""}.svc.cluster.local` === host,
        );
        if (service === undefined) {
            refuse(`hostname "${host}" not found`);
            continue;
        }
        if (service.metadata.namespace !== namespace) {
            const other = service.metadata.namespace ?? "";
            refuse(
                `hostname "${host}" not found in namespace "${namespace}", but it was found in namespace(s) "${other}"`,
            );
            continue;
        }
        const addresses = (service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []);
        for (const { port } of gateway.spec.listeners) {
            if (!hasProxy(view, service, istiod)) warnings.add(`no instances found for hostname "${host}"`);
            else if (!(service.spec.ports ?? []).some((one) => one.port === port)) {
                refuse(`port ${port} not found for hostname "${host}"`);
            } else if (service.spec.type === "LoadBalancer" && addresses.length === 0) {
                warnings.add(`address pending for hostname "${host}"`);
            } else for (const address of addresses) external.add(address);
        }
    }
    return { external: [...external].sort(), warnings: [...warnings].sort(), unusable };
}

/** A proxy that is there: istiod fills in its image as the pod is made, so one made before istiod never starts. */
function hasProxy(view: View, { metadata, spec }: Service, istiod: Deployment): boolean {
    return view
        .list<Deployment>(collections.deployments)
        .some(
            (one) =>
                one.metadata.namespace === metadata.namespace &&
                selects({ matchLabels: spec.selector ?? {} }, one.spec.template.metadata?.labels ?? {}) &&
                isRolledOut(one) &&
                (one.metadata.creationTimestamp ?? "") >= (istiod.metadata.creationTimestamp ?? ""),
        );
}

function conditionsOf(view: View, gateway: Gateway, listener: Listener, around: Surroundings): ConditionNow[] {
    const problem = certificateProblem(gateway, listener, view.list<Secret>(collections.secrets), around.grants);
    const fine = (type: string, reason: string): ConditionNow => ({
        type,
        status: type === "Conflicted" ? "False" : "True",
        reason,
        message: "No errors found",
    });
    return [
        fine("Accepted", "Accepted"),
        fine("Conflicted", "NoConflicts"),
        ...(problem === undefined
            ? [fine("Programmed", "Programmed"), fine("ResolvedRefs", "ResolvedRefs")]
            : [
                  { type: "Programmed", status: "False", reason: "Invalid", message: "Bad TLS configuration" },
                  { type: "ResolvedRefs", status: "False", ...problem },
              ]),
    ];
}
