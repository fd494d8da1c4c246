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

/**
 * Bash that refuses a claim that is there and of another class than `STORAGE_CLASS`; `found` is empty where there is none. A claim
 * that follows its class would be deleted, and its data with it.
 */
export const SAME_CLASS = `
found=$(kubectl --namespace "$NAMESPACE" get persistentvolumeclaim "$CLAIM" --ignore-not-found --output='jsonpath={.metadata.name} {.spec.storageClassName}')
if [ -n "$found" ] && [ "$found" != "$CLAIM $STORAGE_CLASS" ]; then
  was=\${found#"$CLAIM "}
  echo "$NAMESPACE/$CLAIM has its data on \${was:-the file server} and is to be on $STORAGE_CLASS: no claim can change its class, and a new one starts empty. The claim was not touched." >&2
  echo "Put the yaml back as it was, pulumi up. To move it: take the app out, pulumi up; put it back with the new tier or class, pulumi up. docs/longhorn.md#from-the-nas-or-another-tier says what becomes of its data." >&2
  exit 1
fi`.trim();
