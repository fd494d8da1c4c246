import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { clusterCommand, valueAfter } from "../cluster/cluster-command";
import type { Cluster } from "../platform";
import type { SecretStore } from "../secrets/secret-store";
import { claimSpec } from "../storage/volumes";
import {
    BACKENDS,
    BACKUP_SECRETS,
    backupSchedule,
    POLICIES,
    resticRepository,
    type Backend,
    type BackupPolicy,
    type Bucket,
} from "./restic";
import { STAMP } from "./triggers";
import { keptClaimOptions, SAME_CLASS, type KeptClaim, type VolumeBackups } from "./volume-backups";
import type { VolSync } from "./volsync";

/** What every backed-up volume of a cluster shares. */
export interface BackupSettings {
    cluster: Pick<Cluster, "kubeconfig">;
    volsync: VolSync;
    secrets: SecretStore;
    /** At least one. */
    backends: Readonly<Partial<Record<Backend, Bucket>>>;
    /** How often, and what stays; absent: as the backend's own policy says. */
    policy?: BackupPolicy;
    /** Backend that a new volume is filled from; one of `backends`. */
    restoreFrom: Backend;
    /** Whether deleting the volume takes a last backup first, to where a new volume is filled from. */
    beforeDestroy: boolean;
    /** Of the volume's StorageClass. Absent: the class has no snapshots, and movers work on the volume itself. */
    snapshotClass?: pulumi.Input<string>;
    /** StorageClass of restic's cache. */
    cacheClass: pulumi.Input<string>;
}

/** The claim's owner is the movers' user: they read the files without being root. */
export type BackedUpVolumeArgs = BackupSettings & KeptClaim;

/** Data volumes with VolSync and restic. */
export const volSyncBackups = (settings: BackupSettings): VolumeBackups => ({
    where: Object.keys(settings.backends).sort().join(" and "),
    volume: (name, claim, opts) => new BackedUpVolume(name, { ...settings, ...claim }, opts).claimName,
});

/** A restore of a big volume over the internet is slow; what is not done by then is waited for at the next `up`. */
const RESTORE_TIMEOUT = "2h";

/**
 * A claim that is restored from backup when it is new in its cluster (deploy or restore) and backed up to each backend.
 *
 * A ReplicationDestination restores the newest snapshot of the repository into a snapshot; the claim has it as its data
 * source, so VolSync fills the claim from it. The very first time there is no repository: VolSync 0.16 initialises it,
 * finds no snapshot, says so, and succeeds with an empty volume (mover-restic/entry.sh, `restore`). Only a repository
 * that can't be reached or opened keeps the claim waiting, and that is meant: an empty volume in place of lost data
 * would be backed up in turn.
 * Source: https://volsync.readthedocs.io/en/stable/usage/volume-populator/index.html
 */
export class BackedUpVolume extends pulumi.ComponentResource {
    /** Whoever uses it is made after the restore, and deleted before the last backup is taken. */
    readonly claimName: pulumi.Output<string>;

    constructor(name: string, args: BackedUpVolumeArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:backup:BackedUpVolume", name, {}, opts);
        const { claim, namespace } = args;
        const afterVolSync = { parent: this, dependsOn: args.volsync };
        const claimOptions = pulumi.mergeOptions(keptClaimOptions(name, this, opts), { dependsOn: args.volsync });
        const used = BACKENDS.flatMap((backend): [Backend, Bucket][] => {
            const bucket = args.backends[backend];
            return bucket === undefined ? [] : [[backend, bucket]];
        });
        const repositories = new Map(
            used.map(([backend, bucket]) => [backend, this.repository(name, backend, bucket, args)]),
        );
        const restored = repositories.get(args.restoreFrom);
        if (restored === undefined) {
            throw new pulumi.ResourceError(
                `${claim} is to be restored from ${args.restoreFrom}, and is backed up to ${used.map(([backend]) => backend).join(", ")}`,
                this,
                true,
            );
        }
        const volume =
            args.snapshotClass === undefined
                ? this.restoredInPlace(name, restored, args, afterVolSync, claimOptions)
                : this.restoredFromSnapshot(name, restored, args, afterVolSync, claimOptions);
        const policyOf = (backend: Backend) => args.policy ?? POLICIES[backend];
        const sources = new Map(
            used.map(([backend]) => [
                backend,
                new k8s.apiextensions.CustomResource(
                    `${name}-${backend}`,
                    {
                        apiVersion: "volsync.backube/v1alpha1",
                        kind: "ReplicationSource",
                        metadata: { name: `${claim}-${backend}`, namespace },
                        spec: {
                            sourcePVC: volume,
                            trigger: { schedule: backupSchedule(backend, claim, policyOf(backend)) },
                            restic: {
                                repository: repositories.get(backend),
                                ...copies(args),
                                pruneIntervalDays: 7,
                                retain: { ...policyOf(backend).retain },
                            },
                        },
                    },
                    afterVolSync,
                ),
            ]),
        );
        // Always with a `delete`, whose script decides whether a backup is taken: a `delete` that comes or goes makes the
        // plugin replace the command, and a replaced command runs the old `delete`.
        const lastBackup = clusterCommand(
            `${name}-last-backup`,
            args.cluster,
            {
                create: SAME_CLASS,
                update: SAME_CLASS,
                delete: args.beforeDestroy ? LAST_BACKUP : NO_LAST_BACKUP,
                // A backup is of use where the restore looks for it.
                environment: {
                    NAMESPACE: namespace,
                    CLAIM: claim,
                    STORAGE_CLASS: args.storageClass,
                    SOURCE: `${claim}-${args.restoreFrom}`,
                },
            },
            { parent: this, dependsOn: [...sources.values()] },
        );
        this.claimName = valueAfter(lastBackup, volume);
        this.registerOutputs({ claimName: this.claimName });
    }

    /** The restore is a snapshot, and the claim is made from it. */
    private restoredFromSnapshot(
        name: string,
        repository: pulumi.Output<string>,
        args: BackedUpVolumeArgs,
        afterVolSync: pulumi.CustomResourceOptions,
        claimOptions: pulumi.CustomResourceOptions,
    ): pulumi.Output<string> {
        const { claim, namespace } = args;
        const destination = new k8s.apiextensions.CustomResource(
            `${name}-dst`,
            {
                apiVersion: "volsync.backube/v1alpha1",
                kind: "ReplicationDestination",
                metadata: {
                    name: `${claim}-dst`,
                    namespace,
                    annotations: { "pulumi.com/waitFor": `jsonpath={.status.lastManualSync}=${RESTORE_ONCE}` },
                },
                spec: {
                    trigger: { manual: RESTORE_ONCE },
                    restic: {
                        repository,
                        ...copies(args),
                        capacity: args.size,
                        // A restore cut short is tried again in the same volume: what the backup lacks goes.
                        enableFileDeletion: true,
                        // Both would otherwise stay until the ReplicationDestination goes, which is never.
                        cleanupTempPVC: true,
                        cleanupCachePVC: true,
                    },
                },
            },
            { ...afterVolSync, customTimeouts: { create: RESTORE_TIMEOUT, update: RESTORE_TIMEOUT } },
        );
        return new k8s.core.v1.PersistentVolumeClaim(
            name,
            {
                metadata: { name: claim, namespace },
                spec: {
                    ...claimSpec(args.storageClass, args.size),
                    dataSourceRef: {
                        apiGroup: "volsync.backube",
                        kind: "ReplicationDestination",
                        name: destination.metadata.name,
                    },
                },
            },
            // Awaited: the class binds at once, and by now the restore is done, so it is Bound within seconds.
            claimOptions,
        ).metadata.name;
    }

    /**
     * The claim first, then a restore into it: once, which a mark on the claim remembers, for a restore over a volume in
     * use would put yesterday's files in place of today's. A claim that was in use before it had backups is never restored.
     */
    private restoredInPlace(
        name: string,
        repository: pulumi.Output<string>,
        args: BackedUpVolumeArgs,
        afterVolSync: pulumi.CustomResourceOptions,
        claimOptions: pulumi.CustomResourceOptions,
    ): pulumi.Output<string> {
        const { claim, namespace } = args;
        const volume = new k8s.core.v1.PersistentVolumeClaim(
            name,
            {
                metadata: {
                    name: claim,
                    namespace,
                    // A class of local directories binds at the first pod, which is the restore's.
                    annotations: { "pulumi.com/skipAwait": "true" },
                },
                spec: claimSpec(args.storageClass, args.size),
            },
            // The mark is a label.
            pulumi.mergeOptions(claimOptions, { ignoreChanges: ["metadata.labels"] }),
        );
        const destination = pulumi.jsonStringify({
            apiVersion: "volsync.backube/v1alpha1",
            kind: "ReplicationDestination",
            metadata: { name: `${claim}-dst`, namespace },
            spec: {
                trigger: { manual: RESTORE_ONCE },
                restic: {
                    repository,
                    ...copies(args),
                    destinationPVC: claim,
                    enableFileDeletion: true,
                    cleanupCachePVC: true,
                    // The claim's first pod decides on which node the volume is: one where the workload can follow.
                    moverResources: moverResources(args.device),
                },
            },
        });
        const restored = clusterCommand(
            `${name}-restored`,
            args.cluster,
            {
                create: RESTORE_IN_PLACE,
                environment: { NAMESPACE: namespace, CLAIM: volume.metadata.name, DESTINATION: destination },
            },
            { ...afterVolSync, customTimeouts: { create: RESTORE_TIMEOUT, update: RESTORE_TIMEOUT } },
        );
        return valueAfter(restored, volume.metadata.name);
    }

    private repository(
        name: string,
        backend: Backend,
        bucket: Bucket,
        args: BackedUpVolumeArgs,
    ): pulumi.Output<string> {
        return args.secrets.deliver(
            `${name}-volsync-${backend}`,
            {
                name: `${args.claim}-volsync-${backend}`,
                namespace: args.namespace,
                data: BACKUP_SECRETS[backend],
                literals: { RESTIC_REPOSITORY: resticRepository(bucket, args.claim) },
            },
            { parent: this },
        );
    }
}

/** Seed 002: the manual trigger of a restore. */
const RESTORE_ONCE = "restore-once";

/** What sources and destination share: snapshots on the volume's own class, the cache on local disks, an unprivileged mover. */
function copies(args: BackedUpVolumeArgs) {
    return {
        ...(args.snapshotClass === undefined
            ? { copyMethod: "Direct" }
            : {
                  copyMethod: "Snapshot",
                  accessModes: ["ReadWriteOnce"],
                  storageClassName: args.storageClass,
                  volumeSnapshotClassName: args.snapshotClass,
              }),
        cacheAccessModes: ["ReadWriteOnce"],
        cacheCapacity: "4Gi",
        cacheStorageClassName: args.cacheClass,
        moverSecurityContext: {
            runAsNonRoot: true,
            runAsUser: args.owner.uid,
            runAsGroup: args.owner.gid,
            fsGroup: args.owner.gid,
            // The workload has set the same group; a walk over every file at each backup would change nothing.
            fsGroupChangePolicy: "OnRootMismatch",
            seccompProfile: { type: "RuntimeDefault" },
        },
        moverResources: moverResources(),
    };
}

/** /tmp of the mover is memory. */
const moverResources = (device?: string) => ({
    requests: { cpu: "100m", memory: "256Mi" },
    limits: { memory: "2Gi", ...(device === undefined ? {} : { [device]: "1" }) },
});

/**
 * The mark says `false` from before the restore until it is done. A claim without one is bound only by who uses it: its class
 * binds at the first pod, and for a new claim that is the mover. (Restores of before there was a `false` are known by their
 * destination.)
 */
const RESTORE_IN_PLACE = `
of_claim() { kubectl --namespace "$NAMESPACE" get persistentvolumeclaim "$CLAIM" --output="jsonpath=$1"; }
mark() { kubectl --namespace "$NAMESPACE" label persistentvolumeclaim "$CLAIM" "homelab.restored=$1" --overwrite > /dev/null; }
destination=replicationdestination/$CLAIM-dst
marked=$(of_claim '{.metadata.labels.homelab\\.restored}')
[ "$marked" != true ] || exit 0
if [ -z "$marked" ]; then
  volume=$(of_claim '{.spec.volumeName}')
  begun=$(kubectl --namespace "$NAMESPACE" get "$destination" --ignore-not-found --output=name)
  if [ -n "$volume" ] && [ -z "$begun" ]; then
    mark true
    echo "$NAMESPACE/$CLAIM was in use before it had backups: it keeps what is in it" >&2
    exit 0
  fi
  mark false
fi
kubectl apply --server-side --force-conflicts --field-manager=homelab-restore -f - <<< "$DESTINATION" > /dev/null
kubectl --namespace "$NAMESPACE" wait "$destination" --for=jsonpath='{.status.lastManualSync}'=${RESTORE_ONCE} --timeout=7200s || {
  echo "$NAMESPACE/$CLAIM was not restored within two hours; its app is not started on an empty volume. See  kubectl --namespace $NAMESPACE describe $destination; the next pulumi up goes on." >&2
  exit 1
}
mark true
kubectl --namespace "$NAMESPACE" delete "$destination" --wait --timeout=120s > /dev/null`.trim();

/**
 * The workload is gone by now. A backup under way may have begun before that, so it is let finish; one that begins from
 * here on has everything. The manual trigger is taken back in any case: left there it switches the schedule off
 * (https://github.com/backube/volsync/issues/1259). A killed script cannot, so `TAKE_TRIGGERS_BACK` does.
 *
 * It waits in short turns: when the script is killed, the engine still waits for the kubectl that it had started.
 */
const LAST_BACKUP = `
refuse() {
  echo "The last backup of $NAMESPACE/$SOURCE was not taken: $1. Its volume stays." >&2
  echo "See  kubectl --namespace $NAMESPACE describe replicationsource $SOURCE. To go on without: set backups.beforeDestroy to false, pulumi up, pulumi destroy." >&2
  exit 1
}
source=replicationsource/$SOURCE
waited() {
  end=$((SECONDS + 3600))
  until said=$(kubectl --namespace "$NAMESPACE" wait "$source" --for="$1" --timeout=20s 2>&1 > /dev/null); do
    case "$said" in
      *"timed out waiting"*) [ "$SECONDS" -lt "$end" ] || return 1 ;;
      *) echo "$said" >&2; return 1 ;;
    esac
  done
}
waited condition=Synchronizing=false || refuse "the one before did not end"
stamp=${STAMP}$(date +%s)
kubectl --namespace "$NAMESPACE" patch "$source" --type=merge --patch "{\\"spec\\":{\\"trigger\\":{\\"manual\\":\\"$stamp\\"}}}"
outcome=0
waited "jsonpath={.status.lastManualSync}=$stamp" || outcome=$?
kubectl --namespace "$NAMESPACE" patch "$source" --type=merge --patch '{"spec":{"trigger":{"manual":null}}}'
test "$outcome" -eq 0 || refuse "it did not end within an hour"`.trim();

const NO_LAST_BACKUP = `echo "backups.beforeDestroy is false: no last backup of $NAMESPACE/$SOURCE" >&2`;
