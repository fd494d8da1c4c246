/** Storage of a cluster on Talos: its part of the schema, the file server's libraries, and what is built of lab/ceph-storage.ts. */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { nfsLibraries } from "../components/storage/class-storage";
import { CEPH_BLOCK_CLASS } from "../components/storage/ceph-cluster";
import type { SharedLibrary } from "../components/storage/volumes";
import { absolutePath, fileServer, homeS3, owner, s3, talosDirectory, whole } from "../config/fields";
import {
    cephKeys,
    cephStorage,
    modelKeys,
    type CephMachines,
    type CephDisks,
    type CephStorageArgs,
} from "./ceph-storage";
import type { Lab } from "./lab";

/** `storage` of a schema. */
export const talosStorageKeys = z.strictObject({
    /** Directory of OpenEBS' local volumes, mounted by Talos. */
    localHostpath: talosDirectory.default("/var/mnt/local-hostpath"),
    /** The household's file server; absent: there are no libraries. */
    nfs: z
        .strictObject({
            server: fileServer,
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
    ceph: cephKeys({ filesystem: false, snapshotClass: CEPH_BLOCK_CLASS }),
    /** A cache of language models for all apps of one namespace; absent: there is none. */
    models: modelKeys.optional(),
    owner,
    /** Set to "yes-really-destroy-data" before a destroy that shall also wipe the Ceph disks. */
    confirmDataLoss: z.literal("yes-really-destroy-data").optional(),
});

/** `backups` of a schema. Absent: data volumes are as safe as the disks they are on. */
export const backupKeys = z.strictObject({
    /** Backblaze B2, daily. */
    b2: s3.optional(),
    /** MinIO, hourly. */
    minio: homeS3.optional(),
    /**
     * Where a volume that is new in the cluster gets its content from: MinIO is hourly and near, B2 is outside the house.
     * Default: MinIO, where it is given.
     */
    restoreFrom: z.enum(["minio", "b2"]),
    /** Whether destroy first takes a last backup of each volume to `restoreFrom`; false for a cluster that can't reach it any more. */
    beforeDestroy: z.boolean().default(true),
});

/** What of a configuration concerns it. */
export interface TalosStorageConfig extends CephMachines {
    readonly storage: z.output<typeof talosStorageKeys>;
    readonly backups?: z.output<typeof backupKeys> | undefined;
}

/** Libraries that there are: those of the file server, and the cache of models. */
export const talosLibraries = ({ nfs, models }: TalosStorageConfig["storage"]): SharedLibrary[] => [
    ...(["media", "downloads", "inbox"] as const).filter((library) => nfs?.[library] !== undefined),
    ...(models === undefined ? [] : (["models"] as const)),
];

/** Builds it. */
export function talosStorage(
    lab: Lab,
    { nodes, storage: { ceph, nfs, confirmDataLoss, localHostpath, owner: household }, backups }: TalosStorageConfig,
    platform: Parameters<typeof cephStorage>[2],
    opts: pulumi.ComponentResourceOptions,
): CephDisks {
    const args: CephStorageArgs = {
        nodes,
        backups,
        ceph,
        confirmDataLoss: confirmDataLoss !== undefined,
        localHostpath,
        libraries: nfs === undefined ? {} : nfsLibraries(nfs.server, exportsOf(nfs)),
        owner: household,
    };
    return cephStorage(lab, args, platform, opts);
}

function exportsOf({ media, downloads, inbox }: NonNullable<TalosStorageConfig["storage"]["nfs"]>) {
    return { media, downloads, inbox };
}
