/** A range of the machines' own network for Services, which Cilium announces by ARP: its part of the schema, rules and claims. */
import { z } from "zod";
import { cidrRange, contains, textRange, toAddress, toNumber } from "../components/network/addresses";
import { addressRange, cidr, ipv4, isCidr, isGoRegExp } from "../config/fields";
import { show, type CrossRule, type Fault, type Follows } from "../config/parse";
import { claimedTwice, networkEdges, networksApart, outside, type Claim } from "../config/rules";
import { appAddresses, type Apps } from "./apps";
import { clusterNetworkClaims, clusterNetworks, networkSizes, type ClusterNetworks } from "./cluster-networks";
import { pastRouter, routerInPool } from "./entrances";
import { lanOf } from "./parts";
import type { Part } from "./platform-parts";
import { isRecord } from "../lib/json";

const INTERFACES = "a regular expression such as ^en.*, as Go reads it: no lookaround, no backreference";

/** Keys of a schema's `network`. */
export const lanPoolKeys = {
    /** The LAN that node and pool are in; default: the /24 around the node. */
    lan: cidr,
    /** Addresses that Cilium may give to LoadBalancer Services; outside the router's DHCP range. As a range, a network or its ends. Default: .240 to .250. */
    pool: addressRange,
    /** The address of the shared ingress, to which every local host resolves; default: the pool's first that is not the LAN's first. */
    ingressAddress: ipv4,
    /** Network interfaces that answer ARP for the pool, as regular expressions. */
    interfaces: z
        .array(z.string().min(1, { error: INTERFACES }))
        .min(1, { error: "at least one regular expression; without the key ^en.* and ^eth.*" })
        .default(["^en.*", "^eth.*"]),
};

/** Where the pool is, and who is in it. */
export interface LanPool extends z.output<z.ZodObject<typeof lanPoolKeys>> {
    /** The machine's address. */
    readonly node: string;
    /** Every other network of the cluster. */
    readonly networks: readonly Claim[];
    /** Addresses that Services pin. */
    readonly pinned: readonly Claim[];
}

/** `network` around the node, where the file says nothing else; undefined where neither can be read. */
export function lanPoolDefaults(node: unknown, network: unknown): Readonly<Record<string, unknown>> | undefined {
    const around = lanOf(node, network);
    if (around === undefined) return undefined;
    const { lan, said } = around;
    // A smaller network has no such addresses, or they are somebody's.
    const pool = said["pool"] ?? (Number(lan.split("/")[1]) <= 24 ? poolIn(lan) : undefined);
    const first = isRecord(pool) ? pool["first"] : undefined;
    return {
        lan,
        ...(pool === undefined ? {} : { pool }),
        ...(first === undefined ? {} : { ingressAddress: typeof first === "string" ? pastRouter(first, lan) : first }),
        ...said,
    };
}

/** `network` with the pool by its ends where it is written as in the other recipes, `first-last` or a network; anything else is left to the schema. */
export function poolByEnds(network: unknown): unknown {
    if (!isRecord(network) || typeof network["pool"] !== "string") return network;
    const { pool } = network;
    if (isCidr(pool)) return { ...network, pool: textRange(pool) };
    const [first, last, rest] = pool.split("-");
    return last === undefined || rest !== undefined ? network : { ...network, pool: { first, last } };
}

/** What of it follows from what; `address`: where the node's is. */
export const lanPoolFollows = (address: string): Follows => ({
    "network.lan": [address],
    "network.pool": ["network.lan"],
    "network.ingressAddress": ["network.pool"],
    network: [address],
});

function poolIn(lan: string): Record<string, unknown> {
    const at = (host: number) => toAddress(toNumber(cidrRange(lan).first) + host);
    return { first: at(240), last: at(250) };
}

type PoolRule = CrossRule<LanPool>;

const ownNetworks: PoolRule = ({ lan, networks }) => networksApart([["network.lan", lan], ...networks]);

const poolText = ({ pool }: LanPool) => `network.pool (${pool.first} to ${pool.last})`;

const nodeOutsidePool: PoolRule = (lan) =>
    contains(lan.pool, lan.node)
        ? [
              {
                  rule: "node-in-pool",
                  path: "node.address",
                  got: show(lan.node),
                  allowed: `an address outside ${poolText(lan)}, or Cilium hands the node's address to a Service`,
              },
          ]
        : [];

/** Addresses that the machines' network must have. */
const inLan = ({ node, pool }: LanPool): Claim[] => [
    ["node.address", node],
    ["network.pool.first", pool.first],
    ["network.pool.last", pool.last],
];

const insideLan: PoolRule = (lan) =>
    outside(
        "outside-lan",
        inLan(lan),
        cidrRange(lan.lan),
        `an address in network.lan (${lan.lan}); L2 announcements do not cross a router`,
    );

const insideEdges: PoolRule = (lan) => networkEdges(inLan(lan), "network.lan", lan.lan);

/** The addresses that workloads and ingress pin must come from the pool, or Cilium never assigns them. */
const pinnedInPool: PoolRule = (lan) =>
    outside("address-outside-pool", lan.pinned, lan.pool, `an address of ${poolText(lan)}`);

const pinnedOnce: PoolRule = ({ node, pinned }) =>
    claimedTwice("address-claimed-twice", [["node.address", node], ...pinned], "an address of its own");

const interfacePatterns: PoolRule = ({ interfaces }) =>
    interfaces.flatMap((expression, index) =>
        isGoRegExp(expression)
            ? []
            : [
                  {
                      rule: "interface-pattern",
                      path: `network.interfaces.${index}`,
                      got: show(expression),
                      allowed: INTERFACES,
                  },
              ],
    );

const RULES = [ownNetworks, nodeOutsidePool, insideLan, insideEdges, pinnedOnce, pinnedInPool, interfacePatterns];

export const lanPoolFaults = (lan: LanPool): Fault[] => RULES.flatMap((rule) => rule(lan));

/** What of a configuration concerns it. */
interface LanPoolConfig {
    readonly node: { readonly address: string };
    readonly network: ClusterNetworks & z.output<z.ZodObject<typeof lanPoolKeys>>;
    readonly apps: Apps;
}

/** A machine with its networks and the pool around it as a part of the platform. */
export const lanPoolPart: Part<LanPoolConfig> = {
    rules: [
        ({ network }) => networkSizes(network, 1),
        ({ network, node, apps }) =>
            lanPoolFaults({
                ...network,
                node: node.address,
                networks: clusterNetworks(network),
                pinned: [["network.ingressAddress", network.ingressAddress], ...appAddresses(apps)],
            }),
    ],
    claims: ({ node, network }) => [
        { kind: "address", value: node.address, path: "node.address" },
        { kind: "lan", value: network.lan, path: "network.lan" },
        { kind: "pool", value: `${network.pool.first}-${network.pool.last}`, path: "network.pool" },
        ...clusterNetworkClaims(network),
    ],
    notes: ({ network: { lan, pool } }) => routerInPool(lan, `${pool.first}-${pool.last}`),
};
