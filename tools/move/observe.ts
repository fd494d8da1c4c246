/** Looks at the objects of an app in one cluster. Reads only. */
import { isRecord, records } from "../../lib/json";
import { textOf, Unreachable } from "../live/get";
import type { Told } from "../../lib/told";
import type { KubeReader } from "../live/kube";
import type { Side } from "./sides";
import type { Leftover, Seen, Sync, Workload } from "./steps";

export const silent = (reason: string): Seen => ({
    silent: reason,
    workloads: {},
    sources: {},
    destinations: {},
    routes: {},
    secrets: {},
    tree: {},
});

/** Throws `Unreachable` when the API server does not answer. */
export async function observe(kube: Pick<KubeReader, "one">, side: Side): Promise<Seen> {
    const read = async <T>(path: string, as: (object: unknown) => T): Promise<T | null> => {
        const told: Told<unknown> = await kube.one(path);
        if (told.ok) return as(told.value);
        if (told.status === 404) return null;
        throw new Unreachable(`${path}: ${told.reason}`);
    };
    const all = async <T>(
        paths: readonly (readonly [key: string, path: string])[],
        as: (object: unknown) => T,
    ): Promise<Record<string, T | null>> =>
        Object.fromEntries(await Promise.all(paths.map(async ([key, path]) => [key, await read(path, as)] as const)));
    const volsync = (kind: string, namespace: string, name: string) =>
        [name, `/apis/volsync.backube/v1alpha1/namespaces/${namespace}/${kind}/${name}`] as const;
    const backedUp = side.data.flatMap(({ namespace, kept }) =>
        kept.by === "volsync" ? [{ namespace, ...kept }] : [],
    );
    const [workloads, sources, destinations, routes, secrets, tree] = await Promise.all([
        all(
            side.workloads.map(({ namespace, name }) => [
                name,
                `/apis/apps/v1/namespaces/${namespace}/deployments/${name}`,
            ]),
            workloadOf,
        ),
        all(
            backedUp.flatMap(({ namespace, sources: names }) =>
                Object.values(names).map((name) => volsync("replicationsources", namespace, name)),
            ),
            syncOf,
        ),
        all(
            backedUp.flatMap(({ namespace, destination }) =>
                destination === undefined ? [] : [volsync("replicationdestinations", namespace, destination)],
            ),
            syncOf,
        ),
        all(
            side.routes.flatMap(({ object }) => (object === undefined ? [] : [[object, object] as const])),
            isTaken,
        ),
        all(
            side.secrets.map(({ namespace, name }) => [
                name,
                `/apis/external-secrets.io/v1/namespaces/${namespace}/externalsecrets/${name}`,
            ]),
            isFilled,
        ),
        all(
            treePaths(side).map((path) => [path, path]),
            leftoverOf,
        ),
    ]);
    return { workloads, sources, destinations, routes, secrets, tree };
}

/** Where the old tree in Git keeps an app, by the names that seed 002 gives its objects. */
function treePaths({ workloads, routes }: Side): string[] {
    const own = new Set(routes.map(({ object }) => object));
    return workloads
        .flatMap(({ namespace, name }) => [
            `/apis/networking.k8s.io/v1/namespaces/${namespace}/ingresses/${name}`,
            `/apis/helm.toolkit.fluxcd.io/v2/namespaces/${namespace}/helmreleases/${name}`,
            ...["flux-system", namespace].map(
                (where) => `/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/${where}/kustomizations/${name}`,
            ),
        ])
        .filter((path) => !own.has(path));
}

/** https://external-secrets.io/latest/api/externalsecret/ */
const isFilled = (object: unknown): boolean =>
    records(fieldOf(object, "status", "conditions")).some(({ type, status }) => type === "Ready" && status === "True");

/** What of the old pattern an object of the tree has. */
function leftoverOf(object: unknown): Leftover {
    const chart = fieldOf(object, "spec", "chart", "spec", "sourceRef");
    const secrets = records(fieldOf(object, "spec", "postBuild", "substituteFrom"))
        .filter(({ kind }) => kind === "Secret")
        .map(({ name }) => String(name));
    return {
        ...(textOf(chart, "kind") === "HelmRepository" ? { helmRepository: textOf(chart, "name") } : {}),
        ...(secrets.length === 0 ? {} : { substitutes: secrets }),
    };
}

function workloadOf(object: unknown): Workload {
    const number = (part: "metadata" | "spec" | "status", field: string) => Number(fieldOf(object, part, field) ?? 0);
    return {
        generation: number("metadata", "generation"),
        replicas: number("spec", "replicas"),
        pods: number("status", "replicas"),
        ready: number("status", "readyReplicas"),
    };
}

/** https://volsync.readthedocs.io/en/stable/usage/restic/index.html */
function syncOf(object: unknown): Sync {
    const status = fieldOf(object, "status");
    const last = fieldOf(status, "latestMoverStatus");
    const [manual, finished] = [textOf(status, "lastManualSync"), textOf(status, "lastSyncTime")];
    const seconds = secondsOf(textOf(status, "lastSyncDuration"));
    return {
        ...(manual === "" ? {} : { manual }),
        ...(finished === "" ? {} : { finished }),
        ...(seconds === undefined ? {} : { seconds }),
        successful: textOf(last, "result") === "Successful",
        logs: textOf(last, "logs"),
    };
}

/** A duration as Go writes it, e.g. 1h2m3.5s. */
function secondsOf(text: string): number | undefined {
    const parts = [...text.matchAll(/([\d.]+)(h|ms|m|s|µs|ns)/g)];
    if (parts.length === 0) return undefined;
    const unit: Record<string, number> = { h: 3600, m: 60, s: 1, ms: 1e-3, µs: 1e-6, ns: 1e-9 };
    return parts.reduce((sum, [, number, name = ""]) => sum + Number(number) * (unit[name] ?? 0), 0);
}

/** An Ingress with an address, or an HTTPRoute that its gateway accepted. */
function isTaken(object: unknown): boolean {
    const status = fieldOf(object, "status");
    const addresses = records(fieldOf(fieldOf(status, "loadBalancer"), "ingress"));
    const accepted = records(fieldOf(status, "parents"))
        .flatMap((parent) => records(parent["conditions"]))
        .some(({ type, status: verdict }) => type === "Accepted" && verdict === "True");
    return addresses.length > 0 || accepted;
}

function fieldOf(object: unknown, ...path: string[]): unknown {
    return path.reduce<unknown>((node, part) => (isRecord(node) ? node[part] : undefined), object);
}
