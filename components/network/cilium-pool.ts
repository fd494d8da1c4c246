import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { clusterCommand } from "../cluster/cluster-command";
import type { Cluster } from "../platform";
import { rangeToCidrs, textRange, type AddressRange } from "./addresses";
import { CILIUM_INGRESS, type Announce, type Cilium } from "./cilium";

export interface CiliumAddressPoolArgs {
    cilium: Cilium;
    /** Addresses for Services of type LoadBalancer: a CIDR, or a range with both ends included. */
    pool: string | AddressRange;
    announce: Announce;
    /**
     * Whether Services get a CIDR's first and last address, too; default: no. By routes of single addresses they are as good as
     * any; in a network of the pool's very size clients take them for the network itself and for everybody.
     */
    firstAndLast?: boolean;
    /** The router's side of the peering, and ours; for `announce: "bgp"`. */
    bgp?: Peering;
    /** For `announce: "l2"`: interfaces that answer ARP, as regular expressions; absent: all. */
    interfaces?: readonly string[];
    /** Waits until Cilium's shared ingress has this address of the pool. */
    ingress?: { readonly cluster: Pick<Cluster, "kubeconfig">; readonly address: string };
}

/** A peering of nodes with the LAN's router. */
export interface Peering {
    readonly localAsn: number;
    readonly peerAsn: number;
    readonly peerAddress: string;
    /** Who peers: every node, or those only that are no part of the control plane. */
    readonly nodes?: "all" | "workers";
}

/**
 * Seconds. A node that is gone is out of the router's table after the hold time, or the restart time where the router keeps its
 * routes meanwhile; routers at home, FRR most of them, offer three minutes, and the lower of both sides counts.
 */
export const PEERING_TIMERS = { connectRetry: 30, hold: 30, keepAlive: 10, restart: 120 } as const;

/**
 * The load balancer's addresses, and how the LAN learns the way to them: ARP (`l2`), BGP, or static routes on the router
 * (`routed`), for which there is nothing to make here: `staticRoutes` says what the router must hold.
 */
export class CiliumAddressPool extends pulumi.ComponentResource {
    readonly pool: k8s.apiextensions.CustomResource;

    constructor(name: string, args: CiliumAddressPoolArgs, opts: pulumi.ComponentResourceOptions) {
        const { announce, bgp, ingress, pool } = args;
        if (announce === "bgp" && bgp === undefined) {
            throw new pulumi.RunError(`${name} announces its addresses by bgp and has no peer: pass bgp`);
        }
        super(
            "homelab:network:CiliumAddressPool",
            name,
            {},
            pulumi.mergeOptions(opts, { aliases: [{ type: "homelab:network:CiliumLoadBalancer" }] }),
        );
        const afterCrds = { parent: this, dependsOn: args.cilium.ready };
        this.pool = new k8s.apiextensions.CustomResource(
            name,
            {
                apiVersion: "cilium.io/v2",
                kind: "CiliumLoadBalancerIPPool",
                metadata: { name },
                spec:
                    typeof pool === "string"
                        ? { allowFirstLastIPs: args.firstAndLast === true ? "Yes" : "No", blocks: [{ cidr: pool }] }
                        : { blocks: [{ start: pool.first, stop: pool.last }] },
            },
            { ...afterCrds, aliases: [{ name: `${name}-pool` }] },
        );
        const announced = [this.pool];
        if (announce === "l2") announced.push(answerArp(name, args.interfaces, afterCrds));
        if (announce === "bgp" && bgp !== undefined) announced.push(peer(name, bgp, afterCrds));
        if (ingress !== undefined) {
            const { namespace, name: service } = CILIUM_INGRESS;
            clusterCommand(
                `${name}-ingress-address`,
                ingress.cluster,
                {
                    create:
                        `kubectl --namespace ${namespace} wait service/${service} --timeout=300s ` +
                        `--for=jsonpath='{.status.loadBalancer.ingress[0].ip}'=${ingress.address}`,
                    triggers: [ingress.address],
                },
                { parent: this, dependsOn: announced },
            );
        }
        this.registerOutputs({});
    }
}

function answerArp(name: string, interfaces: readonly string[] | undefined, opts: pulumi.CustomResourceOptions) {
    return new k8s.apiextensions.CustomResource(
        `${name}-announcements`,
        {
            apiVersion: "cilium.io/v2alpha1",
            kind: "CiliumL2AnnouncementPolicy",
            metadata: { name },
            spec: {
                loadBalancerIPs: true,
                externalIPs: false,
                ...(interfaces === undefined ? {} : { interfaces: [...interfaces] }),
            },
        },
        opts,
    );
}

const WORKERS = { matchExpressions: [{ key: "node-role.kubernetes.io/control-plane", operator: "DoesNotExist" }] };

/** Nodes peer with the router: https://docs.cilium.io/en/stable/network/bgp-control-plane/bgp-control-plane-v2/ */
function peer(name: string, bgp: Peering, opts: pulumi.CustomResourceOptions & { parent: pulumi.Resource }) {
    const labels = { "homelab/advertise": name };
    const advertisement = new k8s.apiextensions.CustomResource(
        `${name}-advertisement`,
        {
            apiVersion: "cilium.io/v2",
            kind: "CiliumBGPAdvertisement",
            metadata: { name, labels },
            spec: {
                advertisements: [
                    {
                        advertisementType: "Service",
                        service: { addresses: ["LoadBalancerIP"] },
                        // An absent selector selects no Service; this one selects all.
                        selector: { matchExpressions: [{ key: "homelab/no-bgp", operator: "DoesNotExist" }] },
                    },
                ],
            },
        },
        opts,
    );
    const peerConfig = new k8s.apiextensions.CustomResource(
        `${name}-peer`,
        {
            apiVersion: "cilium.io/v2",
            kind: "CiliumBGPPeerConfig",
            metadata: { name },
            spec: {
                families: [{ afi: "ipv4", safi: "unicast", advertisements: { matchLabels: labels } }],
                timers: {
                    connectRetryTimeSeconds: PEERING_TIMERS.connectRetry,
                    holdTimeSeconds: PEERING_TIMERS.hold,
                    keepAliveTimeSeconds: PEERING_TIMERS.keepAlive,
                },
                // The router keeps the routes while an agent restarts.
                gracefulRestart: { enabled: true, restartTimeSeconds: PEERING_TIMERS.restart },
            },
        },
        opts,
    );
    return new k8s.apiextensions.CustomResource(
        `${name}-bgp`,
        {
            apiVersion: "cilium.io/v2",
            kind: "CiliumBGPClusterConfig",
            metadata: { name },
            spec: {
                ...(bgp.nodes === "workers" ? { nodeSelector: WORKERS } : {}),
                bgpInstances: [
                    {
                        name,
                        localASN: bgp.localAsn,
                        peers: [
                            {
                                name: "router",
                                peerASN: bgp.peerAsn,
                                peerAddress: bgp.peerAddress,
                                peerConfigRef: { name },
                            },
                        ],
                    },
                ],
            },
        },
        { parent: opts.parent, dependsOn: [advertisement, peerConfig] },
    );
}

export interface StaticRoute {
    readonly destination: string;
    readonly via: string;
}

/** What the router must hold for `announce: "routed"`: the pool through every node, with equal cost where it can. */
export function staticRoutes(pool: string, nodes: readonly { readonly address: string }[]): StaticRoute[] {
    return rangeToCidrs(textRange(pool)).flatMap((destination) =>
        nodes.map(({ address }) => ({ destination, via: address })),
    );
}
