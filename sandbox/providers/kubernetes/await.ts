import { setTimeout as sleep } from "node:timers/promises";
import type { Host } from "../plugin";
import { list, text, type Props } from "../values";
import { StatusError, type KubeClient } from "./client";
import { annotation, flagged } from "./normalize";
import { readinessOf, type Look, type Verdict } from "./ready";
import { parseWaitFor } from "./wait-for";

const POLL_MS = 500;
const DEFAULT_SECONDS = 600;

/** The object exists but did not become what was waited for. */
export class AwaitError extends Error {
    constructor(
        message: string,
        readonly live: Props,
        readonly reasons: string[],
    ) {
        super(message);
    }
}

/** Settings of all waits of a provider. */
export interface Waiting {
    client: KubeClient;
    host: Host;
    /** How long endpoints must stay the same before a Service or an Ingress is ready; ten seconds in the plugin. */
    settleSeconds: number;
}

export interface WaitOptions {
    urn: string;
    inputs: Props;
    creating: boolean;
    /** Seconds from customTimeouts; 0 when none are set. */
    timeout: number;
}

/** How long to wait: customTimeouts, then the annotation, then ten minutes. */
function seconds(timeout: number, inputs: Props): number {
    const annotated = Number(annotation(inputs, "pulumi.com/timeoutSeconds") ?? NaN);
    return timeout > 0 ? timeout : Number.isInteger(annotated) ? annotated : DEFAULT_SECONDS;
}

function reference(object: Props): [string, string, string | undefined, string] {
    return [
        text(object, "apiVersion") ?? "",
        text(object, "kind") ?? "",
        text(object, "metadata", "namespace"),
        text(object, "metadata", "name") ?? "",
    ];
}

/**
 * Waits until an object that was created or updated is ready, and yields it as it is then. Throws {@link AwaitError} when
 * the time is over or waiting is of no use.
 */
export async function awaitReady(waiting: Waiting, applied: Props, options: WaitOptions): Promise<Props> {
    const { client, host } = waiting;
    if (flagged(options.inputs, "pulumi.com/skipAwait")) {
        return applied;
    }
    const waitFor = annotation(applied, "pulumi.com/waitFor");
    const conditions = waitFor ? parse(applied, waitFor) : undefined;
    const readiness = readinessOf(applied);
    if (conditions === undefined && readiness === undefined) {
        return applied;
    }
    const limit = Math.min(
        seconds(options.timeout, options.inputs),
        conditions === undefined ? (readiness?.limit ?? Infinity) : Infinity,
    );
    const started = Date.now();
    const look = looker(waiting, options, started);
    let live = applied;
    let said = "";
    for (;;) {
        const verdict: Verdict =
            conditions !== undefined
                ? missing(conditions, live)
                : ((await readiness?.check(look(live))) ?? { ready: true, reasons: [] });
        if (verdict.ready) {
            return live;
        }
        const name = text(live, "metadata", "name") ?? "";
        if (verdict.failed) {
            throw new AwaitError(`Resource '${name}' was created but failed to initialize`, live, verdict.reasons);
        }
        if (host.signal.aborted) {
            throw new AwaitError(`Resource operation was cancelled for "${name}"`, live, verdict.reasons);
        }
        if (Date.now() - started >= limit * 1_000) {
            if (verdict.acceptable) {
                return live;
            }
            const events = await warnings(client, live);
            const message =
                conditions === undefined
                    ? `'${name}' timed out waiting to be Ready`
                    : `timed out waiting for the condition`;
            throw new AwaitError(message, live, [...verdict.reasons, ...events]);
        }
        const status = verdict.reasons.join("; ");
        if (status !== said) {
            said = status;
            await host.log("info", options.urn, status, true);
        }
        await pause(host.signal);
        live = (await client.find(...reference(live))) ?? live;
    }
}

/** A refresh's look at an object: throws {@link AwaitError} when it is not ready now. */
export async function checkReady(waiting: Waiting, live: Props, urn: string, inputs: Props): Promise<void> {
    const readiness = readinessOf(live);
    if (readiness === undefined || !readiness.onRead || flagged(inputs, "pulumi.com/skipAwait")) {
        return;
    }
    const look = looker(waiting, { urn, inputs, creating: false, timeout: 0 }, 0)(live);
    const verdict = await readiness.check({ ...look, settled: () => true, waited: () => true });
    if (!verdict.ready) {
        const name = text(live, "metadata", "name") ?? "";
        throw new AwaitError(`Resource '${name}' was created but failed to initialize`, live, verdict.reasons);
    }
}

function parse(live: Props, waitFor: string) {
    try {
        return parseWaitFor(waitFor);
    } catch (error) {
        throw new AwaitError(error instanceof Error ? error.message : String(error), live, []);
    }
}

function missing(conditions: ReturnType<typeof parseWaitFor>, live: Props): Verdict {
    const reasons = conditions.flatMap((condition) => condition.missing(live) ?? []);
    return { ready: reasons.length === 0, reasons };
}

function looker(waiting: Waiting, options: WaitOptions, started: number): (live: Props) => Look {
    const seen = new Map<string, { fingerprint: string; since: number }>();
    return (live) => ({
        client: waiting.client,
        live,
        creating: options.creating,
        settled: (key, fingerprint) => {
            const last = seen.get(key);
            if (last?.fingerprint !== fingerprint) {
                seen.set(key, { fingerprint, since: Date.now() });
                return waiting.settleSeconds === 0;
            }
            return Date.now() - last.since >= waiting.settleSeconds * 1_000;
        },
        waited: (duration) => Date.now() - started >= duration * 1_000,
        warn: (message) => void waiting.host.log("warning", options.urn, message, true),
    });
}

async function pause(signal: AbortSignal): Promise<void> {
    await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
}

/** The warnings that were recorded about an object, newest last; they often say what no status does. */
async function warnings(client: KubeClient, live: Props): Promise<string[]> {
    const uid = text(live, "metadata", "uid");
    try {
        const events = await client.list("v1", "Event", text(live, "metadata", "namespace"));
        return events
            .filter((event) => text(event, "involvedObject", "uid") === uid && text(event, "type") === "Warning")
            .slice(-5)
            .map((event) => `[${text(event, "reason") ?? ""}] ${text(event, "message") ?? ""}`);
    } catch {
        return [];
    }
}

/** Kinds whose deletion is not waited for when `pulumi.com/skipAwait` is set; all others always are. */
const SKIPS_DELETE = new Set([
    ...["v1/Namespace", "v1/Pod", "v1/ReplicationController", "apps/v1/DaemonSet", "apps/v1/Deployment"],
    ...["apps/v1/StatefulSet", "batch/v1/Job"],
]);

/** Deletes an object and waits until it is gone. One that is gone already is a success. */
export async function deleteAndAwait(
    waiting: Waiting,
    object: Props,
    inputs: Props,
    urn: string,
    timeout: number,
): Promise<void> {
    const { client, host } = waiting;
    const [apiVersion, kind, namespace, name] = reference(object);
    const uid = text(object, "metadata", "uid");
    const policy = (annotation(inputs, "pulumi.com/deletionPropagationPolicy") ?? "").toLowerCase();
    const propagationPolicy = { orphan: "Orphan", background: "Background" }[policy] ?? "Foreground";
    const path = await client.path(apiVersion, kind, namespace, name);
    try {
        await client.request("DELETE", path, { body: { apiVersion: "v1", kind: "DeleteOptions", propagationPolicy } });
    } catch (error) {
        if (error instanceof StatusError && error.code === 404) {
            return;
        }
        throw error;
    }
    if (flagged(inputs, "pulumi.com/skipAwait") && SKIPS_DELETE.has(`${apiVersion}/${kind}`)) {
        return;
    }
    const deadline = Date.now() + seconds(timeout, inputs) * 1_000;
    for (;;) {
        const live = await client.find(apiVersion, kind, namespace, name);
        if (live === undefined || (uid !== undefined && text(live, "metadata", "uid") !== uid)) {
            return;
        }
        if (Date.now() >= deadline || host.signal.aborted) {
            const finalizers = [
                ...list(live, "metadata", "finalizers"),
                ...list(live, "spec", "finalizers"), // those of a namespace
            ].map(String);
            const held = `finalizers might be preventing deletion (${finalizers.join(", ")})`;
            await host.log("warning", urn, held);
            const waits = list(live, "status", "conditions").flatMap((each) =>
                text(each, "status") === "True" ? (text(each, "message") ?? []) : [],
            );
            const verb = host.signal.aborted ? "the operation was cancelled" : "timed out waiting for the condition";
            throw new AwaitError(`${verb}: ${kind} ${name} is still there: ${[held, ...waits].join("; ")}`, live, []);
        }
        await pause(host.signal);
    }
}
