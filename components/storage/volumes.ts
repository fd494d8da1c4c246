/** Volumes by what they mean for the household; the cluster's Storage decides how they are made. */
import type * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";

/**
 * - `data`: belongs to one workload and survives the cluster: the one word that also brings backups, where a cluster has them;
 * - `cache`: belongs to one workload, outlives its pods but not the cluster, and can be made again (models, thumbnails);
 * - `scratch`: may be lost at any time, lives in the node's memory or disk with the pod;
 * - `shared`: a directory of the household's library that several workloads see.
 */
export type Volume =
    | { readonly kind: "data"; readonly size: string }
    | { readonly kind: "cache"; readonly size: string }
    | { readonly kind: "scratch"; readonly sizeLimit?: string }
    | {
          readonly kind: "shared";
          readonly library: SharedLibrary;
          readonly subPath?: string;
          readonly readOnly?: boolean;
      }
    | { readonly kind: "device"; readonly path: string };

/** What a pod mounts: besides volumes of its own one that another workload owns, whose machine it must then be on. */
export type PodVolume = Volume | { readonly kind: "lent"; readonly claim: pulumi.Input<string> };

/** The volume that a claim of another workload is for. */
export const lent = (claim: pulumi.Input<string>): PodVolume => ({ kind: "lent", claim });

/**
 * Shared directories by purpose; each cluster says where they are and at which path its workloads see them. `models` is a
 * cache of language models: big, written by several pods of one namespace, and loaded again where it is lost.
 */
export type SharedLibrary = "media" | "downloads" | "inbox" | "models";

/** A volume of the workload's own that outlives the cluster. `size` as a Kubernetes quantity. */
export const data = (size: string): Volume => ({ kind: "data", size });

/** A volume of the workload's own that may be lost with the cluster and is never backed up. */
export const cache = (size: string): Volume => ({ kind: "cache", size });

/** Empty at each start. */
export const scratch = (sizeLimit?: string): Volume => ({
    kind: "scratch",
    ...(sizeLimit === undefined ? {} : { sizeLimit }),
});

/** A shared library, or a directory of it. */
export const shared = (library: SharedLibrary, options: { subPath?: string; readOnly?: boolean } = {}): Volume => ({
    kind: "shared",
    library,
    ...options,
});

/** A character device of the node. */
export const device = (path: string): Volume => ({ kind: "device", path });

/** Spec of a claim that one node at a time mounts. */
export const claimSpec = (storageClassName: pulumi.Input<string>, size: string) => ({
    accessModes: ["ReadWriteOnce"],
    storageClassName,
    resources: { requests: { storage: size } },
});

/**
 * What a claim keeps whatever the program says later: of another one the provider deletes the claim, with its volume, and makes
 * an empty one.
 */
export const KEPT_OF_CLAIM = ["spec.accessModes", "spec.dataSourceRef", "spec.storageClassName", "spec.volumeName"];

/** URN of a claim that is, or was, of this owner. */
export const claimUrn = (name: string, owner: pulumi.Resource | pulumi.Input<pulumi.URN> | undefined) =>
    pulumi.createUrn(name, "kubernetes:core/v1:PersistentVolumeClaim", owner);

/** What a claim needs to know of the workload that owns it. A workload has at most one claim of each kind. */
export interface ClaimArgs {
    readonly workload: string;
    readonly namespace: pulumi.Input<string>;
    readonly size: string;
    /** Extended resource that the workload asks for; a volume that is one node's must be on a node that has it. */
    readonly device?: string;
    /** Tier of disks, where the cluster has tiers; absent: the cluster's default. */
    readonly tier?: string;
    /** User and group of its files, who also reads them for a backup; absent: those of the household. */
    readonly owner?: { readonly uid: number; readonly gid: number };
    /** Why its data has no backup although the cluster takes some; absent: it has. */
    readonly exempt?: string;
}

/** One row of the table of volumes. */
export interface VolumeRow {
    readonly workload: string;
    readonly mountPath: string;
    readonly kind: Volume["kind"];
    /** Directory, library or device behind it. */
    readonly source: string;
    readonly survivesDestroy: boolean;
}

/** Storage of a cluster by purpose: local directories, Rook-Ceph or Longhorn behind one interface. */
export interface Storage {
    /** Claims declared so far. */
    readonly rows: readonly VolumeRow[];
    /** Labels of the nodes that have libraries and devices, for pods with one; absent: every node has them. */
    readonly nodeSelector?: Readonly<Record<string, string>>;
    /** Notes a volume for the table. */
    record(
        workload: string,
        mountPath: string,
        volume: Volume,
        namespace: string,
        wishes?: Pick<ClaimArgs, "tier" | "exempt">,
    ): void;
    /** A claim that finds the workload's earlier data again, where there is any. Returns the claim's name. */
    claim(name: string, args: ClaimArgs, opts: pulumi.CustomResourceOptions): pulumi.Output<string>;
    /** A claim that starts empty in a new cluster. Returns the claim's name. */
    cache(name: string, args: ClaimArgs, opts: pulumi.CustomResourceOptions): pulumi.Output<string>;
    /** Path at which workloads of this cluster see a shared library, so that apps agree on file names. */
    path(library: SharedLibrary): string;
    /** Pod volume of a shared library. */
    library(library: SharedLibrary): k8s.types.input.core.v1.Volume;
    /** User and group that own the household's files. */
    readonly owner: { readonly uid: number; readonly gid: number };
    /** Class for dynamic volumes that may be lost with the cluster. */
    readonly scratchClass: pulumi.Output<string>;
}

/** Name of the pod volume behind a mount: `config` for /config; a shared library has its own, whatever its mounts. */
export function volumeName(mountPath: string, volume: PodVolume): string {
    if (volume.kind === "shared") return volume.library;
    return mountPath
        .toLowerCase()
        .replaceAll(/[^a-z0-9]+/g, "-")
        .replace(/^-/, "")
        .slice(0, 63)
        .replace(/-$/, "");
}
