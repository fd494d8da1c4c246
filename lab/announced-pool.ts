/** A pool of addresses for Services that Cilium announces: its part of the schema, rules and claims. */
import { z } from "zod";
import {
    cidrRange,
    contains,
    isInside,
    isIpv4,
    textRange,
    toAddress,
    toNumber,
    type AddressRange,
} from "../components/network/addresses";
import type { StackClaim } from "../config/claims";
import { addressPool, hostAddress, isCidr, whole } from "../config/fields";
import { show, type CrossRule, type Fault } from "../config/parse";
import { claimedTwice, networkEdges, networksApart, outside, type Claim } from "../config/rules";
import { pastRouter } from "./entrances";

/** Keys of a schema's `network`. */
export const announcedPoolKeys = {
    /** Addresses for LoadBalancer Services, as a range or a network; in the LAN outside of the router's DHCP range. */
    pool: addressPool,
    /**
     * How the LAN learns the way to the pool: `l2` = by ARP, for a pool inside the nodes' network, where it is the default;
     * `routed` = static routes on the router, which the plan lists.
     */
    announce: z.enum(["routed", "l2", "bgp"]).default("routed"),
    /** Needed for `announce: bgp`. */
    bgp: z
        .strictObject({
            localAsn: whole(64512, 65534, "a private AS number from 64512 to 65534"),
            peerAsn: whole(1, 4294967295),
            peerAddress: hostAddress,
        })
        .optional(),
};

/** Where the pool is, and who is near it. */
export interface AnnouncedPool extends z.output<z.ZodObject<typeof announcedPoolKeys>> {
    /** The machines' network, with its place. */
    readonly machines: Claim;
    /** Every other network of the cluster. */
    readonly networks: readonly Claim[];
    /** Addresses of machines and router. */
    readonly near: readonly Claim[];
    /** Addresses that Services pin. */
    readonly pinned: readonly Claim[];
    /** The household's file server, with its place. */
    readonly server?: Claim | undefined;
    /** Whether the pool's first and last address can be had; default: Cilium keeps them back. */
    readonly firstAndLast?: boolean;
}

/** What of a configuration says where the household's files are. */
export interface FileServer {
    readonly storage: { readonly nfs?: { readonly server: string } | undefined };
}

export const fileServerOf = ({ storage: { nfs } }: FileServer): Claim | undefined =>
    nfs && ["storage.nfs.server", nfs.server];

type PoolRule = CrossRule<AnnouncedPool>;

const separateNetworks: PoolRule = ({ announce, pool, machines, networks }) => {
    const own: Claim = ["network.pool", pool];
    // Addresses that answer to ARP have to be in the nodes' own network: `l2-outside-subnet`, `node-in-pool`.
    return announce === "l2"
        ? [
              ...networksApart([machines, ...networks]),
              ...networksApart([...networks, own]).filter(({ path }) => path === own[0]),
          ]
        : networksApart([machines, ...networks, own]);
};

const routerOf = (bgp: AnnouncedPool["bgp"]): Claim[] =>
    bgp === undefined ? [] : [["network.bgp.peerAddress", bgp.peerAddress]];

/** The pool must leave out the machines and the router, or Cilium hands an address of theirs to a Service. */
const machinesOutsidePool: PoolRule = ({ pool, near, bgp }) =>
    [...near, ...routerOf(bgp)]
        .filter(([, address]) => contains(textRange(pool), address))
        .map(([path, address]) => ({
            rule: "node-in-pool",
            path,
            got: show(address),
            allowed: `an address outside network.pool (${pool}), or Cilium hands it to a Service`,
        }));

const nearBetweenEdges: PoolRule = ({ near, bgp, machines: [path, network] }) =>
    networkEdges([...near, ...routerOf(bgp)], path, network);

/** The cluster would take what it sends there for its own. */
const routerOutside: PoolRule = ({ bgp, networks }) =>
    routerOf(bgp).flatMap(([path, address]) =>
        networks
            .filter(([, network]) => contains(cidrRange(network), address))
            .map(([where, network]) => ({
                rule: "bgp-peer-in-cluster",
                path,
                got: show(address),
                allowed: `the router's address, so not in ${where} (${network})`,
            })),
    );

/** The same of what is sent to the file server. */
const serverOutside: PoolRule = ({ server, networks, pool }) => {
    if (server === undefined || !isIpv4(server[1])) return [];
    const [path, address] = server;
    return [...networks, ["network.pool", pool] as const]
        .filter(([, network]) => contains(textRange(network), address))
        .map(([where, network]) => ({
            rule: "file-server-in-cluster",
            path,
            got: show(address),
            allowed: `the address of a machine outside the cluster, so not in ${where} (${network})`,
        }));
};

/** A node that peers with itself, or with another node, announces to nobody. */
const peerIsNoMachine: PoolRule = ({ near, bgp }) =>
    bgp === undefined
        ? []
        : claimedTwice(
              "bgp-peer-is-machine",
              // The router itself may be among them.
              [...near.filter(([path]) => path.startsWith("nodes.")), ["network.bgp.peerAddress", bgp.peerAddress]],
              "the router's address",
          ).filter(({ path }) => path === "network.bgp.peerAddress");

/** The router's and the machines' among themselves are the machines' own matter. */
const pinnedOnce: PoolRule = ({ near, pinned }) =>
    claimedTwice("address-claimed-twice", [...near, ...pinned], "an address of its own").filter(({ path }) =>
        pinned.some(([place]) => place === path),
    );

const pinnedInPool: PoolRule = ({ pool, pinned }) =>
    outside("address-outside-pool", pinned, textRange(pool), `an address in network.pool (${pool})`);

/** Of a network its own first and last address are kept back, of a range none. */
const rangeBetweenEdges: PoolRule = ({ pool, announce, machines: [path, network] }) => {
    if (isCidr(pool) || announce !== "l2") return [];
    const { first, last } = textRange(pool);
    const ends = [first, last].map((address): Claim => ["network.pool", address]);
    return networkEdges(ends, path, network).slice(0, 1);
};

/** Cilium keeps them back, or gives them where somebody pins one (`firstAndLast` of components/network/cilium-pool.ts): then those of the LAN are out. */
const pinnedInside: PoolRule = ({ pool, pinned, announce, machines, firstAndLast }) => {
    // Of a range none is kept back.
    const whole = firstAndLast === true || !isCidr(pool);
    if (whole && announce !== "l2") return [];
    const [path, network]: Claim = whole ? machines : ["network.pool", pool];
    return networkEdges(pinned, path, network).map((fault) => ({
        ...fault,
        rule: "address-first-or-last",
        allowed: `${fault.allowed}, which no Service gets`,
    }));
};

/** Half a peering announces nothing. */
const wholePeering: PoolRule = ({ announce, bgp }) =>
    announce === "bgp" && bgp === undefined
        ? [
              {
                  rule: "bgp-peer-missing",
                  path: "network.announce",
                  got: show(announce),
                  allowed: "bgp only together with network.bgp (localAsn, peerAsn, peerAddress)",
              },
          ]
        : announce !== "bgp" && bgp !== undefined
          ? [
                {
                    rule: "bgp-unused",
                    path: "network.bgp",
                    got: show(bgp),
                    allowed: "network.bgp only together with announce: bgp",
                },
            ]
          : [];

/** L2 announcements do not cross a router. */
const l2NeedsSubnet: PoolRule = ({ announce, pool, machines: [path, subnet] }) =>
    announce === "l2" && !isInside(pool, subnet)
        ? [
              {
                  rule: "l2-outside-subnet",
                  path: "network.announce",
                  got: show(announce),
                  allowed: `l2 only for a pool inside ${path} (${subnet}); ${pool} is not: use routed or bgp`,
              },
          ]
        : [];

const RULES = [
    separateNetworks,
    machinesOutsidePool,
    nearBetweenEdges,
    routerOutside,
    serverOutside,
    peerIsNoMachine,
    pinnedOnce,
    pinnedInPool,
    pinnedInside,
    rangeBetweenEdges,
    wholePeering,
    l2NeedsSubnet,
];

export const announcedPoolFaults = (pool: AnnouncedPool): Fault[] => RULES.flatMap((rule) => rule(pool));

export const announcedPoolClaims = ({ pool, bgp }: Pick<AnnouncedPool, "pool" | "bgp">): StackClaim[] => [
    { kind: "pool", value: pool, path: "network.pool" },
    ...(bgp === undefined ? [] : [{ kind: "asn" as const, value: String(bgp.localAsn), path: "network.bgp.localAsn" }]),
];

/** The two addresses of the pool that entrances get by default: a network's own first is kept back. `lan`: see `pastRouter`. */
export function entranceAddresses(pool: string, lan: unknown): [string, string] {
    const first = toNumber(textRange(pool).first) + (isCidr(pool) ? 1 : 0);
    const entrance = pastRouter(toAddress(first), lan);
    return [entrance, toAddress(toNumber(entrance) + 1)];
}

/** As the component takes it: a network as text, a range with its ends. */
export const poolBlock = (pool: string): string | AddressRange => (isCidr(pool) ? pool : textRange(pool));

/** Where the machines are that the pool is near: a recipe knows it. */
export interface Surroundings<C> {
    /** Their network, with its place. */
    network(config: C): Claim;
    /** Addresses of machines and router. */
    addresses(config: C): readonly Claim[];
}

/** True where the pool lies in the machines' network, which then learns of it by ARP. */
export const isNear = (pool: string, lan: unknown): boolean =>
    typeof lan === "string" && isCidr(lan) && contains(cidrRange(lan), textRange(pool).first);
