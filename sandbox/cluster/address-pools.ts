import { type Condition, type KubeObject, type LabelSelector, selects, type Service } from "../controllers/objects";
import { type AddressRange, overlaps, rangeOf, rangeOfCidr } from "./ranges";

/** Addresses somebody declared for load balancers, whatever the technology. */
export interface AddressPool {
    readonly name: string;
    readonly ranges: readonly AddressRange[];
    /** Whether a service may have an address of it. */
    readonly accepts: (service: Service) => boolean;
    /** False when only a service that names the pool or an address of it may have one. */
    readonly automatic: boolean;
    /** Smaller is tried earlier. */
    readonly priority: number;
}

/** CiliumLoadBalancerIPPool of cilium.io/v2 or v2alpha1. */
export interface CiliumPool extends KubeObject {
    readonly spec: {
        readonly blocks?: readonly { readonly cidr?: string; readonly start?: string; readonly stop?: string }[];
        readonly serviceSelector?: LabelSelector;
        readonly disabled?: boolean;
        readonly allowFirstLastIPs?: "Yes" | "No";
    };
    readonly status?: { readonly conditions?: readonly Condition[] };
}

/** IPAddressPool of metallb.io/v1beta1. */
export interface MetalLbPool extends KubeObject {
    readonly spec: {
        readonly addresses?: readonly string[];
        readonly autoAssign?: boolean;
        readonly avoidBuggyIPs?: boolean;
        readonly serviceAllocation?: {
            readonly priority?: number;
            readonly namespaces?: readonly string[];
            readonly serviceSelectors?: readonly LabelSelector[];
        };
    };
}

/** The ranges of a Cilium pool; blocks that make no sense are left out, as Cilium leaves them out. */
export function ciliumRanges(pool: CiliumPool): AddressRange[] {
    return (pool.spec.blocks ?? []).flatMap(({ cidr, start, stop }) => {
        const range =
            cidr !== undefined && cidr !== ""
                ? rangeOfCidr(cidr, pool.spec.allowFirstLastIPs !== "No")
                : start !== undefined
                  ? rangeOf(start, stop || start)
                  : undefined;
        return range === undefined ? [] : [range];
    });
}

/** Splits pools into those that give addresses and, by name, the reason why a later one may not: it overlaps an earlier one. */
export function ciliumPools(pools: readonly CiliumPool[]): {
    readonly usable: AddressPool[];
    readonly conflicts: ReadonlyMap<string, string>;
} {
    const oldestFirst = [...pools].sort(
        (one, other) =>
            (one.metadata.creationTimestamp ?? "").localeCompare(other.metadata.creationTimestamp ?? "") ||
            one.metadata.name.localeCompare(other.metadata.name),
    );
    const conflicts = new Map<string, string>();
    const accepted: CiliumPool[] = [];
    for (const pool of oldestFirst) {
        const rival = accepted.find((other) =>
            ciliumRanges(other).some((range) => ciliumRanges(pool).some((own) => overlaps(own, range))),
        );
        if (rival === undefined) {
            accepted.push(pool);
        } else {
            conflicts.set(
                pool.metadata.name,
                `Pool conflicts since a range of it overlaps IP Pool '${rival.metadata.name}'`,
            );
        }
    }
    return {
        conflicts,
        usable: accepted
            .filter((pool) => pool.spec.disabled !== true)
            .map((pool) => ({
                name: pool.metadata.name,
                ranges: ciliumRanges(pool),
                automatic: true,
                priority: 0,
                accepts: (service) => selects(pool.spec.serviceSelector, ciliumLabels(service)),
            })),
    };
}

/** MetalLB's pools, best priority first, without those that overlap an older one: its webhook refuses them. */
export function metalLbPools(pools: readonly MetalLbPool[]): AddressPool[] {
    return apart(pools)
        .map((pool): AddressPool => {
            const allocation = pool.spec.serviceAllocation;
            const { namespaces = [], serviceSelectors = [] } = allocation ?? {};
            return {
                name: pool.metadata.name,
                ranges: (pool.spec.addresses ?? []).flatMap((text) => metalLbRange(text) ?? []),
                automatic: pool.spec.autoAssign !== false,
                // 0 or absent is the lowest priority of all.
                priority: allocation?.priority || Number.MAX_SAFE_INTEGER,
                accepts: (service) =>
                    (namespaces.length === 0 || namespaces.includes(service.metadata.namespace ?? "")) &&
                    (serviceSelectors.length === 0 ||
                        serviceSelectors.some((selector) => selects(selector, service.metadata.labels ?? {}))),
            };
        })
        .sort((one, other) => one.priority - other.priority);
}

function apart(pools: readonly MetalLbPool[]): MetalLbPool[] {
    const ranges = ({ spec }: MetalLbPool) => (spec.addresses ?? []).flatMap((text) => metalLbRange(text) ?? []);
    const meets = (one: MetalLbPool) => (other: MetalLbPool) =>
        ranges(one).some((range) => ranges(other).some((rival) => overlaps(range, rival)));
    return [...pools]
        .sort((one, other) =>
            (one.metadata.creationTimestamp ?? "").localeCompare(other.metadata.creationTimestamp ?? ""),
        )
        .reduce<MetalLbPool[]>((taken, pool) => (taken.some(meets(pool)) ? taken : [...taken, pool]), []);
}

function metalLbRange(text: string): AddressRange | undefined {
    const [start, stop] = text.split("-");
    return stop === undefined ? rangeOfCidr(text) : rangeOf(start ?? "", stop);
}

/** A service's labels with the two that Cilium adds for selectors. */
function ciliumLabels(service: Service): Record<string, string> {
    return {
        ...service.metadata.labels,
        "io.kubernetes.service.name": service.metadata.name,
        "io.kubernetes.service.namespace": service.metadata.namespace ?? "",
    };
}
