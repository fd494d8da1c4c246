/**
 * A volume as it was in one of Velero's backups: the app is stopped, its claim is made anew on the restored volume, the app is
 * started again. The volume of before stays beside it, and takes its place again when the restore fails.
 */
import { VELERO_NAMESPACE, STAGING_NAMESPACE } from "../../components/backup/velero-locations";
import { BOUND, RESTORE, restoreObjects } from "../../components/backup/velero-scripts";
import { isRecord, records } from "../../lib/json";
import { lastLine, type Ran } from "../../lib/run-program";
import { UserError } from "../../lib/user-error";
import { textOf } from "../live/get";
import { ask, type Around, checked, inside, list, ownersOf, type Wanted, whileStopped } from "./restore";

export interface WithBash extends Around {
    /** Runs a script with kubectl pointing at the cluster. */
    readonly bash: (text: string, env: Readonly<Record<string, string>>) => Promise<Ran>;
}

/** Whether Velero backs this cluster's volumes up. */
export async function hasVelero({ kubectl }: Around): Promise<boolean> {
    const found = await kubectl([
        ...["--namespace", VELERO_NAMESPACE, "get", "deployment", "velero"],
        ...["--ignore-not-found", "--output", "name"],
    ]);
    return found.code === 0 && found.stdout.trim() !== "";
}

interface Found {
    readonly name: string;
    readonly volume: string;
    readonly location: string;
    readonly started: string;
    readonly phase: string;
    readonly good: boolean;
}

async function backupsOf(around: Around, volume: string | undefined): Promise<Found[]> {
    const [namespace, claim] = volume === undefined ? [] : checked(volume);
    const selector =
        claim === undefined ? "homelab.claim" : `homelab.namespace=${namespace ?? ""},homelab.claim=${claim}`;
    const found = await list(around, [
        "--namespace",
        VELERO_NAMESPACE,
        "get",
        "backups.velero.io",
        "--selector",
        selector,
    ]);
    return found
        .map(({ metadata, status }) => {
            const label = (key: string) => textOf(inside(metadata, "labels"), key);
            const phase = textOf(status, "phase");
            return {
                name: textOf(metadata, "name"),
                volume: `${label("homelab.namespace")}/${label("homelab.claim")}`,
                location: label("velero.io/storage-location"),
                started: textOf(status, "startTimestamp"),
                phase,
                good: phase === "Completed" && Number(inside(status, "backupItemOperationsCompleted") ?? 0) >= 1,
            };
        })
        .sort((a, b) => (a.started < b.started ? -1 : 1));
}

/** What Velero has: of one volume, or of all, oldest first. */
export async function listBackups(around: Around, volume: string | undefined): Promise<string> {
    const found = await backupsOf(around, volume);
    if (found.length === 0) return `Velero has no backup${volume === undefined ? "" : ` of ${volume}`}`;
    return found
        .map(({ name, volume: of, location, started, phase, good }) =>
            [started, of, location, name, good ? "" : `(${phase === "Completed" ? "without data" : phase || "new"})`]
                .filter(Boolean)
                .join("  "),
        )
        .join("\n");
}

/**
 * Throws a `UserError` before anything is stopped where there is no such backup, a restore of the claim is under way, or somebody
 * else than a Deployment or StatefulSet uses the volume; and with Velero's words when the restore failed, the app started again on
 * what was there.
 */
export async function restoreBackup(around: WithBash, { volume, snapshot }: Wanted): Promise<void> {
    const [namespace, claim] = checked(volume);
    const good = (await backupsOf(around, volume)).filter((one) => one.good);
    const backup = snapshot === undefined ? good.at(-1) : good.find(({ name }) => name === snapshot);
    if (backup === undefined) {
        throw new UserError(
            `${snapshot === undefined ? "there is no complete backup" : `"${snapshot}" is no complete backup`} of ${volume}; nothing was touched. ` +
                "npm run restore -- <stack> --list has them all",
        );
    }
    const staged = await ask(around, [
        ...["--namespace", STAGING_NAMESPACE, "get", "persistentvolumeclaim", claim, "--ignore-not-found"],
        ...["--output", "name"],
    ]);
    if (staged.trim() !== "") {
        throw new UserError(
            `${STAGING_NAMESPACE}/${claim} is there: a restore of it is under way, or was cut short; nothing was touched. Once none runs (kubectl -n ${VELERO_NAMESPACE} get restores):  kubectl -n ${STAGING_NAMESPACE} delete persistentvolumeclaim ${claim}`,
        );
    }
    const saved = JSON.parse(
        await ask(around, [
            "--namespace",
            namespace,
            "get",
            "persistentvolumeclaim",
            claim,
            "--output",
            "json",
            "--show-managed-fields",
        ]),
    ) as unknown;
    const before = textOf(inside(saved, "spec"), "volumeName");
    if (before === "") throw new UserError(`${volume} is bound to no volume; nothing was touched`);
    const owners = await ownersOf(around, namespace, claim);
    await whileStopped(around, { namespace, claim, owners }, async () => {
        const policy = textOf(
            inside(JSON.parse(await ask(around, ["get", "persistentvolume", before, "--output", "json"])), "spec"),
            "persistentVolumeReclaimPolicy",
        );
        await patchVolume(around, before, { spec: { persistentVolumeReclaimPolicy: "Retain" } });
        around.say(
            `the volume of now, ${before}, is kept; if this is cut short, pulumi refresh and pulumi up bring the newest backup`,
        );
        await ask(around, ["--namespace", namespace, "delete", "persistentvolumeclaim", claim, "--timeout=120s"]);
        const environment = environmentOf(saved, namespace, claim, backup);
        const restored = await around.bash(RESTORE, environment);
        if (restored.code !== 0) {
            await setAside(around, namespace, claim);
            await bindTo(around, before, { namespace, name: claim });
            await makeClaim(around, saved, namespace, claim);
            await patchVolume(around, before, { spec: { persistentVolumeReclaimPolicy: policy } });
            throw new UserError(`${volume} is as it was: ${lastLine(restored.stderr)}`);
        }
        await makeClaim(around, saved, namespace, claim);
        const bound = await around.bash(BOUND, environment);
        if (bound.code !== 0) throw new UserError(lastLine(bound.stderr));
        around.say(
            `${volume} is as in ${backup.name}. What was there is in ${before}; when you are content:  ` +
                `kubectl patch persistentvolume ${before} --type=merge --patch '{"spec":{"persistentVolumeReclaimPolicy":"Delete"}}'`,
        );
    });
}

function environmentOf(saved: unknown, namespace: string, claim: string, backup: Found): Record<string, string> {
    const spec = inside(saved, "spec");
    const size = textOf(inside(spec, "resources", "requests"), "storage");
    return {
        NAMESPACE: namespace,
        CLAIM: claim,
        STAGING: STAGING_NAMESPACE,
        LOCATION: backup.location,
        WHERE: backup.location,
        BACKUP_NAME: backup.name,
        ...restoreObjects({ namespace, claim, size, storageClass: textOf(spec, "storageClassName") }),
    };
}

const patchVolume = (around: Around, name: string, patch: object) =>
    ask(around, ["patch", "persistentvolume", name, "--type=merge", "--patch", JSON.stringify(patch)]);

/** In advance, to a claim of that name. */
const bindTo = (around: Around, volume: string, claim: { readonly namespace: string; readonly name: string }) =>
    patchVolume(around, volume, {
        metadata: { annotations: { "pv.kubernetes.io/bound-by-controller": null } },
        spec: { claimRef: { ...claim, uid: null, resourceVersion: null } },
    });

/** What a restore left when it failed: no later one goes on from it, and no claim gets it by chance. */
async function setAside(around: Around, namespace: string, claim: string): Promise<void> {
    await ask(around, [
        ...["--namespace", STAGING_NAMESPACE, "delete", "persistentvolumeclaim", claim],
        ...["--ignore-not-found", "--timeout=120s"],
    ]);
    const selector = `homelab.namespace=${namespace},homelab.claim=${claim}`;
    for (const { metadata } of await list(around, ["get", "persistentvolumes", "--selector", selector])) {
        const name = textOf(metadata, "name");
        await bindTo(around, name, { namespace: STAGING_NAMESPACE, name: `left-of-${claim}` });
        await patchVolume(around, name, { metadata: { labels: { "homelab.namespace": null, "homelab.claim": null } } });
        around.say(`${name} is left of the restore that failed; delete it when you have looked at it`);
    }
}

/** The claim that was, on whichever volume waits for its name; its writer is the program, as before. */
async function makeClaim(around: Around, saved: unknown, namespace: string, claim: string): Promise<void> {
    const annotations = inside(saved, "metadata", "annotations");
    const kept = Object.entries(isRecord(annotations) ? annotations : {}).filter(
        ([key]) => !/^(pv|volume(\.beta)?)\.kubernetes\.io\//.test(key),
    );
    const { volumeName: _volume, ...spec } = inside(saved, "spec") as Record<string, unknown>;
    const object = {
        apiVersion: "v1",
        kind: "PersistentVolumeClaim",
        metadata: {
            name: claim,
            namespace,
            labels: inside(saved, "metadata", "labels"),
            annotations: Object.fromEntries(kept),
        },
        spec,
    };
    await ask(around, ["create", "--filename", "-"], JSON.stringify(object));
    // Else this program's next change of the claim would be in conflict with whoever made it here.
    const writers = records(inside(saved, "metadata", "managedFields")).filter((one) => one["operation"] === "Apply");
    await ask(around, [
        ...["--namespace", namespace, "patch", "persistentvolumeclaim", claim, "--type=merge"],
        ...["--patch", JSON.stringify({ metadata: { managedFields: writers } })],
    ]);
    await ask(around, [
        ...["--namespace", namespace, "wait", `persistentvolumeclaim/${claim}`],
        ...["--for=jsonpath={.status.phase}=Bound", "--timeout=120s"],
    ]);
}
