/** How data volumes come back in a new cluster, whatever makes the backups. */
import * as pulumi from "@pulumi/pulumi";
import { claimUrn, KEPT_OF_CLAIM } from "../storage/volumes";

/** A claim whose data outlives the cluster. */
export interface KeptClaim {
    /** Name of the claim; its backups are called after it. */
    readonly claim: string;
    readonly namespace: pulumi.Input<string>;
    /** Kubernetes quantity. It may grow; Kubernetes refuses to shrink a claim. */
    readonly size: string;
    readonly storageClass: pulumi.Input<string>;
    /** User and group that own the files. */
    readonly owner: { readonly uid: number; readonly gid: number };
    /** Extended resource that the workload asks for, e.g. gpu.intel.com/i915. */
    readonly device?: string;
}

/** Backups of a cluster's data volumes: VolSync or Velero. */
export interface VolumeBackups {
    /** Where they are kept, for tables, e.g. `b2 and minio`. */
    readonly where: string;
    /**
     * A claim that is restored from its newest backup when it is new in its cluster, and backed up from then on. Returns the claim's
     * name: whoever uses it is made after the restore, and deleted before a last backup is taken.
     */
    volume(name: string, claim: KeptClaim, opts: pulumi.ComponentResourceOptions): pulumi.Output<string>;
}

/** Of a claim inside the component of its backups, which has `opts`: one that had none until now is the same claim. */
export const keptClaimOptions = (
    name: string,
    component: pulumi.Resource,
    { parent }: pulumi.ComponentResourceOptions,
): pulumi.CustomResourceOptions => ({
    parent: component,
    aliases: [claimUrn(name, parent)],
    ignoreChanges: KEPT_OF_CLAIM,
});
