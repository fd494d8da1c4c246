import type { AddressPool } from "./address-pools";
import { keyOf, type Service } from "../controllers/objects";
import { type AddressRange, contains, formatAddress, parseAddress } from "./ranges";

/** What a service asks of the address management, read from its spec and annotations. */
export interface Claim {
    readonly service: Service;
    /** Addresses asked for by name; with none, one of each of the service's families. */
    readonly requested: readonly string[];
    /** Services with the same key may sit on one address, if their ports differ. */
    readonly sharingKey?: string;
    /** Other namespaces a shared address may reach into; `*` is all. */
    readonly sharingNamespaces: readonly string[];
    /** Only this pool will do. */
    readonly pool?: string;
}

/** The reasons Cilium gives. */
export type Reason =
    | "no_pool"
    | "pool_selector_mismatch"
    | "already_allocated"
    | "already_allocated_incompatible_service"
    | "out_of_ips";

/** What a claim gets: addresses, and why not (all of) what it wants. */
export interface Allocation {
    readonly addresses: readonly string[];
    readonly problem?: { readonly reason: Reason; readonly message: string };
}

/**
 * Hands out addresses: what a service holds and may hold it keeps; then those that name an address, then the others choose, the
 * oldest service first; or all of them oldest first.
 * Deterministic, so that a restarted controller comes to the same end.
 *
 * @returns an allocation for each claim, by `namespace/name`.
 */
export function allocate(
    pools: readonly AddressPool[],
    claims: readonly Claim[],
    order: "pinned-first" | "oldest-first" = "pinned-first",
): Map<string, Allocation> {
    const holders = new Map<string, Claim[]>();
    const kept = new Map<string, string[]>();
    const oldestFirst = [...claims].sort(
        (one, other) =>
            (one.service.metadata.creationTimestamp ?? "").localeCompare(
                other.service.metadata.creationTimestamp ?? "",
            ) || keyOf(one.service).localeCompare(keyOf(other.service)),
    );
    const take = (claim: Claim, address: string): void => {
        holders.set(address, [...(holders.get(address) ?? []), claim]);
    };

    for (const claim of oldestFirst) {
        const current = (claim.service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []);
        const keeps = current.filter((address) => {
            const wanted =
                claim.requested.length > 0
                    ? claim.requested.includes(address)
                    : families(claim.service).some((family) => family === familyOf(address));
            return (
                wanted &&
                poolOf(pools, claim, address) !== undefined &&
                (holders.get(address) ?? []).every((other) => mayShare(claim, other))
            );
        });
        keeps.forEach((address) => take(claim, address));
        kept.set(keyOf(claim.service), keeps);
    }

    // Whoever names an address goes first: else a service that takes any would now and then take a pinned one.
    const pinnedFirst = [...oldestFirst].sort(
        (one, other) => Number(other.requested.length > 0) - Number(one.requested.length > 0),
    );
    return new Map(
        (order === "pinned-first" ? pinnedFirst : oldestFirst).map((claim) => {
            const addresses = kept.get(keyOf(claim.service)) ?? [];
            const wanted: (() => string | NonNullable<Allocation["problem"]>)[] =
                claim.requested.length > 0
                    ? claim.requested
                          .filter((address) => !addresses.includes(address))
                          .map((address) => () => specific(pools, claim, address, holders))
                    : families(claim.service)
                          .filter((family) => !addresses.some((address) => familyOf(address) === family))
                          .map((family) => () => generic(pools, claim, family, holders));
            let problem: Allocation["problem"];
            for (const choose of wanted) {
                const result = choose();
                if (typeof result === "string") {
                    take(claim, result);
                    addresses.push(result);
                } else {
                    problem = result;
                }
            }
            return [keyOf(claim.service), { addresses, ...(problem !== undefined && { problem }) }];
        }),
    );
}

function specific(
    pools: readonly AddressPool[],
    claim: Claim,
    address: string,
    holders: ReadonlyMap<string, readonly Claim[]>,
): string | NonNullable<Allocation["problem"]> {
    if (!pools.some((pool) => pool.ranges.some((range) => contains(range, address)))) {
        return { reason: "no_pool", message: `No pool exists with a CIDR containing '${address}'` };
    }
    if (poolOf(pools, claim, address) === undefined) {
        return {
            reason: "pool_selector_mismatch",
            message: `The pool with the CIDR containing '${address}', doesn't select this service`,
        };
    }
    const others = holders.get(address) ?? [];
    if (others.every((other) => mayShare(claim, other))) {
        return address;
    }
    const owners = others.map((other) => keyOf(other.service)).join(", ");
    return claim.sharingKey === undefined
        ? {
              reason: "already_allocated",
              message: `The IP '${address}' is already allocated to another service (${owners})`,
          }
        : {
              reason: "already_allocated_incompatible_service",
              message: `The IP '${address}' is already allocated to an incompatible service (${owners})`,
          };
}

function generic(
    pools: readonly AddressPool[],
    claim: Claim,
    family: AddressRange["family"],
    holders: ReadonlyMap<string, readonly Claim[]>,
): string | NonNullable<Allocation["problem"]> {
    if (claim.sharingKey !== undefined) {
        for (const [address, others] of holders) {
            const fits = familyOf(address) === family && poolOf(pools, claim, address) !== undefined;
            if (fits && others.every((other) => mayShare(claim, other))) {
                return address;
            }
        }
    }
    const fitting = pools.filter((pool) => (pool.automatic || claim.pool === pool.name) && isAllowed(pool, claim));
    for (const pool of fitting) {
        for (const range of pool.ranges.filter((candidate) => candidate.family === family)) {
            for (let value = range.first; value <= range.last; value += 1n) {
                const address = formatAddress(family, value);
                if (!holders.has(address)) {
                    return address;
                }
            }
        }
    }
    return fitting.some((pool) => pool.ranges.some((range) => range.family === family))
        ? { reason: "out_of_ips", message: "All enabled pools that match this service ran out of allocatable IPs" }
        : { reason: "no_pool", message: "There are no enabled pools that match this service" };
}

function isAllowed(pool: AddressPool, claim: Claim): boolean {
    return (claim.pool === undefined || claim.pool === pool.name) && pool.accepts(claim.service);
}

function poolOf(pools: readonly AddressPool[], claim: Claim, address: string): AddressPool | undefined {
    return pools.find((pool) => isAllowed(pool, claim) && pool.ranges.some((range) => contains(range, address)));
}

/** Same key, namespaces that let each other in, no port in common, and the same idea of local traffic. */
function mayShare(one: Claim, other: Claim): boolean {
    if (one.sharingKey === undefined || one.sharingKey !== other.sharingKey) {
        return false;
    }
    const [home, away] = [one.service.metadata.namespace ?? "", other.service.metadata.namespace ?? ""];
    const open = (claim: Claim, namespace: string) =>
        claim.sharingNamespaces.some((name) => name === "*" || name === namespace);
    if (home !== away && !(open(one, away) && open(other, home))) {
        return false;
    }
    if (portsOf(one.service).some((port) => portsOf(other.service).includes(port))) {
        return false;
    }
    const local = (service: Service) => service.spec.externalTrafficPolicy === "Local";
    return (
        (!local(one.service) && !local(other.service)) ||
        (local(one.service) === local(other.service) &&
            JSON.stringify(one.service.spec.selector ?? {}) === JSON.stringify(other.service.spec.selector ?? {}))
    );
}

function portsOf(service: Service): string[] {
    return (service.spec.ports ?? []).map(({ port, protocol = "TCP" }) => `${protocol}/${port}`);
}

function families(service: Service): AddressRange["family"][] {
    const wanted = (service.spec.ipFamilies ?? []).filter((family) => family === "IPv4" || family === "IPv6");
    return wanted.length > 0 ? wanted : ["IPv4"];
}

function familyOf(address: string): AddressRange["family"] | undefined {
    return parseAddress(address)?.family;
}
