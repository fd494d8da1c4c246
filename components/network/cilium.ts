import { createHash } from "node:crypto";
import * as command from "@pulumi/command";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { charts, chartArgs } from "../charts";
import { clusterCommand } from "../cluster/cluster-command";
import type { Cluster } from "../platform";

export interface CiliumArgs {
    cluster: Pick<Cluster, "kubeconfig" | "podCidr">;
    /** Address and port at which nodes reach the API server without kube-proxy, e.g. the server node's own. */
    apiServer: { host: string; port: number };
    /** Address of the shared load balancer of the ingress controller. */
    ingressAddress: string;
    /** Nodes in the cluster; one node takes one operator replica. */
    nodeCount: number;
}

/** CRDs that the rest of the graph uses; the operator registers them some seconds after its pod is up. */
const NEEDED_CRDS = ["ciliumloadbalancerippools.cilium.io", "ciliuml2announcementpolicies.cilium.io"];

/** The Service of the shared ingress load balancer, named by the chart. */
export const CILIUM_INGRESS = { namespace: "kube-system", name: "cilium-ingress", port: 80 } as const;

/**
 * Cilium as CNI, kube-proxy replacement, L2 announcer and ingress controller, and the gate behind it.
 *
 * The release does not wait: the ingress Service wants an address from a pool whose CRD the operator of the same
 * release registers, so Helm's wait would never return. `ready` waits instead for agents, operator and CRDs.
 */
export class Cilium extends pulumi.ComponentResource {
    readonly release: k8s.helm.v3.Release;
    /** Done when agents and operator are ready and the CRDs are established. */
    readonly ready: command.local.Command;

    constructor(name: string, args: CiliumArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:network:Cilium", name, {}, opts);
        const values = ciliumValues(args);

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
        this.release = new k8s.helm.v3.Release(
            name,
            {
                ...chartArgs(charts.cilium),
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
                    ...NEEDED_CRDS.map((crd) => `kubectl wait --for=create crd/${crd} --timeout=300s`),
                    // A CRD that has just been made has no conditions yet, which `--for=condition` takes for a fault.
                    ...NEEDED_CRDS.map(
                        (crd) => `kubectl wait --for='jsonpath={.status.conditions[0].type}' crd/${crd} --timeout=120s`,
                    ),
                    ...NEEDED_CRDS.map((crd) => `kubectl wait --for=condition=Established crd/${crd} --timeout=120s`),
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
 * Sources: seed 001 (Cilium Config, Finding 4), https://docs.cilium.io/en/stable/network/kubernetes/kubeproxy-free/
 */
export function ciliumValues(args: Omit<CiliumArgs, "cluster"> & { cluster: Pick<Cluster, "podCidr"> }) {
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
            service: { annotations: { "io.cilium/lb-ipam-ips": args.ingressAddress } },
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
                enabled: ["dns", "drop", "tcp", "flow", "port-distribution", "icmp", "httpV2"],
                dashboards: { enabled: true },
            },
        },
        // Kept at each upgrade, so that agents restart with a changed ConfigMap.
        rollOutCiliumPods: true,
    };
}
