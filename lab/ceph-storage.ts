/**
 * Storage of a cluster whose machines have disks for Ceph: block volumes, a shared file system, snapshots, backups with
 * VolSync, libraries. Schema, rules, and what is built. Where no machine has such a disk, data is in directories of a node.
 */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { crds } from "../components/crds";
import { volSyncBackups } from "../components/backup/backed-up-volume";
import { BACKENDS, BACKUP_SECRETS, type Backend, type BackupPolicy, type Bucket } from "../components/backup/restic";
import { VolSync } from "../components/backup/volsync";
import type { Namespaces } from "../components/cluster/namespaces";
import type { Cluster } from "../components/platform";
import type { SecretRef, SecretStore } from "../components/secrets/secret-store";
import {
    CEPH_BLOCK_CLASS,
    CEPH_REQUESTS,
    CephCluster,
    cephServers,
    copiesOf,
    type CephNode,
} from "../components/storage/ceph-cluster";
import {
    CEPH_FILESYSTEM_CLASS,
    CephFilesystem,
    METADATA_REQUESTS,
    metadataServers,
} from "../components/storage/ceph-filesystem";
import { ClassStorage, hostPathLibraries, type Library, type VolumeClass } from "../components/storage/class-storage";
import { ModelCache } from "../components/storage/model-cache";
import { OpenEbs, OPENEBS_CLASS } from "../components/storage/openebs";
import type { RookOperator } from "../components/storage/rook-operator";
import { SnapshotController } from "../components/storage/snapshot-controller";
import type { SharedLibrary } from "../components/storage/volumes";
import {
    absolutePath,
    bridgedS3,
    bytes,
    diskById,
    label,
    owner,
    ownNamespace,
    folder,
    s3,
    volumeSize,
    whole,
} from "../config/fields";
import { show, type CrossRule, type Fault } from "../config/parse";
import { toBytes, total } from "../config/quantities";
import { bucketClaims, directoriesApart, machineDirectories, type Claim } from "../config/rules";
import { appVolumes, backedUpNamespaces, declaredApps, lostNotes, type Apps, type Reserved } from "./apps";
import type { Lab } from "./lab";
import type { OtherVolume } from "./longhorn";
import type { Part, SecretsByNamespace } from "./platform-parts";

const flag = z.boolean({ error: "true or false" });

/** Keys of a node in a schema. */
export const cephNodeKeys = {
    /** Disks that Ceph takes whole. None on any node: there is no Ceph, and data is on local disks. */
    osdDisks: z.array(diskById).default([]),
};

/** `storage.ceph` of a schema, with a recipe's own defaults. */
export const cephKeys = (defaults: { readonly filesystem: boolean; readonly snapshotClass: string }) =>
    z
        .strictObject({
            /** Volumes that pods on several machines write at once, of class `ceph-filesystem`. */
            filesystem: flag.default(defaults.filesystem),
            /** Name of the block volumes' VolumeSnapshotClass, the cluster's default. */
            snapshotClass: label.default(defaults.snapshotClass),
            /** Size of each disk under nodes[].osdDisks, of differing ones the smallest; said, the sum of volumes is checked. 2 TB are 1862Gi. */
            diskSize: bytes.optional(),
        })
        .prefault({});

/** `storage.models` of a schema: a cache of language models for all apps of one namespace. Needs the file system of Ceph. */
export const modelKeys = z.strictObject({ namespace: ownNamespace.default("ai"), size: volumeSize.default("500Gi") });

/** `storage` of a schema, where the machines' system says nothing of its own. */
export const cephStorageKeys = z.strictObject({
    ceph: cephKeys({ filesystem: true, snapshotClass: "ceph-block-snap" }),
    /** Directory of every machine for local volumes; they share its system disk. */
    localHostpath: absolutePath.default("/var/local/hostpath"),
    /** Absent: there is none. */
    models: modelKeys.optional(),
    /** The household's files, mounted by every machine at the same path; absent: there are no libraries. */
    libraries: z
        .strictObject({
            /** Where they are mounted. */
            root: absolutePath,
            /** Directories below it; a library without one is not there. */
            media: folder.optional(),
            downloads: folder.optional(),
            inbox: folder.optional(),
        })
        .optional(),
    owner,
    /** Set to "yes-really-destroy-data" before a destroy that shall also wipe the Ceph disks. */
    confirmDataLoss: z.literal("yes-really-destroy-data").optional(),
});

const count = whole(0, 1000).optional();

/** `backups` of a schema whose first target may be behind a bridge. Absent: data volumes are as safe as the disks they are on. */
export const volumeBackupKeys = z.strictObject({
    /** An S3 server at home, by a bridge or by https. */
    minio: bridgedS3.optional(),
    /** A second one, somewhere else. */
    offsite: s3.optional(),
    /** Where a volume that is new in the cluster gets its content from. Default: MinIO, where it is given. */
    restoreFrom: z.enum(["minio", "offsite"], { error: "minio or offsite" }),
    /** How often a volume is backed up. */
    every: z.enum(["hour", "day"], { error: "hour or day" }).default("day"),
    /** Backups that stay in each target: the newest of so many hours, days, weeks and months. */
    retain: z
        .strictObject({ hourly: count, daily: count, weekly: count, monthly: count })
        .refine((kept) => Object.values(kept).some((number) => number !== undefined && number > 0), {
            error: "at least one number above 0: otherwise no backup would stay",
        })
        .default({ daily: 7, weekly: 4, monthly: 3 }),
    /** Whether destroy first takes a last backup of each volume to `restoreFrom`; false for a cluster that can't reach it any more. */
    beforeDestroy: flag.default(true),
});

/** `backups` of it with the place to restore from, where the file says nothing else. */
export const volumeBackupDefaults = (said: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> => ({
    restoreFrom: said["minio"] === undefined ? "offsite" : "minio",
    ...said,
});

/** What of the machines concerns it. */
export interface CephMachines {
    readonly nodes: readonly CephNode[];
}

/** The nodes that Ceph has disks on; none: there is no Ceph. */
export const cephNodes = ({ nodes }: CephMachines): CephNode[] => nodes.filter(({ osdDisks }) => osdDisks.length > 0);

export const hasCeph = (config: CephMachines): boolean => cephNodes(config).length > 0;

/** `backups` of a configuration, whatever servers its recipe knows. */
export interface VolumeBackupsConfig {
    readonly b2?: Bucket | undefined;
    readonly minio?: Bucket | undefined;
    readonly offsite?: Bucket | undefined;
    /** Where a volume that is new in the cluster gets its content from. */
    readonly restoreFrom: Backend;
    /** Both absent: as each server's own policy says. */
    readonly every?: BackupPolicy["every"];
    readonly retain?: BackupPolicy["retain"];
    /** Whether destroy first takes a last backup of each volume to `restoreFrom`. */
    readonly beforeDestroy: boolean;
}

interface Backups {
    readonly backups?: VolumeBackupsConfig | undefined;
}

/** The servers that are given. */
const targets = ({ backups }: Backups): [Backend, Bucket][] =>
    BACKENDS.flatMap((backend): [Backend, Bucket][] => {
        const bucket = backups?.[backend];
        return bucket === undefined ? [] : [[backend, bucket]];
    });

/** Which targets volumes are backed up to. */
export const backupTargets = (config: Backups): Backend[] => targets(config).map(([backend]) => backend);

const policyOf = ({ every, retain }: VolumeBackupsConfig): { policy?: BackupPolicy } =>
    every === undefined || retain === undefined ? {} : { policy: { every, retain } };

/** Buckets with their places. */
export const backupBuckets = (config: Backups): Claim[] =>
    bucketClaims(Object.fromEntries(targets(config).map(([backend, bucket]) => [`backups.${backend}`, bucket])));

/** Their servers with their places: `bridgedUrls` of lab/bridges.ts says whether each bridge is there. */
export const backupUrls = (config: Backups): Claim[] =>
    targets(config).map(([backend, { endpoint }]) => [`backups.${backend}.endpoint`, endpoint]);

/** What the secret store must hold for them. */
export const backupSecrets = (config: Backups): SecretRef[] => [
    ...new Set(targets(config).flatMap(([backend]) => Object.values(BACKUP_SECRETS[backend]))),
];

/** The same by namespace, for a store that opens them one by one: those with a volume that is backed up. */
export function backupSecretsByNamespace(config: Backups & { readonly apps: Apps }): SecretsByNamespace {
    const refs = backupSecrets(config);
    return refs.length === 0
        ? {}
        : Object.fromEntries(backedUpNamespaces(config.apps).map((namespace) => [namespace, refs]));
}

/** Ceph places replicas by host: two hosts are neither one nor a majority. */
const cephHosts: CrossRule<CephMachines> = (config) =>
    // Two nodes are told so by `quorum`.
    config.nodes.length !== 2 && cephNodes(config).length === 2
        ? [
              {
                  rule: "ceph-hosts",
                  path: "nodes",
                  got: `disks for Ceph on ${cephNodes(config)
                      .map(({ name }) => name)
                      .join(" and ")}`,
                  allowed: "disks for Ceph on no node, on one, or on three and more: two monitors have no majority",
              },
          ]
        : [];

/** A restore reads where backups are written. */
const restoreSource: CrossRule<Backups> = ({ backups: b }) =>
    b === undefined || b[b.restoreFrom] !== undefined
        ? []
        : [
              {
                  rule: "restore-source-missing",
                  path: "backups.restoreFrom",
                  got: show(b.restoreFrom),
                  allowed: "one of the backends under backups that is given",
              },
          ];

export const cephStorageRules: readonly CrossRule<CephMachines & Backups>[] = [cephHosts, restoreSource];

/** What of a configuration says how Ceph's volumes are used. */
export interface CephUseConfig extends CephMachines {
    readonly storage: {
        readonly ceph: { readonly filesystem: boolean; readonly diskSize?: string | undefined };
        readonly models?: z.output<typeof modelKeys> | undefined;
        readonly libraries?: z.output<typeof cephStorageKeys>["libraries"];
        readonly localHostpath?: string;
    };
    readonly apps: Apps;
}

/** Names of the storage classes, that for data first. */
export const cephClasses = (config: Pick<CephUseConfig, "nodes" | "storage">): readonly string[] => [
    ...(hasCeph(config) ? [CEPH_BLOCK_CLASS] : []),
    ...(hasCeph(config) && config.storage.ceph.filesystem ? [CEPH_FILESYSTEM_CLASS] : []),
    OPENEBS_CLASS,
];

/** The rules of use. `others`: volumes of a configuration besides those of the apps. */
export const cephUseRules = <C extends CephUseConfig>(
    others: (config: C) => readonly OtherVolume[] = () => [],
): readonly CrossRule<C>[] => [
    modelsOnFilesystem,
    modelsOfOneNamespace,
    librariesApart,
    (config) => overProvisioned(cephRoom(config, others(config))),
];

/**
 * Ceph, the volumes that are backed up, and the cache of models as parts of the platform. `others`: volumes besides those of the
 * apps; `onControlPlanes`: whether Ceph's servers may be where apps may not.
 */
export const cephPart = <C extends CephUseConfig & Backups>(
    others: (config: C) => readonly OtherVolume[],
    onControlPlanes: (config: C) => boolean = () => false,
): Part<C> => ({
    rules: [...cephStorageRules, ...cephUseRules(others)],
    buckets: backupBuckets,
    servers: backupUrls,
    requests: (config) => cephRequests(config, onControlPlanes(config)),
    secrets: backupSecretsByNamespace,
    namespaces: ({ storage: { models } }) => (models === undefined ? {} : { [models.namespace]: "restricted" }),
    definitions: () => [crds.snapshots],
    notes: (config) => [
        ...cephNotes(config, others(config)),
        ...(config.backups === undefined ? lostNotes(config.apps) : []),
    ],
});

/** What Ceph's servers request of the machines: those of a disk are where the disk is, the others wherever Rook puts them. */
export function cephRequests(config: CephUseConfig, onControlPlanes = false): Reserved[] {
    const nodes = cephNodes(config);
    if (nodes.length === 0) return [];
    const { mon, mgr } = cephServers(nodes);
    const anywhere = onControlPlanes ? { on: config.nodes.map(({ name }) => name) } : {};
    const what = "Ceph";
    return [
        ...nodes.map(({ name, osdDisks }) => ({
            what,
            number: osdDisks.length,
            each: CEPH_REQUESTS.osd,
            on: [name],
        })),
        { what, number: mon, each: CEPH_REQUESTS.mon, ...anywhere },
        { what, number: mgr, each: CEPH_REQUESTS.mgr, ...anywhere },
        ...(config.storage.ceph.filesystem
            ? [{ what, number: metadataServers(nodes), each: METADATA_REQUESTS, ...anywhere }]
            : []),
    ];
}

/** Several nodes write the cache at once, which no block volume lets them. */
function modelsOnFilesystem(config: CephUseConfig): Fault[] {
    const { models, ceph } = config.storage;
    if (models === undefined || (ceph.filesystem && hasCeph(config))) return [];
    return [
        {
            rule: "models-without-filesystem",
            path: "storage.models",
            got: show(models.size),
            allowed: `nothing: ${hasCeph(config) ? "storage.ceph.filesystem is false" : "no node has disks for Ceph"}`,
            suggestion: hasCeph(config) ? "set storage.ceph.filesystem: true" : "give nodes osdDisks",
        },
    ];
}

/** A pod mounts claims of its own namespace alone. */
function modelsOfOneNamespace({ storage: { models }, apps }: CephUseConfig): Fault[] {
    if (models === undefined) return [];
    return declaredApps(apps)
        .filter(({ app }) => app.libraries?.includes("models") === true && app.namespace !== models.namespace)
        .map(({ app }) => ({
            rule: "models-of-another-namespace",
            path: "storage.models.namespace",
            got: show(models.namespace),
            allowed: `the namespace of the apps that load models: ${app.name} is in ${app.namespace}`,
        }));
}

function librariesApart({ storage: { libraries, localHostpath } }: CephUseConfig): Fault[] {
    const roots: Claim[] = [
        ...(localHostpath === undefined ? [] : [["storage.localHostpath", localHostpath] as const]),
        ...(libraries === undefined ? [] : [["storage.libraries.root", libraries.root] as const]),
    ];
    return [
        ...[machineDirectories, directoriesApart].flatMap((rule) => rule(roots)),
        ...directoriesOfLibraries(libraries),
    ];
}

function directoriesOfLibraries(libraries: CephUseConfig["storage"]["libraries"]): Fault[] {
    if (libraries === undefined) return [];
    return directoriesApart(
        HOST_LIBRARIES.flatMap((library): Claim[] => {
            const directory = libraries[library];
            return directory === undefined ? [] : [[`storage.libraries.${library}`, `${libraries.root}/${directory}`]];
        }),
    );
}

const HOST_LIBRARIES = ["media", "downloads", "inbox"] as const;

/** Libraries that there are: `Offers.libraries`. */
export const cephLibraries = ({ storage: { libraries, models } }: Pick<CephUseConfig, "storage">): SharedLibrary[] => [
    ...HOST_LIBRARIES.filter((library) => libraries?.[library] !== undefined),
    ...(models === undefined ? [] : (["models"] as const)),
];

/** What volumes ask of Ceph's disks, in bytes, each volume counted once: copies are taken off what the disks have. */
export interface CephRoom {
    readonly usable: number;
    readonly asked: number;
    /** E.g. `6 disks of 1862Gi hold 3 copies`. */
    readonly disks: string;
    /** The biggest first. */
    readonly volumes: readonly { readonly name: string; readonly bytes: number }[];
}

/** Undefined: there is no Ceph, or nobody says how big its disks are. */
export function cephRoom(config: CephUseConfig, others: readonly OtherVolume[]): CephRoom | undefined {
    const { ceph, models } = config.storage;
    const { diskSize } = ceph;
    if (diskSize === undefined || !hasCeph(config)) return undefined;
    const nodes = cephNodes(config);
    const { failureDomain, replicated } = copiesOf(nodes);
    const disks = nodes.flatMap(({ osdDisks }) => osdDisks);
    const places = failureDomain === "host" ? nodes.map(({ osdDisks }) => osdDisks.length) : disks.map(() => 1);
    const volumes = [
        ...appVolumes(config.apps).map(({ app, size, cache }) => ({
            path: `apps.${app}.${cache ? "its cache" : "storage"}`,
            size,
        })),
        ...(models === undefined ? [] : [{ path: "storage.models", size: models.size }]),
        ...others,
    ].map(({ path, size }) => ({ name: `${path} (${size})`, bytes: toBytes(size) }));
    return {
        usable: usableOf(
            places.map((count) => count * toBytes(diskSize)),
            replicated.size,
        ),
        asked: total(volumes, (volume) => volume.bytes),
        disks: `${disks.length} ${disks.length === 1 ? "disk" : "disks"} of ${diskSize} hold ${replicated.size} ${replicated.size === 1 ? "copy" : "copies"}`,
        volumes: volumes.sort((a, b) => b.bytes - a.bytes),
    };
}

/** Room for data whose copies are in so many different places: of a place that is bigger than the others together the rest lies idle. */
export function usableOf(places: readonly number[], copies: number): number {
    const [biggest = 0, ...rest] = [...places].sort((a, b) => b - a);
    const sum = total(rest, (place) => place);
    if (copies === 1) return biggest + sum;
    return Math.min((biggest + sum) / copies, usableOf(rest, copies - 1));
}

const gibi = (value: number) => `${Math.floor(value / 2 ** 30)}Gi`;
const WARN = 0.8;

function overProvisioned(room: CephRoom | undefined): Fault[] {
    if (room === undefined || room.asked <= room.usable) return [];
    const biggest = room.volumes.slice(0, 3).map(({ name }) => name);
    return [
        {
            rule: "ceph-over-provisioned",
            path: "storage.ceph.diskSize",
            got: `${gibi(room.asked)} of volumes`,
            allowed: `at most ${gibi(room.usable)}: ${room.disks} of everything`,
            suggestion: `make volumes smaller before they are made, or add disks; the biggest are ${biggest.join(", ")}`,
        },
    ];
}

/** What the plan says of it. */
export function cephNotes(config: CephUseConfig, others: readonly OtherVolume[]): string[] {
    const room = cephRoom(config, others);
    if (room === undefined) return [];
    const share = room.asked / room.usable;
    const sum = `Volumes ask ${gibi(room.asked)} of the ${gibi(room.usable)} that Ceph has (${Math.round(share * 100)} %): ${room.disks}.`;
    return [
        share < WARN
            ? sum
            : `${sum} From 85 % on Ceph warns, at 95 % it stops every write: add disks or make volumes smaller soon.`,
    ];
}

export interface CephStorageArgs extends CephMachines, Backups {
    readonly ceph: { readonly filesystem: boolean; readonly snapshotClass: string };
    readonly confirmDataLoss: boolean;
    /** Directory of every node for local volumes. */
    readonly localHostpath: string;
    readonly libraries: Readonly<Partial<Record<SharedLibrary, Library>>>;
    /** User and group that own the household's files. */
    readonly owner: { readonly uid: number; readonly gid: number };
    /** As of `CephCluster`. */
    readonly onControlPlanes?: boolean;
}

/** The arguments of a configuration with `cephStorageKeys`. */
export const cephStorageArgs = ({
    nodes,
    storage: { libraries, confirmDataLoss, ceph, localHostpath, owner: household },
    backups,
}: CephMachines & Backups & { readonly storage: z.output<typeof cephStorageKeys> }): CephStorageArgs => ({
    nodes,
    backups,
    ceph,
    confirmDataLoss: confirmDataLoss !== undefined,
    localHostpath,
    libraries: libraries === undefined ? {} : hostPathLibraries(libraries.root, directoriesOf(libraries)),
    owner: household,
});

function directoriesOf({ media, downloads, inbox }: NonNullable<z.output<typeof cephStorageKeys>["libraries"]>) {
    return { media, downloads, inbox };
}

/** What is built, and what a recipe does with it. */
export interface CephDisks {
    /** Volumes for apps, whose backups open their servers with values of this store; it may itself have volumes here. */
    storage(secrets: SecretStore): ClassStorage;
    /** Class of what says none: databases, metrics, logs. */
    readonly volumes: VolumeClass;
    /** What must outlive every claim. */
    readonly layers: readonly pulumi.ComponentResource[];
    /** Absent: there is none. */
    readonly filesystem?: CephFilesystem;
}

/** Builds it. */
export function cephStorage(
    lab: Lab,
    {
        nodes,
        backups,
        ceph: said,
        confirmDataLoss,
        localHostpath,
        libraries,
        owner: household,
        onControlPlanes = false,
    }: CephStorageArgs,
    { cluster, rook }: { readonly cluster: Cluster; readonly rook: RookOperator | undefined },
    opts: pulumi.ComponentResourceOptions,
): CephDisks {
    const snapshots = rook && new SnapshotController("snapshot-controller", {}, opts);
    const ceph =
        rook &&
        snapshots &&
        lab.stage(
            "Ceph",
            new CephCluster(
                "ceph",
                {
                    cluster,
                    operator: rook,
                    snapshots,
                    nodes: cephNodes({ nodes }),
                    confirmDataLoss,
                    ...said,
                    onControlPlanes,
                },
                opts,
            ),
        );
    const filesystem =
        ceph && said.filesystem
            ? lab.stage(
                  "Ceph file system",
                  new CephFilesystem(
                      CEPH_FILESYSTEM_CLASS,
                      {
                          cluster,
                          ceph,
                          nodes: cephNodes({ nodes }),
                          onControlPlanes,
                          snapshotClass: filesystemSnapshots(said.snapshotClass),
                      },
                      opts,
                  ),
              )
            : undefined;
    const openebs = new OpenEbs("openebs", { cluster, path: localHostpath, isDefault: ceph === undefined }, opts);
    const volsync = backups && new VolSync("volsync", { cluster }, opts);
    const volumes: VolumeClass =
        ceph === undefined
            ? { className: openebs.className, title: OPENEBS_CLASS }
            : { className: ceph.blockClass, title: CEPH_BLOCK_CLASS };
    const storage = (secrets: SecretStore) =>
        new ClassStorage({
            volumes,
            // Local directories: temp storage, on the node's system disk.
            scratchClass: openebs.className,
            libraries,
            owner: household,
            ...(backups === undefined || volsync === undefined
                ? {}
                : {
                      backups: volSyncBackups({
                          cluster,
                          volsync,
                          secrets,
                          backends: Object.fromEntries(targets({ backups })),
                          ...policyOf(backups),
                          restoreFrom: backups.restoreFrom,
                          beforeDestroy: backups.beforeDestroy,
                          ...(ceph === undefined ? {} : { snapshotClass: ceph.snapshotClass }),
                          cacheClass: openebs.className,
                      }),
                  }),
        });
    return {
        storage,
        volumes,
        layers: [ceph, filesystem, openebs, volsync].filter((layer) => layer !== undefined),
        ...(filesystem === undefined ? {} : { filesystem }),
    };
}

/** Name of the file system's VolumeSnapshotClass beside that of block volumes. */
const filesystemSnapshots = (block: string): string =>
    block.startsWith(CEPH_BLOCK_CLASS)
        ? block.replace(CEPH_BLOCK_CLASS, CEPH_FILESYSTEM_CLASS)
        : `${block}-${CEPH_FILESYSTEM_CLASS}`;

/** The cache of models as a library, once there are namespaces; before the first app. */
export function shareModels(
    { storage, filesystem }: { readonly storage: ClassStorage; readonly filesystem?: CephFilesystem | undefined },
    models: z.output<typeof modelKeys> | undefined,
    namespaces: Namespaces,
    opts: pulumi.ComponentResourceOptions,
): void {
    if (models === undefined || filesystem === undefined) return;
    const args = {
        namespace: namespaces.name(models.namespace),
        size: models.size,
        storageClass: filesystem.className,
    };
    storage.share("models", new ModelCache("models", args, opts).library);
}
