import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { clusterCommand } from "../cluster/cluster-command";
import { contentHash } from "../cluster/content-hash";
import type { AppDelivery } from "../gitops/delivery";
import type { Cluster } from "../platform";
import type { SecretStore } from "../secrets/secret-store";
import type { CloudNativePg } from "./cloudnative-pg";
import type { Database, DatabaseArgs, Databases } from "./databases";
import { imageReference, images } from "../images";
import { inFolder, postgresLife, type PostgresLife } from "./postgres-archives";
import { PostgresDatabase } from "./postgres-database";
import { LAST_BACKUP, readyScript } from "./postgres-scripts";

export interface PostgresClusterArgs {
    cluster: Pick<Cluster, "kubeconfig">;
    operator: CloudNativePg;
    /** Name of the server, of its Services (`<server>-rw`, `-ro`, `-r`) and of its archives. */
    server: string;
    /** Whether other servers are in its namespace. */
    amongOthers: boolean;
    /** Namespace of the server, its databases and their roles. */
    namespace: pulumi.Output<string>;
    instances: number;
    /** Size of each instance's volume. */
    storage: string;
    /** Size of another volume of each instance, for the WAL alone; absent: it is on the same. */
    walStorage?: string | undefined;
    storageClass: pulumi.Output<string>;
    /** Limit of each instance. */
    memory: string;
    /** Whether its image has VectorChord, and its library is loaded from the start. */
    vectorChord: boolean;
    /** Where base backups and WAL go. `folder`: in the bucket; absent: its root. */
    backup: { endpoint: string; bucket: string; folder?: string | undefined };
    /** How long backups are kept, e.g. 14d. */
    retention: string;
    /** Archives that a new server never starts from, e.g. postgres-v2: damaged ones, or leftovers without a base backup. */
    ignoreArchives: readonly string[];
    /** Key of the configuration that says `ignoreArchives`, for messages. */
    ignoredBy: string;
    /** Whether deleting the server takes a last base backup first. */
    beforeDestroy: boolean;
    secrets: SecretStore;
    /** Who delivers what Prometheus asks it by, and the name of `namespace`; absent: Pulumi. */
    monitor?: { readonly delivery: AppDelivery; readonly namespace: string } | undefined;
}

const PLUGIN = "barman-cloud.cloudnative-pg.io";
const PORT = 5432;

/** What each instance requests: the server, and the plugin beside it that archives. */
const REQUESTS = { server: { cpu: "100m", memory: "512Mi" }, archiver: { cpu: "10m", memory: "64Mi" } } as const;

/** Least limit of an instance. */
export const POSTGRES_LEAST_MEMORY = REQUESTS.server.memory;

/** The same in all. */
export const POSTGRES_REQUESTS = { cpu: "110m", memory: "576Mi" } as const;

/** Values in the secret store. */
export const POSTGRES_SECRETS = {
    ACCESS_KEY_ID: "cnpg.s3AccessKeyId",
    ACCESS_SECRET_KEY: "cnpg.s3SecretAccessKey",
} as const;

/**
 * PostgreSQL for every workload that wants a database: streaming replicas, WAL archive, daily backups.
 *
 * Each life of the server writes an archive of its own, since CloudNativePG refuses to write into another's, and starts
 * from what the newest one before left. No workload has a database before the life has a complete base backup, so an
 * archive without one holds nothing of theirs.
 */
export class PostgresCluster extends pulumi.ComponentResource implements Databases {
    readonly #args: PostgresClusterArgs;
    /** Done when the server answers, archives and can be restored. */
    readonly #ready: pulumi.Resource;

    constructor(name: string, args: PostgresClusterArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:database:PostgresCluster", name, {}, opts);
        this.#args = args;
        const { namespace, server } = args;
        const scripts = { life: `${name}-life`, ignoredBy: args.ignoredBy, amongOthers: args.amongOthers };
        const afterOperator = { parent: this, dependsOn: [args.operator.release, args.operator.plugin] };
        const credentials = args.secrets.deliver(
            `${name}-s3`,
            { name: `${server}-s3`, namespace, data: POSTGRES_SECRETS },
            { parent: this },
        );
        const archive = new k8s.apiextensions.CustomResource(
            `${name}-archive`,
            {
                apiVersion: "barmancloud.cnpg.io/v1",
                kind: "ObjectStore",
                metadata: { name: server, namespace },
                spec: objectStoreSpec(args, credentials),
            },
            afterOperator,
        );
        const life = postgresLife(
            `${name}-life`,
            {
                cluster: args.cluster,
                server,
                namespace,
                bucket: args.backup,
                credentials,
                ignore: args.ignoreArchives,
                ignoredBy: args.ignoredBy,
                bornWith: archive.metadata.uid,
            },
            { parent: this, dependsOn: archive },
        );
        const wanted = serverSpec(args);
        // Not awaited here: what is deleted before it must be in the state however long it takes to come up.
        const cluster = new k8s.apiextensions.CustomResource(
            name,
            {
                apiVersion: "postgresql.cnpg.io/v1",
                kind: "Cluster",
                metadata: { name: server, namespace },
                spec: { ...wanted, ...lifeSpec(archive.metadata.name, life) },
            },
            afterOperator,
        );
        const schedule = new k8s.apiextensions.CustomResource(
            `${name}-backup`,
            {
                apiVersion: "postgresql.cnpg.io/v1",
                kind: "ScheduledBackup",
                metadata: { name: server, namespace },
                spec: {
                    // Seconds come first: CloudNativePG reads six fields.
                    schedule: "0 0 0 * * *",
                    immediate: true,
                    backupOwnerReference: "self",
                    cluster: { name: server },
                    method: "plugin",
                    pluginConfiguration: { name: PLUGIN },
                },
            },
            { parent: this, dependsOn: cluster },
        );
        const environment = { NAMESPACE: namespace, SERVER: server };
        const lastBackup = clusterCommand(
            `${name}-last-backup`,
            args.cluster,
            {
                create: "kubectl get --raw /version > /dev/null",
                // Never without: switching it off is an update then, and not a replacement, which would run it.
                delete: args.beforeDestroy ? LAST_BACKUP : ":",
                environment,
            },
            { parent: this, dependsOn: cluster },
        );
        this.#ready = clusterCommand(
            `${name}-ready`,
            args.cluster,
            { create: readyScript(scripts), triggers: [cluster.metadata.uid, contentHash(wanted)], environment },
            { parent: this, dependsOn: [schedule, lastBackup] },
        );
        const delivery = args.monitor?.delivery.begin(this, `${name}-metrics`, args.monitor.namespace);
        const objects = delivery === undefined ? { parent: this } : delivery.objects;
        const monitor =
            objects &&
            new k8s.apiextensions.CustomResource(
                `${name}-metrics`,
                {
                    apiVersion: "monitoring.coreos.com/v1",
                    kind: "PodMonitor",
                    metadata: { name: server, namespace },
                    spec: {
                        selector: { matchLabels: { "cnpg.io/cluster": server, "cnpg.io/podRole": "instance" } },
                        podMetricsEndpoints: [{ port: "metrics" }],
                    },
                },
                objects,
            );
        delivery?.settled([monitor?.urn]);
        this.registerOutputs({});
    }

    /** A database and a role that owns it. Both stay on the server when the workload goes. */
    postgres(name: string, args: DatabaseArgs, opts: pulumi.ComponentResourceOptions): Database {
        const { namespace, server, secrets } = this.#args;
        return new PostgresDatabase(
            `${name}-postgres`,
            {
                ...args,
                server: { name: server, namespace, host: `${server}-rw`, port: PORT, ready: this.#ready },
                secrets,
            },
            opts,
        ).access;
    }
}

function objectStoreSpec(args: PostgresClusterArgs, credentials: pulumi.Output<string>) {
    return {
        retentionPolicy: args.retention,
        configuration: {
            destinationPath: `s3://${args.backup.bucket}/${inFolder(args.backup.folder)}`,
            endpointURL: args.backup.endpoint,
            s3Credentials: {
                accessKeyId: { name: credentials, key: "ACCESS_KEY_ID" },
                secretAccessKey: { name: credentials, key: "ACCESS_SECRET_KEY" },
            },
            data: { compression: "bzip2" },
            wal: { compression: "bzip2", maxParallel: 4 },
        },
        instanceSidecarConfiguration: {
            resources: { requests: REQUESTS.archiver, limits: { memory: "512Mi" } },
        },
    };
}

function serverSpec(args: PostgresClusterArgs) {
    return {
        instances: args.instances,
        ...(args.vectorChord
            ? {
                  imageName: imageReference(images.postgresVectorChord),
                  postgresql: { shared_preload_libraries: ["vchord.so"] },
              }
            : {}),
        storage: { size: args.storage, storageClass: args.storageClass },
        ...(args.walStorage === undefined
            ? {}
            : { walStorage: { size: args.walStorage, storageClass: args.storageClass } }),
        // One on each node: with two on one, a node's loss takes a majority.
        affinity: { enablePodAntiAffinity: true, podAntiAffinityType: "required" },
        resources: { requests: REQUESTS.server, limits: { memory: args.memory } },
        primaryUpdateStrategy: "unsupervised",
    };
}

/** Where the server archives to and where it comes from. */
function lifeSpec(store: pulumi.Input<string>, life: pulumi.Output<PostgresLife>) {
    return {
        plugins: [{ ...plugin(store, life.archive), isWALArchiver: true }],
        bootstrap: life.apply(bootstrap),
        externalClusters: life.apply(({ from }) =>
            from === undefined ? undefined : [{ name: from, plugin: plugin(store, from) }],
        ),
    };
}

const plugin = (store: pulumi.Input<string>, archive: pulumi.Input<string>) => ({
    name: PLUGIN,
    parameters: { barmanObjectName: store, serverName: archive },
});

/** How the first instance comes to its data. */
export function bootstrap({ from }: PostgresLife) {
    return from === undefined ? { initdb: { database: "app", owner: "app" } } : { recovery: { source: from } };
}
