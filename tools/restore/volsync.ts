/** A volume as it was in one of VolSync's backups: the app is stopped, a mover restores into the claim, the app is started again. */
import { isRecord, records } from "../../lib/json";
import { UserError } from "../../lib/user-error";
import { textOf } from "../live/get";
import { ask, checked, inside, list, ownersOf, whileStopped, type Around, type Wanted } from "./restore";

const SOURCES = "replicationsources.volsync.backube";
const DESTINATIONS = "replicationdestinations.volsync.backube";

/** Milliseconds; what is not done by then goes on in the cluster. */
const RESTORE_LIMIT = 2 * 3_600_000;

/** Whether VolSync backs this cluster's volumes up. */
export async function hasVolSync({ kubectl }: Around): Promise<boolean> {
    const found = await kubectl([
        ...["get", "deployments", "--all-namespaces", "--selector", "app.kubernetes.io/name=volsync"],
        ...["--output", "name"],
    ]);
    return found.code === 0 && found.stdout.trim() !== "";
}

interface Source {
    readonly namespace: string;
    readonly claim: string;
    /** Where it writes: the end of its name. */
    readonly target: string;
    /** When the last backup ended; "" where none has. */
    readonly last: string;
    readonly restic: Readonly<Record<string, unknown>>;
}

async function sourcesOf(around: Around, volume: string | undefined): Promise<Source[]> {
    const [namespace, claim] = volume === undefined ? [] : checked(volume);
    const where = namespace === undefined ? ["--all-namespaces"] : ["--namespace", namespace];
    const found = await list(around, ["get", SOURCES, ...where]);
    return found
        .map(({ metadata, spec, status }): Source => {
            const of = textOf(spec, "sourcePVC");
            const name = textOf(metadata, "name");
            const restic = inside(spec, "restic");
            return {
                namespace: textOf(metadata, "namespace"),
                claim: of,
                target: name.startsWith(`${of}-`) ? name.slice(of.length + 1) : name,
                last: textOf(status, "lastSyncTime"),
                restic: isRecord(restic) ? restic : {},
            };
        })
        .filter((source) => claim === undefined || source.claim === claim);
}

/** Who backs what up, and when it last did. What is in a repository restic alone knows. */
export async function listSources(around: Around, volume: string | undefined): Promise<string> {
    const sources = await sourcesOf(around, volume);
    if (sources.length === 0) return `VolSync backs up ${volume === undefined ? "no volume" : `no ${volume}`}`;
    return sources
        .map(({ namespace, claim, target, last }) => `${last || "never"}  ${namespace}/${claim}  ${target}`)
        .sort()
        .join("\n");
}

/**
 * The newest backup, or the newest of a time and before. Throws a `UserError` before anything is stopped where nobody backs the
 * volume up, or somebody else than a Deployment or StatefulSet uses it; and where nothing was restored, the app started again
 * on what is there.
 */
export async function restoreVolume(around: Around, { volume, snapshot, from }: Wanted): Promise<void> {
    const [namespace, claim] = checked(volume);
    const asOf = snapshot === undefined ? {} : { restoreAsOf: timeOf(snapshot) };
    const source = chosen(await sourcesOf(around, volume), volume, from ?? (await usualTarget(around, volume)));
    const owners = await ownersOf(around, namespace, claim);
    const name = `${claim}-by-hand`;
    const there = ["--namespace", namespace, "get", DESTINATIONS, name, "--ignore-not-found", "--output", "name"];
    if ((await ask(around, there)).trim() !== "") {
        throw new UserError(
            `a restore of ${volume} is under way, or was cut short; nothing was touched. Once it is done, or to begin again:  kubectl -n ${namespace} delete ${DESTINATIONS} ${name}`,
        );
    }
    const stamp = `by-hand-${Math.floor(around.now() / 1000)}`;
    await whileStopped(around, { namespace, claim, owners }, async () => {
        around.say(`${volume} is restored from ${source.target}; this may take hours`);
        const destination = destinationOf({ namespace, name, claim }, stamp, source, asOf);
        await ask(around, ["create", "--filename", "-"], JSON.stringify(destination));
        const logs = await ended(around, { namespace, name, stamp });
        await ask(around, ["--namespace", namespace, "delete", DESTINATIONS, name, "--timeout=120s"]);
        if (/no eligible snapshots found/i.test(logs)) {
            throw new UserError(
                `there is no backup of ${volume} at ${source.target}${snapshot === undefined ? "" : ` of ${snapshot} or before`}; the volume is as it was`,
            );
        }
        around.say(logs.trim());
    });
}

function timeOf(snapshot: string): string {
    const at = new Date(snapshot);
    if (/^\d{4}-\d{2}-\d{2}T/.test(snapshot) && !Number.isNaN(at.getTime())) {
        return at.toISOString().replace(/\.\d+Z$/, "Z");
    }
    throw new UserError(
        `--snapshot is "${snapshot}"; allowed with VolSync: a time such as 2026-01-31T06:00:00Z, whose newest backup up to then is restored`,
    );
}

/** The target that a new volume would be filled from. */
async function usualTarget(around: Around, volume: string): Promise<string | undefined> {
    const [namespace, claim] = checked(volume);
    const found = await list(around, ["--namespace", namespace, "get", DESTINATIONS]);
    const own = found.find(({ metadata }) => textOf(metadata, "name") === `${claim}-dst`);
    const repository = textOf(inside(own?.spec, "restic"), "repository");
    return repository.startsWith(`${claim}-volsync-`) ? repository.slice(`${claim}-volsync-`.length) : undefined;
}

function chosen(sources: readonly Source[], volume: string, target: string | undefined): Source {
    const [first] = sources;
    const source = target === undefined ? first : sources.find((one) => one.target === target);
    if (source !== undefined && (target !== undefined || sources.length === 1)) return source;
    const targets = sources.map((one) => one.target).sort();
    throw new UserError(
        first === undefined
            ? `nobody backs ${volume} up with VolSync; nothing was touched. npm run restore -- <stack> --list has all that are`
            : `--from ${target === undefined ? "is missing" : `is "${target}"`}; allowed: ${targets.join(" or ")}; nothing was touched`,
    );
}

/** What backs the volume up, the other way round. */
function destinationOf(
    of: { readonly namespace: string; readonly name: string; readonly claim: string },
    stamp: string,
    { restic }: Source,
    asOf: object,
): object {
    const same = ["repository", "cacheCapacity", "cacheStorageClassName", "cacheAccessModes"];
    const mover = ["moverSecurityContext", "moverResources"];
    return {
        apiVersion: "volsync.backube/v1alpha1",
        kind: "ReplicationDestination",
        metadata: { name: of.name, namespace: of.namespace },
        spec: {
            trigger: { manual: stamp },
            restic: {
                ...Object.fromEntries(
                    [...same, ...mover].flatMap((key) => (key in restic ? [[key, restic[key]]] : [])),
                ),
                copyMethod: "Direct",
                destinationPVC: of.claim,
                // What the backup lacks goes.
                enableFileDeletion: true,
                cleanupCachePVC: true,
                ...asOf,
            },
        },
    };
}

/** Waits for the restore; returns the mover's last words. */
async function ended(
    around: Around,
    { namespace, name, stamp }: { readonly namespace: string; readonly name: string; readonly stamp: string },
): Promise<string> {
    const until = around.now() + RESTORE_LIMIT;
    let told = "";
    for (;;) {
        const text = await ask(around, ["--namespace", namespace, "get", DESTINATIONS, name, "--output", "json"]);
        const status = inside(JSON.parse(text), "status");
        const mover = inside(status, "latestMoverStatus");
        const logs = textOf(mover, "logs");
        if (textOf(status, "lastManualSync") === stamp) return logs;
        const fault = textOf(mover, "result") === "Failed" ? logs : problem(status);
        if (fault !== "" && fault !== told) around.say(`not yet: ${(told = fault)}`);
        if (around.now() > until) {
            throw new UserError(
                `the restore did not end within two hours and goes on without this command, while the app is started again; see  kubectl -n ${namespace} describe ${DESTINATIONS} ${name}, and delete it to give up`,
            );
        }
        await around.sleep(5000);
    }
}

const problem = (status: unknown): string => {
    const error = records(inside(status, "conditions")).find((one) => textOf(one, "reason") === "Error");
    return error === undefined ? "" : textOf(error, "message");
};
