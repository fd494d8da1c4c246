/**
 * CloudNativePG: clusters become healthy once what they need is there, databases and roles are applied to healthy
 * clusters. The object store is outside the cluster: a file of the sandbox remembers which archives were written, by whom,
 * and whose data is in them. As Barman does, it refuses to write into an archive that another life of a server left; and
 * as in life, the server is Ready nevertheless. Pods that list the archives answer from the same file.
 */
import { openStore } from "../../clouds/store";
import {
    type Action,
    collectionIn,
    collections,
    type Controller,
    resources,
    type View,
} from "../../controllers/controller";
import {
    type ConditionNow,
    type CustomResource,
    ensure,
    hold,
    isLeaving,
    isTrue,
    labelled,
    ownedBy,
    release,
    running,
    secretReferences,
    statusOf,
    timestamp,
} from "../../controllers/custom-resources";
import {
    keyOf,
    type KubeObject,
    type Pod,
    type Secret,
    type Service,
    type StorageClass,
} from "../../controllers/objects";
import { isPlayed, played } from "../../controllers/played-pods";

interface Plugin {
    readonly name: string;
    readonly isWALArchiver?: boolean;
    readonly parameters?: { readonly barmanObjectName?: string; readonly serverName?: string };
}

type Cluster = CustomResource<{
    readonly instances: number;
    readonly imageName?: string;
    readonly enableSuperuserAccess?: boolean;
    readonly storage?: { readonly storageClass?: string };
    readonly postgresql?: { readonly shared_preload_libraries?: readonly string[] };
    readonly plugins?: readonly Plugin[];
    readonly bootstrap?: { readonly recovery?: { readonly source?: string }; readonly initdb?: object };
    readonly externalClusters?: readonly { readonly name: string; readonly plugin?: Plugin }[];
}>;

type ObjectStore = CustomResource<{
    readonly configuration: { readonly destinationPath: string; readonly s3Credentials?: object };
}>;

type OfCluster = CustomResource<{
    readonly cluster: { readonly name: string };
    readonly owner?: string;
    readonly name?: string;
    readonly passwordSecret?: { readonly name: string };
    readonly extensions?: readonly { readonly name: string }[];
}>;

type ScheduledBackup = CustomResource<{
    readonly cluster: { readonly name: string };
    readonly immediate?: boolean;
    readonly method?: string;
    readonly pluginConfiguration?: object;
}>;

export interface Archive {
    /** The uid of the cluster that writes it. */
    readonly writer: string;
    /** What is in it: the uid of the cluster that the data began with, however often it was restored since. */
    readonly data: string;
    /** Complete base backups; there is no restore without one. */
    readonly backups: number;
}

/** Archives by `destinationPath` and server name. */
export interface Archives {
    archives: Record<string, Archive>;
}

/** Value of `app.kubernetes.io/name` on pods that list the archives of a bucket. */
const LISTS_ARCHIVES = "postgres-archives";

const GROUP = "postgresql.cnpg.io";
const clusters = resources(GROUP, "v1", "clusters");
const databases = resources(GROUP, "v1", "databases");
const roles = resources(GROUP, "v1", "databaseroles");
const scheduled = resources(GROUP, "v1", "scheduledbackups");
const backups = resources(GROUP, "v1", "backups");
const objectStores = resources("barmancloud.cnpg.io", "v1", "objectstores");
const PLUGIN_LABEL = "cnpg.io/pluginName";

/** @param file where the archives are kept; absent: in memory. */
export function cloudNativePg(file?: string): Controller {
    const start = (): Archives => ({ archives: {} });
    const store = file === undefined ? { state: start(), save: () => undefined } : openStore(file, start);
    return {
        name: "cloudnative-pg",
        lists: [
            collections.deployments,
            collections.secrets,
            collections.services,
            collections.storageClasses,
            collections.pods,
            ...[clusters, databases, roles, scheduled, backups, objectStores],
        ],
        reconcile(view) {
            if (running(view, labelled({ "app.kubernetes.io/name": "cloudnative-pg" })) === undefined) return [];
            const written = JSON.stringify(store.state);
            const actions = [
                ...view
                    .list<Cluster>(clusters)
                    .filter((one) => !isLeaving(one))
                    .flatMap((one) => clusterActions(view, one, store.state)),
                ...appliedActions(view, databases, "cnpg.io/deleteDatabase"),
                ...appliedActions(view, roles, undefined),
                ...view.list<ScheduledBackup>(scheduled).flatMap((one) => scheduleActions(view, one)),
                ...view.list<OfCluster>(backups).flatMap((one) => backupActions(view, one, store.state)),
                ...view
                    .list<Pod>(collections.pods)
                    .filter((pod) => isPlayed(pod, LISTS_ARCHIVES))
                    .flatMap((pod) => played(view, pod, listArchives(view, pod, store.state))),
            ];
            if (JSON.stringify(store.state) !== written) store.save();
            return actions;
        },
    };
}

/** What is wrong with a plugin that a cluster names; undefined: nothing. */
function pluginProblem(view: View, namespace: string, { name, parameters }: Plugin): string | undefined {
    const isServed = view
        .list<Service>(collections.services)
        .some(({ metadata }) => metadata.labels?.[PLUGIN_LABEL] === name);
    const runs = running(view, labelled({ "app.kubernetes.io/name": "plugin-barman-cloud" })) !== undefined;
    if (!isServed || !runs) return `Unknown plugin: '${name}'`;
    const store = objectStore(view, namespace, parameters?.barmanObjectName);
    if (store === undefined) return `ObjectStore "${parameters?.barmanObjectName ?? ""}" not found`;
    const secrets = new Map(view.list<Secret>(collections.secrets).map((secret) => [keyOf(secret), secret]));
    const missing = secretReferences(store.spec.configuration.s3Credentials).find(
        (reference) => secrets.get(`${namespace}/${reference.name}`)?.data?.[reference.key] === undefined,
    );
    return missing === undefined ? undefined : `missing key ${missing.key} in secret ${missing.name}`;
}

function objectStore(view: View, namespace: string, name: string | undefined): ObjectStore | undefined {
    return view.list<ObjectStore>(objectStores).find((one) => keyOf(one) === `${namespace}/${name ?? ""}`);
}

/** Where a plugin writes or reads: path and server name. */
function archiveOf(view: View, namespace: string, cluster: string, { parameters }: Plugin): string | undefined {
    const path = objectStore(view, namespace, parameters?.barmanObjectName)?.spec.configuration.destinationPath;
    return path === undefined ? undefined : `${path.replace(/\/$/, "")}/${parameters?.serverName ?? cluster}`;
}

function clusterActions(view: View, cluster: Cluster, state: Archives): Action[] {
    const { name, namespace = "", uid = "" } = cluster.metadata;
    const { spec } = cluster;
    const notReady = (phase: string, message: string, more: readonly ConditionNow[] = []) =>
        statusOf(clusters, cluster, view.now, { phase, phaseReason: message, instances: 0, readyInstances: 0 }, [
            { type: "Ready", status: "False", reason: "ClusterIsNotReady", message },
            ...more,
        ]);

    const plugins = spec.plugins ?? [];
    const source = (spec.externalClusters ?? []).find((one) => one.name === spec.bootstrap?.recovery?.source)?.plugin;
    const problem = [...plugins, ...(source === undefined ? [] : [source])]
        .map((plugin) => pluginProblem(view, namespace, plugin))
        .find((one) => one !== undefined);
    if (problem !== undefined) {
        return notReady("Cluster cannot proceed to reconciliation due to an unknown plugin being required", problem);
    }
    const storageClass = spec.storage?.storageClass;
    const classes = view.list<StorageClass>(collections.storageClasses).map(({ metadata }) => metadata.name);
    if (storageClass !== undefined && !classes.includes(storageClass)) {
        return notReady("Setting up primary", `storageclass.storage.k8s.io "${storageClass}" not found`);
    }

    const archiver = plugins.find(({ isWALArchiver }) => isWALArchiver === true);
    const target = archiver === undefined ? undefined : archiveOf(view, namespace, name, archiver);
    const writer = target === undefined ? undefined : state.archives[target]?.writer;
    const foreign = writer !== undefined && writer !== uid;
    const archiving: ConditionNow[] =
        target === undefined
            ? []
            : foreign
              ? [
                    {
                        type: "ContinuousArchiving",
                        status: "False",
                        reason: "ContinuousArchivingFailing",
                        message: `WAL archive check failed for server ${target}: Expected empty archive`,
                    },
                ]
              : [
                    {
                        type: "ContinuousArchiving",
                        status: "True",
                        reason: "ContinuousArchivingSuccess",
                        message: "Continuous archiving is working",
                    },
                ];
    if (spec.bootstrap?.recovery !== undefined && cluster.status?.["currentPrimary"] === undefined) {
        const from = source === undefined ? undefined : archiveOf(view, namespace, name, source);
        if (from === undefined || (state.archives[from]?.backups ?? 0) === 0) {
            return notReady("Setting up primary", `no target backup found in ${from ?? "an unnamed archive"}`);
        }
        // A restore looks before it begins; a new server only finds out.
        if (foreign)
            return notReady("Setting up primary", "WAL archive check failed: Expected empty archive", archiving);
    }
    if (target !== undefined && writer === undefined) {
        const from = source === undefined ? undefined : archiveOf(view, namespace, name, source);
        const data = (from === undefined ? undefined : state.archives[from]?.data) ?? uid;
        state.archives[target] = { writer: uid, data, backups: 0 };
    }

    const instanceNames = Array.from({ length: spec.instances }, (_, index) => `${name}-${index + 1}`);
    return [
        ...companions(view, cluster),
        ...statusOf(
            clusters,
            cluster,
            view.now,
            {
                phase: "Cluster in healthy state",
                phaseReason: "",
                instances: spec.instances,
                readyInstances: spec.instances,
                instanceNames,
                currentPrimary: instanceNames[0],
            },
            [{ type: "Ready", status: "True", reason: "ClusterIsReady", message: "Cluster is Ready" }, ...archiving],
        ),
    ];
}

/** Services and Secrets that the operator makes for a cluster. */
function companions(view: View, cluster: Cluster): Action[] {
    const { name, namespace = "" } = cluster.metadata;
    const metadata = (suffix: string) => ({
        name: `${name}-${suffix}`,
        namespace,
        labels: { "cnpg.io/cluster": name },
        ownerReferences: ownedBy(cluster, `${GROUP}/v1`, "Cluster"),
    });
    const services = { rw: "primary", ro: "replica", r: undefined };
    const present = new Map(view.list<Service>(collections.services).map((one) => [keyOf(one), one]));
    const secrets = new Set(view.list<Secret>(collections.secrets).map(keyOf));
    const users = ["app", ...(cluster.spec.enableSuperuserAccess === true ? ["superuser"] : [])];
    return [
        ...Object.entries(services).flatMap(([suffix, role]) => {
            const found = present.get(`${namespace}/${name}-${suffix}`);
            const wanted: KubeObject & { spec: object } = {
                apiVersion: "v1",
                kind: "Service",
                metadata: metadata(suffix),
                spec: {
                    selector: { "cnpg.io/cluster": name, ...(role !== undefined && { "cnpg.io/instanceRole": role }) },
                    ports: [{ name: "postgres", port: 5432, protocol: "TCP", targetPort: 5432 }],
                },
            };
            const typed = found === undefined ? undefined : { ...found, apiVersion: "v1", kind: "Service" };
            return ensure(collections.services, typed, wanted);
        }),
        ...users.flatMap((user): Action[] =>
            secrets.has(`${namespace}/${name}-${user}`)
                ? []
                : [
                      {
                          verb: "create",
                          path: collectionIn(collections.secrets, namespace),
                          body: {
                              apiVersion: "v1",
                              kind: "Secret",
                              type: "kubernetes.io/basic-auth",
                              metadata: metadata(user),
                              stringData: {
                                  username: user === "app" ? "app" : "postgres",
                                  password: `sandbox-${name}-${user}`,
                                  host: `${name}-rw`,
                                  port: "5432",
                              },
                          },
                      },
                  ],
        ),
    ];
}

function clusterOf(view: View, object: OfCluster | ScheduledBackup): Cluster | undefined {
    return view
        .list<Cluster>(clusters)
        .find((one) => keyOf(one) === `${object.metadata.namespace ?? ""}/${object.spec.cluster.name}`);
}

/** Databases and roles: done by a healthy primary; what only it can undo waits for it, unless it is gone for good. */
function appliedActions(view: View, list: string, finalizer: string | undefined): Action[] {
    const secrets = new Set(view.list<Secret>(collections.secrets).map(keyOf));
    return view.list<OfCluster>(list).flatMap((one) => {
        const cluster = clusterOf(view, one);
        const healthy = isTrue(cluster, "Ready");
        if (isLeaving(one)) {
            return finalizer !== undefined && (healthy || cluster === undefined) ? release(list, one, finalizer) : [];
        }
        if (!healthy) return [];
        const { passwordSecret } = one.spec;
        const missing =
            passwordSecret !== undefined && !secrets.has(`${one.metadata.namespace ?? ""}/${passwordSecret.name}`);
        const ownerless = list === databases && one.spec.owner !== undefined && !hasRole(view, one, one.spec.owner);
        const message = missing
            ? `secrets "${passwordSecret.name}" not found`
            : ownerless
              ? `role "${one.spec.owner ?? ""}" does not exist`
              : extensionFault(one, cluster);
        return [
            ...(finalizer === undefined ? [] : hold(list, one, finalizer)),
            ...statusOf(list, one, view.now, {
                applied: message === undefined,
                ...(message !== undefined && { message }),
                observedGeneration: one.metadata.generation ?? 1,
            }),
        ];
    });
}

/** What an extension must have before it, one after the other: the operator cascades nothing. */
const NEEDS: Readonly<Record<string, string>> = { earthdistance: "cube", vchord: "vector" };

/** Why an extension cannot be created; those that are in no image of CloudNativePG's own are recognised by name. */
function extensionFault({ spec: { extensions = [] } }: OfCluster, cluster: Cluster | undefined): string | undefined {
    const { imageName = "", postgresql } = cluster?.spec ?? {};
    const names = extensions.map(({ name }) => name);
    for (const [index, name] of names.entries()) {
        const needed = NEEDS[name];
        if (needed !== undefined && !names.slice(0, index).includes(needed)) {
            return `required extension "${needed}" is not installed`;
        }
        if (name !== "vchord") continue;
        if (!imageName.includes("vectorchord")) return `extension "${name}" is not available`;
        if (postgresql?.shared_preload_libraries?.includes("vchord.so") !== true) {
            return "vchord must be loaded via shared_preload_libraries";
        }
    }
    return undefined;
}

function hasRole(view: View, database: OfCluster, role: string): boolean {
    const managed = clusterOf(view, database)?.spec as
        { managed?: { roles?: readonly { name: string }[] }; bootstrap?: { initdb?: { owner?: string } } } | undefined;
    return (
        ["app", "postgres", managed?.bootstrap?.initdb?.owner].includes(role) ||
        (managed?.managed?.roles ?? []).some(({ name }) => name === role) ||
        view
            .list<OfCluster>(roles)
            .some(
                (one) =>
                    (one.spec.name ?? one.metadata.name) === role &&
                    one.spec.cluster.name === database.spec.cluster.name &&
                    one.status?.["applied"] === true,
            )
    );
}

/** The first backup, where it is wanted at once; later ones are a day away. */
function scheduleActions(view: View, one: ScheduledBackup): Action[] {
    if (isLeaving(one) || one.spec.immediate !== true || one.status?.["lastScheduleTime"] !== undefined) return [];
    if (!isTrue(clusterOf(view, one), "Ready")) return [];
    const { name, namespace, uid = "" } = one.metadata;
    const { cluster, method, pluginConfiguration } = one.spec;
    return [
        {
            verb: "create",
            path: collectionIn(backups, namespace),
            body: {
                apiVersion: `${GROUP}/v1`,
                kind: "Backup",
                metadata: {
                    name: `${name}-${uid.slice(0, 8)}`,
                    namespace,
                    labels: { "cnpg.io/cluster": cluster.name, "cnpg.io/scheduled-backup": name },
                    ownerReferences: ownedBy(one, `${GROUP}/v1`, "ScheduledBackup"),
                },
                spec: {
                    cluster,
                    ...(method !== undefined && { method }),
                    ...(pluginConfiguration !== undefined && { pluginConfiguration }),
                },
            },
        },
        ...statusOf(scheduled, one, view.now, { lastScheduleTime: timestamp(view.now) }),
    ];
}

function backupActions(view: View, one: OfCluster, state: Archives): Action[] {
    const done = one.status?.["phase"] === "completed";
    const cluster = clusterOf(view, one);
    if (done || isLeaving(one) || !isTrue(cluster, "Ready") || !isTrue(cluster, "ContinuousArchiving")) return [];
    const archiver = cluster?.spec.plugins?.find(({ isWALArchiver }) => isWALArchiver === true);
    const { name = "", namespace = "" } = cluster?.metadata ?? {};
    const target = archiver === undefined ? undefined : archiveOf(view, namespace, name, archiver);
    const archive = target === undefined ? undefined : state.archives[target];
    if (target !== undefined && archive !== undefined) {
        state.archives[target] = { ...archive, backups: archive.backups + 1 };
    }
    const now = timestamp(view.now);
    return statusOf(backups, one, view.now, { phase: "completed", startedAt: now, stoppedAt: now });
}

/** What a pod that lists a bucket says: each archive with or without a complete base backup, or why it cannot say. */
function listArchives(view: View, pod: Pod, state: Archives): string {
    const env = pod.spec.containers[0]?.env ?? [];
    const value = (name: string) => env.find((one) => one.name === name)?.value ?? "";
    const secrets = new Map(view.list<Secret>(collections.secrets).map((secret) => [keyOf(secret), secret]));
    const missing = env
        .flatMap(({ valueFrom }) => valueFrom?.secretKeyRef ?? [])
        .find(({ name, key }) => secrets.get(`${pod.metadata.namespace ?? ""}/${name}`)?.data?.[key] === undefined);
    if (missing !== undefined) return `!key ${missing.key} of secret ${missing.name} is missing`;
    const prefix = `s3://${value("BUCKET")}/${value("FOLDER")}${value("SERVER")}-v`;
    const found = Object.entries(state.archives)
        .filter(([path]) => path.startsWith(prefix))
        .map(([path, { backups: count }]) => [Number(path.slice(prefix.length)), count] as const)
        .sort(([a], [b]) => a - b)
        .map(([life, count]) => `${value("SERVER")}-v${life}=${count > 0 ? "complete" : "incomplete"}`);
    return found.join(" ") || "none";
}
