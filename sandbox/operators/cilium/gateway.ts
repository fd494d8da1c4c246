/**
 * Gateways that Cilium serves: the class, a Service for each Gateway, what its operator says of Gateways, listeners and routes.
 * By operator/pkg/gateway-api of Cilium 1.20. Envoy's own configuration is not made; `answerOf` says what it would do.
 */
import { type Action, collections, type Controller, type View } from "../../controllers/controller";
import { type ConditionNow, ensure, isLeaving, ownedBy, running, statusOf } from "../../controllers/custom-resources";
import {
    type attachment,
    certificateProblem,
    type Gateway,
    type HttpRoute,
    type Listener,
    type ParentReference,
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
import { type ConfigMap, keyOf, type Secret, type Service } from "../../controllers/objects";
import { parseAddress } from "../../cluster/ranges";

const CONTROLLER = "io.cilium/gateway-controller";
const OPERATOR = "kube-system/cilium-operator";
const CONFIGURATION = "kube-system/cilium-config";

const grants = grantsOf("v1");

/** Kinds of `gateway.networking.k8s.io/v1` without one of which it serves none. */
const REQUIRED = [
    "gatewayclasses",
    "gateways",
    "httproutes",
    "grpcroutes",
    "tlsroutes",
    "referencegrants",
    "backendtlspolicies",
];

/** The operator looks for its kinds once, at its start: what comes later it does not see before it is started anew. */
export function ciliumGateway(): Controller {
    let looked: { readonly start: string; readonly complete: boolean } | undefined;
    return {
        name: "cilium-gateway",
        lists: [
            collections.deployments,
            collections.services,
            collections.secrets,
            collections.namespaces,
            collections.configMaps,
            ...[gatewayClasses, gatewayList, httpRoutes, grants],
        ],
        async reconcile(view) {
            const operator = running(view, (one) => keyOf(one) === OPERATOR);
            if (operator === undefined || !isSwitchedOn(view)) return [];
            const start = `${operator.metadata.uid ?? ""}/${operator.metadata.generation ?? 0}`;
            if (looked?.start !== start) looked = { start, complete: await hasKinds(view) };
            return looked.complete ? actions(view) : [];
        },
    };
}

function isSwitchedOn(view: View): boolean {
    const { data = {} } =
        view.list<ConfigMap>(collections.configMaps).find((one) => keyOf(one) === CONFIGURATION) ?? {};
    return data["enable-gateway-api"] === "true" && data["kube-proxy-replacement"] === "true";
}

async function hasKinds(view: View): Promise<boolean> {
    const list = await view.get<{ resources?: readonly { name: string }[] }>(`/apis/${GATEWAY_API}/v1`);
    const served = new Set((list?.resources ?? []).map(({ name }) => name));
    return REQUIRED.every((kind) => served.has(kind));
}

function actions(view: View): Action[] {
    const ours = view
        .list<GatewayClass>(gatewayClasses)
        .filter((one) => one.spec.controllerName === CONTROLLER && !isLeaving(one));
    const names = new Set(ours.map(({ metadata }) => metadata.name));
    const around = aroundGateways(view, names, grants);
    return [
        ...ours.flatMap((one) =>
            statusOf(gatewayClasses, one, view.now, {}, [
                { type: "Accepted", status: "True", reason: "Accepted", message: "Valid GatewayClass" },
            ]),
        ),
        ...around.gateways.flatMap((gateway) => gatewayActions(view, gateway, around)),
        ...view
            .list<HttpRoute>(httpRoutes)
            .flatMap((route) => routeActions(httpRoutes, route, CONTROLLER, around, view.now, acceptance)),
    ];
}

/** Its own words for why a route is not taken. */
function acceptance(attached: ReturnType<typeof attachment>, { sectionName, port }: ParentReference): ConditionNow {
    if (typeof attached !== "string") {
        return { type: "Accepted", status: "True", reason: "Accepted", message: "Accepted HTTPRoute" };
    }
    const messages = {
        NoMatchingParent:
            sectionName === undefined
                ? `No matching listener with port ${port ?? "?"}`
                : `No matching listener with sectionName ${sectionName}`,
        NotAllowedByListeners: "HTTPRoute is not allowed to attach to this Gateway due to namespace restrictions",
        NoMatchingListenerHostname: "No matching listener hostname",
    } as const;
    return { type: "Accepted", status: "False", reason: attached, message: messages[attached] };
}

function gatewayActions(view: View, gateway: Gateway, around: Surroundings): Action[] {
    const { listeners, infrastructure, addresses = [] } = gateway.spec;
    const refused = (reason: string, message: string, programmed: ConditionNow) =>
        statusOf(gatewayList, gateway, view.now, {}, [
            { type: "Accepted", status: "False", reason, message },
            programmed,
        ]);
    const notProgrammed = (reason: string, message: string, status = "False"): ConditionNow => ({
        type: "Programmed",
        status,
        reason,
        message,
    });
    if (infrastructure?.parametersRef !== undefined) {
        return refused(
            "InvalidParameters",
            "Invalid Gateway parameters: spec.infrastructure.parametersRef is not supported",
            notProgrammed("Pending", "Waiting for Accepted condition to be True", "Unknown"),
        );
    }
    const judged = listeners.map((listener) => ({ listener, faults: listenerFaults(view, gateway, listener, around) }));
    if (judged.every(({ faults }) => faults.length > 0)) {
        return [
            ...statusOf(gatewayList, gateway, view.now, {
                listeners: judged.map(({ listener, faults }) =>
                    listenerStatus(view, gateway, listener, around, conditionsOf(faults, false)),
                ),
            }),
            ...refused(
                "ListenersNotValid",
                "No Accepted Listeners",
                notProgrammed("ListenersNotValid", "No Accepted Listeners"),
            ),
        ];
    }
    const wrong = addresses.find(
        ({ type = "IPAddress", value = "" }) => type !== "IPAddress" || parseAddress(value) === undefined,
    );
    if (wrong !== undefined) {
        return refused(
            "UnsupportedAddress",
            `Unsupported Gateway address, ${(wrong.type ?? "IPAddress") === "IPAddress" ? "invalid ip address" : "address type is not supported"}`,
            notProgrammed("ListenersNotReady", "Address is not ready"),
        );
    }
    const service = serviceOf(gateway);
    const made = around.services.find((one) => keyOf(one) === keyOf(service));
    const assigned = (made?.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []);
    const foreign = addresses.find(({ value = "" }) => !assigned.includes(value));
    const programmed: ConditionNow =
        assigned.length === 0
            ? notProgrammed("AddressNotAssigned", "Gateway waiting for address")
            : foreign !== undefined
              ? notProgrammed("AddressNotUsable", "StaticAddress can't be used")
              : { type: "Programmed", status: "True", reason: "Programmed", message: "Gateway Programmed" };
    return [
        ...ensure(collections.services, made && { ...made, apiVersion: "v1", kind: "Service" }, service),
        ...statusOf(
            gatewayList,
            gateway,
            view.now,
            {
                addresses: assigned.map((value) => ({ type: "IPAddress", value })),
                listeners: judged.map(({ listener, faults }) =>
                    listenerStatus(view, gateway, listener, around, conditionsOf(faults, assigned.length > 0)),
                ),
            },
            [
                { type: "Accepted", status: "True", reason: "Accepted", message: "Gateway successfully scheduled" },
                programmed,
            ],
        ),
    ];
}

/** A Service without a selector: the agents answer for it. Its address is asked for by Cilium's own annotation. */
function serviceOf(gateway: Gateway): Service {
    const { name, namespace = "" } = gateway.metadata;
    const { addresses = [], infrastructure, listeners } = gateway.spec;
    const asked = addresses.flatMap(({ value }) => value ?? []).join(",");
    const annotations = {
        ...(asked === "" ? {} : { "io.cilium/lb-ipam-ips": asked }),
        ...infrastructure?.annotations,
    };
    const ports = [...new Set(listeners.map(({ port }) => port))].sort((one, other) => one - other);
    return {
        apiVersion: "v1",
        kind: "Service",
        metadata: {
            name: `cilium-gateway-${name}`,
            namespace,
            labels: {
                "io.cilium.gateway/owning-gateway": name,
                "gateway.networking.k8s.io/gateway-name": name,
                ...infrastructure?.labels,
            },
            ...(Object.keys(annotations).length > 0 && { annotations }),
            ownerReferences: ownedBy(gateway, `${GATEWAY_API}/v1`, "Gateway"),
        },
        spec: {
            type: "LoadBalancer",
            externalTrafficPolicy: "Cluster",
            ports: ports.map((port) => ({ name: `port-${port}`, port, protocol: "TCP" })),
        },
    };
}

interface ListenerFault {
    readonly condition?: ConditionNow;
    readonly message: string;
}

function listenerFaults(view: View, gateway: Gateway, listener: Listener, around: Surroundings): ListenerFault[] {
    const rival = gateway.spec.listeners.find(
        (other) =>
            other !== listener &&
            other.port === listener.port &&
            (other.protocol !== listener.protocol || (other.hostname ?? "*") === (listener.hostname ?? "*")),
    );
    const problem = certificateProblem(gateway, listener, view.list<Secret>(collections.secrets), around.grants);
    const conflict = rival?.protocol === listener.protocol ? "HostnameConflict" : "ProtocolConflict";
    const clash = `Listener conflicts with listener "${rival?.name ?? ""}": same port ${listener.port} has ${
        conflict === "HostnameConflict" ? "overlapping hostnames" : "incompatible protocols"
    }.`;
    return [
        ...(rival === undefined
            ? []
            : [
                  {
                      condition: { type: "Conflicted", status: "True", reason: conflict, message: clash },
                      message: clash,
                  },
              ]),
        ...(["HTTP", "HTTPS", "TLS", "TCP", "UDP"].includes(listener.protocol)
            ? []
            : [{ message: "Unsupported Listener Protocol." }]),
        ...(problem === undefined
            ? []
            : [
                  {
                      condition: {
                          type: "ResolvedRefs",
                          status: "False",
                          reason: problem.reason,
                          message:
                              problem.reason === "RefNotPermitted"
                                  ? "CertificateRef is not permitted"
                                  : "Invalid CertificateRef",
                      },
                      message: `Invalid CertificateRef, ${problem.message}`,
                  },
              ]),
    ];
}

function conditionsOf(faults: readonly ListenerFault[], addressed: boolean): ConditionNow[] {
    const said = faults.flatMap(({ condition }) => condition ?? []);
    const valid = faults.length === 0;
    const resolved: ConditionNow = {
        type: "ResolvedRefs",
        status: "True",
        reason: "ResolvedRefs",
        message: "Resolved Refs",
    };
    return [
        ...said,
        ...(said.some(({ type }) => type === "ResolvedRefs") ? [] : valid ? [resolved] : []),
        valid
            ? { type: "Accepted", status: "True", reason: "Accepted", message: "Listener Accepted" }
            : {
                  type: "Accepted",
                  status: "False",
                  reason: "Invalid",
                  message: `Listener not valid. ${faults.map(({ message }) => message).join(" ")}`,
              },
        valid && addressed
            ? { type: "Programmed", status: "True", reason: "Programmed", message: "Listener Programmed" }
            : { type: "Programmed", status: "False", reason: "Pending", message: "Address not ready yet" },
    ];
}
