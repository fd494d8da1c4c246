/** What a cluster keeps its data on, and whether it gets out of it: Ceph's health and fullness, VolSync's backups, the machine they go to. */
import { connect } from "node:net";
import { ROOK_NAMESPACE } from "../../components/storage/rook-operator";
import { findingsOf, type Finding } from "../../lib/finding";
import { isRecord, records } from "../../lib/json";
import type { Told } from "../../lib/told";
import { textOf, Unreachable } from "../live/get";
import { kubeReader } from "../live/kube";
import { isObject } from "../plan/monitor";
import type { Plan } from "../plan/plan";

const say = findingsOf("storage");

/** A machine outside the cluster that something in it writes to by a bridge. */
export interface BackupBridge {
    readonly name: string;
    readonly address: string;
    readonly port: number;
}

export interface StorageNeeds {
    readonly ceph: boolean;
    readonly volsync: boolean;
    readonly bridges: readonly BackupBridge[];
}

/** What of a plan there is to look at. */
export function storageNeeds({ resources }: Pick<Plan, "resources">): StorageNeeds {
    const has = (ending: string) => resources.some(({ type }) => type.endsWith(`:${ending}`));
    const slices = resources.filter(({ type }) => type.endsWith(":EndpointSlice"));
    const rest = JSON.stringify(resources.filter((one) => !slices.includes(one)).map(({ inputs }) => inputs));
    return {
        ceph: resources.some(({ type, name }) => type.endsWith(":Release") && name === "ceph"),
        volsync: has("ReplicationSource"),
        bridges: slices.flatMap(({ inputs }) => {
            const metadata = isObject(inputs) ? inputs["metadata"] : undefined;
            const [endpoint] = isObject(inputs) ? records(inputs["endpoints"]) : [];
            const [port] = isObject(inputs) ? records(inputs["ports"]) : [];
            const [address] = Array.isArray(endpoint?.["addresses"]) ? (endpoint["addresses"] as unknown[]) : [];
            const [name, namespace] = [textOf(metadata, "name"), textOf(metadata, "namespace")];
            const used = rest.includes(`//${name}.${namespace}.svc.cluster.local`);
            return used && typeof address === "string" && typeof port?.["port"] === "number"
                ? [{ name: `${namespace}/${name}`, address, port: port["port"] }]
                : [];
        }),
    };
}

export interface CephFact {
    /** HEALTH_OK, HEALTH_WARN, HEALTH_ERR; "" before Rook has asked. */
    readonly health: string;
    /** What is amiss, in Ceph's words. */
    readonly messages: readonly string[];
    /** Bytes; 0 before Rook has asked. */
    readonly total: number;
    readonly used: number;
}

export interface SourceFact {
    /** `<namespace>/<name>` */
    readonly name: string;
    readonly failed: boolean;
    /** The mover's last words. */
    readonly logs: string;
    /** When the last one ended, and when the next should have begun; "" where there is none. */
    readonly last: string;
    readonly next: string;
}

export interface StorageFact {
    readonly ceph?: Told<CephFact>;
    readonly sources?: Told<readonly SourceFact[]>;
    /** Why a machine does not answer; undefined: it does. */
    readonly bridges: readonly (BackupBridge & { readonly silent: string | undefined })[] | "not probed";
}

/** BACKUP_PROBE: empty where nothing of the house is to be reached. */
export async function lookAtStorage(
    needs: StorageNeeds,
    kubeconfig: Told<string>,
    env: NodeJS.ProcessEnv,
    timeout: number,
): Promise<StorageFact> {
    const look = async <T>(path: string, read: (answer: Record<string, unknown>) => T): Promise<Told<T>> => {
        if (!kubeconfig.ok) return { ok: false, status: -1, reason: `no kubeconfig: ${kubeconfig.reason}` };
        try {
            const told = await kubeReader(kubeconfig.value, timeout).one(path);
            return told.ok ? { ok: true, value: read(told.value) } : told;
        } catch (error) {
            if (error instanceof Unreachable) return { ok: false, status: -1, reason: error.message };
            throw error;
        }
    };
    const cluster = `/apis/ceph.rook.io/v1/namespaces/${ROOK_NAMESPACE}/cephclusters/${ROOK_NAMESPACE}`;
    const [ceph, sources, bridges] = await Promise.all([
        needs.ceph ? look(cluster, cephOf) : undefined,
        needs.volsync
            ? look("/apis/volsync.backube/v1alpha1/replicationsources", ({ items }) => records(items).map(sourceOf))
            : undefined,
        env["BACKUP_PROBE"] === ""
            ? ("not probed" as const)
            : Promise.all(needs.bridges.map(async (one) => ({ ...one, silent: await silence(one, timeout) }))),
    ]);
    return {
        ...(ceph === undefined ? {} : { ceph }),
        ...(sources === undefined ? {} : { sources }),
        bridges,
    };
}

function cephOf(cluster: Record<string, unknown>): CephFact {
    const status = isRecord(cluster["status"]) ? cluster["status"]["ceph"] : undefined;
    const { details, capacity } = isRecord(status) ? status : {};
    const bytes = (key: string) => {
        const value = isRecord(capacity) ? capacity[key] : undefined;
        return typeof value === "number" ? value : 0;
    };
    return {
        health: textOf(status, "health"),
        messages: isRecord(details) ? Object.values(details).map((one) => textOf(one, "message")) : [],
        total: bytes("bytesTotal"),
        used: bytes("bytesUsed"),
    };
}

function sourceOf({ metadata, status }: Record<string, unknown>): SourceFact {
    const mover = isRecord(status) ? status["latestMoverStatus"] : undefined;
    return {
        name: `${textOf(metadata, "namespace")}/${textOf(metadata, "name")}`,
        failed: textOf(mover, "result") === "Failed",
        logs: textOf(mover, "logs"),
        last: textOf(status, "lastSyncTime"),
        next: textOf(status, "nextSyncTime"),
    };
}

/** Why nothing listens there; undefined: something does. */
function silence({ address, port }: BackupBridge, timeout: number): Promise<string | undefined> {
    return new Promise((resolve) => {
        const socket = connect({ host: address, port });
        const done = (reason: string | undefined) => {
            socket.destroy();
            resolve(reason);
        };
        socket.setTimeout(timeout, () => done(`no answer within ${timeout / 1000} s`));
        socket.once("connect", () => done(undefined));
        socket.once("error", (error) => done(error.message));
    });
}

/** Ceph itself warns at 85 % and stops every write at 95 %. */
const FULL = { warning: 0.75, failure: 0.85 };
/** What a schedule may be late by: the mover has to start. */
const LATE = 3_600_000;

/** `now`: milliseconds since 1970. */
export function judgeStorage({ ceph, sources, bridges }: StorageFact, now: number): Finding[] {
    return [
        ...(ceph === undefined ? [] : ceph.ok ? judgeCeph(ceph.value) : [notSeen("Ceph", ceph)]),
        ...(sources === undefined ? [] : sources.ok ? judgeSources(sources.value, now) : [notSeen("backups", sources)]),
        ...(bridges === "not probed"
            ? [say.skipped("backup target", "BACKUP_PROBE is empty: nothing of the house is reached from here")]
            : bridges.map(({ name, address, port, silent }) =>
                  silent === undefined
                      ? say.ok("backup target", `${name}: ${address}:${port} answers`)
                      : say.failure(
                            "backup target",
                            `${name}: ${address}:${port} does not answer (${silent})`,
                            "until it does nothing that goes there is backed up: volumes, databases; see the machine itself",
                        ),
              )),
    ];
}

const notSeen = (check: string, { status, reason }: { readonly status: number; readonly reason: string }): Finding =>
    say.skipped(check, status === 404 ? "not there yet: the first up makes it" : reason);

function judgeCeph({ health, messages, total, used }: CephFact): Finding[] {
    const status = "kubectl -n rook-ceph exec deploy/rook-ceph-tools -- ceph status";
    const words = messages.length === 0 ? "" : `: ${messages.join("; ")}`;
    const share = total === 0 ? 0 : used / total;
    const room = `${Math.round(share * 100)} % of ${(total / 1e12).toFixed(1)} TB of disks are used`;
    const less = `add disks, or delete what is not needed: at 85 % Ceph warns, at 95 % it stops every write; ${status.replace("ceph status", "ceph df")}`;
    return [
        health === "HEALTH_OK"
            ? say.ok("Ceph", "HEALTH_OK")
            : health === ""
              ? say.skipped("Ceph", "Rook has not asked it yet")
              : health === "HEALTH_WARN"
                ? say.warning("Ceph", `HEALTH_WARN${words}`, status)
                : say.failure("Ceph", `${health}${words}`, status),
        total === 0
            ? say.skipped("fullness", "Rook has not asked yet how full the disks are")
            : share >= FULL.failure
              ? say.failure("fullness", room, less)
              : share >= FULL.warning
                ? say.warning("fullness", room, less)
                : say.ok("fullness", room),
    ];
}

function judgeSources(sources: readonly SourceFact[], now: number): Finding[] {
    const faulty = sources.flatMap(({ name, failed, logs, last, next }): Finding[] => {
        const [namespace = "", source = ""] = name.split("/");
        const fix = `kubectl -n ${namespace} describe replicationsource ${source}`;
        if (failed) {
            return [say.failure("backups", `${name} failed: ${logs.trim().split("\n").at(-1) ?? ""}`, fix)];
        }
        if (next !== "" && Date.parse(next) + LATE < now) {
            const since = last === "" ? "there is none yet" : `the last is of ${last}`;
            return [say.failure("backups", `${name} should have begun at ${next}; ${since}`, fix)];
        }
        return [];
    });
    const newest = sources.map(({ last }) => last).filter((last) => last !== "");
    const good = sources.length - faulty.length;
    return [
        ...(good > 0 && newest.length > 0
            ? [say.ok("backups", `${good} of ${sources.length} volumes' backups are on schedule`)]
            : faulty.length === 0
              ? [say.skipped("backups", "none has been taken yet")]
              : []),
        ...faulty,
    ];
}
