import { createHash } from "node:crypto";
import * as command from "@pulumi/command";
import type * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { charts } from "../charts";
import { clusterCommand } from "../cluster/cluster-command";
import { waitEstablished } from "../cluster/established";
import { helmRelease } from "../cluster/helm-release";
import type { Cluster } from "../platform";
import type { LoadBalancer } from "./load-balancer";

interface CommonArgs {
    cluster: Pick<Cluster, "kubeconfig" | "podCidr">;
    /** Address and port at which nodes reach the API server without kube-proxy, e.g. the server node's own. */
    apiServer: { host: string; port: number };
    /** Nodes in the cluster; one node takes one operator replica. */
    nodeCount: number;
}

/** How the LAN learns the way to the addresses of LoadBalancer Services. */
export type Announce = "routed" | "l2" | "bgp";

/** Pod packets travel as they are between nodes of one network; HTTP enters by a gateway of its own. For Talos. */
export interface NativeRouting {
    readonly kind: "native-routing";
    /** Network inside which nothing is masqueraded: the pods'. */
    readonly nativeRoutingCidr: string;
    readonly announce: Announce;
}

/**
 * Pod packets travel in VXLAN, and HTTP enters by Gateways that Cilium itself serves (class `CILIUM_CLASS`). For k3s.
 *
 * The operator looks once, at its start, for every kind of the Gateway API that it serves, and without one of them serves none:
 * `crds.gatewayApi` comes before it.
 */
export interface TunnelWithGateway {
    readonly kind: "tunnel";
    readonly announce: Announce;
}

/**
 * Pod packets travel in VXLAN, and Cilium does nothing but that and Services: addresses and HTTP are somebody else's, as
 * MetalLB's and HAProxy's. For kubeadm.
 */
export interface PodNetwork {
    readonly kind: "pod-network";
    /**
     * True: another plugin is chained behind Cilium's, as Linkerd's is, and a mesh's proxies must see the addresses of Services
     * that pods ask for. https://linkerd.io/2/reference/cluster-configuration/#cilium
     */
    readonly meshed: boolean;
    /** True: what a pod sends is held to its annotation `kubernetes.io/egress-bandwidth`. */
    readonly shaped?: boolean;
}

/** Without a profile: tunnelled pods, and Cilium's own ingress controller behind one shared address. */
export type CiliumArgs =
    | (CommonArgs & {
          /** Address of the shared load balancer of the ingress controller. */
          ingressAddress: string;
          profile?: undefined;
      })
    | (CommonArgs & { profile: NativeRouting })
    | (CommonArgs & { profile: TunnelWithGateway })
    | (CommonArgs & { profile: PodNetwork });

type ValuesArgs<Args extends CiliumArgs> = Omit<Args, "cluster"> & { cluster: Pick<Cluster, "podCidr"> };
type SharedIngressArgs = Extract<CiliumArgs, { ingressAddress: string }>;
type NativeRoutingArgs = Extract<CiliumArgs, { profile: NativeRouting }>;
type TunnelArgs = Extract<CiliumArgs, { profile: TunnelWithGateway }>;
type PodNetworkArgs = Extract<CiliumArgs, { profile: PodNetwork }>;

/** The API server as every Talos node offers it to itself, whichever control plane node is down. */
export const KUBE_PRISM = { host: "localhost", port: 7445 } as const;

/**
 * The API server as every k3s node offers it to itself: on a server its own, behind the agents' built-in load balancer every
 * server that there is. https://docs.k3s.io/architecture#how-agent-node-registration-works
 */
export const K3S_LOCAL_API = { host: "127.0.0.1", port: 6444 } as const;

/** The GatewayClass of Cilium's own, made by the chart. */
export const CILIUM_CLASS = "cilium";

/** By which annotation each profile pins an address: Cilium reads both, the first is its older spelling. */
const CILIUM_LOAD_BALANCER: Readonly<
    Record<"shared-ingress" | "native-routing" | "tunnel" | "pod-network", LoadBalancer>
> = {
    "shared-ingress": pinnedBy("io.cilium/lb-ipam-ips", "io.cilium/lb-ipam-sharing-key"),
    "native-routing": pinnedBy("lbipam.cilium.io/ips", "lbipam.cilium.io/sharing-key"),
    tunnel: pinnedBy("lbipam.cilium.io/ips", "lbipam.cilium.io/sharing-key"),
    "pod-network": pinnedBy("lbipam.cilium.io/ips", "lbipam.cilium.io/sharing-key"),
};

function pinnedBy(address: string, sharing: string): LoadBalancer {
    return { pin: (ip, key) => ({ [address]: ip, ...(key === undefined ? {} : { [sharing]: key }) }) };
}

/** Without its class taken no Gateway is ever served; the operator says why in its log alone. */
const CLASS_TAKEN =
    `kubectl wait gatewayclass/${CILIUM_CLASS} --for=condition=Accepted --timeout=300s || { ` +
    'echo "Cilium has not taken its GatewayClass. Its operator looks for the kinds of the Gateway API once, at its start: kubectl -n kube-system logs deployment/cilium-operator says which are missing; ' +
    'with them there: kubectl -n kube-system rollout restart deployment/cilium-operator" >&2; exit 1; }';

/** CRDs that the rest of the graph uses; the operator registers them some seconds after its pod is up. */
function neededCrds(args: CiliumArgs): string[] {
    if (args.profile?.kind === "pod-network") return ["ciliumnodes.cilium.io"];
    const pools = "ciliumloadbalancerippools.cilium.io";
    const announced: Record<Announce, string[]> = {
        routed: [],
        l2: ["ciliuml2announcementpolicies.cilium.io"],
        bgp: [
            "ciliumbgpadvertisements.cilium.io",
            "ciliumbgpclusterconfigs.cilium.io",
            "ciliumbgppeerconfigs.cilium.io",
        ],
    };
    return [pools, ...announced[args.profile?.announce ?? "l2"]];
}

/** The Service of the shared ingress load balancer, named by the chart. */
export const CILIUM_INGRESS = { namespace: "kube-system", name: "cilium-ingress", port: 80 } as const;

/**
 * Cilium as CNI, kube-proxy replacement and keeper of the load balancer's addresses, by the profile also as ingress
 * controller, and the gate behind it.
 *
 * The release does not wait: the ingress Service wants an address from a pool whose CRD the operator of the same
 * release registers, so Helm's wait would never return. `ready` waits instead for agents, operator and CRDs.
 */
export class Cilium extends pulumi.ComponentResource {
    readonly release: k8s.helm.v3.Release;
    /** Done when agents and operator are ready and the CRDs are established. */
    readonly ready: command.local.Command;
    readonly loadBalancer: LoadBalancer;

    constructor(name: string, args: CiliumArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:network:Cilium", name, {}, opts);
        this.loadBalancer = CILIUM_LOAD_BALANCER[args.profile?.kind ?? "shared-ingress"];
        const values = ciliumValues(args);
        const needed = neededCrds(args);

        // Made before the release so that it is deleted after it: the operator would register the CRDs again.
        const cleanup = clusterCommand(
            `${name}-crd-cleanup`,
            args.cluster,
            {
                create: "kubectl get --raw /version > /dev/null",
                // Uninstalling does not wait for the pods; one that still runs would register its CRDs again.
                delete:
                    "kubectl --namespace kube-system wait --for=delete pod --selector=app.kubernetes.io/part-of=cilium --timeout=180s\n" +
                    "kubectl get crd -o name | { grep '\\.cilium\\.io$' || test $? = 1; } | xargs -r kubectl delete --wait --timeout=120s",
            },
            { parent: this },
        );
        this.release = helmRelease(
            name,
            charts.cilium,
            {
                name: "cilium",
                namespace: "kube-system",
                values,
                skipAwait: true,
            },
            { parent: this, dependsOn: cleanup },
        );
        this.ready = clusterCommand(
            `${name}-ready`,
            args.cluster,
            {
                create: [
                    "kubectl --namespace kube-system rollout status daemonset/cilium --timeout=600s",
                    // Envoy serves the shared ingress.
                    "kubectl --namespace kube-system rollout status daemonset/cilium-envoy --timeout=600s",
                    "kubectl --namespace kube-system rollout status deployment/cilium-operator --timeout=600s",
                    ...needed.map((crd) => `kubectl wait --for=create crd/${crd} --timeout=300s`),
                    ...waitEstablished(needed.join(" ")),
                    ...(args.profile?.kind === "tunnel" ? [CLASS_TAKEN] : []),
                ].join("\n"),
                triggers: [charts.cilium.version, createHash("sha256").update(JSON.stringify(values)).digest("hex")],
            },
            { parent: this, dependsOn: this.release },
        );
        this.registerOutputs({});
    }
}

/**
 * Values for the chart in components/charts.ts.
 * Sources: seed 001 (Cilium Config, Finding 4), https://docs.cilium.io/en/stable/network/kubernetes/kubeproxy-free/;
 * seed 002 (Cilium CNI), https://docs.cilium.io/en/stable/operations/performance/tuning/ and
 * https://docs.siderolabs.com/kubernetes-guides/cni/deploying-cilium
 */
export function ciliumValues(
    args:
        | ValuesArgs<SharedIngressArgs>
        | ValuesArgs<NativeRoutingArgs>
        | ValuesArgs<TunnelArgs>
        | ValuesArgs<PodNetworkArgs>,
) {
    if (isShared(args)) return sharedIngressValues(args);
    if (isPodNetwork(args)) return podNetworkValues(args);
    return isTunnel(args) ? tunnelValues(args) : nativeRoutingValues(args);
}

type AnyValuesArgs = Parameters<typeof ciliumValues>[0];
const isShared = (args: AnyValuesArgs): args is ValuesArgs<SharedIngressArgs> => args.profile === undefined;
const isPodNetwork = (args: AnyValuesArgs): args is ValuesArgs<PodNetworkArgs> => args.profile?.kind === "pod-network";
const isTunnel = (args: AnyValuesArgs): args is ValuesArgs<TunnelArgs> => args.profile?.kind === "tunnel";

const HUBBLE_METRICS = ["dns", "drop", "tcp", "flow", "port-distribution", "icmp", "httpV2"];

function sharedIngressValues(args: ValuesArgs<SharedIngressArgs>) {
    return {
        kubeProxyReplacement: true,
        // Without kube-proxy nothing translates the `kubernetes` Service before Cilium itself runs.
        k8sServiceHost: args.apiServer.host,
        k8sServicePort: args.apiServer.port,
        ipam: { operator: { clusterPoolIPv4PodCIDRList: [args.cluster.podCidr] } },
        l2announcements: { enabled: true },
        // L2 leases are renewed at the API server; the default client limits starve with many Services.
        k8sClientRateLimit: { qps: 20, burst: 40 },
        ingressController: {
            enabled: true,
            default: true,
            loadbalancerMode: "shared",
            service: { annotations: CILIUM_LOAD_BALANCER["shared-ingress"].pin(args.ingressAddress) },
        },
        operator: {
            replicas: Math.min(args.nodeCount, 2),
            // The Service of the operator's metrics; its ServiceMonitor comes with the monitoring layer.
            prometheus: { enabled: true, metricsService: true },
            dashboards: { enabled: true },
        },
        prometheus: { enabled: true },
        dashboards: { enabled: true },
        hubble: {
            enabled: true,
            relay: { enabled: true },
            ui: { enabled: true },
            metrics: {
                // ServiceMonitors come with the monitoring layer: their CRD does not exist yet.
                enabled: HUBBLE_METRICS,
                dashboards: { enabled: true },
            },
        },
        // Kept at each upgrade, so that agents restart with a changed ConfigMap.
        rollOutCiliumPods: true,
    };
}

function nativeRoutingValues(args: ValuesArgs<NativeRoutingArgs>) {
    const { announce, nativeRoutingCidr } = args.profile;
    return {
        kubeProxyReplacement: true,
        k8sServiceHost: args.apiServer.host,
        k8sServicePort: args.apiServer.port,
        // Each node's range comes from the controller manager, as part of the Node.
        ipam: { mode: "kubernetes" },
        routingMode: "native",
        ipv4NativeRoutingCIDR: nativeRoutingCidr,
        autoDirectNodeRoutes: true,
        loadBalancer: { algorithm: "maglev", mode: "dsr" },
        // BBR and BIG TCP need packets to bypass the host's stack, which iptables masquerading would not let them.
        // Talos must then not take over the pods' DNS (machine.features.hostDNS.forwardKubeDNSToHost: false).
        bpf: { masquerade: true },
        bandwidthManager: { enabled: true, bbr: true },
        enableIPv4BIGTCP: true,
        gatewayAPI: { enabled: true },
        l2announcements: { enabled: announce === "l2" },
        bgpControlPlane: { enabled: announce === "bgp" },
        ...(announce === "l2" ? { k8sClientRateLimit: { qps: 20, burst: 40 } } : {}),
        // Talos mounts cgroup v2 itself, and lets nobody load kernel modules: the chart's capabilities less SYS_MODULE.
        cgroup: { autoMount: { enabled: false }, hostRoot: "/sys/fs/cgroup" },
        securityContext: {
            capabilities: {
                ciliumAgent: [
                    "CHOWN",
                    "KILL",
                    "NET_ADMIN",
                    "NET_RAW",
                    "IPC_LOCK",
                    "SYS_ADMIN",
                    "SYS_RESOURCE",
                    "DAC_OVERRIDE",
                    "FOWNER",
                    "SETGID",
                    "SETUID",
                    "SYSLOG",
                ],
                cleanCiliumState: ["NET_ADMIN", "SYS_ADMIN", "SYS_RESOURCE"],
            },
        },
        ...watchedAndLimited(args),
    };
}

function tunnelValues(args: ValuesArgs<TunnelArgs>) {
    const { announce } = args.profile;
    return {
        kubeProxyReplacement: true,
        k8sServiceHost: args.apiServer.host,
        k8sServicePort: args.apiServer.port,
        ipam: { operator: { clusterPoolIPv4PodCIDRList: [args.cluster.podCidr] } },
        routingMode: "tunnel",
        tunnelProtocol: "vxlan",
        // Without it the one rule set that is left to iptables is masquerading.
        bpf: { masquerade: true },
        gatewayAPI: {
            enabled: true,
            // Without ALPN a browser's HTTP/2 ends in a connection reset, and without appProtocol a backend never gets it.
            enableAlpn: true,
            enableAppProtocol: true,
            // Not by what Helm's cached discovery has seen: the kinds came with the first layer.
            gatewayClass: { create: "true" },
        },
        l2announcements: { enabled: announce === "l2" },
        bgpControlPlane: { enabled: announce === "bgp" },
        ...(announce === "l2" ? { k8sClientRateLimit: { qps: 20, burst: 40 } } : {}),
        ...watchedAndLimited(args),
    };
}

function podNetworkValues(args: ValuesArgs<PodNetworkArgs>) {
    const { meshed, shaped = false } = args.profile;
    return {
        kubeProxyReplacement: true,
        k8sServiceHost: args.apiServer.host,
        k8sServicePort: args.apiServer.port,
        ipam: { operator: { clusterPoolIPv4PodCIDRList: [args.cluster.podCidr] } },
        routingMode: "tunnel",
        tunnelProtocol: "vxlan",
        bpf: { masquerade: true },
        ...(shaped ? { bandwidthManager: { enabled: true } } : {}),
        ...(meshed
            ? {
                  // Else Cilium renames every other plugin's configuration out of the way.
                  cni: { exclusive: false },
                  // Else a Service's address is replaced in the socket, before a proxy beside the pod could choose.
                  socketLB: { hostNamespaceOnly: true },
              }
            : {}),
        ...watchedAndLimited(args),
    };
}

/** Memory limits of every part, and monitors of the Prometheus operator, whose CRDs are below. */
function watchedAndLimited(args: Pick<CommonArgs, "nodeCount">) {
    const monitored = { enabled: true, serviceMonitor: { enabled: true } };
    return {
        resources: limited("100m", "512Mi", "2Gi"),
        initResources: limited("100m", "64Mi", "512Mi"),
        envoy: { resources: limited("50m", "64Mi", "512Mi"), prometheus: monitored },
        operator: {
            replicas: Math.min(args.nodeCount, 2),
            resources: limited("20m", "128Mi", "512Mi"),
            prometheus: monitored,
            dashboards: { enabled: true },
        },
        // The CRD came with the first layer; Helm's cached discovery may not have seen it yet.
        prometheus: { enabled: true, serviceMonitor: { enabled: true, trustCRDsExist: true } },
        dashboards: { enabled: true },
        hubble: {
            enabled: true,
            relay: { enabled: true, resources: limited("10m", "64Mi", "256Mi"), prometheus: monitored },
            ui: {
                enabled: true,
                frontend: { resources: limited("10m", "16Mi", "64Mi") },
                backend: { resources: limited("10m", "32Mi", "128Mi") },
            },
            metrics: {
                enabled: HUBBLE_METRICS,
                serviceMonitor: { enabled: true },
                dashboards: { enabled: true },
            },
        },
        rollOutCiliumPods: true,
    };
}

/** Memory has a limit, CPU none: a burst of the datapath is not throttled. */
function limited(cpu: string, memory: string, limit: string) {
    return { requests: { cpu, memory }, limits: { memory: limit } };
}
