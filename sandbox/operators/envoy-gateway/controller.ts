/** Envoy Gateway: a proxy (Deployment and load balancer) for each Gateway of its class, and the statuses of gateways and routes. */
import { createHash } from "node:crypto";
import {
    type Action,
    collections,
    type Controller,
    objectPath,
    resources,
    type View,
} from "../../controllers/controller";
import {
    type ConditionNow,
    type CustomResource,
    ensure,
    hold,
    isTrue,
    release,
    running,
    statusOf,
} from "../../controllers/custom-resources";
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
    type GatewayClass,
    gatewayClasses,
    gatewayList,
    grantsOf,
    httpRoutes,
    listenerStatus,
} from "../gateway-api/gateways";
import {
    type Deployment,
    isRolledOut,
    keyOf,
    type KubeObject,
    type Secret,
    type Service,
} from "../../controllers/objects";

const CONTROLLER = "gateway.envoyproxy.io/gatewayclass-controller";
const FINALIZER = "gateway-exists-finalizer.gateway.networking.k8s.io";

type EnvoyProxy = CustomResource<{
    readonly provider?: {
        readonly kubernetes?: {
            readonly envoyDeployment?: { readonly name?: string; readonly replicas?: number };
            readonly envoyService?: {
                readonly name?: string;
                readonly type?: string;
                readonly annotations?: Readonly<Record<string, string>>;
                readonly labels?: Readonly<Record<string, string>>;
                readonly loadBalancerIP?: string;
                readonly loadBalancerClass?: string;
                readonly externalTrafficPolicy?: string;
            };
        };
    };
}>;

const grants = grantsOf("v1beta1");
const proxies = resources("gateway.envoyproxy.io", "v1alpha1", "envoyproxies");

export const envoyGateway: Controller = {
    name: "envoy-gateway",
    lists: [
        collections.deployments,
        collections.services,
        collections.secrets,
        collections.namespaces,
        ...[gatewayClasses, gatewayList, httpRoutes, grants, proxies],
    ],
    reconcile(view) {
        const operator = running(view, ({ metadata }) => metadata.name === "envoy-gateway");
        if (operator === undefined) return [];
        const ours = view.list<GatewayClass>(gatewayClasses).filter(({ spec }) => spec.controllerName === CONTROLLER);
        const classNames = new Set(ours.filter((one) => isTrue(one, "Accepted")).map(({ metadata }) => metadata.name));
        const surroundings = aroundGateways(view, classNames, grants);
        const { gateways } = surroundings;
        const home = operator.metadata.namespace ?? "";
        return [
            ...ours.flatMap((one) => classActions(view, one)),
            ...gateways.flatMap((gateway) => gatewayActions(view, gateway, home, ours, surroundings)),
            ...orphans(view, gateways),
            ...view
                .list<HttpRoute>(httpRoutes)
                .flatMap((route) => routeActions(httpRoutes, route, CONTROLLER, surroundings, view.now)),
        ];
    },
};

function classActions(view: View, one: GatewayClass): Action[] {
    const used = view.list<Gateway>(gatewayList).some(({ spec }) => spec.gatewayClassName === one.metadata.name);
    return [
        // So that the class does not go while gateways of it are there.
        ...(used ? hold(gatewayClasses, one, FINALIZER) : release(gatewayClasses, one, FINALIZER)),
        ...statusOf(gatewayClasses, one, view.now, {}, [
            { type: "Accepted", status: "True", reason: "Accepted", message: "Valid GatewayClass" },
        ]),
    ];
}

/** Upstream's name of a proxy that has none in its EnvoyProxy: `envoy-<namespace>-<name>-<hash>`. */
export function proxyName(namespace: string, name: string): string {
    const hash = createHash("sha256").update(`${namespace}/${name}`).digest("hex").slice(0, 8);
    const text = `${namespace}-${name}`;
    return `envoy-${text.length > 48 ? text.slice(0, 48).replace(/-$/, "") : text}-${hash}`;
}

function ownerLabels(gateway: Gateway): Record<string, string> {
    return {
        "app.kubernetes.io/name": "envoy",
        "app.kubernetes.io/component": "proxy",
        "app.kubernetes.io/managed-by": "envoy-gateway",
        "gateway.envoyproxy.io/owning-gateway-name": gateway.metadata.name,
        "gateway.envoyproxy.io/owning-gateway-namespace": gateway.metadata.namespace ?? "",
    };
}

/** Ports below 1024 need rights that the proxy does not have. */
const containerPort = (port: number) => (port < 1024 ? port + 10_000 : port);

function gatewayActions(
    view: View,
    gateway: Gateway,
    home: string,
    ours: readonly GatewayClass[],
    surroundings: Surroundings,
): Action[] {
    const { namespace = "", name } = gateway.metadata;
    const { infrastructure, listeners, gatewayClassName } = gateway.spec;
    const ofClass = ours.find(({ metadata }) => metadata.name === gatewayClassName)?.spec.parametersRef;
    const reference = infrastructure?.parametersRef ?? ofClass;
    const proxy = view
        .list<EnvoyProxy>(proxies)
        .find((one) => keyOf(one) === `${reference?.namespace ?? namespace}/${reference?.name ?? ""}`);
    if (reference !== undefined && proxy === undefined) {
        const message = `Failed to find envoyproxy ${namespace}/${reference.name}`;
        return statusOf(gatewayList, gateway, view.now, {}, [
            { type: "Accepted", status: "False", reason: "InvalidParameters", message },
            { type: "Programmed", status: "False", reason: "Invalid", message },
        ]);
    }
    const { envoyDeployment = {}, envoyService = {} } = proxy?.spec.provider?.kubernetes ?? {};
    const labels = { ...ownerLabels(gateway), ...infrastructure?.labels };
    const annotations = { ...infrastructure?.annotations, ...envoyService.annotations };
    const ports = [...new Map(listeners.map((listener) => [listener.port, listener])).values()];
    const serviceName = envoyService.name ?? proxyName(namespace, name);
    const deploymentName = envoyDeployment.name ?? proxyName(namespace, name);
    const { loadBalancerIP, loadBalancerClass, externalTrafficPolicy = "Local" } = envoyService;
    const service: Service = {
        apiVersion: "v1",
        kind: "Service",
        metadata: {
            name: serviceName,
            namespace: home,
            labels: { ...labels, ...envoyService.labels },
            ...(Object.keys(annotations).length > 0 && { annotations }),
        },
        spec: {
            type: envoyService.type ?? "LoadBalancer",
            selector: ownerLabels(gateway),
            externalTrafficPolicy,
            ...(loadBalancerIP !== undefined && { loadBalancerIP }),
            ...(loadBalancerClass !== undefined && { loadBalancerClass }),
            ports: ports.map(({ port, protocol }) => ({
                name: `${protocol.toLowerCase()}-${port}`,
                port,
                protocol: protocol === "UDP" ? "UDP" : "TCP",
                targetPort: containerPort(port),
            })),
        },
    };
    const madeService = surroundings.services.find((one) => keyOf(one) === keyOf(service));
    const madeDeployment = view
        .list<Deployment>(collections.deployments)
        .find((one) => keyOf(one) === `${home}/${deploymentName}`);
    const addresses = (madeService?.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []);
    const up = madeDeployment !== undefined && isRolledOut(madeDeployment);
    return [
        ...ensure(collections.services, typed(madeService, "v1", "Service"), service),
        ...ensure(
            collections.deployments,
            typed(madeDeployment, "apps/v1", "Deployment"),
            proxyDeployment(deploymentName, home, labels, envoyDeployment.replicas ?? 1, ports),
        ),
        ...statusOf(
            gatewayList,
            gateway,
            view.now,
            {
                addresses: addresses.map((value) => ({ type: "IPAddress", value })),
                listeners: listeners.map((listener) =>
                    listenerStatus(
                        view,
                        gateway,
                        listener,
                        surroundings,
                        conditionsOf(view, gateway, listener, surroundings),
                    ),
                ),
            },
            [
                {
                    type: "Accepted",
                    status: "True",
                    reason: "Accepted",
                    message: "The Gateway has been scheduled by Envoy Gateway",
                },
                addresses.length === 0
                    ? {
                          type: "Programmed",
                          status: "False",
                          reason: "AddressNotAssigned",
                          message: "No addresses have been assigned to the Gateway",
                      }
                    : up
                      ? {
                            type: "Programmed",
                            status: "True",
                            reason: "Programmed",
                            message: "Address assigned to the Gateway, envoy replicas available",
                        }
                      : {
                            type: "Programmed",
                            status: "False",
                            reason: "NoResources",
                            message: "Envoy replicas unavailable",
                        },
            ],
        ),
    ];
}

function typed<T extends KubeObject>(object: T | undefined, apiVersion: string, kind: string): KubeObject | undefined {
    return object === undefined ? undefined : { ...object, apiVersion, kind };
}

function proxyDeployment(
    name: string,
    namespace: string,
    labels: Readonly<Record<string, string>>,
    replicas: number,
    ports: readonly Listener[],
): KubeObject & { spec: object } {
    return {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name, namespace, labels },
        spec: {
            replicas,
            selector: { matchLabels: labels },
            template: {
                metadata: { labels },
                spec: {
                    containers: [
                        {
                            name: "envoy",
                            image: "docker.io/envoyproxy/envoy:distroless",
                            ports: ports.map(({ port, protocol }) => ({
                                name: `${protocol.toLowerCase()}-${port}`,
                                containerPort: containerPort(port),
                            })),
                            securityContext: {
                                allowPrivilegeEscalation: false,
                                capabilities: { drop: ["ALL"] },
                                runAsNonRoot: true,
                                runAsUser: 65532,
                                seccompProfile: { type: "RuntimeDefault" },
                            },
                        },
                    ],
                },
            },
        },
    };
}

function conditionsOf(view: View, gateway: Gateway, listener: Listener, around: Surroundings): ConditionNow[] {
    const problem = certificateProblem(gateway, listener, view.list<Secret>(collections.secrets), around.grants);
    const ok = problem === undefined;
    return [
        {
            type: "Programmed",
            status: ok ? "True" : "False",
            reason: ok ? "Programmed" : "Invalid",
            message: ok ? "Sending translated listener configuration to the data plane" : problem.message,
        },
        {
            type: "Accepted",
            status: "True",
            reason: "Accepted",
            message: "Listener has been successfully translated",
        },
        {
            type: "ResolvedRefs",
            status: ok ? "True" : "False",
            reason: ok ? "ResolvedRefs" : problem.reason,
            message: ok ? "Listener references have been resolved" : problem.message,
        },
    ];
}

/** Proxies whose gateway is gone. */
function orphans(view: View, gateways: readonly Gateway[]): Action[] {
    const alive = new Set(gateways.map(keyOf));
    return [collections.services, collections.deployments].flatMap((list) =>
        view
            .list<KubeObject>(list)
            .filter(({ metadata: { labels = {}, deletionTimestamp } }) => {
                const owner = labels["gateway.envoyproxy.io/owning-gateway-name"];
                const namespace = labels["gateway.envoyproxy.io/owning-gateway-namespace"] ?? "";
                return owner !== undefined && deletionTimestamp === undefined && !alive.has(`${namespace}/${owner}`);
            })
            .map((object): Action => ({ verb: "delete", path: objectPath(list, object.metadata) })),
    );
}
