/** A pool of addresses for Services, a CIDR that Cilium announces: its part of the schema, rules and claims. */
import { z } from "zod";
import { cidrRange, contains, isIpv4 } from "../components/network/addresses";
import type { StackClaim } from "../config/claims";
import { cidr, hostAddress, isCidr, whole } from "../config/fields";
import { show, type CrossRule, type Fault } from "../config/parse";
import { claimedTwice, networkEdges, networksApart, outside, type Claim } from "../config/rules";

/** Keys of a schema's `network`. */
export const announcedPoolKeys = {
    /** Addresses for LoadBalancer Services. */
    pool: cidr,
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
        .filter(([, address]) => contains(cidrRange(pool), address))
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
        .filter(([, network]) => contains(cidrRange(network), address))
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
    outside("address-outside-pool", pinned, cidrRange(pool), `an address in network.pool (${pool})`);

/** Cilium keeps them back, or gives them where somebody pins one (`firstAndLast` of components/network/cilium-pool.ts): then those of the LAN are out. */
const pinnedInside: PoolRule = ({ pool, pinned, announce, machines, firstAndLast }) => {
    const [path, network]: Claim = firstAndLast === true ? machines : ["network.pool", pool];
    if (firstAndLast === true && announce !== "l2") return [];
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
    announce === "l2" && !isWithin(pool, subnet)
        ? [
              {
                  rule: "l2-outside-subnet",
                  path: "network.announce",
                  got: show(announce),
                  allowed: `l2 only for a pool inside ${path} (${subnet}); ${pool} is not: use routed or bgp`,
              },
          ]
        : [];

const isWithin = (pool: string, network: string): boolean => {
    const [inner, outer] = [cidrRange(pool), cidrRange(network)];
    return contains(outer, inner.first) && contains(outer, inner.last);
};

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
    wholePeering,
    l2NeedsSubnet,
];

export const announcedPoolFaults = (pool: AnnouncedPool): Fault[] => RULES.flatMap((rule) => rule(pool));

export const announcedPoolClaims = ({ pool, bgp }: Pick<AnnouncedPool, "pool" | "bgp">): StackClaim[] => [
    { kind: "pool", value: pool, path: "network.pool" },
    ...(bgp === undefined ? [] : [{ kind: "asn" as const, value: String(bgp.localAsn), path: "network.bgp.localAsn" }]),
];

/** Where the machines are that the pool is near: a recipe knows it. */
export interface Surroundings<C> {
    /** Their network, with its place. */
    network(config: C): Claim;
    /** Addresses of machines and router. */
    addresses(config: C): readonly Claim[];
}

/** True where the pool lies in the machines' network, which then learns of it by ARP. */
export const isNear = (pool: string, lan: unknown): boolean =>
    typeof lan === "string" && isCidr(lan) && contains(cidrRange(lan), cidrRange(pool).first);
