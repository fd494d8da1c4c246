/**
 * Storage of a cluster whose machines have disks for Longhorn, in tiers; local directories for scratch, and for everything
 * where no machine has such a disk; libraries of the household's file server. Schema, rules, and what is built.
 */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { crds } from "../components/crds";
import type { Cluster } from "../components/platform";
import {
    ClassStorage,
    nfsLibraries,
    type ClassStorageArgs,
    type VolumeClass,
} from "../components/storage/class-storage";
import { LocalPathStorage } from "../components/storage/local-path";
import { Longhorn } from "../components/storage/longhorn";
import {
    defaultTierOf,
    longhornTiers,
    STANDARD_TIER,
    tierClass,
    tierNames,
    tierNodes,
    tierTitle,
    withoutRoom,
    type LonghornNode,
    type LonghornTier,
    type TierSettings,
} from "../components/storage/longhorn-tiers";
import { SnapshotController } from "../components/storage/snapshot-controller";
import type { SharedLibrary } from "../components/storage/volumes";
import { absolutePath, bytes, deviceFile, fileServer, label, owner, whole } from "../config/fields";
import { show, type CrossRule, type Fault } from "../config/parse";
import { toBytes } from "../config/quantities";
import { claimedTwice, directoriesApart, machineDirectories, type Claim } from "../config/rules";
import { appVolumes, lostNotes, type Apps } from "./apps";
import { takesPods } from "./linux-nodes";
import type { Lab } from "./lab";
import { OBSERVABILITY } from "./observability";
import type { Part } from "./platform-parts";

/** Tier of data that is still on the file server, a directory an app. */
export const EXPORTED_TIER = "nfs";

/** Class of scratch volumes; where no machine has a disk for Longhorn, of all. */
export const SCRATCH_CLASS = "local-path";

/** Class that Longhorn makes for volumes that were made by hand. */
const STATIC_CLASS = "longhorn-static";

/** Keys of a node in a schema. */
export const longhornNodeKeys = {
    /** File systems that Longhorn keeps volumes on, each mounted by the machine, never the root's; absent: none of this machine. */
    disks: z
        .array(
            z.strictObject({
                /** Where it is mounted. */
                path: absolutePath,
                /** What is mounted there; said, somebody looks on the machine, before anything is touched, that it is not the system's. */
                device: deviceFile.optional(),
                /** Kind of disk; volumes of it have the class `longhorn-<tier>`, those of the tier `standard` the class `longhorn`. */
                tier: label
                    .refine((tier) => tierClass(tier) !== STATIC_CLASS, {
                        error: `another name: ${STATIC_CLASS} is a class of Longhorn's own`,
                    })
                    .default(STANDARD_TIER),
                /** What it has, with a binary unit: 110 GB are 102Gi. Said of every disk of a tier, the sum of volumes is checked. */
                size: bytes.optional(),
            }),
        )
        .default([]),
};

/** `storage` of a schema. */
export const longhornKeys = z.strictObject({
    /** Tier of volumes that ask for none; absent: `standard`, or the only one there is. */
    defaultTier: label.optional(),
    /** What of a tier is not as its disks say, by its name. */
    tiers: z
        .record(
            label,
            z.strictObject({
                /** Copies of each volume, each on another machine; absent: one a machine, three at most. */
                replicas: whole(1, 10).optional(),
            }),
        )
        .default({}),
    /** Directory of each node for volumes that may be lost; on its root disk. */
    scratch: absolutePath.default("/var/lib/local-path-provisioner"),
    /** The household's file server; absent: there are no libraries. */
    nfs: z
        .strictObject({
            server: fileServer,
            /** Exports on the server; a library without one is not there. */
            media: absolutePath.optional(),
            downloads: absolutePath.optional(),
            inbox: absolutePath.optional(),
            /** Directory with one directory an app, for apps of the tier `nfs`: data that has not moved to Longhorn yet. */
            configs: absolutePath.optional(),
        })
        .optional(),
    owner,
    /** Set to "yes-really-destroy-data" before a destroy that shall also delete volumes of Longhorn that no claim has any more. */
    confirmDataLoss: z.literal("yes-really-destroy-data").optional(),
});

/** What of a configuration concerns it. */
export interface LonghornConfig {
    readonly nodes: readonly {
        readonly name: string;
        readonly disks: z.output<typeof longhornNodeKeys.disks>;
        /** Of k3s: a server carries no work where there is an agent. */
        readonly role?: "server" | "agent";
        /** A node that may be absent. */
        readonly optional?: boolean | undefined;
        /** Longhorn's pods tolerate none. */
        readonly taints?: readonly { readonly effect: string }[];
    }[];
    readonly storage: z.output<typeof longhornKeys>;
    readonly apps: Apps;
}

type Disks = Pick<LonghornConfig, "nodes">;

/** The nodes as Longhorn knows them. */
export const longhornNodes = ({ nodes }: Disks): LonghornNode[] =>
    nodes.map(({ name, disks }) => ({
        name,
        disks: disks.map(({ path, tier, size }) => ({
            path,
            tier,
            ...(size === undefined ? {} : { bytes: toBytes(size) }),
        })),
    }));

/** Nodes that Longhorn runs on: those that carry work, and that are always there. */
const hostsOf = <N extends LonghornConfig["nodes"][number]>(nodes: readonly N[]): N[] => {
    const agents = nodes.some(({ role, optional }) => role === "agent" && optional !== true);
    return nodes.filter(
        ({ role, optional, taints = [] }) =>
            optional !== true && takesPods({ taints }) && !(agents && role === "server"),
    );
};

/** What the machines must have for it, as lab/k3s-machines.ts takes it; where a disk says its device, that is looked at before anything is touched. */
export const longhornMachines = (config: Pick<LonghornConfig, "nodes" | "storage">) => ({
    needs: { iscsi: hasLonghorn(config), nfs: config.storage.nfs !== undefined || hasLonghorn(config) },
    disks: Object.fromEntries(
        config.nodes.map(({ name, disks }) => [
            name,
            disks.flatMap(({ device }) => (device === undefined ? [] : [device])),
        ]),
    ),
});

/** Whether there is a disk for it at all. */
export const hasLonghorn = ({ nodes }: Disks): boolean => nodes.some(({ disks }) => disks.length > 0);

const settingsOf = ({ storage: { defaultTier, tiers } }: Pick<LonghornConfig, "storage">): TierSettings => ({
    defaultTier,
    replicas: Object.fromEntries(Object.entries(tiers).map(([name, { replicas }]) => [name, replicas])),
});

/** The tiers, for tables and for other parts' rules. */
export const tiersOf = (config: Omit<LonghornConfig, "apps">): LonghornTier[] =>
    longhornTiers(longhornNodes(config), settingsOf(config));

/** What the plan says of tiers. */
export const tierNotes = (config: Omit<LonghornConfig, "apps">): string[] =>
    tiersOf(config)
        .filter(({ replicas }) => replicas === 1)
        .map(
            ({ name, nodes }) =>
                `Volumes of the tier ${name} have one replica, on ${nodes.join(" or ")}: they are as safe as that machine.`,
        );

/** Names that an app's `tier` may have: `Offers.tiers`. */
export const offeredTiers = (config: Omit<LonghornConfig, "apps">): string[] => [
    ...tierNames(longhornNodes(config)),
    ...(config.storage.nfs?.configs === undefined ? [] : [EXPORTED_TIER]),
];

/** Libraries that the file server has: `Offers.libraries`. */
export const longhornLibraries = ({ storage: { nfs } }: Pick<LonghornConfig, "storage">): SharedLibrary[] =>
    (["media", "downloads", "inbox"] as const).filter((library) => nfs?.[library] !== undefined);

/** A volume that no app declares, such as Prometheus' own. `size` with a binary unit. */
export interface OtherVolume {
    /** Place of the file that says its size. */
    readonly path: string;
    readonly size: string;
    /** Absent: the default one. */
    readonly tier?: string;
}

/** Longhorn as a part of the platform. `others`: volumes besides those of the apps. */
export const longhornPart = <C extends LonghornConfig & { readonly backups?: unknown }>(
    others: (config: C) => readonly OtherVolume[],
): Part<C> => ({
    rules: longhornRules(others),
    definitions: () => [crds.snapshots],
    notes: (config) => [
        ...tierNotes(config),
        ...(config.backups === undefined ? lostNotes(config.apps, EXPORTED_TIER) : []),
    ],
});

/** The rules. `others`: volumes of a configuration besides those of the apps. */
export function longhornRules<C extends LonghornConfig>(
    others: (config: C) => readonly OtherVolume[] = () => [],
): readonly CrossRule<C>[] {
    return [
        disksApart,
        scratchOfItsOwn,
        devicesApart,
        disksOfHosts,
        tierSettings,
        defaultTierThere,
        (config) => roomOnTiers(config, others(config)),
    ];
}

const scratchOf = ({ scratch }: LonghornConfig["storage"]): Claim => ["storage.scratch", scratch];

const scratchOfItsOwn: CrossRule<LonghornConfig> = ({ storage }) => machineDirectories([scratchOf(storage)]);

/** A disk listed twice, or inside another, is one file system under two names. */
const disksApart: CrossRule<LonghornConfig> = ({ nodes, storage }) =>
    nodes.flatMap(({ disks }, index): Fault[] => {
        const paths = disks.map(({ path }, disk): Claim => [`nodes.${index}.disks.${disk}.path`, path]);
        return [...directoriesApart([scratchOf(storage), ...paths]), ...machineDirectories(paths)];
    });

const devicesApart: CrossRule<Disks> = ({ nodes }) =>
    nodes.flatMap(({ disks }, index) =>
        claimedTwice(
            "device-claimed-twice",
            disks.flatMap(({ device }, disk): Claim[] =>
                device === undefined ? [] : [[`nodes.${index}.disks.${disk}.device`, device]],
            ),
            "a device of its own",
        ),
    );

/** A replica on a machine that comes and goes is rebuilt each time, and on one without Longhorn it is never made. */
const disksOfHosts: CrossRule<Disks> = ({ nodes }) =>
    nodes.flatMap((node, index): Fault[] => {
        if (node.disks.length === 0 || hostsOf(nodes).includes(node)) return [];
        const why =
            node.optional === true
                ? "is optional, and replicas must stay where they are"
                : !takesPods({ taints: node.taints ?? [] })
                  ? "has a taint, which Longhorn does not tolerate"
                  : "is a server beside agents, on which Longhorn does not run";
        return [
            {
                rule: "disks-of-node-without-longhorn",
                path: `nodes.${index}.disks`,
                got: show(node.disks.map(({ path }) => path)),
                allowed: `none: ${node.name} ${why}`,
            },
        ];
    });

const tierSettings: CrossRule<LonghornConfig> = (config) => {
    const nodes = longhornNodes(config);
    const names = tierNames(nodes);
    const known = names.join(", ") || "none, as no node has disks";
    const { defaultTier, tiers, nfs } = config.storage;
    return [
        ...Object.entries(tiers).flatMap(([name, { replicas }]): Fault[] => {
            const path = `storage.tiers.${name}`;
            if (!names.includes(name)) {
                return [
                    {
                        rule: "tier-without-disks",
                        path,
                        got: show(name),
                        allowed: `a tier that disks are of: ${known}`,
                    },
                ];
            }
            const machines = tierNodes(nodes, name);
            return replicas === undefined || replicas <= machines.length
                ? []
                : [
                      {
                          rule: "replicas-exceed-machines",
                          path: `${path}.replicas`,
                          got: show(replicas),
                          allowed: `at most ${machines.length}: each replica is on another machine, and disks of the tier are on ${machines.join(", ")}`,
                      },
                  ];
        }),
        ...(defaultTier === undefined || names.includes(defaultTier)
            ? []
            : [
                  {
                      rule: "tier-without-disks",
                      path: "storage.defaultTier",
                      got: show(defaultTier),
                      allowed: `a tier that disks are of: ${known}`,
                  },
              ]),
        ...(nfs?.configs === undefined || !names.includes(EXPORTED_TIER)
            ? []
            : [
                  {
                      rule: "tier-name-taken",
                      path: "storage.nfs.configs",
                      got: show(nfs.configs),
                      allowed: `only where no disk is of the tier "${EXPORTED_TIER}", which means this directory`,
                  },
              ]),
    ];
};

/** Claims without a tier, and those of charts, must find a class. */
const defaultTierThere: CrossRule<LonghornConfig> = (config) => {
    const nodes = longhornNodes(config);
    if (!hasLonghorn(config) || defaultTierOf(nodes, settingsOf(config)) !== undefined) return [];
    return [
        {
            rule: "no-default-tier",
            path: "storage.defaultTier",
            got: "nothing",
            allowed: `one of ${tierNames(nodes).join(", ")}: no disk is of the tier "${STANDARD_TIER}"`,
            suggestion: "set storage.defaultTier, or leave the tier of some disk out",
        },
    ];
};

/** Longhorn places no replica beyond a disk's size: such a claim is Bound, and its pod waits for ever. */
function roomOnTiers(config: LonghornConfig, others: readonly OtherVolume[]): Fault[] {
    const nodes = longhornNodes(config);
    const standard = defaultTierOf(nodes, settingsOf(config));
    const apps = appVolumes(config.apps)
        // The file server has directories without a quota; a cache is never there.
        .filter(({ tier, cache }) => tier !== EXPORTED_TIER || cache)
        .map(({ app, size, tier, cache }) => ({
            path: `apps.${app}.${cache ? "its cache" : "storage"}`,
            size,
            tier: tier === EXPORTED_TIER ? standard : (tier ?? standard),
        }));
    const all = [...apps, ...others.map((other) => ({ ...other, tier: other.tier ?? standard }))];
    return tiersOf(config).flatMap((tier): Fault[] => {
        const wanted = all
            .filter((volume) => volume.tier === tier.name)
            .map(({ path, size }) => ({ name: `${path} (${size})`, bytes: toBytes(size) }));
        const refused = withoutRoom(nodes, tier, wanted) ?? [];
        if (refused.length === 0) return [];
        const gibi = (value: number) => `${Math.round(value / 2 ** 30)}Gi`;
        const asked = wanted.reduce((sum, one) => sum + one.bytes, 0) * tier.replicas;
        const disks = nodes.flatMap((node) => node.disks.filter((disk) => disk.tier === tier.name));
        const has = disks.reduce((sum, disk) => sum + (disk.bytes ?? 0), 0);
        return [
            {
                rule: "tier-over-provisioned",
                path: "nodes",
                got: `no room on the tier ${tier.name} for ${refused.map(({ name }) => name).join(", ")}`,
                allowed:
                    `volumes that each fit on one disk, ${tier.replicas === 1 ? "once" : `${tier.replicas} times`}: ` +
                    `${gibi(asked)} are asked of ${disks.length} ${disks.length === 1 ? "disk" : "disks"} with ${gibi(has)} on ${tier.nodes.join(", ")}, ` +
                    "of which a file system leaves 95 %",
                suggestion: "make volumes smaller before they are made, give apps another tier, or add a disk",
            },
        ];
    });
}

/** What is built, and what a recipe does with it. */
export interface LonghornStorage {
    readonly storage: ClassStorage;
    /** Class of what asks for no tier: databases, metrics, logs. */
    readonly volumes: VolumeClass;
    /** What must outlive every claim. */
    readonly layers: readonly pulumi.ComponentResource[];
    /** Absent: no machine has a disk for it. */
    readonly longhorn?: Longhorn;
}

/** Builds it. `backups` goes into ClassStorage as it is, made when the classes are known. */
export function longhornStorage(
    lab: Lab,
    config: LonghornConfig,
    platform: {
        readonly cluster: Cluster;
        readonly monitoring: boolean;
        readonly nodeSelector?: Readonly<Record<string, string>>;
        readonly backups?: (classes: Pick<LonghornStorage, "volumes" | "longhorn">) => ClassStorageArgs["backups"];
    },
    opts: pulumi.ComponentResourceOptions,
): LonghornStorage {
    const { cluster, monitoring, nodeSelector } = platform;
    const { storage: said } = config;
    const scratch = new LocalPathStorage(
        SCRATCH_CLASS,
        {
            cluster,
            provisioner: "managed",
            className: SCRATCH_CLASS,
            scratch: said.scratch,
            isDefault: !hasLonghorn(config),
        },
        opts,
    );
    const longhorn = hasLonghorn(config)
        ? lab.stage(
              "Longhorn",
              new Longhorn(
                  "longhorn",
                  {
                      cluster,
                      nodes: longhornNodes({ nodes: hostsOf(config.nodes) }),
                      tiers: settingsOf(config),
                      snapshots: new SnapshotController("snapshot-controller", {}, opts),
                      ...(monitoring ? { prometheus: OBSERVABILITY } : {}),
                      ...(nodeSelector === undefined ? {} : { nodeSelector }),
                      confirmDataLoss: said.confirmDataLoss !== undefined,
                  },
                  opts,
              ),
          )
        : undefined;
    const classes = longhornClasses(longhorn);
    const volumes: VolumeClass = longhorn?.tiers.flatMap(({ name, isDefault }) =>
        isDefault ? (classes[name] ?? []) : [],
    )[0] ?? {
        className: scratch.className,
        title: `${SCRATCH_CLASS}, on one node's disk`,
    };
    const backups = platform.backups?.({ volumes, ...(longhorn === undefined ? {} : { longhorn }) });
    const storage = new ClassStorage({
        volumes,
        tiers: {
            ...classes,
            ...(said.nfs?.configs === undefined
                ? {}
                : { [EXPORTED_TIER]: { server: said.nfs.server, path: said.nfs.configs } }),
        },
        scratchClass: scratch.className,
        libraries: said.nfs === undefined ? {} : nfsLibraries(said.nfs.server, librariesOf(said.nfs)),
        owner: said.owner,
        ...(backups === undefined ? {} : { backups }),
    });
    return {
        storage,
        volumes,
        layers: [scratch, ...(longhorn === undefined ? [] : [longhorn])],
        ...(longhorn === undefined ? {} : { longhorn }),
    };
}

const longhornClasses = (longhorn: Longhorn | undefined): Record<string, VolumeClass> =>
    Object.fromEntries(
        (longhorn?.tiers ?? []).flatMap((tier) => {
            const className = longhorn?.classes[tier.name];
            return className === undefined ? [] : [[tier.name, { className, title: tierTitle(tier) }]];
        }),
    );

function librariesOf({ media, downloads, inbox }: NonNullable<LonghornConfig["storage"]["nfs"]>) {
    return { media, downloads, inbox };
}
