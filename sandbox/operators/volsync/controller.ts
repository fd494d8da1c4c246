/**
 * VolSync with restic. Repositories are outside the cluster, as real ones: a file of the sandbox remembers what was
 * backed up, so that a rebuilt cluster finds it.
 */
import { createHash } from "node:crypto";
import { destinations, isServed, RESTORED_FROM, snapshotOf, snapshots, type VolumeSnapshot } from "../rook/volumes";
import {
    type Action,
    collections,
    type Controller,
    objectPath,
    resources,
    type View,
} from "../../controllers/controller";
import {
    type ConditionNow,
    type CustomResource,
    isLeaving,
    labelled,
    running,
    statusOf,
    timestamp,
} from "../../controllers/custom-resources";
import { outsideStore } from "../../controllers/outside";
import { cephBlockPools, cephClusters, cephFilesystems, subVolumeGroups } from "../rook/controller";
import {
    type Deployment,
    keyOf,
    type PersistentVolume,
    type PersistentVolumeClaim,
    type Secret,
    type StorageClass,
} from "../../controllers/objects";
import {
    claimNamed,
    cleanUp,
    isDirect,
    move,
    MOVER_LISTS,
    type MoverOf,
    type Restic,
    usersOf,
    volumeOf,
} from "./mover";

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

/** On a volume in which an app has run: it is not empty any more. */
const WRITTEN = "sandbox/written";

/** @param file where the repositories are kept; absent: in memory. */
export function volSync(file?: string): Controller {
    const bucket = outsideStore(file, (): Repositories => ({ repositories: {} }));
    return {
        name: "volsync",
        lists: [
            collections.deployments,
            collections.secrets,
            collections.storageClasses,
            ...[destinations, sources, snapshots, cephClusters, cephBlockPools, cephFilesystems, subVolumeGroups],
            ...MOVER_LISTS,
        ],
        reconcile(view) {
            const written = writtenVolumes(view);
            const operator = running(view, labelled({ "app.kubernetes.io/name": "volsync" }));
            if (operator === undefined) return written;
            const image = imageOf(operator);
            const store = bucket();
            return [
                ...written,
                ...view
                    .list<Destination>(destinations)
                    .filter((one) => !isLeaving(one))
                    .flatMap((one) =>
                        one.spec.restic !== undefined && isDirect(one.spec.restic)
                            ? restoreInPlace(view, one, one.spec.restic, image, store.state)
                            : restore(view, one, store.state),
                    ),
                ...view
                    .list<Source>(sources)
                    .filter((one) => !isLeaving(one))
                    .flatMap((one) => {
                        const { restic } = one.spec;
                        const [actions, backedUp] =
                            restic !== undefined && isDirect(restic)
                                ? backUpInPlace(view, one, restic, image, store.state)
                                : backUp(view, one, store.state);
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

type Backup = Repository["backups"][number];

const lastIn = (state: Repositories, { url }: Access): Backup | undefined => state.repositories[url]?.backups.at(-1);

const restoreLogs = (last: Backup | undefined) =>
    last === undefined
        ? "No eligible snapshots found"
        : `restoring snapshot ${snapshotId(last)} of [/data] at ${resticTime(last.at)} by root@volsync to .\nRestic completed`;

/** Adds a backup, and forgets the oldest. */
function keep(state: Repositories, { url, password }: Access, backup: Backup): void {
    const { backups } = (state.repositories[url] ??= { password, backups: [] });
    backups.push(backup);
    backups.splice(0, Math.max(0, backups.length - KEPT));
}

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
    const last = lastIn(state, access);
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
    const logs = restoreLogs(last);
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
    if (!isDue(one)) return [statusOf(sources, one, view.now, {}, idle(trigger)), false];
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
    keep(state, access, { at: timestamp(view.now), claim: `${namespace}/${sourcePVC}` });
    const fields = { ...done(view, trigger, `snapshot of ${sourcePVC} saved\nRestic completed`) };
    return [statusOf(sources, one, view.now, fields, idle(trigger)), true];
}

/** A new object is due at once, then by each new value of its manual trigger. */
function isDue({ spec: { trigger }, status }: Source | Destination): boolean {
    return trigger?.manual === undefined
        ? status?.["lastSyncTime"] === undefined
        : status?.["lastManualSync"] !== trigger.manual;
}

/** VolSync runs its movers with its own image. */
function imageOf({ spec: { template } }: Deployment): string {
    const { containers = [] } = template.spec ?? {};
    return (containers.find(({ image }) => /volsync/.test(image)) ?? containers[0])?.image ?? "volsync";
}

/** What the app writes nobody sees here; that it had the volume is all that a backup asks. */
function writtenVolumes(view: View): Action[] {
    const direct = view
        .list<Source>(sources)
        .filter(({ spec: { restic } }) => restic !== undefined && isDirect(restic));
    return direct.flatMap(({ metadata: { namespace = "" }, spec: { sourcePVC } }): Action[] => {
        const claim = claimNamed(view, namespace, sourcePVC);
        const volume = claim && volumeOf(view, claim);
        const used = usersOf(view, namespace, sourcePVC).some(({ status }) => status?.phase === "Running");
        return volume === undefined || !used ? [] : annotated(volume, WRITTEN, "true");
    });
}

function annotated(volume: PersistentVolume, key: string, value: string): Action[] {
    return volume.metadata.annotations?.[key] === value
        ? []
        : [
              {
                  verb: "patch",
                  path: objectPath(collections.volumes, volume.metadata),
                  body: { metadata: { annotations: { [key]: value } } },
              },
          ];
}

const IN_PROGRESS = synchronizing("True", "SyncInProgress", "Synchronization in-progress");

/** What a mover that works on the volume itself has come to, and what stands in the status meanwhile. */
type InPlace =
    | { readonly done: false; readonly actions: Action[] }
    | { readonly done: true; readonly volume: PersistentVolume; readonly access: Access };

function inPlace(
    view: View,
    one: Source | Destination,
    mover: Pick<MoverOf, "kind" | "claim" | "image" | "restic">,
    state: Repositories,
): InPlace {
    const collection = mover.kind === "ReplicationSource" ? sources : destinations;
    const says = (condition: ConditionNow[], fields: Record<string, unknown> = {}, actions: Action[] = []) => ({
        done: false as const,
        actions: [...actions, ...statusOf(collection, one, view.now, fields, condition)],
    });
    if (!isDue(one)) return says(idle(one.spec.trigger), {}, cleanUp(view, { owner: one as CustomResource }));
    const access = open(view, one.metadata.namespace ?? "", mover.restic, state);
    // The Secret is looked at before the mover starts; what the repository says of the password the mover's pod finds out.
    if (typeof access === "string" && access.startsWith("Fatal:")) {
        return says(IN_PROGRESS, { latestMoverStatus: { result: "Failed", logs: access } });
    }
    const refused = typeof access === "string" ? access : undefined;
    const turn = move(view, { ...mover, owner: one as CustomResource }, refused);
    if (turn.state === "error") return says(synchronizing("False", "Error", turn.message));
    return turn.state === "working" || typeof access === "string"
        ? says(IN_PROGRESS, {}, turn.state === "working" ? turn.actions : [])
        : { done: true, volume: turn.volume, access };
}

/** The newest backup into the claim that it names, by a mover that mounts it. */
function restoreInPlace(view: View, one: Destination, restic: Restic, image: string, state: Repositories): Action[] {
    const { trigger } = one.spec;
    const claim = restic.destinationPVC;
    if (claim === undefined) {
        const message = "the sandbox restores with copyMethod Direct into a destinationPVC only";
        return statusOf(destinations, one, view.now, {}, synchronizing("False", "Error", message));
    }
    const turn = inPlace(view, one, { kind: "ReplicationDestination", restic, claim, image }, state);
    if (!turn.done) return turn.actions;
    const last = lastIn(state, turn.access);
    const fields = {
        ...done(view, trigger, restoreLogs(last)),
        latestImage: { apiGroup: "", kind: "PersistentVolumeClaim", name: claim },
    };
    return [
        ...(last === undefined ? [] : annotated(turn.volume, RESTORED_FROM, `${turn.access.url} ${last.at}`)),
        ...cleanUp(view, { owner: one as CustomResource }),
        ...statusOf(destinations, one, view.now, fields, idle(trigger)),
    ];
}

/** What is in the volume, by a mover that mounts it beside the app; of an empty one there is no backup. */
function backUpInPlace(
    view: View,
    one: Source,
    restic: Restic,
    image: string,
    state: Repositories,
): [actions: Action[], backedUp: boolean] {
    const { trigger, sourcePVC: claim } = one.spec;
    const turn = inPlace(view, one, { kind: "ReplicationSource", restic, claim, image }, state);
    if (!turn.done) return [turn.actions, false];
    const { annotations = {} } = turn.volume.metadata;
    const full = annotations[WRITTEN] !== undefined || annotations[RESTORED_FROM] !== undefined;
    if (full) {
        keep(state, turn.access, { at: timestamp(view.now), claim: `${one.metadata.namespace ?? ""}/${claim}` });
    }
    const logs = full ? `snapshot of ${claim} saved\nRestic completed` : "== Directory is empty skipping backup ===";
    const fields = done(view, trigger, logs);
    return [
        [
            ...cleanUp(view, { owner: one as CustomResource }),
            ...statusOf(sources, one, view.now, fields, idle(trigger)),
        ],
        full,
    ];
}
