/**
 * VolSync with restic. Repositories are outside the cluster, as real ones: a file of the sandbox remembers what was
 * backed up, so that a rebuilt cluster finds it.
 */
import { createHash } from "node:crypto";
import { openStore } from "../clouds/store";
import { destinations, isServed, snapshotOf, snapshots, type VolumeSnapshot } from "./ceph-volumes";
import { type Action, collections, type Controller, resources, type View } from "./controller";
import {
    type ConditionNow,
    type CustomResource,
    isLeaving,
    labelled,
    running,
    statusOf,
    timestamp,
} from "./custom-resources";
import { cephBlockPools, cephClusters } from "./rook";
import { keyOf, type PersistentVolumeClaim, type Secret, type StorageClass } from "./objects";

interface Restic {
    readonly repository: string;
    readonly storageClassName?: string;
    readonly volumeSnapshotClassName?: string;
}

interface Trigger {
    readonly manual?: string;
    readonly schedule?: string;
}

type Destination = CustomResource<{ readonly trigger?: Trigger; readonly restic?: Restic }>;
type Source = CustomResource<{ readonly sourcePVC: string; readonly trigger?: Trigger; readonly restic?: Restic }>;

/** A restic repository: its password's hash and what is in it. */
export interface Repository {
    readonly password: string;
    readonly backups: { readonly at: string; readonly claim: string }[];
}

/** Repositories by URL. */
export interface Repositories {
    repositories: Record<string, Repository>;
}

const sources = resources("volsync.backube", "v1alpha1", "replicationsources");
const KEPT = 24;

/** @param file where the repositories are kept; absent: in memory. */
export function volSync(file?: string): Controller {
    const start = (): Repositories => ({ repositories: {} });
    const store = file === undefined ? { state: start(), save: () => undefined } : openStore(file, start);
    return {
        name: "volsync",
        lists: [
            collections.deployments,
            collections.secrets,
            collections.claims,
            collections.storageClasses,
            ...[destinations, sources, snapshots, cephClusters, cephBlockPools],
        ],
        reconcile(view) {
            if (running(view, labelled({ "app.kubernetes.io/name": "volsync" })) === undefined) return [];
            return [
                ...view
                    .list<Destination>(destinations)
                    .filter((one) => !isLeaving(one))
                    .flatMap((one) => restore(view, one, store.state)),
                ...view
                    .list<Source>(sources)
                    .filter((one) => !isLeaving(one))
                    .flatMap((one) => {
                        const [actions, backedUp] = backUp(view, one, store.state);
                        if (backedUp) store.save();
                        return actions;
                    }),
            ];
        },
    };
}

interface Access {
    readonly url: string;
    readonly password: string;
}

/** The repository that a Secret opens, or what is wrong with it. */
function open(view: View, namespace: string, restic: Restic | undefined, state: Repositories): Access | string {
    const name = restic?.repository ?? "";
    const secret = view.list<Secret>(collections.secrets).find((one) => keyOf(one) === `${namespace}/${name}`);
    if (secret === undefined) return `Secret "${name}" not found`;
    const text = (key: string) => Buffer.from(secret.data?.[key] ?? "", "base64").toString("utf8");
    const [url, password] = [text("RESTIC_REPOSITORY"), text("RESTIC_PASSWORD")];
    if (url === "" || password === "") {
        return `secret is missing field: ${url === "" ? "RESTIC_REPOSITORY" : "RESTIC_PASSWORD"}`;
    }
    const hash = createHash("sha256").update(password).digest("hex");
    const known = state.repositories[url]?.password ?? hash;
    return known === hash ? { url, password: hash } : "Fatal: wrong password or no key found";
}

function synchronizing(status: "True" | "False", reason: string, message: string): ConditionNow[] {
    return [{ type: "Synchronizing", status, reason, message }];
}

function idle({ manual }: Trigger = {}): ConditionNow[] {
    return manual === undefined
        ? synchronizing("False", "WaitingForSchedule", "Waiting for next scheduled synchronization")
        : synchronizing("False", "WaitingForManual", "Waiting for manual trigger");
}

function done(view: View, trigger: Trigger | undefined, logs: string): Record<string, unknown> {
    return {
        ...(trigger?.manual !== undefined && { lastManualSync: trigger.manual }),
        lastSyncTime: timestamp(view.now),
        lastSyncDuration: "1s",
        latestMoverStatus: { result: "Successful", logs },
    };
}

/** A snapshot as restic names it. */
const snapshotId = (backup: { at: string; claim: string }) =>
    createHash("sha256").update(`${backup.claim} ${backup.at}`).digest("hex").slice(0, 8);

/** A time as restic prints it, e.g. 2026-01-02 03:04:05.000000000 +0000 UTC. */
const resticTime = (at: string) => `${at.slice(0, 10)} ${at.slice(11, 19)}.000000000 +0000 UTC`;

/** A destination is done once for each value of its manual trigger. */
function restore(view: View, one: Destination, state: Repositories): Action[] {
    const { trigger, restic } = one.spec;
    const { namespace = "", name } = one.metadata;
    if (one.status?.["lastManualSync"] !== undefined && one.status["lastManualSync"] === trigger?.manual) {
        return statusOf(destinations, one, view.now, {}, idle(trigger));
    }
    const access = open(view, namespace, restic, state);
    if (typeof access === "string") {
        return statusOf(destinations, one, view.now, {}, synchronizing("False", "Error", access));
    }
    const storageClass = view
        .list<StorageClass>(collections.storageClasses)
        .find(({ metadata }) => metadata.name === restic?.storageClassName);
    if (storageClass === undefined || !isServed(view, storageClass)) {
        const waits = "Synchronization in-progress";
        return statusOf(destinations, one, view.now, {}, synchronizing("True", "SyncInProgress", waits));
    }
    const last = state.repositories[access.url]?.backups.at(-1);
    const image = `volsync-${name}-dest-${createHash("sha256")
        .update(`${one.metadata.uid ?? ""}/${trigger?.manual ?? ""}`)
        .digest("hex")
        .slice(0, 10)}`;
    const present = view
        .list<VolumeSnapshot>(snapshots)
        .find((snapshot) => keyOf(snapshot) === `${namespace}/${image}`);
    if (present === undefined) {
        const from = last === undefined ? undefined : `${access.url} ${last.at}`;
        return [snapshotOf(one as CustomResource, image, restic?.volumeSnapshotClassName, from)];
    }
    if (present.status?.["readyToUse"] !== true) return [];
    const logs =
        last === undefined
            ? "No eligible snapshots found"
            : `restoring snapshot ${snapshotId(last)} of [/data] at ${resticTime(last.at)} by root@volsync to .\nRestic completed`;
    const latestImage = { apiGroup: "snapshot.storage.k8s.io", kind: "VolumeSnapshot", name: image };
    return statusOf(destinations, one, view.now, { ...done(view, trigger, logs), latestImage }, idle(trigger));
}

/**
 * A source backs up at once when it is new, and for each new value of its manual trigger; its schedule's later turns are
 * hours away and do not come in a sandbox.
 */
function backUp(view: View, one: Source, state: Repositories): [actions: Action[], backedUp: boolean] {
    const { trigger, restic, sourcePVC } = one.spec;
    const { namespace = "" } = one.metadata;
    const due =
        trigger?.manual === undefined
            ? one.status?.["lastSyncTime"] === undefined
            : one.status?.["lastManualSync"] !== trigger.manual;
    if (!due) return [statusOf(sources, one, view.now, {}, idle(trigger)), false];
    const fails = (message: string): [Action[], boolean] => [
        statusOf(sources, one, view.now, {}, synchronizing("False", "Error", message)),
        false,
    ];
    const access = open(view, namespace, restic, state);
    if (typeof access === "string") return fails(access);
    const claim = view
        .list<PersistentVolumeClaim>(collections.claims)
        .find((candidate) => keyOf(candidate) === `${namespace}/${sourcePVC}`);
    if (claim === undefined) return fails(`PersistentVolumeClaim "${sourcePVC}" not found`);
    if (claim.status?.phase !== "Bound") {
        const waits = "Synchronization in-progress";
        return [statusOf(sources, one, view.now, {}, synchronizing("True", "SyncInProgress", waits)), false];
    }
    const at = timestamp(view.now);
    const repository = (state.repositories[access.url] ??= { password: access.password, backups: [] });
    repository.backups.push({ at, claim: `${namespace}/${sourcePVC}` });
    repository.backups.splice(0, Math.max(0, repository.backups.length - KEPT));
    const fields = { ...done(view, trigger, `snapshot of ${sourcePVC} saved\nRestic completed`) };
    return [statusOf(sources, one, view.now, fields, idle(trigger)), true];
}
