import { isObject, list, num, pluck, text, type Json, type Props } from "../values";
import type { KubeClient } from "./client";
import { group } from "./kinds";

/**
 * When the official plugin calls an object of a built-in kind ready (its pkg/await). Each check looks at the cluster once;
 * await.ts repeats it.
 */

/** What a check sees. */
export interface Look {
    client: KubeClient;
    /** The object as it is now. */
    live: Props;
    /** Is this the wait after a create? */
    creating: boolean;
    /** Has something named by `key` stayed the same for the settling time? On refresh, everything has. */
    settled(key: string, fingerprint: string): boolean;
    /** Has the wait gone on for so long? */
    waited(seconds: number): boolean;
    warn(message: string): void;
}

export interface Verdict {
    ready: boolean;
    /** Ready enough when the time is over. */
    acceptable?: boolean;
    /** Why not, for people. */
    reasons: string[];
    /** Waiting longer is of no use. */
    failed?: boolean;
}

type Check = (look: Look) => Promise<Verdict> | Verdict;

/** One kind's check, and how long it waits when the program says nothing. */
export interface Readiness {
    check: Check;
    /** Seconds; the plugin's own limit for this kind, below the general ten minutes. */
    limit?: number;
    /** Does a refresh look, too? */
    onRead: boolean;
}

const READINESS: Record<string, Readiness> = {
    "apps/Deployment": { check: deployment, onRead: true },
    "apps/StatefulSet": { check: statefulSet, onRead: true },
    "apps/DaemonSet": { check: daemonSet, onRead: true },
    "batch/Job": { check: job, onRead: true },
    "/Pod": { check: ({ live }) => pod(live), onRead: true },
    "/Service": { check: service, onRead: true },
    "networking.k8s.io/Ingress": { check: ingress, onRead: true },
    "/PersistentVolume": { check: ({ live }) => phase(live, ["Available", "Bound"]), limit: 300, onRead: false },
    "/PersistentVolumeClaim": { check: claim, limit: 300, onRead: false },
    "/ResourceQuota": { check: ({ live }) => quota(live), limit: 60, onRead: false },
    "/Secret": { check: ({ live }) => tokenSecret(live), limit: 5, onRead: false },
};

/** The readiness of an object's kind; undefined for kinds that are ready as soon as they exist. */
export function readinessOf(object: Props): Readiness | undefined {
    return READINESS[`${group(text(object, "apiVersion") ?? "")}/${text(object, "kind") ?? ""}`];
}

const READY: Verdict = { ready: true, reasons: [] };

function verdict(reasons: string[]): Verdict {
    return reasons.length === 0 ? READY : { ready: false, reasons };
}

const metadataName = (object: Props) => text(object, "metadata", "name") ?? "";
const namespaceOf = (object: Props) => text(object, "metadata", "namespace");

function conditionOf(object: Json, type: string): Props | undefined {
    return list(object, "status", "conditions")
        .filter(isObject)
        .find((each) => each["type"] === type);
}

function ownedBy(object: Props, owner: Props): boolean {
    const uid = text(owner, "metadata", "uid");
    return list(object, "metadata", "ownerReferences").some((each) => text(each, "uid") === uid);
}

/** Has the controller seen the newest specification? */
function observed(object: Props): boolean {
    return (num(object, "status", "observedGeneration") ?? 0) >= (num(object, "metadata", "generation") ?? 0);
}

/** What the pods of an owner wait for. */
async function podReasons(client: KubeClient, owner: Props): Promise<string[]> {
    const pods = await client.list("v1", "Pod", namespaceOf(owner));
    return pods.filter((each) => ownedBy(each, owner)).flatMap((each) => pod(each).reasons);
}

/** A pod's readiness, with the messages of its containers. */
export function pod(live: Props): Verdict {
    const ready = conditionOf(live, "Ready");
    const done = ready?.["status"] === "True" || text(live, "status", "phase") === "Succeeded";
    const scheduled = conditionOf(live, "PodScheduled")?.["status"] === "True";
    const initialized = conditionOf(live, "Initialized")?.["status"] === "True";
    if (done && scheduled && initialized) {
        return READY;
    }
    const conditions = ["PodScheduled", "Initialized", "Ready"].flatMap((type) => {
        const condition = conditionOf(live, type);
        const message = condition?.["status"] === "True" ? undefined : text(condition, "message");
        return message === undefined ? [] : [message];
    });
    const containers = [...list(live, "status", "initContainerStatuses"), ...list(live, "status", "containerStatuses")];
    const states = containers.flatMap((each) => {
        const waiting = pluck(each, "state", "waiting");
        const ended = pluck(each, "state", "terminated") ?? pluck(each, "lastState", "terminated");
        const waits = isObject(waiting) && text(waiting, "reason") !== "ContainerCreating";
        return [
            ...(waits ? [`[${text(waiting, "reason") ?? ""}] ${text(waiting, "message") ?? ""}`] : []),
            ...(isObject(ended) && num(ended, "exitCode") !== 0
                ? [`container ${text(each, "name") ?? ""} ended with exit code ${num(ended, "exitCode") ?? ""}`]
                : []),
        ];
    });
    const namespace = namespaceOf(live);
    const name = namespace && namespace !== "default" ? `${namespace}/${metadataName(live)}` : metadataName(live);
    return {
        ready: false,
        reasons: [...new Set([...conditions, ...states])].map((reason) => `[Pod ${name}]: ${reason}`),
    };
}

async function deployment({ client, live }: Look): Promise<Verdict> {
    const namespace = namespaceOf(live);
    const revision = text(live, "metadata", "annotations", "deployment.kubernetes.io/revision");
    const available = conditionOf(live, "Available");
    const progressing = conditionOf(live, "Progressing");
    const sets = (await client.list("apps/v1", "ReplicaSet", namespace)).filter((each) => ownedBy(each, live));
    const current = sets.find(
        (each) => text(each, "metadata", "annotations", "deployment.kubernetes.io/revision") === revision,
    );
    const wanted = num(current, "spec", "replicas") ?? 1;
    const setReady = current !== undefined && (num(current, "status", "readyReplicas") ?? 0) >= wanted;
    const rolledOut = progressing?.["status"] === "True" && progressing["reason"] === "NewReplicaSetAvailable";
    const unbound = await unboundClaims(client, live);

    const reasons: string[] = [];
    for (const condition of [progressing, available]) {
        if (condition !== undefined && condition["status"] !== "True") {
            reasons.push(`[${text(condition, "reason") ?? ""}] ${text(condition, "message") ?? ""}`);
        }
    }
    if (!observed(live) || revision === undefined) {
        reasons.push("the deployment controller has not acted on it");
    } else if (unbound.length > 0) {
        reasons.push(`Failed to bind PersistentVolumeClaim(s): "${unbound.join(",")}"`);
    }
    if (available?.["status"] !== "True") {
        reasons.push("Minimum number of live Pods was not attained");
    } else if (revision === "1" ? !setReady : !rolledOut) {
        reasons.push("Minimum number of Pods to consider the application live was not attained");
    } else if (!setReady) {
        reasons.push("Attempted to roll forward to new ReplicaSet, but minimum number of Pods did not become live");
    }
    if (reasons.length > 0 && current !== undefined) {
        reasons.push(...(await podReasons(client, current)));
    }
    return verdict(reasons);
}

async function unboundClaims(client: KubeClient, live: Props): Promise<string[]> {
    const volumes = list(live, "spec", "template", "spec", "volumes");
    const names = volumes.flatMap((volume) => text(volume, "persistentVolumeClaim", "claimName") ?? []);
    if (names.length === 0) {
        return [];
    }
    const claims = await client.list("v1", "PersistentVolumeClaim", namespaceOf(live));
    return claims
        .filter((each) => names.includes(metadataName(each)) && text(each, "status", "phase") !== "Bound")
        .map(metadataName);
}

async function statefulSet({ client, live }: Look): Promise<Verdict> {
    const replicas = num(live, "spec", "replicas") ?? 1;
    const count = (name: string) => num(live, "status", name) ?? 0;
    const [now, next] = [text(live, "status", "currentRevision"), text(live, "status", "updateRevision")];
    const onDelete =
        (num(live, "metadata", "generation") ?? 0) > 1 && text(live, "spec", "updateStrategy", "type") === "OnDelete";
    const revisionReady = onDelete || (now !== undefined && now !== "" && now === next);
    const replicasReady =
        count("replicas") === replicas &&
        count("readyReplicas") === replicas &&
        (onDelete || count("currentReplicas") === replicas);
    const reasons: string[] = [];
    if (!observed(live) || !replicasReady) {
        reasons.push(`${count("readyReplicas")} out of ${replicas} replicas succeeded readiness checks`);
    }
    if (!revisionReady) {
        reasons.push(
            `StatefulSet controller failed to advance from revision "${now ?? ""}" to revision "${next ?? ""}"`,
        );
    }
    return verdict(reasons.length === 0 ? [] : [...reasons, ...(await podReasons(client, live))]);
}

async function daemonSet({ client, live }: Look): Promise<Verdict> {
    const count = (name: string) => num(live, "status", name) ?? 0;
    const desired = num(live, "status", "desiredNumberScheduled");
    const behind = ["currentNumberScheduled", "updatedNumberScheduled", "numberAvailable", "numberReady"].filter(
        (name) => count(name) < (desired ?? 0),
    );
    if (observed(live) && desired !== undefined && behind.length === 0) {
        return READY;
    }
    const reasons = behind.map((name) => `${name}: ${count(name)}/${desired ?? 0}`);
    return { ready: false, reasons: [...reasons, ...(await podReasons(client, live))] };
}

async function job({ client, live }: Look): Promise<Verdict> {
    const failure = conditionOf(live, "Failed");
    if (
        failure?.["status"] === "True" &&
        ["BackoffLimitExceeded", "DeadlineExceeded"].includes(String(failure["reason"]))
    ) {
        const reason = `[${String(failure["reason"])}] ${text(failure, "message") ?? ""}`;
        return { ready: false, failed: true, reasons: [reason, ...(await podReasons(client, live))] };
    }
    if (conditionOf(live, "Complete")?.["status"] === "True" && text(live, "status", "startTime") !== undefined) {
        return READY;
    }
    return { ready: false, reasons: await podReasons(client, live) };
}

async function service({ client, live, settled }: Look): Promise<Verdict> {
    const type = text(live, "spec", "type") ?? "ClusterIP";
    const addressed = type !== "LoadBalancer" || list(live, "status", "loadBalancer", "ingress").length > 0;
    const noAddress = addressed
        ? []
        : ["Service was not allocated an IP address; does your cloud provider support this?"];
    const selector = pluck(live, "spec", "selector");
    const plain =
        type === "ExternalName" ||
        text(live, "spec", "clusterIP") === "None" ||
        !isObject(selector) ||
        Object.keys(selector).length === 0;
    if (plain) {
        return { ready: addressed, acceptable: addressed, reasons: noAddress };
    }
    // A Service needs no endpoint, but none may be on its way: they have to stay the same for a while.
    const endpoints = await client.find("v1", "Endpoints", namespaceOf(live), metadataName(live));
    const subsets = list(endpoints, "subsets");
    const some = (field: string) => subsets.some((subset) => list(subset, field).length > 0);
    const calm = settled("endpoints", text(endpoints, "metadata", "resourceVersion") ?? "") && endpoints !== undefined;
    const targets = some("addresses")
        ? []
        : [
              "Service does not target any Pods. Selected Pods may not be ready, or field '.spec.selector' may not match " +
                  "labels on any Pods",
          ];
    const acceptable = addressed && !some("notReadyAddresses");
    return { ready: acceptable && calm, acceptable, reasons: [...targets, ...noAddress] };
}

async function ingress({ client, live, settled, waited, warn }: Look): Promise<Verdict> {
    const namespace = namespaceOf(live);
    const paths = list(live, "spec", "rules").flatMap((rule) => list(rule, "http", "paths"));
    const backends = new Set(paths.flatMap((path) => text(path, "backend", "service", "name") ?? []));
    const services = await client.list("v1", "Service", namespace);
    const external = services.filter((each) => text(each, "spec", "type") === "ExternalName").map(metadataName);
    const endpoints = await client.list("v1", "Endpoints", namespace);
    const known = new Set([...external, ...endpoints.map(metadataName)]);
    const missing = [...backends].filter((name) => !known.has(name));
    const fingerprint = endpoints.map((each) => text(each, "metadata", "resourceVersion")).join();
    const calm = endpoints.length === 0 ? waited(60) : settled("endpoints", fingerprint);

    const reasons: string[] = [];
    if (missing.length > 0 && calm) {
        missing.forEach((name) => warn(`No matching service found for ingress rule: "${name}"`));
    } else if (missing.length > 0) {
        reasons.push("Ingress has at least one rule with an unavailable target endpoint.");
    }
    if (list(live, "status", "loadBalancer", "ingress").length === 0) {
        reasons.push("Ingress .status.loadBalancer field was not updated with a hostname/IP address.");
    }
    return verdict(reasons);
}

function phase(live: Props, wanted: readonly string[]): Verdict {
    const now = text(live, "status", "phase") ?? "unset";
    return verdict(wanted.includes(now) ? [] : [`status.phase is ${now}, not ${wanted.join(" or ")}`]);
}

async function claim({ client, live, creating }: Look): Promise<Verdict> {
    const className = text(live, "spec", "storageClassName");
    const storageClass = className
        ? await client.find("storage.k8s.io/v1", "StorageClass", undefined, className)
        : undefined;
    const waits = text(storageClass, "volumeBindingMode") === "WaitForFirstConsumer";
    if (!creating && text(live, "status", "phase") === "Bound") {
        return READY;
    }
    // So it is in the official plugin: a claim that waits for its consumer is awaited Pending, even were it bound.
    return phase(live, [waits ? "Pending" : "Bound"]);
}

function quota(live: Props): Verdict {
    const [hard, seen] = [pluck(live, "spec", "hard"), pluck(live, "status", "hard")];
    const same = isObject(hard) && isObject(seen) && Object.entries(hard).every(([key, value]) => seen[key] === value);
    return verdict(same ? [] : ["status.hard is not spec.hard"]);
}

function tokenSecret(live: Props): Verdict {
    const filled = isObject(live["data"]) && Object.keys(live["data"]).length > 0;
    const needed = live["type"] === "kubernetes.io/service-account-token";
    return verdict(needed && !filled ? ["the token controller has put no token into it"] : []);
}
