import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { clusterCommand } from "../cluster/cluster-command";
import type { Cluster } from "../platform";
import type { SecretStore } from "../secrets/secret-store";
import type { Redis, RedisArgs, RedisPurpose, RedisServers } from "./redis";
import { RedisLogin } from "./redis-login";
import { RedisEnterpriseOperator } from "./redis-enterprise-operator";

/** Namespace of operator, cluster and databases: an operator is for one namespace, and takes one cluster there. */
export const REDIS_ENTERPRISE_NAMESPACE = "redis-enterprise";

const PORT = 6379;

/** Values in the secret store. Passwords stand in URLs: letters and digits. */
export const REDIS_SECRETS = {
    cache: "redis.cachePassword",
    queue: "redis.queuePassword",
    licence: "redis.licence",
    s3AccessKeyId: "redis.s3AccessKeyId",
    s3SecretAccessKey: "redis.s3SecretAccessKey",
} as const;

/** Where the queue is saved to: an S3 server outside the cluster. */
export interface RedisBackup {
    /** URL of the server. */
    readonly endpoint: string;
    readonly bucket: string;
    /** In the bucket; each database has one of its own below. */
    readonly folder: string;
    readonly region: string;
    readonly everyHours: number;
}

/** Names of the databases and of their Services. */
export const redisDatabase = (purpose: RedisPurpose): string => `redis-${purpose}`;

export interface RedisEnterpriseArgs {
    cluster: Pick<Cluster, "kubeconfig" | "generation">;
    /** `REDIS_ENTERPRISE_NAMESPACE`, known once it is there. */
    namespace: pulumi.Output<string>;
    /** Name of the cluster of Redis Enterprise. */
    server: string;
    /** An odd number from three. */
    nodes: number;
    /** What each node has: requested, and never more. */
    cpu: string;
    memory: string;
    /** Of each node's volume. */
    storage: string;
    storageClass: pulumi.Output<string>;
    /** True: the secret store has a licence; otherwise it is a trial of 30 days with four shards. */
    licence: boolean;
    /** Memory of each database with its copy, in binary megabytes, and the shards that it is divided into, its copy's not counted. */
    databases: Readonly<Record<RedisPurpose, { readonly megabytes: number; readonly shards: number }>>;
    /** Absent: what is in the queue is on the nodes' volumes alone. */
    backup?: RedisBackup;
    secrets: SecretStore;
}

/** How a database behaves by what it is for. A queue has a copy on another node, and what was said survives a restart. */
export const REDIS_BEHAVIOUR = {
    cache: { evictionPolicy: "allkeys-lru", persistence: "disabled", replication: false, saved: false },
    queue: { evictionPolicy: "noeviction", persistence: "aofEverySecond", replication: true, saved: true },
} as const satisfies Record<RedisPurpose, object>;

/** As the operator spells it. */
function behaviour(purpose: RedisPurpose) {
    const { evictionPolicy, persistence, replication } = REDIS_BEHAVIOUR[purpose];
    return { evictionPolicy, persistence, replication };
}

/**
 * Redis that workloads share: a cluster of Redis Enterprise with a database for caches and one for queues. The queue is saved
 * to a bucket at intervals; nothing is put back by itself, because a job that was done since would be done twice.
 *
 * Order: operator, cluster, webhook, databases. On destroy the other way round: a database and a cluster have finalizers
 * that only the operator takes away, and to take one away is a change of the object, which the webhook would refuse without
 * a server behind it.
 */
export class RedisEnterprise extends pulumi.ComponentResource implements RedisServers {
    readonly #args: RedisEnterpriseArgs;
    readonly #databases: Readonly<Record<RedisPurpose, k8s.apiextensions.CustomResource>>;

    constructor(name: string, args: RedisEnterpriseArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:database:RedisEnterprise", name, {}, opts);
        this.#args = args;
        const { cluster, namespace, server, secrets } = args;
        const operator = new RedisEnterpriseOperator(`${name}-operator`, { cluster, namespace }, { parent: this });
        const volumes = clusterCommand(
            `${name}-volumes`,
            cluster,
            {
                create: "kubectl get --raw /version > /dev/null",
                delete: VOLUMES_GONE,
                environment: { NAMESPACE: namespace, SERVER: server, NODES: String(args.nodes) },
            },
            { parent: this },
        );
        const licence = args.licence
            ? secrets.deliver(
                  `${name}-licence`,
                  { name: `${server}-licence`, namespace, data: { license: REDIS_SECRETS.licence } },
                  { parent: this },
              )
            : undefined;
        const credentials =
            args.backup === undefined
                ? undefined
                : secrets.deliver(
                      `${name}-backup`,
                      {
                          name: `${server}-backup`,
                          namespace,
                          data: {
                              AWS_ACCESS_KEY_ID: REDIS_SECRETS.s3AccessKeyId,
                              AWS_SECRET_ACCESS_KEY: REDIS_SECRETS.s3SecretAccessKey,
                          },
                      },
                      { parent: this },
                  );
        const rec = new k8s.apiextensions.CustomResource(
            name,
            {
                apiVersion: "app.redislabs.com/v1",
                kind: "RedisEnterpriseCluster",
                metadata: {
                    name: server,
                    namespace,
                    annotations: { "pulumi.com/waitFor": "jsonpath={.status.state}=Running" },
                },
                spec: clusterSpec(args, licence),
            },
            {
                parent: this,
                dependsOn: [operator.deployment, volumes],
                // Its nodes come up one after the other, each with a volume and an image of a gigabyte.
                customTimeouts: { create: "40m", update: "60m", delete: "20m" },
            },
        );
        const database = (purpose: RedisPurpose): k8s.apiextensions.CustomResource => {
            const called = redisDatabase(purpose);
            const password = secrets.deliver(
                `${name}-${purpose}`,
                { name: called, namespace, data: { password: REDIS_SECRETS[purpose] } },
                { parent: this },
            );
            return new k8s.apiextensions.CustomResource(
                `${name}-${purpose}-database`,
                {
                    apiVersion: "app.redislabs.com/v1alpha1",
                    kind: "RedisEnterpriseDatabase",
                    metadata: {
                        name: called,
                        namespace,
                        annotations: { "pulumi.com/waitFor": "jsonpath={.status.status}=active" },
                    },
                    spec: databaseSpec(args, purpose, password, credentials),
                },
                { parent: this, dependsOn: [rec, operator.webhook] },
            );
        };
        this.#databases = { cache: database("cache"), queue: database("queue") };
        this.registerOutputs({});
    }

    /** A place in the database for this purpose, and its password where the workload reads it. */
    redis(name: string, { app, purpose, namespace }: RedisArgs, opts: pulumi.ComponentResourceOptions): Redis {
        const { secrets } = this.#args;
        const host = `${redisDatabase(purpose)}.${REDIS_ENTERPRISE_NAMESPACE}.svc.cluster.local`;
        const { secret } = new RedisLogin(
            `${name}-redis`,
            { app, namespace, host, port: PORT, password: REDIS_SECRETS[purpose], secrets },
            opts,
        );
        return {
            // Known once the database is there.
            host: this.#databases[purpose].metadata.name.apply(() => host),
            port: PORT,
            password: { secret, key: "password", url: "url" },
            connects: `http://${host}:${PORT}`,
            prefix: `${app}:`,
        };
    }
}

function clusterSpec(args: RedisEnterpriseArgs, licence: pulumi.Output<string> | undefined) {
    const { nodes, cpu, memory, storage, storageClass } = args;
    return {
        nodes,
        persistentSpec: { enabled: true, storageClassName: storageClass, volumeSize: storage },
        redisEnterpriseNodeResources: { requests: { cpu, memory }, limits: { cpu, memory } },
        redisEnterpriseServicesRiggerResources: { requests: RIGGER_REQUESTS, limits: RIGGER_REQUESTS },
        // Its page is for those who operate it, through kubectl.
        uiServiceType: "ClusterIP",
        servicesRiggerSpec: { databaseServiceType: "cluster_ip", serviceNaming: "bdb_name" },
        ...(licence === undefined ? {} : { licenseSecretName: licence }),
        // Any S3 server but Amazon's is told to the cluster as a whole.
        ...(args.backup === undefined ? {} : { backup: { s3: { url: args.backup.endpoint } } }),
    };
}

/** What the program beside the nodes requests that makes the databases' Services. */
export const RIGGER_REQUESTS = { cpu: "500m", memory: "512Mi" } as const;

function databaseSpec(
    { databases, server, backup }: RedisEnterpriseArgs,
    purpose: RedisPurpose,
    password: pulumi.Output<string>,
    credentials: pulumi.Output<string> | undefined,
) {
    const { megabytes, shards } = databases[purpose];
    const kept = backup !== undefined && credentials !== undefined && REDIS_BEHAVIOUR[purpose].saved;
    return {
        redisEnterpriseCluster: { name: server },
        databaseSecretName: password,
        databaseServicePort: PORT,
        memorySize: `${megabytes}MB`,
        shardCount: shards,
        ...behaviour(purpose),
        ...(kept
            ? {
                  backup: {
                      interval: backup.everyHours * 3600,
                      s3: {
                          awsSecretName: credentials,
                          bucketName: backup.bucket,
                          subdir: `${backup.folder}/${redisDatabase(purpose)}`,
                          regionName: backup.region,
                      },
                  },
              }
            : {}),
    };
}

/** The claims stay when the cluster goes, and a new one of its name would start on nodes that belong to the old one. */
const VOLUMES_GONE = `
for node in $(seq 0 $((NODES - 1))); do
  kubectl --namespace "$NAMESPACE" delete persistentvolumeclaim "redis-enterprise-storage-$SERVER-$node" --ignore-not-found --timeout=300s
done`.trim();
