/** What a cluster takes for itself that another cluster may not have, and where two clusters' claims meet. Pure. */
import { overlaps, textRange, type AddressRange } from "../components/network/addresses";

/**
 * - `address`: one address of a machine or of a Service's own;
 * - `pool`: addresses a load balancer hands out;
 * - `lan`: the network that machines are in; two clusters may share one;
 * - `cluster-network`: pod or Service addresses, routed inside the cluster only;
 * - `host`: a fully qualified name; `tunnel`: its name in the account;
 * - `disk`: a disk by id; `repository`: a bucket that backups, archives or metrics are written to;
 * - `asn`: a BGP autonomous system number;
 * - `git-tree`: a directory of a Git repository that its Argo CD follows, as `<repository> <path>`.
 */
export type ClaimKind =
    "address" | "pool" | "lan" | "cluster-network" | "host" | "tunnel" | "disk" | "repository" | "asn" | "git-tree";

export interface StackClaim {
    readonly kind: ClaimKind;
    /** Text as a person would compare it; ranges as `first-last`, networks as CIDRs. */
    readonly value: string;
    /** Place in the stack's value, dotted. */
    readonly path: string;
}

/** Two claims of different clusters that cannot both hold. */
export interface Conflict {
    readonly kind: string;
    readonly first: { readonly stack: string } & StackClaim;
    readonly second: { readonly stack: string } & StackClaim;
    readonly why: string;
}

/** Range of an address, a CIDR or `first-last`. */
export function claimedRange(value: string): AddressRange {
    return value.includes("/") || value.includes("-") ? textRange(value) : { first: value, last: value };
}

const meet = (a: StackClaim, b: StackClaim) => overlaps(claimedRange(a.value), claimedRange(b.value));
const same = (a: StackClaim, b: StackClaim) => a.value === b.value;

/** Which kinds may not meet, seen from either side, and why. */
const RULES: readonly {
    readonly kinds: readonly [ClaimKind, ClaimKind];
    readonly collide: (a: StackClaim, b: StackClaim) => boolean;
    readonly why: string;
}[] = [
    { kinds: ["address", "address"], collide: same, why: "two machines would answer for one address" },
    { kinds: ["pool", "pool"], collide: meet, why: "both load balancers would hand out the same addresses" },
    { kinds: ["pool", "address"], collide: meet, why: "a load balancer would hand out the other cluster's address" },
    {
        kinds: ["cluster-network", "lan"],
        collide: meet,
        why: "pods of the first could not reach machines of the second: their own network has those addresses",
    },
    {
        kinds: ["cluster-network", "pool"],
        collide: meet,
        why: "pods of the first could not reach services of the second: their own network has those addresses",
    },
    { kinds: ["host", "host"], collide: same, why: "one name would lead to two clusters" },
    { kinds: ["tunnel", "tunnel"], collide: same, why: "Cloudflare refuses a second tunnel of a name" },
    { kinds: ["disk", "disk"], collide: same, why: "the second cluster would wipe the first one's data" },
    { kinds: ["repository", "repository"], collide: same, why: "each would prune the other's backups" },
    {
        kinds: ["git-tree", "git-tree"],
        collide: same,
        why: "each would run the other's apps, and npm run render of each would remove what the other wrote",
    },
    { kinds: ["asn", "asn"], collide: same, why: "the router could not tell the clusters apart" },
];

/** Every conflict between the claims of different stacks, in the order of the stacks. */
export function conflicts(claims: ReadonlyMap<string, readonly StackClaim[]>): Conflict[] {
    const all = [...claims].flatMap(([stack, list]) => list.map((claim) => ({ stack, ...claim })));
    const found: Conflict[] = [];
    for (const { kinds, collide, why } of RULES) {
        const concerned = all.filter(({ kind }) => kinds.includes(kind));
        for (const [position, a] of concerned.entries()) {
            for (const b of concerned.slice(position + 1)) {
                if (a.stack === b.stack) continue;
                const [first, second] = a.kind === kinds[0] && b.kind === kinds[1] ? [a, b] : [b, a];
                if (first.kind !== kinds[0] || second.kind !== kinds[1] || !collide(first, second)) continue;
                found.push({ kind: kinds[0] === kinds[1] ? kinds[0] : kinds.join(" and "), first, second, why });
            }
        }
    }
    return found;
}
