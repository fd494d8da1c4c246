import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { clusterCommand } from "../cluster/cluster-command";
import type { Cluster } from "../platform";
import type { AddressRange } from "./addresses";
import { CILIUM_INGRESS, type Cilium } from "./cilium";

export interface CiliumLoadBalancerArgs {
    cluster: Pick<Cluster, "kubeconfig">;
    cilium: Cilium;
    /** Addresses for Services of type LoadBalancer, both ends included. */
    pool: AddressRange;
    /** Interfaces that answer ARP, as regular expressions. */
    interfaces: readonly string[];
    /** The address that the shared ingress must get from the pool. */
    ingressAddress: string;
}

/** The LAN side of Cilium: address pool, L2 announcements, and the proof that the shared ingress has its address. */
export class CiliumLoadBalancer extends pulumi.ComponentResource {
    readonly pool: k8s.apiextensions.CustomResource;
    readonly policy: k8s.apiextensions.CustomResource;

    constructor(name: string, args: CiliumLoadBalancerArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:network:CiliumLoadBalancer", name, {}, opts);
        const afterCrds = { parent: this, dependsOn: args.cilium.ready };
        this.pool = new k8s.apiextensions.CustomResource(
            `${name}-pool`,
            {
                apiVersion: "cilium.io/v2",
                kind: "CiliumLoadBalancerIPPool",
                metadata: { name },
                spec: { blocks: [{ start: args.pool.first, stop: args.pool.last }] },
            },
            afterCrds,
        );
        this.policy = new k8s.apiextensions.CustomResource(
            `${name}-announcements`,
            {
                apiVersion: "cilium.io/v2alpha1",
                kind: "CiliumL2AnnouncementPolicy",
                metadata: { name },
                spec: { interfaces: args.interfaces, loadBalancerIPs: true, externalIPs: false },
            },
            afterCrds,
        );
        const { namespace, name: service } = CILIUM_INGRESS;
        clusterCommand(
            `${name}-ingress-address`,
            args.cluster,
            {
                create:
                    `kubectl --namespace ${namespace} wait service/${service} --timeout=300s ` +
                    `--for=jsonpath='{.status.loadBalancer.ingress[0].ip}'=${args.ingressAddress}`,
                triggers: [args.ingressAddress],
            },
            { parent: this, dependsOn: [this.pool, this.policy] },
        );
        this.registerOutputs({});
    }
}
