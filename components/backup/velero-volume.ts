import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { clusterCommand, valueAfter } from "../cluster/cluster-command";
import type { Cluster } from "../platform";
import { claimSpec } from "../storage/volumes";
import type { Velero } from "./velero";
import {
    claimSchedule,
    LAST_BACKUP_DAYS,
    STAGING_NAMESPACE,
    ttlOf,
    VELERO_NAMESPACE,
    whereOf,
    type BackupLocation,
    type LocationName,
} from "./velero-locations";
import { BOUND, LAST_BACKUP, NO_LAST_BACKUP, RESTORE, restoreObjects } from "./velero-scripts";
import { keptClaimOptions, SAME_CLASS, type KeptClaim, type VolumeBackups } from "./volume-backups";

/** What every volume that Velero backs up shares. */
export interface VeleroSettings {
    readonly cluster: Pick<Cluster, "kubeconfig" | "generation">;
    readonly velero: Velero;
    /** VolumeSnapshotClass of the volumes' driver. */
    readonly snapshotClass: pulumi.Input<string>;
    /** Whether deleting the volume takes a last backup first, to where a new volume is filled from. */
    readonly beforeDestroy: boolean;
}

/** Data volumes that Velero moves out of the cluster by snapshots, and brings back. */
export const veleroBackupsOf = (settings: VeleroSettings): VolumeBackups => ({
    where: settings.velero.locations
        .map(({ name }) => name)
        .sort()
        .join(" and "),
    volume: (name, claim, opts) => new VeleroVolume(name, { ...settings, ...claim }, opts).claimName,
});

export type VeleroVolumeArgs = VeleroSettings & KeptClaim;

/** What is not restored by then is waited for at the next `up`: Velero goes on by itself. */
const RESTORE_TIMEOUT = "2h10m";

/**
 * A claim that comes back from its newest complete backup when it is new in its cluster (deploy or restore), and is backed
 * up to every location.
 *
 * Each claim has backups of its own, found by its labels: one sick volume makes no other's backup partial, and whether a backup
 * has the claim's data is a number in its status.
 *
 * Velero restores a claim as an object of its own, with a selector and labels that no plan says, and one that exists it leaves
 * alone. So it restores into a namespace beside, and the volume is handed over: bound in advance to the name of the claim that
 * this program then makes as always. Two owners never write one object, and no existing claim is ever taken over.
 */
export class VeleroVolume extends pulumi.ComponentResource {
    /** Whoever uses it is made after the restore, and deleted before the last backup is taken. */
    readonly claimName: pulumi.Output<string>;

    constructor(name: string, args: VeleroVolumeArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:backup:VeleroVolume", name, {}, opts);
        const { claim, namespace, velero, cluster } = args;
        const { restoreFrom } = velero;
        const marks = { "homelab.namespace": namespace, "homelab.claim": claim };
        const environment = {
            NAMESPACE: namespace,
            CLAIM: claim,
            LOCATION: restoreFrom.name,
            WHERE: whereOf(restoreFrom),
            STAGING: STAGING_NAMESPACE,
        };
        const objects = pulumi
            .all([namespace, args.storageClass])
            .apply(([from, storageClass]) => restoreObjects({ namespace: from, claim, size: args.size, storageClass }));
        const restored = clusterCommand(
            `${name}-restored`,
            cluster,
            {
                create: RESTORE,
                update: SAME_CLASS,
                environment: {
                    ...environment,
                    STORAGE_CLASS: args.storageClass,
                    MODIFIER: objects.MODIFIER,
                    RESTORE: objects.RESTORE,
                },
            },
            {
                parent: this,
                dependsOn: velero,
                customTimeouts: { create: RESTORE_TIMEOUT, update: RESTORE_TIMEOUT },
            },
        );
        const volume = new k8s.core.v1.PersistentVolumeClaim(
            name,
            {
                metadata: {
                    name: valueAfter(restored, claim),
                    namespace,
                    labels: marks,
                    // By name: another class of the same driver may be somebody else's.
                    annotations: { "velero.io/csi-volumesnapshot-class": args.snapshotClass },
                },
                spec: claimSpec(args.storageClass, args.size),
            },
            keptClaimOptions(name, this, opts),
        );
        // Always with a `delete`: one that comes or goes makes the plugin replace the command, and a replaced command runs the old one.
        const last = clusterCommand(
            `${name}-last-backup`,
            cluster,
            {
                create: BOUND,
                update: BOUND,
                delete: args.beforeDestroy ? LAST_BACKUP : NO_LAST_BACKUP,
                environment: {
                    ...environment,
                    BACKUP: pulumi.jsonStringify({
                        apiVersion: "velero.io/v1",
                        kind: "Backup",
                        metadata: {
                            generateName: pulumi.interpolate`${namespace}-${claim}-before-destroy-`,
                            namespace: VELERO_NAMESPACE,
                            labels: { ...marks, [BEFORE_DESTROY]: "true" },
                        },
                        spec: backupSpec(args, marks, restoreFrom.name, LAST_BACKUP_DAYS),
                    }),
                },
            },
            // Of Velero itself, too: a claim that goes on without backups waits for it no longer.
            { parent: this, dependsOn: [velero, volume] },
        );
        for (const location of velero.locations) this.schedule(name, args, marks, location, last);
        this.claimName = valueAfter(last, volume.metadata.name);
        this.registerOutputs({ claimName: this.claimName });
    }

    /** After what makes sure that the claim has its old data: an empty volume must not become the newest backup. */
    private schedule(
        name: string,
        args: VeleroVolumeArgs,
        marks: Marks,
        location: BackupLocation,
        after: pulumi.Resource,
    ): void {
        const { claim, namespace, velero } = args;
        new k8s.apiextensions.CustomResource(
            `${name}-${location.name}`,
            {
                apiVersion: "velero.io/v1",
                kind: "Schedule",
                metadata: {
                    name: pulumi.interpolate`${namespace}-${claim}-${location.name}`,
                    namespace: VELERO_NAMESPACE,
                    labels: marks,
                },
                spec: {
                    schedule: claimSchedule(location, claim),
                    paused: velero.readOnly,
                    // A schedule that goes must not take its backups along.
                    useOwnerReferencesInBackup: false,
                    template: {
                        metadata: { labels: marks },
                        ...backupSpec(args, marks, location.name, location.keepDays),
                    },
                },
            },
            { parent: this, dependsOn: [velero, after] },
        );
    }
}

/** Labels of a claim, and of all that is about it. */
type Marks = Record<"homelab.namespace" | "homelab.claim", pulumi.Input<string>>;

/** On a backup of a claim that was to be destroyed; a newer one takes its place. */
const BEFORE_DESTROY = "homelab.before-destroy";

/** One claim and its volume, moved out of the cluster by a snapshot. */
const backupSpec = ({ namespace }: VeleroVolumeArgs, marks: Marks, location: LocationName, days: number) => ({
    includedNamespaces: [namespace],
    includedResources: ["persistentvolumeclaims", "persistentvolumes"],
    labelSelector: { matchLabels: marks },
    snapshotMoveData: true,
    defaultVolumesToFsBackup: false,
    storageLocation: location,
    ttl: ttlOf(days),
    csiSnapshotTimeout: "10m0s",
    itemOperationTimeout: "4h0m0s",
});
