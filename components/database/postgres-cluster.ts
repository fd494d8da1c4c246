import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { SecretStore } from "../secrets/secret-store";
import type { CloudNativePg } from "./cloudnative-pg";
import type { Database, DatabaseArgs, Databases } from "./databases";
import { PostgresDatabase } from "./postgres-database";

export interface PostgresClusterArgs {
    operator: CloudNativePg;
    /** Namespace of the server, its databases and their roles. */
    namespace: pulumi.Output<string>;
    instances: number;
    /** Size of each instance's volume. */
    storage: string;
    storageClass: pulumi.Output<string>;
    /** Where base backups and WAL go. */
    backup: { endpoint: string; bucket: string };
    /** How long backups are kept, e.g. 14d. */
    retention: string;
    /**
     * Counts the lives of this server. Each writes an archive of its own, since CloudNativePG refuses to write into
     * another's; from the second on it starts from what the one before left.
     */
    generation: number;
    secrets: SecretStore;
}

/** Name of the shared server, of its Services (`postgres-rw`, `-ro`, `-r`) and of its archives. */
const SERVER = "postgres";
const PLUGIN = "barman-cloud.cloudnative-pg.io";
const PORT = 5432;

/** Values in the secret store. */
export const POSTGRES_SECRETS = {
    ACCESS_KEY_ID: "cnpg.s3AccessKeyId",
    ACCESS_SECRET_KEY: "cnpg.s3SecretAccessKey",
} as const;

/** PostgreSQL for every workload that wants a database: streaming replicas, WAL archive, daily backups. */
export class PostgresCluster extends pulumi.ComponentResource implements Databases {
    readonly #args: PostgresClusterArgs;
    readonly #cluster: k8s.apiextensions.CustomResource;

    constructor(name: string, args: PostgresClusterArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:database:PostgresCluster", name, {}, opts);
        this.#args = args;
        const { namespace } = args;
        const afterOperator = { parent: this, dependsOn: [args.operator.release, args.operator.plugin] };
        const credentials = args.secrets.deliver(
            `${name}-s3`,
            { name: `${SERVER}-s3`, namespace, data: POSTGRES_SECRETS },
            { parent: this },
        );
        const archive = new k8s.apiextensions.CustomResource(
            `${name}-archive`,
            {
                apiVersion: "barmancloud.cnpg.io/v1",
                kind: "ObjectStore",
                metadata: { name: SERVER, namespace },
                spec: objectStoreSpec(args, credentials),
            },
            afterOperator,
        );
        this.#cluster = new k8s.apiextensions.CustomResource(
            name,
            {
                apiVersion: "postgresql.cnpg.io/v1",
                kind: "Cluster",
                metadata: {
                    name: SERVER,
                    namespace,
                    annotations: {
                        "pulumi.com/waitFor": "condition=Ready",
                        // Three instances, one after the other; a restore of a large archive takes its time.
                        "pulumi.com/timeoutSeconds": "3600",
                    },
                },
                spec: clusterSpec(args, archive.metadata.name),
            },
            { ...afterOperator, customTimeouts: { create: "60m", update: "60m" } },
        );
        new k8s.apiextensions.CustomResource(
            `${name}-backup`,
            {
                apiVersion: "postgresql.cnpg.io/v1",
                kind: "ScheduledBackup",
                metadata: { name: SERVER, namespace },
                spec: {
                    schedule: "@daily",
                    immediate: true,
                    backupOwnerReference: "self",
                    cluster: { name: SERVER },
                    method: "plugin",
                    pluginConfiguration: { name: PLUGIN },
                },
            },
            { parent: this, dependsOn: this.#cluster },
        );
        new k8s.apiextensions.CustomResource(
            `${name}-metrics`,
            {
                apiVersion: "monitoring.coreos.com/v1",
                kind: "PodMonitor",
                metadata: { name: SERVER, namespace },
                spec: {
                    selector: { matchLabels: { "cnpg.io/cluster": SERVER, "cnpg.io/podRole": "instance" } },
                    podMetricsEndpoints: [{ port: "metrics" }],
                },
            },
            { parent: this },
        );
        this.registerOutputs({});
    }

    /** A database and a role that owns it. Both stay on the server when the workload goes. */
    postgres(name: string, args: DatabaseArgs, opts: pulumi.ComponentResourceOptions): Database {
        const { namespace, secrets } = this.#args;
        return new PostgresDatabase(
            `${name}-postgres`,
            {
                ...args,
                server: { name: SERVER, namespace, host: `${SERVER}-rw`, port: PORT, ready: this.#cluster },
                secrets,
            },
            opts,
        ).access;
    }
}

/** Archive of one life of the server. */
export function serverName(generation: number): string {
    return `${SERVER}-v${generation}`;
}

function objectStoreSpec(args: PostgresClusterArgs, credentials: pulumi.Output<string>) {
    return {
        retentionPolicy: args.retention,
        configuration: {
            destinationPath: `s3://${args.backup.bucket}/`,
            endpointURL: args.backup.endpoint,
            s3Credentials: {
                accessKeyId: { name: credentials, key: "ACCESS_KEY_ID" },
                secretAccessKey: { name: credentials, key: "ACCESS_SECRET_KEY" },
            },
            data: { compression: "bzip2" },
            wal: { compression: "bzip2", maxParallel: 4 },
        },
        instanceSidecarConfiguration: {
            resources: { requests: { cpu: "10m", memory: "64Mi" }, limits: { memory: "512Mi" } },
        },
    };
}

function clusterSpec(args: PostgresClusterArgs, archive: pulumi.Output<string>) {
    const plugin = (generation: number) => ({
        name: PLUGIN,
        parameters: { barmanObjectName: archive, serverName: serverName(generation) },
    });
    const before = args.generation > 1 ? serverName(args.generation - 1) : undefined;
    return {
        instances: args.instances,
        storage: { size: args.storage, storageClass: args.storageClass },
        // One on each node: with two on one, a node's loss takes a majority.
        affinity: { enablePodAntiAffinity: true, podAntiAffinityType: "required" },
        resources: { requests: { cpu: "100m", memory: "512Mi" }, limits: { memory: "2Gi" } },
        primaryUpdateStrategy: "unsupervised",
        plugins: [{ ...plugin(args.generation), isWALArchiver: true }],
        ...(before === undefined
            ? { bootstrap: { initdb: { database: "app", owner: "app" } } }
            : {
                  bootstrap: { recovery: { source: before } },
                  externalClusters: [{ name: before, plugin: plugin(args.generation - 1) }],
              }),
    };
}
