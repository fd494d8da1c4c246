/** Addresses of the machines' own network that MetalLB gives to Services: their part of the schema, rules and claims. */
import { z } from "zod";
import { cidrRange, contains, overlaps, textRange } from "../components/network/addresses";
import type { StackClaim } from "../config/claims";
import { addressPool, cidr, networkInterface } from "../config/fields";
import { show, type CrossRule, type Fault } from "../config/parse";
import { networkEdges, networksApart, outside, type Claim } from "../config/rules";
import { isRecord } from "../lib/json";
import { pastRouter } from "./entrances";
import { lanPoolDefaults, lanPoolFollows } from "./lan-pool";

/** Keys of a schema's `network`. */
export const metalLbKeys = {
    /** The LAN that machines and pool are in; default: the /24 around the first machine. */
    lan: cidr,
    /** Addresses for LoadBalancer Services, as a range or a network; outside the router's DHCP range. Default: .240 to .250. */
    pool: addressPool,
    /** Network interfaces that answer ARP for the pool; default: every one. */
    interfaces: z
        .array(networkInterface)
        .min(1, { error: "at least one interface; without the key every one" })
        .optional(),
};

export type MetalLbKeys = z.output<z.ZodObject<typeof metalLbKeys>>;

/** How a Service has its address together with others. */
export interface Sharing {
    /** The same for all of them. */
    readonly key: string;
    /** Its ports with their protocols, such as `UDP/3478`. */
    readonly ports: readonly string[];
    /** The pods it leads to, where its external traffic policy is Local; absent: Cluster. */
    readonly localPods?: string;
}

/** An address that a Service pins, with its place. */
export interface Pin {
    readonly path: string;
    readonly address: string;
    readonly sharing?: Sharing;
}

/** Where the pool is, and who is in it. */
export interface MetalLbPool extends MetalLbKeys {
    /** Addresses of machines, of the API, of the router: whatever has one already. */
    readonly taken: readonly Claim[];
    /** Every other network of the cluster. */
    readonly networks: readonly Claim[];
    /** Addresses that Services pin, the ingress among them. */
    readonly pinned: readonly Pin[];
}

/**
 * `network` around a machine, where the file says nothing else: LAN, pool, and as `ingressAddress` the pool's first that is not most routers' own.
 * Undefined where neither can be read; the schema then says so.
 */
export function metalLbDefaults(machine: unknown, network: unknown): Readonly<Record<string, unknown>> | undefined {
    const around = lanPoolDefaults(machine, network);
    if (around === undefined) return undefined;
    const { pool, ingressAddress } = around;
    const text = isRecord(pool) ? `${String(pool["first"])}-${String(pool["last"])}` : pool;
    const first = typeof text === "string" && addressPool.safeParse(text).success ? textRange(text).first : undefined;
    return {
        ...around,
        ...(text === undefined ? {} : { pool: text }),
        ...(ingressAddress === undefined && first !== undefined
            ? { ingressAddress: pastRouter(first, around["lan"]) }
            : {}),
    };
}

export { lanPoolFollows as metalLbFollows };

type PoolRule = CrossRule<MetalLbPool>;

const poolText = ({ pool }: MetalLbPool) => `network.pool (${pool})`;

const separateNetworks: PoolRule = ({ lan, networks }) => networksApart([["network.lan", lan], ...networks]);

/** ARP does not cross a router. */
const poolInLan: PoolRule = ({ lan, pool }) => {
    const { first, last } = textRange(pool);
    const around = cidrRange(lan);
    if (contains(around, first) && contains(around, last)) return [];
    return [
        {
            rule: "outside-lan",
            path: "network.pool",
            got: show(pool),
            allowed: `addresses of network.lan (${lan}): MetalLB answers ARP for them, which does not cross a router`,
        },
    ];
};

const poolEdges: PoolRule = ({ lan, pool }) => {
    const { first, last } = textRange(pool);
    const ends: Claim[] = [first, last].map((address) => ["network.pool", address]);
    return networkEdges(ends, "network.lan", lan).slice(0, 1);
};

const takenBetweenEdges: PoolRule = ({ lan, taken }) => networkEdges(taken, "network.lan", lan);

const takenOutsidePool: PoolRule = (own) => {
    const range = textRange(own.pool);
    return own.taken
        .filter(([, address]) => overlaps(range, { first: address, last: address }))
        .map(([path, address]) => ({
            rule: "node-in-pool",
            path,
            got: show(address),
            allowed: `an address outside ${poolText(own)}, or MetalLB answers ARP for it beside its owner`,
        }));
};

const pinnedInPool: PoolRule = (own) =>
    outside(
        "address-outside-pool",
        own.pinned.map(({ path, address }) => [path, address]),
        textRange(own.pool),
        `an address of ${poolText(own)}`,
    );

/** https://metallb.io/usage/#ip-address-sharing */
const pinnedOnce: PoolRule = ({ pinned }) =>
    pinned.flatMap((pin, index) =>
        pinned
            .slice(0, index)
            .filter(({ address }) => address === pin.address)
            .slice(0, 1)
            .flatMap((first) => shared(first, pin)),
    );

function shared(first: Pin, pin: Pin): Fault[] {
    const [one, other] = [first.sharing, pin.sharing];
    const fault = (rule: string, allowed: string): Fault[] => [
        { rule, path: pin.path, got: show(pin.address), allowed },
    ];
    if (one === undefined || other === undefined || one.key !== other.key) {
        return fault("address-claimed-twice", `an address of its own; ${first.path} has this one`);
    }
    const both = other.ports.filter((port) => one.ports.includes(port));
    if (both.length > 0) {
        return fault("address-shared-port", `ports of its own at this address; ${first.path} has ${both.join(", ")}`);
    }
    return one.localPods === other.localPods
        ? []
        : fault(
              "address-shared-traffic",
              `the external traffic policy Cluster on both, or the same pods as ${first.path}: MetalLB shares no address otherwise`,
          );
}

const RULES = [separateNetworks, poolInLan, poolEdges, takenBetweenEdges, takenOutsidePool, pinnedInPool, pinnedOnce];

export const metalLbFaults = (pool: MetalLbPool): Fault[] => RULES.flatMap((rule) => rule(pool));

/** For comparison with other clusters. */
export function metalLbClaims({ lan, pool }: Pick<MetalLbPool, "lan" | "pool">): StackClaim[] {
    const { first, last } = textRange(pool);
    return [
        { kind: "lan", value: lan, path: "network.lan" },
        { kind: "pool", value: `${first}-${last}`, path: "network.pool" },
    ];
}
