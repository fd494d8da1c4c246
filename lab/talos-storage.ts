/** Storage of a cluster on Talos: Ceph where machines have disks for it, else local directories; VolSync, NFS libraries. */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { volSyncBackups } from "../components/backup/backed-up-volume";
import { VolSync } from "../components/backup/volsync";
import { BACKENDS, BACKUP_SECRETS } from "../components/backup/restic";
import type { Cluster } from "../components/platform";
import type { SecretStore } from "../components/secrets/secret-store";
import { CEPH_BLOCK_CLASS, CephCluster, type CephNode } from "../components/storage/ceph-cluster";
import { ClassStorage, nfsLibraries, type VolumeClass } from "../components/storage/class-storage";
import { OpenEbs, OPENEBS_CLASS } from "../components/storage/openebs";
import type { RookOperator } from "../components/storage/rook-operator";
import { SnapshotController } from "../components/storage/snapshot-controller";
import type { SharedLibrary } from "../components/storage/volumes";
import { absolutePath, domain, owner, s3, talosDirectory, whole } from "../config/fields";
import { show, type CrossRule } from "../config/parse";
import { bucketClaims, type Claim } from "../config/rules";
import type { Lab } from "./lab";

/** `storage` of a schema. */
export const talosStorageKeys = z.strictObject({
    /** Directory of OpenEBS' local volumes, mounted by Talos. */
    localHostpath: talosDirectory.default("/var/mnt/local-hostpath"),
    /** The household's file server; absent: there are no libraries. */
    nfs: z
        .strictObject({
            server: domain,
            /** Exports on the server; a library without one is not there. */
            media: absolutePath.optional(),
            downloads: absolutePath.optional(),
            inbox: absolutePath.optional(),
            /** Newest protocol that the server speaks. */
            version: z.enum(["3", "4.0", "4.1", "4.2"], { error: '"3", "4.0", "4.1" or "4.2"' }).default("4.2"),
            /** TCP connections of a node to the server. */
            connections: whole(1, 16).default(8),
        })
        .optional(),
    owner,
    /** Set to "yes-really-destroy-data" before a destroy that shall also wipe the Ceph disks. */
    confirmDataLoss: z.literal("yes-really-destroy-data").optional(),
});

/** `backups` of a schema. Absent: data volumes are as safe as the disks they are on. */
export const backupKeys = z.strictObject({
    /** Backblaze B2, daily. */
    b2: s3.optional(),
    /** MinIO, hourly. */
    minio: s3.optional(),
    /**
     * Where a volume that is new in the cluster gets its content from: MinIO is hourly and near, B2 is outside the house.
     * Default: MinIO, where it is given.
     */
    restoreFrom: z.enum(["minio", "b2"]),
    /** Whether destroy first takes a last backup of each volume to `restoreFrom`; false for a cluster that can't reach it any more. */
    beforeDestroy: z.boolean().default(true),
});

/** What of a configuration concerns it. */
export interface TalosStorageConfig {
    readonly nodes: readonly CephNode[];
    readonly storage: z.output<typeof talosStorageKeys>;
    readonly backups?: z.output<typeof backupKeys> | undefined;
}

/** Libraries that the file server has. */
export const nfsLibrariesOf = ({ nfs }: TalosStorageConfig["storage"]): SharedLibrary[] =>
    (["media", "downloads", "inbox"] as const).filter((library) => nfs?.[library] !== undefined);

export const backupBuckets = ({ backups: b }: Pick<TalosStorageConfig, "backups">): Claim[] =>
    bucketClaims({ "backups.b2": b?.b2, "backups.minio": b?.minio });

/** What the secret store must hold for them. */
export const backupSecrets = ({ backups: b }: Pick<TalosStorageConfig, "backups">): string[] =>
    BACKENDS.flatMap((backend) => (b?.[backend] === undefined ? [] : Object.values(BACKUP_SECRETS[backend])));

/** Ceph places replicas by host: two hosts are neither one nor a majority. */
const cephHosts: CrossRule<TalosStorageConfig> = (config) =>
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
const restoreSource: CrossRule<TalosStorageConfig> = ({ backups: b }) =>
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

export const talosStorageRules: readonly CrossRule<TalosStorageConfig>[] = [cephHosts, restoreSource];

/** The nodes that Ceph has disks on; none: there is no Ceph. */
export const cephNodes = ({ nodes }: Pick<TalosStorageConfig, "nodes">): CephNode[] =>
    nodes.filter(({ osdDisks }) => osdDisks.length > 0);

export const hasCeph = (config: Pick<TalosStorageConfig, "nodes">): boolean => cephNodes(config).length > 0;

/** Builds it. `layers`: what must outlive every claim. */
export function talosStorage(
    lab: Lab,
    { nodes, storage: disks, backups }: TalosStorageConfig,
    platform: { readonly cluster: Cluster; readonly rook: RookOperator | undefined; readonly secrets: SecretStore },
    opts: pulumi.ComponentResourceOptions,
): { storage: ClassStorage; volumes: VolumeClass; layers: pulumi.ComponentResource[] } {
    const { cluster, rook, secrets } = platform;
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
                    confirmDataLoss: disks.confirmDataLoss !== undefined,
                },
                opts,
            ),
        );
    const openebs = new OpenEbs("openebs", { cluster, path: disks.localHostpath, isDefault: ceph === undefined }, opts);
    const volsync = backups && new VolSync("volsync", { cluster }, opts);
    const volumes: VolumeClass =
        ceph === undefined
            ? { className: openebs.className, title: OPENEBS_CLASS }
            : { className: ceph.blockClass, title: CEPH_BLOCK_CLASS };
    const storage = new ClassStorage({
        volumes,
        // Local directories: temp storage by the seed, on the node's system disk.
        scratchClass: openebs.className,
        libraries: disks.nfs === undefined ? {} : nfsLibraries(disks.nfs.server, exportsOf(disks.nfs)),
        owner: disks.owner,
        ...(backups === undefined || volsync === undefined
            ? {}
            : {
                  backups: volSyncBackups({
                      cluster,
                      volsync,
                      secrets,
                      backends: {
                          ...(backups.b2 === undefined ? {} : { b2: backups.b2 }),
                          ...(backups.minio === undefined ? {} : { minio: backups.minio }),
                      },
                      restoreFrom: backups.restoreFrom,
                      beforeDestroy: backups.beforeDestroy,
                      ...(ceph === undefined ? {} : { snapshotClass: ceph.snapshotClass }),
                      cacheClass: openebs.className,
                  }),
              }),
    });
    return { storage, volumes, layers: [ceph, openebs, volsync].filter((layer) => layer !== undefined) };
}

function exportsOf({ media, downloads, inbox }: NonNullable<TalosStorageConfig["storage"]["nfs"]>) {
    return { media, downloads, inbox };
}
