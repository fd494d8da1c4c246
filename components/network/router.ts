/** What the LAN's router must hold for addresses that nodes announce by BGP. */
import { rangeToCidrs, textRange } from "./addresses";
import { PEERING_TIMERS, type Peering } from "./cilium-pool";

/** The router's side of a peering. */
export interface RouterPeering {
    readonly router: { readonly asn: number; readonly address: string };
    readonly cluster: { readonly asn: number; readonly neighbours: readonly { name: string; address: string }[] };
    /** The pool, of which each address in use is announced as a route of its own. */
    readonly pool: string;
}

/** `nodes`: those that peer. */
export function routerPeering(
    { localAsn, peerAsn, peerAddress }: Peering,
    pool: string,
    nodes: readonly { readonly name: string; readonly address: string }[],
): RouterPeering {
    return {
        router: { asn: peerAsn, address: peerAddress },
        cluster: { asn: localAsn, neighbours: nodes.map(({ name, address }) => ({ name, address })) },
        pool,
    };
}

/**
 * It as FRR's configuration, which UniFi gateways take as it is and OPNsense and VyOS show in their own forms. Nothing but addresses of the
 * pool is taken, and nothing is told to the nodes, which have a way out already.
 * https://docs.frrouting.org/en/latest/bgp.html
 */
export function frrConfiguration({ router, cluster, pool }: RouterPeering): string {
    const group = "cluster";
    return [
        `router bgp ${router.asn}`,
        ` bgp router-id ${router.address}`,
        ` neighbor ${group} peer-group`,
        ` neighbor ${group} remote-as ${cluster.asn}`,
        ` neighbor ${group} timers ${PEERING_TIMERS.keepAlive} ${PEERING_TIMERS.hold}`,
        ...cluster.neighbours.flatMap(({ name, address }) => [
            ` neighbor ${address} peer-group ${group}`,
            ` neighbor ${address} description ${name}`,
        ]),
        " address-family ipv4 unicast",
        // A way to an address through every node.
        `  maximum-paths ${Math.max(cluster.neighbours.length, 1)}`,
        `  neighbor ${group} activate`,
        `  neighbor ${group} prefix-list ${group}-pool in`,
        `  neighbor ${group} prefix-list nothing out`,
        " exit-address-family",
        "exit",
        ...rangeToCidrs(textRange(pool)).map(
            (network, index) =>
                // Older releases of FRR refuse a range of lengths that has but one.
                `ip prefix-list ${group}-pool seq ${5 * (index + 1)} permit ${network}${network.endsWith("/32") ? "" : " ge 32"}`,
        ),
        "ip prefix-list nothing seq 5 deny any",
    ].join("\n");
}
