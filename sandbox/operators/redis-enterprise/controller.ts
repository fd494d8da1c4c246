/**
 * Redis Enterprise's operator: a certificate for its webhook, clusters of as many nodes as there are machines, and databases
 * within what the licence and the nodes' memory allow. Nobody answers a webhook in a sandbox; so what that one would refuse,
 * a database for a cluster that does not run, fails here for good.
 */
import {
    type Action,
    collectionIn,
    collections,
    type Controller,
    resources,
    type View,
} from "../../controllers/controller";
import {
    type CustomResource,
    ensure,
    hold,
    isLeaving,
    labelled,
    ownedBy,
    release,
    statusOf,
    timestamp,
} from "../../controllers/custom-resources";
import {
    type Deployment,
    isRolledOut,
    keyOf,
    type KubeObject,
    type Secret,
    type Service,
} from "../../controllers/objects";

const GROUP = "app.redislabs.com";
const clusters = resources(GROUP, "v1", "redisenterpriseclusters");
const databases = resources(GROUP, "v1alpha1", "redisenterprisedatabases");
const sets = "/apis/apps/v1/statefulsets";

const CLUSTER_FINALIZER = "redbfinalizer.redisenterpriseclusters.app.redislabs.com";
const DATABASE_FINALIZER = "finalizer.redisenterprisedatabases.app.redislabs.com";

/** What a trial allows, and what a node keeps for Redis Enterprise's own programs. */
const TRIAL_SHARDS = 4;
const OVERHEAD = 2 ** 30;

interface Quantities {
    readonly requests?: Readonly<Record<string, string>>;
    readonly limits?: Readonly<Record<string, string>>;
}

type Cluster = CustomResource<{
    readonly nodes: number;
    readonly licenseSecretName?: string;
    readonly license?: string;
    readonly persistentSpec?: {
        readonly enabled?: boolean;
        readonly storageClassName?: string;
        readonly volumeSize?: string;
    };
    readonly redisEnterpriseNodeResources?: Quantities;
}>;

type Database = CustomResource<{
    readonly redisEnterpriseCluster?: { readonly name: string };
    readonly memorySize?: string;
    readonly shardCount?: number;
    readonly replication?: boolean;
    readonly databaseSecretName?: string;
    readonly databaseServicePort?: number;
    readonly backup?: { readonly interval?: number; readonly s3?: { readonly awsSecretName?: string } };
}>;

interface StatefulSet extends KubeObject {
    readonly spec: { readonly replicas?: number };
    readonly status?: { readonly readyReplicas?: number };
}

export const redisEnterprise: Controller = {
    name: "redis-enterprise",
    lists: [collections.deployments, collections.secrets, collections.services, sets, clusters, databases],
    reconcile(view) {
        return view
            .list<Deployment>(collections.deployments)
            .filter(labelled({ app: "redis-enterprise", name: "redis-enterprise-operator" }))
            .filter(isRolledOut)
            .flatMap(({ metadata: { namespace = "" } }) => operator(view, namespace));
    },
};

/** An operator looks after its own namespace alone. */
function operator(view: View, namespace: string): Action[] {
    const own = <T extends KubeObject>(collection: string): T[] =>
        view.list<T>(collection).filter(({ metadata }) => metadata.namespace === namespace);
    const [cluster, ...more] = own<Cluster>(clusters);
    return [
        ...madeOnce(view, namespace, "admission-tls", { cert: "sandbox-certificate", privateKey: "sandbox-key" }),
        ...(cluster === undefined ? [] : clusterActions(view, cluster, own<Database>(databases))),
        // A namespace has one.
        ...more.flatMap((one) => statusOf(clusters, one, view.now, { state: "Invalid" })),
        ...own<Database>(databases).flatMap((one) => databaseActions(view, one, cluster, own<Database>(databases))),
    ];
}

/** A Secret that the operator makes once, and leaves alone where a person made it. */
function madeOnce(view: View, namespace: string, name: string, stringData: Record<string, string>): Action[] {
    const there = view.list<Secret>(collections.secrets).some((one) => keyOf(one) === `${namespace}/${name}`);
    const body = { apiVersion: "v1", kind: "Secret", metadata: { name, namespace }, stringData };
    return there ? [] : [{ verb: "create", path: collectionIn(collections.secrets, namespace), body }];
}

const licensed = (view: View, { spec, metadata }: Cluster): boolean =>
    spec.license !== undefined ||
    (spec.licenseSecretName !== undefined &&
        view
            .list<Secret>(collections.secrets)
            .some(
                (one) =>
                    keyOf(one) === `${metadata.namespace ?? ""}/${spec.licenseSecretName ?? ""}` &&
                    one.data?.["license"] !== undefined,
            ));

function clusterActions(view: View, cluster: Cluster, all: readonly Database[]): Action[] {
    const { name, namespace = "" } = cluster.metadata;
    const { nodes, persistentSpec, redisEnterpriseNodeResources: node, licenseSecretName } = cluster.spec;
    if (isLeaving(cluster)) {
        return all.length > 0 ? [] : release(clusters, cluster, CLUSTER_FINALIZER);
    }
    const unlicensed = licenseSecretName !== undefined && !licensed(view, cluster);
    if (nodes < 3 || nodes % 2 === 0 || unlicensed || toBytes(node?.requests?.["memory"] ?? "4Gi") < toBytes("4Gi")) {
        return statusOf(clusters, cluster, view.now, { state: "Invalid" });
    }
    const labels = { app: "redis-enterprise", "redis.io/cluster": name, "redis.io/role": "node" };
    const set = view.list<StatefulSet>(sets).find((one) => keyOf(one) === `${namespace}/${name}`);
    const ready = (set?.status?.readyReplicas ?? 0) >= nodes;
    const wanted = {
        apiVersion: "apps/v1",
        kind: "StatefulSet",
        metadata: {
            name,
            namespace,
            labels,
            ownerReferences: ownedBy(cluster, `${GROUP}/v1`, "RedisEnterpriseCluster"),
        },
        spec: {
            replicas: nodes,
            serviceName: name,
            selector: { matchLabels: labels },
            template: {
                metadata: { labels },
                spec: {
                    affinity: {
                        podAntiAffinity: {
                            requiredDuringSchedulingIgnoredDuringExecution: [
                                { labelSelector: { matchLabels: labels }, topologyKey: "kubernetes.io/hostname" },
                            ],
                        },
                    },
                    containers: [
                        {
                            name: "redis-enterprise-node",
                            image: "redislabs/redis:sandbox",
                            ...(node === undefined ? {} : { resources: node }),
                        },
                    ],
                },
            },
            ...(persistentSpec?.enabled === true
                ? {
                      volumeClaimTemplates: [
                          {
                              metadata: { name: "redis-enterprise-storage" },
                              spec: {
                                  accessModes: ["ReadWriteOnce"],
                                  ...(persistentSpec.storageClassName === undefined
                                      ? {}
                                      : { storageClassName: persistentSpec.storageClassName }),
                                  resources: { requests: { storage: persistentSpec.volumeSize ?? "20Gi" } },
                              },
                          },
                      ],
                  }
                : {}),
        },
    };
    const limit = licensed(view, cluster) ? 100 : TRIAL_SHARDS;
    return [
        ...hold(clusters, cluster, CLUSTER_FINALIZER),
        ...madeOnce(view, namespace, name, { username: "demo@redislabs.com", password: `sandbox-${name}` }),
        // Claims of a set cannot be changed, so it is made once.
        ...(set === undefined ? [{ verb: "create" as const, path: collectionIn(sets, namespace), body: wanted }] : []),
        ...statusOf(clusters, cluster, view.now, {
            state: ready ? "Running" : "Initializing",
            licenseStatus: {
                expirationDate: expires(cluster, view.now),
                shardsLimit: limit,
            },
        }),
    ];
}

const expires = ({ metadata: { creationTimestamp } }: Cluster, now: number): string => {
    const born = creationTimestamp === undefined ? now : Date.parse(creationTimestamp);
    return timestamp(born + 30 * 24 * 3600 * 1000);
};

const isActive = ({ status }: Database): boolean => status?.["status"] === "active";
const shardsOf = ({ spec: { shardCount = 1, replication = false } }: Database): number =>
    shardCount * (replication ? 2 : 1);
const used = (all: readonly Database[]): number => all.reduce((sum, one) => sum + shardsOf(one), 0);

/** Its memory limit, which counts its copy. */
const memoryOf = ({ spec: { memorySize = "100MB" } }: Database): number => toBytes(memorySize.replace("B", "i"));

function databaseActions(
    view: View,
    database: Database,
    cluster: Cluster | undefined,
    all: readonly Database[],
): Action[] {
    const { name, namespace = "" } = database.metadata;
    const { redisEnterpriseCluster, databaseSecretName = `redb-${name}`, databaseServicePort } = database.spec;
    if (isLeaving(database)) {
        return cluster === undefined || cluster.status?.["state"] === "Running"
            ? release(databases, database, DATABASE_FINALIZER)
            : [];
    }
    if (database.status?.["status"] === "creation-failed") return [];
    const failed = (): Action[] => statusOf(databases, database, view.now, { status: "creation-failed" });
    const mine = cluster !== undefined && cluster.metadata.name === (redisEnterpriseCluster?.name ?? "");
    const unsaved = unsavable(view, database);
    if (isActive(database)) {
        return [
            ...service(view, database, databaseServicePort),
            ...(database.spec.backup === undefined || unsaved ? [] : saved(view, database)),
        ];
    }
    if (unsaved || !mine || cluster.status?.["state"] !== "Running") return failed();
    const others = all.filter((one) => one !== database && isActive(one));
    const limit = licensed(view, cluster) ? 100 : TRIAL_SHARDS;
    const node = toBytes(cluster.spec.redisEnterpriseNodeResources?.limits?.["memory"] ?? "4Gi") - OVERHEAD;
    const taken = others.reduce((sum, one) => sum + memoryOf(one), memoryOf(database));
    if (
        used([...others, database]) > limit ||
        taken > node * cluster.spec.nodes ||
        // A shard is on one node.
        memoryOf(database) / shardsOf(database) > node ||
        memoryOf(database) < toBytes("100Mi")
    ) {
        return failed();
    }
    return [
        ...hold(databases, database, DATABASE_FINALIZER),
        ...madeOnce(view, namespace, databaseSecretName, { password: `sandbox-${name}` }),
        ...service(view, database, databaseServicePort),
        ...statusOf(databases, database, view.now, {
            status: "active",
            databaseUID: String(others.length + 1),
        }),
    ];
}

/** The operator reads the bucket's credentials before it makes the database, and takes none without both. */
function unsavable(view: View, { spec: { backup }, metadata: { namespace = "" } }: Database): boolean {
    const name = backup?.s3?.awsSecretName;
    if (name === undefined) return false;
    const found = view.list<Secret>(collections.secrets).find((one) => keyOf(one) === `${namespace}/${name}`);
    return !["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].every((key) => (found?.data?.[key] ?? "") !== "");
}

/** Once: nobody waits a day here. */
const saved = (view: View, database: Database): Action[] =>
    database.status?.["backupInfo"] === undefined
        ? statusOf(databases, database, view.now, {
              ...database.status,
              backupInfo: {
                  backupInterval: database.spec.backup?.interval ?? 86_400,
                  lastBackupTime: timestamp(view.now),
              },
          })
        : [];

/** The services rigger's, called as the database. */
function service(view: View, database: Database, port = 10_000): Action[] {
    const { name, namespace = "" } = database.metadata;
    const present = view.list<Service>(collections.services).find((one) => keyOf(one) === `${namespace}/${name}`);
    const wanted: KubeObject & { spec: object } = {
        apiVersion: "v1",
        kind: "Service",
        metadata: {
            name,
            namespace,
            labels: { app: "redis-enterprise", "redis.io/bdb": name },
            ownerReferences: ownedBy(database, `${GROUP}/v1alpha1`, "RedisEnterpriseDatabase"),
        },
        spec: { ports: [{ name: "redis", port, protocol: "TCP", targetPort: 10_000 }] },
    };
    const typed = present === undefined ? undefined : { ...present, apiVersion: "v1", kind: "Service" };
    return ensure(collections.services, typed, wanted);
}

const UNITS: Readonly<Record<string, number>> = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 };

function toBytes(quantity: string): number {
    return Number(quantity.slice(0, -2)) * (UNITS[quantity.slice(-2)] ?? Number.NaN);
}
