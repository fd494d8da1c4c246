import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { BackedUpVolume } from "../backup/backed-up-volume";
import type { Backend, Bucket } from "../backup/restic";
import type { VolSync } from "../backup/volsync";
import type { Cluster } from "../platform";
import type { SecretStore } from "../secrets/secret-store";
import { CEPH_BLOCK_CLASS, type CephCluster } from "./ceph-cluster";
import type { OpenEbs } from "./openebs";
import type { ClaimArgs, SharedLibrary, Storage, Volume, VolumeRow } from "./volumes";

export interface CephStorageArgs {
    cluster: Pick<Cluster, "kubeconfig">;
    ceph: CephCluster;
    openebs: OpenEbs;
    volsync: VolSync;
    /** The household's file server and its exports. */
    nfs: Readonly<Record<SharedLibrary, string>> & { readonly server: string };
    /** User and group that own the household's files. */
    owner: { readonly uid: number; readonly gid: number };
    secrets: SecretStore;
    backups: Readonly<Record<Backend, Bucket>> & { readonly restoreFrom: Backend; readonly beforeDestroy: boolean };
}

/**
 * Storage of a cluster with Rook-Ceph, VolSync and a NAS: data is on Ceph, backed up twice and restored when its claim is
 * new; shared libraries are NFS mounts straight from the NAS, without a class or provisioner.
 */
export class CephStorage implements Storage {
    readonly #rows: VolumeRow[] = [];
    /** Local directories: temp storage by the seed, on the node's system disk. */
    readonly scratchClass: pulumi.Output<string>;

    constructor(private readonly args: CephStorageArgs) {
        this.scratchClass = args.openebs.className;
    }

    get owner() {
        return this.args.owner;
    }

    get rows(): readonly VolumeRow[] {
        return this.#rows;
    }

    record(workload: string, mountPath: string, volume: Volume): void {
        this.#rows.push({
            workload,
            mountPath,
            kind: volume.kind,
            source: this.source(volume),
            survivesDestroy: volume.kind === "data" || volume.kind === "shared",
        });
    }

    claim(
        name: string,
        { workload, namespace, size }: ClaimArgs,
        opts: pulumi.CustomResourceOptions,
    ): pulumi.Output<string> {
        const { ceph, openebs, backups, cluster, volsync, secrets, owner } = this.args;
        return new BackedUpVolume(
            name,
            {
                cluster,
                volsync,
                secrets,
                owner,
                backends: { b2: backups.b2, minio: backups.minio },
                restoreFrom: backups.restoreFrom,
                beforeDestroy: backups.beforeDestroy,
                storageClass: ceph.blockClass,
                snapshotClass: ceph.snapshotClass,
                cacheClass: openebs.className,
                claim: workload,
                namespace,
                size,
            },
            opts,
        ).claimName;
    }

    /**
     * On Ceph, without a backup. Not on OpenEBS: the seed keeps that for VolSync's caches, its directories share the
     * system disk without a quota, and a pod with one can't move to another node.
     */
    cache(
        name: string,
        { workload, namespace, size }: ClaimArgs,
        opts: pulumi.CustomResourceOptions,
    ): pulumi.Output<string> {
        return new k8s.core.v1.PersistentVolumeClaim(
            `${name}-cache`,
            {
                metadata: { name: `${workload}-cache`, namespace },
                spec: {
                    accessModes: ["ReadWriteOnce"],
                    storageClassName: this.args.ceph.blockClass,
                    resources: { requests: { storage: size } },
                },
            },
            opts,
        ).metadata.name;
    }

    path(library: SharedLibrary): string {
        return `/${library}`;
    }

    library(library: SharedLibrary): k8s.types.input.core.v1.Volume {
        return { name: library, nfs: { server: this.args.nfs.server, path: this.args.nfs[library] } };
    }

    private source(volume: Volume): string {
        switch (volume.kind) {
            case "data":
                return `${CEPH_BLOCK_CLASS}, backed up to b2 and minio`;
            case "cache":
                return `${CEPH_BLOCK_CLASS}, not backed up`;
            case "scratch":
                return "emptyDir";
            case "shared": {
                const subPath = volume.subPath === undefined ? "" : `/${volume.subPath}`;
                return `${this.args.nfs.server}:${this.args.nfs[volume.library]}${subPath}`;
            }
            case "device":
                return volume.path;
        }
    }
}
