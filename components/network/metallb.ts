import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { charts } from "../charts";
import { clusterCommand } from "../cluster/cluster-command";
import { helmRelease } from "../cluster/helm-release";
import { podSecurityNamespace } from "../cluster/namespaces";
import type { Cluster } from "../platform";
import type { AddressRange } from "./addresses";
import type { LoadBalancer } from "./load-balancer";

/** Namespace of controller and speakers, upstream's own. */
export const METALLB_NAMESPACE = "metallb-system";

/** Pins by MetalLB's annotations. https://metallb.io/usage/ */
export const metalLbAddresses: LoadBalancer = {
    pin: (address, sharingKey) => ({
        "metallb.io/loadBalancerIPs": address,
        ...(sharingKey === undefined ? {} : { "metallb.io/allow-shared-ip": sharingKey }),
    }),
};

export interface MetalLbArgs {
    cluster: Pick<Cluster, "kubeconfig" | "generation">;
    /** Addresses for Services of type LoadBalancer, both ends included; in the machines' own network. */
    pool: AddressRange;
    /** Network interfaces that answer ARP, by name; absent: all. */
    interfaces?: readonly string[];
}

/**
 * MetalLB in layer 2 mode: one machine at a time answers ARP for an address, and another takes over when that one goes.
 * BGP and its FRR stay off. https://metallb.io/concepts/layer2/
 *
 * Order: the release is ready before its webhook has a certificate, and until then every pool is refused; so a gate, then
 * the pool and its advertisement. On destroy the other way round, and the gate first sees the last Service of type
 * LoadBalancer gone: without the controller nobody takes an address back, and the CRDs go with the release.
 */
export class MetalLb extends pulumi.ComponentResource {
    readonly loadBalancer: LoadBalancer = metalLbAddresses;
    /** Who makes a Service that wants an address depends on the component, or on this. */
    readonly advertisement: k8s.apiextensions.CustomResource;

    constructor(name: string, args: MetalLbArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:network:MetalLb", name, {}, opts);
        // Speakers are on the hosts' network, where ARP is.
        const namespace = podSecurityNamespace(METALLB_NAMESPACE, "privileged", { parent: this }).metadata.name;
        const release = helmRelease(
            name,
            charts.metalLb,
            { name: "metallb", namespace, timeout: 600, values: metalLbValues() },
            { parent: this },
        );
        const webhook = clusterCommand(
            `${name}-webhook`,
            args.cluster,
            {
                create: WEBHOOK_ANSWERS,
                delete: SERVICES_GONE,
                environment: { NAMESPACE: namespace, PROBE: JSON.stringify(PROBE) },
            },
            { parent: this, dependsOn: release },
        );
        const afterWebhook = { parent: this, dependsOn: webhook };
        const pool = new k8s.apiextensions.CustomResource(
            `${name}-pool`,
            {
                apiVersion: "metallb.io/v1beta1",
                kind: "IPAddressPool",
                metadata: { name, namespace },
                spec: {
                    addresses: [`${args.pool.first}-${args.pool.last}`],
                    // Else a Service that takes any address may have the one that another pins and has not asked for yet.
                    autoAssign: false,
                },
            },
            afterWebhook,
        );
        this.advertisement = new k8s.apiextensions.CustomResource(
            `${name}-advertisement`,
            {
                apiVersion: "metallb.io/v1beta1",
                kind: "L2Advertisement",
                metadata: { name, namespace },
                spec: {
                    // An absent list announces every pool there is.
                    ipAddressPools: [name],
                    ...(args.interfaces === undefined ? {} : { interfaces: [...args.interfaces] }),
                },
            },
            { parent: this, dependsOn: [webhook, pool] },
        );
        this.registerOutputs({});
    }
}

/** Values for the chart in components/charts.ts. */
export function metalLbValues() {
    return {
        crds: { enabled: true },
        frrk8s: { enabled: false },
        controller: { resources: { requests: { cpu: "10m", memory: "64Mi" }, limits: { memory: "256Mi" } } },
        speaker: {
            // kubeadm labels every control plane as none for load balancers, whatever runs there: a cluster of control planes
            // would answer for no address. https://github.com/metallb/metallb/issues/2274
            ignoreExcludeLB: true,
            frr: { enabled: false },
            resources: { requests: { cpu: "10m", memory: "64Mi" }, limits: { memory: "256Mi" } },
        },
        prometheus: {
            // Prometheus watches every namespace anyway; the chart's Role would want its account's name.
            rbacPrometheus: false,
            serviceMonitor: { enabled: true },
            prometheusRule: { enabled: true, bgpSessionDown: { enabled: false } },
        },
    };
}

/** Refused by the same webhook server as a pool, and at odds with none. */
const PROBE = {
    apiVersion: "metallb.io/v1beta1",
    kind: "L2Advertisement",
    metadata: { generateName: "probe-" },
    spec: {},
};

/** The controller's own readiness does not wait for its webhook: internal/k8s/k8s.go and webhook.go of MetalLB 0.16. */
const WEBHOOK_ANSWERS = `
for attempt in $(seq 1 60); do
  if said=$(kubectl create --namespace "$NAMESPACE" --dry-run=server --filename - <<< "$PROBE" 2>&1); then exit 0; fi
  sleep 2
done
echo "MetalLB's webhook refuses its objects after two minutes: $said
Look at  kubectl get pod --namespace $NAMESPACE  and  kubectl logs --namespace $NAMESPACE deploy/metallb-controller" >&2
exit 1
`.trim();

/** Git or an operator may have made some that nothing here waits for. */
const SERVICES_GONE = `
left() {
  kubectl get services --all-namespaces --field-selector spec.type=LoadBalancer \\
    --output 'jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name}{"\\n"}{end}'
}
services=$(left)
for service in $services; do
  if ! kubectl wait "service/\${service#*/}" --namespace "\${service%/*}" --for=delete --timeout=120s; then
    echo "Services of type LoadBalancer remain, and MetalLB holds their addresses:" >&2
    left >&2
    echo "Take them out of Git, or delete them, and run destroy again" >&2
    exit 1
  fi
done
`.trim();
