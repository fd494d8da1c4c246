/** Longhorn's disks sorted into tiers: the class that each yields, its replicas, and what Longhorn finds room for. */
import { createHash } from "node:crypto";

/** Tier of a disk that says nothing else; its class is called `longhorn`. */
export const STANDARD_TIER = "standard";

/** A file system of a machine that Longhorn keeps replicas on. */
export interface LonghornDisk {
    /** Directory that it is mounted at. */
    readonly path: string;
    readonly tier: string;
    /** Bytes that it is said to have; absent: nobody says. */
    readonly bytes?: number;
}

export interface LonghornNode {
    /** Kubernetes' name of the node. */
    readonly name: string;
    readonly disks: readonly LonghornDisk[];
}

/** Disks of one kind, and the StorageClass of the volumes on them. */
export interface LonghornTier {
    readonly name: string;
    readonly className: string;
    /** Each on another machine. */
    readonly replicas: number;
    /** Machines with disks of it. */
    readonly nodes: readonly string[];
    readonly isDefault: boolean;
}

export interface TierSettings {
    /** Tier of claims that ask for none; absent: the standard one, or the only one there is. */
    readonly defaultTier?: string | undefined;
    /** Replicas by tier; absent: one a machine, three at most. */
    readonly replicas?: Readonly<Record<string, number | undefined>>;
}

export const tierClass = (tier: string): string => (tier === STANDARD_TIER ? "longhorn" : `longhorn-${tier}`);

/** Every tier that a disk is of, in the order of the disks. */
export const tierNames = (nodes: readonly LonghornNode[]): string[] => [
    ...new Set(nodes.flatMap(({ disks }) => disks.map(({ tier }) => tier))),
];

/** The tier of claims that ask for none; undefined where nothing says which of several. */
export function defaultTierOf(nodes: readonly LonghornNode[], { defaultTier }: TierSettings): string | undefined {
    const names = tierNames(nodes);
    if (defaultTier !== undefined) return defaultTier;
    return names.includes(STANDARD_TIER) || names.length !== 1
        ? names.find((name) => name === STANDARD_TIER)
        : names[0];
}

/** Machines with a disk of a tier. */
export const tierNodes = (nodes: readonly LonghornNode[], tier: string): string[] =>
    nodes.filter(({ disks }) => disks.some((disk) => disk.tier === tier)).map(({ name }) => name);

/** The tiers, as their classes are made. */
export function longhornTiers(nodes: readonly LonghornNode[], settings: TierSettings = {}): LonghornTier[] {
    const standard = defaultTierOf(nodes, settings);
    return tierNames(nodes).map((name) => {
        const machines = tierNodes(nodes, name);
        return {
            name,
            className: tierClass(name),
            replicas: settings.replicas?.[name] ?? Math.min(3, machines.length),
            nodes: machines,
            isDefault: name === standard,
        };
    });
}

/** A tier as tables name it, with what one machine or several mean for its volumes. */
export function tierTitle({ className, replicas, nodes }: LonghornTier): string {
    return replicas === 1
        ? `${className}, one replica on ${nodes.length === 1 ? nodes.join() : `one of ${nodes.join(", ")}`}`
        : `${className}, ${replicas} replicas on ${nodes.join(", ")}`;
}

/** What a file system takes of a disk for itself, at most: ext4's inodes and journal, with a margin. */
export const FILE_SYSTEM_SHARE = 0.05;

/** A volume to be, in bytes. */
export interface WantedVolume {
    readonly name: string;
    readonly bytes: number;
}

/**
 * The volumes of a tier that Longhorn would find no room for: each replica lies whole on one disk, no two of a volume on one
 * machine, and nothing is promised beyond a disk's size (storage-over-provisioning-percentage 100). Undefined where a
 * disk's size is not said. Each goes where most room is, the largest first, much as Longhorn spreads them; it places in the
 * order of their making, so a tier that is full to the brim may still refuse the last.
 */
export function withoutRoom(
    nodes: readonly LonghornNode[],
    { name, replicas }: Pick<LonghornTier, "name" | "replicas">,
    volumes: readonly WantedVolume[],
): WantedVolume[] | undefined {
    const disks = nodes.flatMap((node) =>
        node.disks
            .filter(({ tier }) => tier === name)
            .map(({ bytes }) => ({
                node: node.name,
                free: bytes === undefined ? NaN : bytes * (1 - FILE_SYSTEM_SHARE),
            })),
    );
    if (disks.some(({ free }) => Number.isNaN(free))) return undefined;
    // More than there are machines is another fault.
    const copies = Math.min(replicas, new Set(disks.map(({ node }) => node)).size);
    return [...volumes]
        .sort((one, other) => other.bytes - one.bytes)
        .filter(({ bytes }) => {
            const best = new Map<string, (typeof disks)[number]>();
            for (const disk of disks) {
                const known = best.get(disk.node);
                if (known === undefined || disk.free > known.free) best.set(disk.node, disk);
            }
            const chosen = [...best.values()]
                .filter(({ free }) => free >= bytes)
                .sort((one, other) => other.free - one.free)
                .slice(0, copies);
            if (chosen.length < copies) return true;
            for (const disk of chosen) disk.free -= bytes;
            return false;
        });
}

/** Name of a disk in Longhorn's Node: told by its path, in what JSONPath takes without a quote. */
export function diskName(path: string): string {
    const hash = createHash("sha256").update(path).digest("hex").slice(0, 6);
    const words = path
        .toLowerCase()
        .replaceAll(/[^a-z0-9]+/g, "-")
        .replaceAll(/^-|-$/g, "");
    return `${words}-${hash}`;
}
