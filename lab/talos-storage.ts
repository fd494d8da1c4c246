/** Storage of a cluster on Talos: Ceph where machines have disks for it, else local directories; VolSync, NFS libraries. */
import type * as pulumi from "@pulumi/pulumi";
import { VolSync } from "../components/backup/volsync";
import type { Backend, Bucket } from "../components/backup/restic";
import type { Cluster } from "../components/platform";
import type { SecretStore } from "../components/secrets/secret-store";
import { CEPH_BLOCK_CLASS, CephCluster, type CephNode } from "../components/storage/ceph-cluster";
import { ClassStorage, nfsLibraries, type VolumeClass } from "../components/storage/class-storage";
import { OpenEbs, OPENEBS_CLASS } from "../components/storage/openebs";
import type { RookOperator } from "../components/storage/rook-operator";
import { SnapshotController } from "../components/storage/snapshot-controller";
import type { SharedLibrary } from "../components/storage/volumes";
import type { Lab } from "./lab";

/** What of a configuration concerns it. */
export interface TalosStorageConfig {
    readonly nodes: readonly CephNode[];
    readonly storage: {
        readonly localHostpath: string;
        readonly nfs?:
            (Readonly<Partial<Record<SharedLibrary, string | undefined>>> & { readonly server: string }) | undefined;
        readonly owner: { readonly uid: number; readonly gid: number };
        readonly confirmDataLoss?: string | undefined;
    };
    readonly backups?:
        | (Readonly<Partial<Record<Backend, Bucket | undefined>>> & {
              readonly restoreFrom: Backend;
              readonly beforeDestroy: boolean;
          })
        | undefined;
}

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
                  backups: {
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
                  },
              }),
    });
    return { storage, volumes, layers: [ceph, openebs, volsync].filter((layer) => layer !== undefined) };
}

function exportsOf({ media, downloads, inbox }: NonNullable<TalosStorageConfig["storage"]["nfs"]>) {
    return { media, downloads, inbox };
}
