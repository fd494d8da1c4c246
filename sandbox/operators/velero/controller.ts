/**
 * Velero with its data mover: locations, backups of claims by CSI snapshots, restores, expiry. Of other objects it keeps nothing:
 * nobody restores them here. A schedule's turns are hours away, the first one too, and do not come in a sandbox.
 * https://github.com/velero-io/velero/tree/v1.18.1
 */
import {
    type Action,
    collectionIn,
    collections,
    type Controller,
    objectPath,
    resources,
    type View,
} from "../../controllers/controller";
import { RESTORED_FROM, snapshotClasses, snapshots, type VolumeSnapshot } from "../rook/volumes";
import {
    type CustomResource,
    hold,
    isLeaving,
    labelled,
    release,
    running,
    shows,
    timestamp,
} from "../../controllers/custom-resources";
import {
    type ConfigMap,
    type Deployment,
    keyOf,
    type KubeObject,
    type PersistentVolume,
    type PersistentVolumeClaim,
    type Secret,
    selects,
    type StorageClass,
} from "../../controllers/objects";
import { outsideStore } from "../../controllers/outside";
import {
    type BackupSpec,
    type Bucket,
    type Buckets,
    hashOf,
    type Location,
    openBucket,
    refusesUploads,
    secondsOf,
    type StoredClaim,
} from "./bucket";

export const backups = resources("velero.io", "v1", "backups");
export const restores = resources("velero.io", "v1", "restores");
export const locations = resources("velero.io", "v1", "backupstoragelocations");
export const schedules = resources("velero.io", "v1", "schedules");
const deletions = resources("velero.io", "v1", "deletebackuprequests");
const daemonSets = "/apis/apps/v1/daemonsets";

/** On a volume: what stands for its files. */
export const CONTENTS = "sandbox/contents";

const BACKUP = "velero.io/backup-name";
const RESTORE = "velero.io/restore-name";
const LOCATION = "velero.io/storage-location";
const DYNAMIC = "velero.io/dynamic-pv-restore";
const FINALIZER = "restores.velero.io/external-resources-finalizer";
/** Where a source names the password for those who set none. */
const WELL_KNOWN = "static-passw0rd";

type Backup = CustomResource<BackupSpec>;
type Restore = CustomResource<{
    readonly backupName?: string;
    readonly includedNamespaces?: readonly string[];
    readonly includedResources?: readonly string[];
    readonly labelSelector?: BackupSpec["labelSelector"];
    readonly namespaceMapping?: Readonly<Record<string, string>>;
    readonly resourceModifier?: { readonly kind: string; readonly name: string };
    readonly itemOperationTimeout?: string;
}>;
type DaemonSet = KubeObject & {
    readonly spec: {
        readonly template: {
            readonly spec?: { readonly containers: readonly { readonly args?: readonly string[] }[] };
        };
    };
    readonly status?: { readonly desiredNumberScheduled?: number; readonly numberReady?: number };
};

const TERMINAL = ["Completed", "PartiallyFailed", "Failed", "FailedValidation"];

/** @param file where the buckets are kept; absent: in memory. */
export function velero(file?: string): Controller {
    const store = outsideStore(file, (): Buckets => ({ buckets: {}, down: [] }));
    return {
        name: "velero",
        lists: [
            ...[collections.deployments, collections.secrets, collections.configMaps, collections.storageClasses],
            ...[collections.claims, collections.volumes, daemonSets, snapshots, snapshotClasses],
            ...[backups, restores, locations, schedules, deletions],
        ],
        reconcile(view) {
            const is = labelled({ "app.kubernetes.io/name": "velero" });
            const server = running(view, (one) => one.metadata.name === "velero" && is(one));
            if (server === undefined) return [];
            const opened = store();
            const before = JSON.stringify(opened.state);
            const actions = new Turn(view, server, opened.state).actions();
            if (JSON.stringify(opened.state) !== before) opened.save();
            return actions;
        },
    };
}

class Turn {
    private readonly namespace: string;
    private readonly buckets = new Map<string, Bucket | string>();

    constructor(
        private readonly view: View,
        server: Deployment,
        state: Buckets,
    ) {
        this.namespace = server.metadata.namespace ?? "";
        for (const location of this.own<Location>(locations)) {
            this.buckets.set(location.metadata.name, openBucket(view, server, location, state));
        }
    }

    actions(): Action[] {
        const password = this.password();
        if (password === undefined) return [this.wellKnownPassword()];
        return [
            ...this.own<Location>(locations).flatMap((one) => this.location(one)),
            ...this.own<CustomResource>(schedules).flatMap((one) =>
                set(schedules, one, { status: { phase: "Enabled" } }),
            ),
            ...this.own<CustomResource<{ backupName: string }>>(deletions).flatMap((one) => this.deletion(one)),
            ...this.own<Backup>(backups).flatMap((one) => this.backup(one, password)),
            ...this.own<Restore>(restores).flatMap((one) => this.restore(one, password)),
        ];
    }

    private own<T extends KubeObject>(collection: string): T[] {
        return this.view.list<T>(collection).filter(({ metadata }) => metadata.namespace === this.namespace);
    }

    /** Hash of the repository's password. */
    private password(): string | undefined {
        const name = `${this.namespace}/velero-repo-credentials`;
        const secret = this.view.list<Secret>(collections.secrets).find((one) => keyOf(one) === name);
        return secret && hashOf(Buffer.from(secret.data?.["repository-password"] ?? "", "base64").toString("utf8"));
    }

    private wellKnownPassword(): Action {
        return {
            verb: "create",
            path: collectionIn(collections.secrets, this.namespace),
            body: {
                apiVersion: "v1",
                kind: "Secret",
                metadata: { name: "velero-repo-credentials", namespace: this.namespace },
                stringData: { "repository-password": WELL_KNOWN },
            },
        };
    }

    /** Whether the node agents run, and what they were told of a class that waits for its first consumer. */
    private agents(): { readonly run: boolean; readonly ignoreDelayBinding: boolean } {
        const set = this.own<DaemonSet>(daemonSets).find(({ metadata }) => metadata.name === "node-agent");
        const wanted = set?.status?.desiredNumberScheduled ?? 0;
        const args = set?.spec.template.spec?.containers.flatMap((container) => container.args ?? []) ?? [];
        const name = args.map((arg) => /^--node-agent-configmap=(.+)$/.exec(arg)?.[1]).find((one) => one !== undefined);
        const map = this.own<ConfigMap>(collections.configMaps).find(({ metadata }) => metadata.name === name);
        const config = JSON.parse(Object.values(map?.data ?? {})[0] ?? "{}") as {
            restorePVC?: { ignoreDelayBinding?: boolean };
        };
        return {
            run: wanted > 0 && (set?.status?.numberReady ?? 0) >= wanted,
            ignoreDelayBinding: config.restorePVC?.ignoreDelayBinding === true,
        };
    }

    /** Availability; and where it is there, what is in the bucket and not in the cluster, or the other way round. */
    private location(one: Location): Action[] {
        const bucket = this.buckets.get(one.metadata.name) ?? "";
        if (typeof bucket === "string") {
            const message = `BackupStorageLocation "${one.metadata.name}" is unavailable: ${bucket}`;
            return set(locations, one, { status: { phase: "Unavailable", message } });
        }
        const listed = one.status?.["lastSyncedTime"] ?? timestamp(this.view.now);
        const known = new Set(this.own<Backup>(backups).map(({ metadata }) => metadata.name));
        const found = Object.entries(bucket.backups).filter(([name]) => !known.has(name));
        const orphans = this.own<Backup>(backups).filter(
            ({ metadata, status }) =>
                metadata.labels?.[LOCATION] === one.metadata.name &&
                status?.["phase"] === "Completed" &&
                bucket.backups[metadata.name] === undefined,
        );
        return [
            ...found.map(([name, { labels, annotations, spec, status }]): Action => ({
                verb: "create",
                path: collectionIn(backups, this.namespace),
                body: {
                    apiVersion: "velero.io/v1",
                    kind: "Backup",
                    metadata: {
                        name,
                        namespace: this.namespace,
                        labels: { ...labels, [LOCATION]: one.metadata.name },
                        annotations,
                    },
                    spec: { ...spec, storageLocation: one.metadata.name },
                    status,
                },
            })),
            ...orphans.map(({ metadata }): Action => ({ verb: "delete", path: objectPath(backups, metadata) })),
            // Listed only once all that was found is an object.
            ...set(locations, one, {
                status: {
                    phase: "Available",
                    message: null,
                    ...(found.length === 0 && { lastSyncedTime: listed }),
                },
            }),
        ];
    }

    private deletion(one: CustomResource<{ backupName: string }>): Action[] {
        const backup = this.own<Backup>(backups).find(({ metadata }) => metadata.name === one.spec.backupName);
        const remove: Action = { verb: "delete", path: objectPath(deletions, one.metadata) };
        if (backup === undefined) return [remove];
        const bucket = this.bucketOf(backup);
        if (typeof bucket === "string" || this.locationOf(backup)?.spec.accessMode === "ReadOnly") {
            return set(deletions, one, {
                status: { phase: "Processed", errors: ["the location cannot be written to"] },
            });
        }
        Reflect.deleteProperty(bucket.backups, backup.metadata.name);
        return [{ verb: "delete", path: objectPath(backups, backup.metadata) }, remove];
    }

    private locationOf({ spec }: Backup): Location | undefined {
        const all = this.own<Location>(locations);
        return spec.storageLocation === undefined
            ? all.find((one) => (one.spec as { default?: boolean }).default === true)
            : all.find(({ metadata }) => metadata.name === spec.storageLocation);
    }

    private bucketOf(backup: Backup): Bucket | string {
        const location = this.locationOf(backup);
        if (location === undefined)
            return `an existing backup storage location wasn't specified at backup creation time`;
        return this.buckets.get(location.metadata.name) ?? "";
    }

    private backup(one: Backup, password: string): Action[] {
        if (isLeaving(one)) return [];
        const { phase = "", startTimestamp, expiration } = (one.status ?? {}) as Record<string, string>;
        const location = this.locationOf(one);
        const bucket = this.bucketOf(one);
        if (TERMINAL.includes(phase)) {
            return [...this.snapshotsOf(one).map(removed), ...this.expire(one, bucket, location, expiration)];
        }
        if (phase === "") {
            const name = location?.metadata.name ?? "";
            const fault =
                typeof bucket === "string"
                    ? `backup can't be created because BackupStorageLocation ${name} is in Unavailable status with the reason: ${bucket}`
                    : location?.spec.accessMode === "ReadOnly"
                      ? `backup can't be created because backup storage location ${name} is currently in read-only mode`
                      : undefined;
            if (fault !== undefined) {
                return set(backups, one, { status: { phase: "FailedValidation", validationErrors: [fault] } });
            }
            const now = this.view.now;
            return set(backups, one, {
                metadata: { labels: { [LOCATION]: name } },
                spec: { storageLocation: name },
                status: {
                    phase: "InProgress",
                    startTimestamp: timestamp(now),
                    expiration: timestamp(now + secondsOf(one.spec.ttl, 30 * 86_400) * 1000),
                },
            });
        }
        const claims = this.claimsOf(one);
        const age = (this.view.now - Date.parse(startTimestamp ?? "")) / 1000;
        const found = claims.map((claim) => this.moved(one, claim, password, age));
        if (found.some((each) => each.state === "working")) {
            return found.flatMap((each) => (each.state === "working" ? each.actions : []));
        }
        const moved = found.filter((each) => each.state === "done").length;
        const errors = found.filter((each) => each.state === "failed").length;
        const ended = {
            phase: errors > 0 ? "PartiallyFailed" : "Completed",
            completionTimestamp: timestamp(this.view.now),
            ...(errors > 0 && { errors }),
            ...(moved > 0 && { backupItemOperationsCompleted: moved }),
        };
        const refused = typeof bucket === "string" ? bucket : location && refusesUploads(location);
        if (typeof bucket === "string" || refused !== undefined) {
            const failureReason = refused ?? "";
            return set(backups, one, {
                status: { phase: "Failed", completionTimestamp: ended.completionTimestamp, failureReason },
            });
        }
        bucket.backups[one.metadata.name] = {
            labels: one.metadata.labels ?? {},
            annotations: one.metadata.annotations ?? {},
            spec: one.spec,
            status: { ...one.status, ...ended },
            claims: found.flatMap((each) => (each.state === "working" ? [] : [each.claim])),
        };
        return set(backups, one, { status: ended });
    }

    /** At once when it is seen, and not before: so a cluster that is made again loses what has expired meanwhile. */
    private expire(
        one: Backup,
        bucket: Bucket | string,
        location: Location | undefined,
        expiration?: string,
    ): Action[] {
        const expired = expiration !== undefined && Date.parse(expiration) <= this.view.now;
        if (!expired || typeof bucket === "string" || location?.spec.accessMode === "ReadOnly") return [];
        Reflect.deleteProperty(bucket.backups, one.metadata.name);
        return [{ verb: "delete", path: objectPath(backups, one.metadata) }];
    }

    private claimsOf({ spec }: Backup): PersistentVolumeClaim[] {
        const { includedNamespaces = ["*"], includedResources = ["*"], excludedResources = [], labelSelector } = spec;
        const resource = (list: readonly string[]) => list.includes("*") || list.includes("persistentvolumeclaims");
        if (!resource(includedResources) || resource(excludedResources)) return [];
        return this.view
            .list<PersistentVolumeClaim>(collections.claims)
            .filter(
                ({ metadata }) =>
                    (includedNamespaces.includes("*") || includedNamespaces.includes(metadata.namespace ?? "")) &&
                    selects(labelSelector, metadata.labels ?? {}),
            );
    }

    private snapshotsOf({ metadata }: Backup): VolumeSnapshot[] {
        return this.view
            .list<VolumeSnapshot>(snapshots)
            .filter((one) => one.metadata.labels?.[BACKUP] === metadata.name);
    }

    /** One claim of a backup: its text, and where its class has snapshots and the backup wants it, its files. */
    private moved(backup: Backup, claim: PersistentVolumeClaim, password: string, age: number): Moved {
        const { namespace = "", name, labels = {}, annotations = {} } = claim.metadata;
        const text = { namespace, name, labels, annotations, spec: claim.spec as Record<string, unknown> };
        const failed: Moved = { state: "failed", claim: text };
        if (backup.spec.snapshotVolumes === false) return { state: "text", claim: text };
        const volume = this.view
            .list<PersistentVolume>(collections.volumes)
            .find(({ metadata }) => metadata.name === claim.spec.volumeName);
        if (volume === undefined || claim.status?.phase !== "Bound") return failed;
        const driver = volume.spec.csi?.driver;
        if (driver === undefined || backup.spec.snapshotMoveData !== true) {
            return { state: "text", claim: text };
        }
        const className = this.snapshotClass(backup, claim, driver);
        if (className === undefined) return failed;
        const wanted = `velero-${name}-${hashOf(`${backup.metadata.uid ?? ""}/${claim.metadata.uid ?? ""}`).slice(0, 5)}`;
        const snapshot = this.view
            .list<VolumeSnapshot>(snapshots)
            .find((one) => keyOf(one) === `${namespace}/${wanted}`);
        if (snapshot === undefined) {
            const body = {
                apiVersion: "snapshot.storage.k8s.io/v1",
                kind: "VolumeSnapshot",
                metadata: { name: wanted, namespace, labels: { ...labels, [BACKUP]: backup.metadata.name } },
                spec: { volumeSnapshotClassName: className, source: { persistentVolumeClaimName: name } },
            };
            return { state: "working", actions: [{ verb: "create", path: collectionIn(snapshots, namespace), body }] };
        }
        if (snapshot.status?.["readyToUse"] !== true) {
            return age > secondsOf(backup.spec.csiSnapshotTimeout, 600) ? failed : { state: "working", actions: [] };
        }
        if (!this.agents().run) {
            return age > secondsOf(backup.spec.itemOperationTimeout, 4 * 3600)
                ? failed
                : { state: "working", actions: [] };
        }
        const contents = volume.metadata.annotations?.[CONTENTS];
        return {
            state: "done",
            claim: { ...text, moved: { ...(contents !== undefined && { contents }), password } },
        };
    }

    /** By the claim's annotation, the backup's, the class' label, its being the default, its being the only one. */
    private snapshotClass(backup: Backup, claim: PersistentVolumeClaim, driver: string): string | undefined {
        const key = "velero.io/csi-volumesnapshot-class";
        const ofDriver = this.view
            .list<KubeObject & { readonly driver: string }>(snapshotClasses)
            .filter((one) => one.driver === driver);
        const named = (name: string | undefined) => ofDriver.find(({ metadata }) => metadata.name === name);
        const found =
            named(claim.metadata.annotations?.[key]) ??
            named(backup.metadata.annotations?.[`${key}_${driver}`]) ??
            ofDriver.find(({ metadata }) => metadata.labels?.[key] !== undefined) ??
            ofDriver.find(({ metadata }) => metadata.annotations?.[DEFAULT_CLASS] !== undefined) ??
            (ofDriver.length === 1 ? ofDriver[0] : undefined);
        return found?.metadata.name;
    }

    private restore(one: Restore, password: string): Action[] {
        const backup = this.own<Backup>(backups).find(({ metadata }) => metadata.name === one.spec.backupName);
        const bucket = backup && this.bucketOf(backup);
        if (isLeaving(one)) return typeof bucket === "string" ? [] : release(restores, one, FINALIZER);
        const { phase = "", startTimestamp } = (one.status ?? {}) as Record<string, string>;
        if (TERMINAL.includes(phase)) return [];
        const { resourceModifier } = one.spec;
        const modifier =
            resourceModifier &&
            this.own<ConfigMap>(collections.configMaps).find(({ metadata }) => metadata.name === resourceModifier.name);
        if (phase === "") {
            const fault =
                backup === undefined || bucket === undefined
                    ? `Error retrieving backup: backups.velero.io "${one.spec.backupName ?? ""}" not found`
                    : typeof bucket === "string"
                      ? `The BSL ${backup.spec.storageLocation ?? ""} is unavailable, cannot retrieve the backup`
                      : resourceModifier !== undefined && modifier === undefined
                        ? `failed to get resource modifiers configmap ${this.namespace}/${resourceModifier.name}`
                        : undefined;
            if (fault !== undefined) {
                return set(restores, one, { status: { phase: "FailedValidation", validationErrors: [fault] } });
            }
            const held = hold(restores, one, FINALIZER);
            if (held.length > 0) return held;
            return set(restores, one, { status: { phase: "InProgress", startTimestamp: timestamp(this.view.now) } });
        }
        const stored = typeof bucket === "string" ? undefined : bucket?.backups[one.spec.backupName ?? ""];
        if (stored === undefined || backup === undefined) {
            const failureReason = `error downloading backup ${one.spec.backupName ?? ""}`;
            return set(restores, one, { status: { phase: "Failed", failureReason, ...this.ended() } });
        }
        const { includedNamespaces = ["*"], includedResources = ["*"], labelSelector } = one.spec;
        const claims = stored.claims.filter(
            ({ namespace, labels }) =>
                (includedResources.includes("*") || includedResources.includes("persistentvolumeclaims")) &&
                (includedNamespaces.includes("*") || includedNamespaces.includes(namespace)) &&
                selects(labelSelector, labels),
        );
        const from = `${backup.spec.storageLocation ?? ""} ${backup.metadata.name}`;
        const late =
            (this.view.now - Date.parse(startTimestamp ?? "")) / 1000 >
            secondsOf(one.spec.itemOperationTimeout, 4 * 3600);
        const found = claims.map((claim) => this.brought(one, claim, { modifier, from, password, late }));
        if (found.some((each) => typeof each === "object")) {
            return found.flatMap((each) => (typeof each === "object" ? each : []));
        }
        const count = (outcome: Brought) => found.filter((each) => each === outcome).length;
        const [done, failed, skipped] = [count("done"), count("failed"), count("skipped")];
        return set(restores, one, {
            status: {
                phase: failed > 0 ? "PartiallyFailed" : "Completed",
                ...this.ended(),
                ...(failed > 0 && { errors: failed }),
                ...(skipped > 0 && { warnings: skipped }),
                ...(done > 0 && { restoreItemOperationsCompleted: done }),
            },
        });
    }

    private ended() {
        return { completionTimestamp: timestamp(this.view.now) };
    }

    /** One claim of a restore; actions: what is done towards it now. */
    private brought(restore: Restore, stored: StoredClaim, { modifier, from, password, late }: Bringing): Brought {
        const namespace = restore.spec.namespaceMapping?.[stored.namespace] ?? stored.namespace;
        const claims = this.view.list<PersistentVolumeClaim>(collections.claims);
        const target = claims.find((one) => keyOf(one) === `${namespace}/${stored.name}`);
        const mark = `${namespace}.${stored.name}.${hashOf(restore.metadata.uid ?? "").slice(0, 5)}`.slice(-63);
        if (target === undefined) return [this.target(restore, stored, namespace, mark, modifier)];
        if (target.metadata.labels?.[RESTORE] !== restore.metadata.name) return "skipped";
        if (stored.moved === undefined) return "text";
        const volumes = this.view.list<PersistentVolume>(collections.volumes);
        const volume = volumes.find(({ metadata }) => metadata.labels?.[DYNAMIC] === mark);
        const policy = this.view
            .list<StorageClass>(collections.storageClasses)
            .find(({ metadata }) => metadata.name === target.spec.storageClassName);
        const mover = `${restore.metadata.name}-${hashOf(mark).slice(0, 5)}`;
        const own = claims.find((one) => keyOf(one) === `${this.namespace}/${mover}`);
        if (volume !== undefined) {
            const wanted = policy?.reclaimPolicy ?? "Delete";
            if (own !== undefined) return isLeaving(own) ? [] : [removedClaim(own)];
            if (target.spec.volumeName === undefined) {
                return [
                    patched(collections.claims, target, { spec: { volumeName: volume.metadata.name } }),
                    patched(collections.volumes, volume, {
                        spec: { claimRef: { namespace, name: stored.name, uid: null, resourceVersion: null } },
                    }),
                ];
            }
            if (target.status?.phase !== "Bound") return [];
            if (volume.spec.persistentVolumeReclaimPolicy === wanted) return "done";
            return [patched(collections.volumes, volume, { spec: { persistentVolumeReclaimPolicy: wanted } })];
        }
        if (late) return "failed";
        if (stored.moved.password !== password) {
            // The repository cannot be opened: the claim stays, and waits for a volume that nobody makes.
            return "failed";
        }
        const agents = this.agents();
        const waits = policy?.volumeBindingMode === "WaitForFirstConsumer" && !agents.ignoreDelayBinding;
        if (!agents.run || waits) return [];
        if (own === undefined) {
            const { accessModes, storageClassName, volumeMode, resources: asked } = target.spec;
            const body = {
                apiVersion: "v1",
                kind: "PersistentVolumeClaim",
                metadata: { name: mover, namespace: this.namespace, labels: { [RESTORE]: restore.metadata.name } },
                spec: { accessModes, storageClassName, volumeMode, resources: asked },
            };
            return [{ verb: "create", path: collectionIn(collections.claims, this.namespace), body }];
        }
        const made = volumes.find(({ metadata }) => metadata.name === own.spec.volumeName);
        if (own.status?.phase !== "Bound" || made === undefined) return [];
        const { contents } = stored.moved;
        return [
            patched(collections.volumes, made, {
                metadata: {
                    labels: { [DYNAMIC]: mark },
                    annotations: { [RESTORED_FROM]: from, ...(contents !== undefined && { [CONTENTS]: contents }) },
                },
                spec: { persistentVolumeReclaimPolicy: "Retain" },
            }),
        ];
    }

    private target(
        restore: Restore,
        stored: StoredClaim,
        namespace: string,
        mark: string,
        modifier: ConfigMap | undefined,
    ): Action {
        const { volumeName: _volume, ...spec } = stored.spec;
        const object = {
            apiVersion: "v1",
            kind: "PersistentVolumeClaim",
            metadata: {
                name: stored.name,
                namespace,
                labels: {
                    ...stored.labels,
                    [BACKUP]: restore.spec.backupName ?? "",
                    [RESTORE]: restore.metadata.name,
                },
            },
            spec: { ...spec, ...(stored.moved !== undefined && { selector: { matchLabels: { [DYNAMIC]: mark } } }) },
        };
        const body = modified(object, stored.name, modifier);
        return { verb: "create", path: collectionIn(collections.claims, namespace), body };
    }
}

interface Bringing {
    readonly modifier: ConfigMap | undefined;
    /** Location and name of the backup. */
    readonly from: string;
    readonly password: string;
    readonly late: boolean;
}

/** `text`: the claim alone, for which its class makes an empty volume; `skipped`: it was there already. */
type Brought = "done" | "failed" | "skipped" | "text" | Action[];

type Moved =
    | { readonly state: "working"; readonly actions: Action[] }
    | {
          readonly state: "done" | "text" | "failed";
          readonly claim: StoredClaim;
      };

const DEFAULT_CLASS = "snapshot.storage.kubernetes.io/is-default-class";

/** Sets fields of an object; nothing when it shows them already. No kind of Velero's has a status of its own. */
function set(collection: string, object: KubeObject, fields: object): Action[] {
    return shows(object, fields) ? [] : [patched(collection, object, fields)];
}

const patched = (collection: string, { metadata }: KubeObject, body: object): Action => ({
    verb: "patch",
    path: objectPath(collection, metadata),
    body,
});

const removed = ({ metadata }: KubeObject): Action => ({ verb: "delete", path: objectPath(snapshots, metadata) });
const removedClaim = ({ metadata }: KubeObject): Action => ({
    verb: "delete",
    path: objectPath(collections.claims, metadata),
});

/** The rules of a resource modifier, as far as they are merge patches of claims. */
function modified(object: object, name: string, modifier: ConfigMap | undefined): object {
    const text = Object.values(modifier?.data ?? {})[0];
    if (text === undefined) return object;
    const { resourceModifierRules: rules } = JSON.parse(text) as {
        resourceModifierRules: {
            conditions: { groupResource: string; resourceNameRegex?: string };
            mergePatches?: { patchData: string }[];
        }[];
    };
    return rules
        .filter(
            ({ conditions }) =>
                conditions.groupResource === "persistentvolumeclaims" &&
                new RegExp(conditions.resourceNameRegex ?? "").test(name),
        )
        .flatMap(({ mergePatches = [] }) => mergePatches)
        .reduce<object>((changed, { patchData }) => merged(changed, JSON.parse(patchData)) as object, object);
}

/** RFC 7386. */
function merged(target: unknown, patch: unknown): unknown {
    if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
    const result: Record<string, unknown> = { ...(target as Record<string, unknown> | undefined) };
    for (const [key, value] of Object.entries(patch)) {
        if (value === null) Reflect.deleteProperty(result, key);
        else result[key] = merged(result[key], value);
    }
    return result;
}
