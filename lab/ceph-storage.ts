/**
 * Storage of a cluster whose machines have disks for Ceph: block volumes, a shared file system, snapshots, backups with
 * VolSync, libraries. Schema, rules, and what is built. Where no machine has such a disk, data is in directories of a node.
 */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { volSyncBackups } from "../components/backup/backed-up-volume";
import { BACKENDS, BACKUP_SECRETS, type Backend, type Bucket } from "../components/backup/restic";
import { VolSync } from "../components/backup/volsync";
import type { Cluster } from "../components/platform";
import type { SecretStore } from "../components/secrets/secret-store";
import { CEPH_BLOCK_CLASS, CephCluster, type CephNode } from "../components/storage/ceph-cluster";
import { ClassStorage, type Library, type VolumeClass } from "../components/storage/class-storage";
import { OpenEbs, OPENEBS_CLASS } from "../components/storage/openebs";
import type { RookOperator } from "../components/storage/rook-operator";
import { SnapshotController } from "../components/storage/snapshot-controller";
import type { SharedLibrary } from "../components/storage/volumes";
import { absolutePath, bridgedS3, bytes, diskById, label, owner, relativePath, s3, whole } from "../config/fields";
import { show, type CrossRule } from "../config/parse";
import { bucketClaims, type Claim } from "../config/rules";
import type { Lab } from "./lab";

const flag = z.boolean({ error: "true or false" });

/** Keys of a node in a schema. */
export const cephNodeKeys = {
    /** Disks that Ceph takes whole. None on any node: there is no Ceph, and data is on local disks. */
    osdDisks: z.array(diskById).default([]),
};

/** `storage` of a schema, where the machines' system says nothing of its own. */
export const cephStorageKeys = z.strictObject({
    ceph: z
        .strictObject({
            /** Volumes that pods on several machines write at once, of class `ceph-filesystem`. */
            filesystem: flag.default(true),
            /** Name of the block volumes' VolumeSnapshotClass, the cluster's default. */
            snapshotClass: label.default("ceph-block-snap"),
        })
        .prefault({}),
    /** Directory of every machine for local volumes; they share its system disk. */
    localHostpath: absolutePath.default("/var/local/hostpath"),
    /** A cache of language models for all apps of one namespace; absent: there is none. Needs the file system of Ceph. */
    models: z.strictObject({ namespace: label.default("ai"), size: bytes.default("500Gi") }).optional(),
    /** The household's files, mounted by every machine at the same path; absent: there are no libraries. */
    libraries: z
        .strictObject({
            /** Where they are mounted. */
            root: absolutePath,
            /** Directories below it; a library without one is not there. */
            media: relativePath.optional(),
            downloads: relativePath.optional(),
            inbox: relativePath.optional(),
        })
        .optional(),
    owner,
    /** Set to "yes-really-destroy-data" before a destroy that shall also wipe the Ceph disks. */
    confirmDataLoss: z.literal("yes-really-destroy-data").optional(),
});

/** How a backend's snapshots are thinned out. */
const retain = z.strictObject({
    hourly: whole(0, 1000).optional(),
    daily: whole(0, 1000).optional(),
    weekly: whole(0, 1000).optional(),
    monthly: whole(0, 1000).optional(),
});

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
    /** Snapshots that stay, in each target. */
    retain: retain.default({ daily: 7, weekly: 4, monthly: 3 }),
    /** Whether destroy first takes a last backup of each volume to `restoreFrom`; false for a cluster that can't reach it any more. */
    beforeDestroy: flag.default(true),
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
    /** Where a volume that is new in the cluster gets its content from. */
    readonly restoreFrom: Backend;
    /** Whether destroy first takes a last backup of each volume to `restoreFrom`. */
    readonly beforeDestroy: boolean;
}

interface Backups {
    readonly backups?: VolumeBackupsConfig | undefined;
}

const usedBackends = (backups: VolumeBackupsConfig): Partial<Record<Backend, Bucket>> =>
    Object.fromEntries(
        BACKENDS.flatMap((backend) => {
            const bucket = backups[backend];
            return bucket === undefined ? [] : [[backend, bucket] as const];
        }),
    );

/** Buckets with their places. */
export const backupBuckets = ({ backups: b }: Backups): Claim[] =>
    bucketClaims({ "backups.b2": b?.b2, "backups.minio": b?.minio });

/** What the secret store must hold for them. */
export const backupSecrets = ({ backups: b }: Backups): string[] =>
    BACKENDS.flatMap((backend) => (b?.[backend] === undefined ? [] : Object.values(BACKUP_SECRETS[backend])));

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

export interface CephStorageArgs extends CephMachines, Backups {
    readonly confirmDataLoss: boolean;
    /** Directory of every node for local volumes. */
    readonly localHostpath: string;
    readonly libraries: Readonly<Partial<Record<SharedLibrary, Library>>>;
    /** User and group that own the household's files. */
    readonly owner: { readonly uid: number; readonly gid: number };
}

/** What is built, and what a recipe does with it. */
export interface CephStorage {
    readonly storage: ClassStorage;
    /** Class of what says none: databases, metrics, logs. */
    readonly volumes: VolumeClass;
    /** What must outlive every claim. */
    readonly layers: readonly pulumi.ComponentResource[];
}

/** Builds it. */
export function cephStorage(
    lab: Lab,
    { nodes, backups, confirmDataLoss, localHostpath, libraries, owner }: CephStorageArgs,
    platform: { readonly cluster: Cluster; readonly rook: RookOperator | undefined; readonly secrets: SecretStore },
    opts: pulumi.ComponentResourceOptions,
): CephStorage {
    const { cluster, rook, secrets } = platform;
    const snapshots = rook && new SnapshotController("snapshot-controller", {}, opts);
    const ceph =
        rook &&
        snapshots &&
        lab.stage(
            "Ceph",
            new CephCluster(
                "ceph",
                { cluster, operator: rook, snapshots, nodes: cephNodes({ nodes }), confirmDataLoss },
                opts,
            ),
        );
    const openebs = new OpenEbs("openebs", { cluster, path: localHostpath, isDefault: ceph === undefined }, opts);
    const volsync = backups && new VolSync("volsync", { cluster }, opts);
    const volumes: VolumeClass =
        ceph === undefined
            ? { className: openebs.className, title: OPENEBS_CLASS }
            : { className: ceph.blockClass, title: CEPH_BLOCK_CLASS };
    const storage = new ClassStorage({
        volumes,
        // Local directories: temp storage, on the node's system disk.
        scratchClass: openebs.className,
        libraries,
        owner,
        ...(backups === undefined || volsync === undefined
            ? {}
            : {
                  backups: volSyncBackups({
                      cluster,
                      volsync,
                      secrets,
                      backends: usedBackends(backups),
                      restoreFrom: backups.restoreFrom,
                      beforeDestroy: backups.beforeDestroy,
                      ...(ceph === undefined ? {} : { snapshotClass: ceph.snapshotClass }),
                      cacheClass: openebs.className,
                  }),
              }),
    });
    return { storage, volumes, layers: [ceph, openebs, volsync].filter((layer) => layer !== undefined) };
}
