/** PostgreSQL on CloudNativePG: operator and plugin, the server with its archive, a database and who owns it. */
import * as pulumi from "@pulumi/pulumi";
import { barmanCloudValues, CloudNativePg, cloudNativePgValues } from "../../components/database/cloudnative-pg";
import type { Database } from "../../components/database/databases";
import { bootstrap, PostgresCluster, type PostgresClusterArgs } from "../../components/database/postgres-cluster";
import { imageReference, images } from "../../components/images";
import { planComponent } from "./component-plan";
import { dig, lookInto } from "./planned";
import { NamedSecrets } from "./test-platform";

async function planPostgres(overrides: Partial<PostgresClusterArgs> = {}) {
    const secrets = new NamedSecrets();
    const access: Record<string, unknown> = {};
    const resources = await planComponent(() => {
        const postgres = new PostgresCluster(
            "postgres",
            {
                operator: new CloudNativePg("cloudnative-pg", {}, {}),
                namespace: pulumi.output("database"),
                server: "postgres",
                amongOthers: false,
                instances: 3,
                storage: "20Gi",
                memory: "2Gi",
                vectorChord: false,
                storageClass: pulumi.output("ceph-block"),
                backup: { endpoint: "https://minio.rtrox.io", bucket: "cloudnative-pg" },
                retention: "14d",
                ignoreArchives: [],
                ignoredBy: "postgres.ignoreArchives",
                beforeDestroy: true,
                cluster: { kubeconfig: pulumi.output("kubeconfig") },
                secrets,
                ...overrides,
            },
            {},
        );
        const given: Database = postgres.postgres(
            "paper-less",
            { database: "paper-less", namespace: "productivity", domain: "productivity" },
            {},
        );
        pulumi.all([given.host, given.password.secret]).apply(([host, secret]) => {
            Object.assign(access, { ...given, host, password: { ...given.password, secret } });
        });
    });
    return { look: lookInto(() => ({ resources })), secrets, access };
}

let planned: Awaited<ReturnType<typeof planPostgres>>;
beforeAll(async () => {
    planned = await planPostgres();
});
const inputs = (type: string, name: string) => planned.look.find(type, name).inputs;

test("operator, then the plugin beside it, both confined and limited", () => {
    expect(inputs(":Release", "cloudnative-pg")).toMatchObject({
        chart: "cloudnative-pg",
        name: "cloudnative-pg",
        namespace: "cnpg-system",
    });
    expect(inputs(":Release", "cloudnative-pg-barman-cloud")).toMatchObject({
        chart: "plugin-barman-cloud",
        name: "plugin-barman-cloud",
        namespace: "cnpg-system",
    });
    expect(dig(inputs(":Namespace", "cnpg-system"), "metadata", "labels")).toMatchObject({
        "pod-security.kubernetes.io/enforce": "restricted",
    });
    expect(cloudNativePgValues()).toMatchObject({
        crds: { create: true },
        resources: { limits: { memory: "512Mi" } },
    });
    expect(barmanCloudValues()).toMatchObject({ crds: { create: true }, resources: { limits: { memory: "256Mi" } } });
    planned.look.inOrder(
        planned.look.find(":Release", "cloudnative-pg"),
        planned.look.find(":Release", "cloudnative-pg-barman-cloud"),
    );
});

test("three instances, one on each node, on Ceph, limited (C-DATA-01)", () => {
    expect(inputs("postgresql.cnpg.io/v1:Cluster", "postgres")).toEqual({
        apiVersion: "postgresql.cnpg.io/v1",
        kind: "Cluster",
        metadata: { name: "postgres", namespace: "database" },
        spec: {
            instances: 3,
            storage: { size: "20Gi", storageClass: "ceph-block" },
            affinity: { enablePodAntiAffinity: true, podAntiAffinityType: "required" },
            resources: { requests: { cpu: "100m", memory: "512Mi" }, limits: { memory: "2Gi" } },
            primaryUpdateStrategy: "unsupervised",
            plugins: [
                {
                    name: "barman-cloud.cloudnative-pg.io",
                    // Known once the bucket was looked into.
                    parameters: { barmanObjectName: "postgres", serverName: "[unknown]" },
                    isWALArchiver: true,
                },
            ],
            bootstrap: "[unknown]",
            externalClusters: "[unknown]",
        },
    });
});

test("WAL and base backups in MinIO for 14 days, both bzip2 (C-BKP-14, C-BKP-15, C-BKP-16)", () => {
    expect(inputs(":ObjectStore", "postgres-archive")).toEqual({
        apiVersion: "barmancloud.cnpg.io/v1",
        kind: "ObjectStore",
        metadata: { name: "postgres", namespace: "database" },
        spec: {
            retentionPolicy: "14d",
            configuration: {
                destinationPath: "s3://cloudnative-pg/",
                endpointURL: "https://minio.rtrox.io",
                s3Credentials: {
                    accessKeyId: { name: "postgres-s3", key: "ACCESS_KEY_ID" },
                    secretAccessKey: { name: "postgres-s3", key: "ACCESS_SECRET_KEY" },
                },
                data: { compression: "bzip2" },
                wal: { compression: "bzip2", maxParallel: 4 },
            },
            instanceSidecarConfiguration: {
                resources: { requests: { cpu: "10m", memory: "64Mi" }, limits: { memory: "512Mi" } },
            },
        },
    });
    expect(planned.secrets.asked[0]).toMatchObject({
        name: "postgres-s3",
        data: { ACCESS_KEY_ID: "cnpg.s3AccessKeyId", ACCESS_SECRET_KEY: "cnpg.s3SecretAccessKey" },
    });
});

test("a backup each day and one at once, by the plugin (C-BKP-17)", () => {
    expect(inputs(":ScheduledBackup", "postgres-backup")).toEqual({
        apiVersion: "postgresql.cnpg.io/v1",
        kind: "ScheduledBackup",
        metadata: { name: "postgres", namespace: "database" },
        spec: {
            schedule: "0 0 0 * * *",
            immediate: true,
            backupOwnerReference: "self",
            cluster: { name: "postgres" },
            method: "plugin",
            pluginConfiguration: { name: "barman-cloud.cloudnative-pg.io" },
        },
    });
});

test("instances are scraped, jobs of the operator are not", () => {
    expect(dig(inputs(":PodMonitor", "postgres-metrics"), "spec")).toEqual({
        selector: { matchLabels: { "cnpg.io/cluster": "postgres", "cnpg.io/podRole": "instance" } },
        podMetricsEndpoints: [{ port: "metrics" }],
    });
});

test("operator, plugin, credentials, archive, server, backups; role, then its database", () => {
    const { look } = planned;
    const server = look.find("postgresql.cnpg.io/v1:Cluster", "postgres");
    look.inOrder(
        look.find(":Release", "cloudnative-pg-barman-cloud"),
        look.find(":ObjectStore", "postgres-archive"),
        look.find(":Command", "postgres-life"),
        server,
        look.find(":ScheduledBackup", "postgres-backup"),
        look.find(":Command", "postgres-ready"),
    );
    look.inOrder(server, look.find(":Command", "postgres-last-backup"), look.find(":Command", "postgres-ready"));
    look.inOrder(look.find(":Secret", "postgres-s3"), look.find(":ObjectStore", "postgres-archive"));
    // A Database is removed by the server that holds it, and none is made in a life that could not be restored.
    look.inOrder(
        look.find(":Command", "postgres-ready"),
        look.find(":DatabaseRole", "paper-less-postgres-role"),
        look.find(":Database", "paper-less-postgres"),
    );
});

test("a role with the password of the store, and a database of its own; both stay on the server", () => {
    const metadata = {
        name: "postgres-paper-less",
        namespace: "database",
        annotations: { "pulumi.com/waitFor": "jsonpath={.status.applied}=true" },
    };
    expect(inputs(":DatabaseRole", "paper-less-postgres-role")).toEqual({
        apiVersion: "postgresql.cnpg.io/v1",
        kind: "DatabaseRole",
        metadata,
        spec: {
            cluster: { name: "postgres" },
            name: "paper_less",
            login: true,
            passwordSecret: { name: "postgres-paper-less" },
            databaseRoleReclaimPolicy: "retain",
        },
    });
    expect(inputs(":Database", "paper-less-postgres")).toEqual({
        apiVersion: "postgresql.cnpg.io/v1",
        kind: "Database",
        metadata,
        spec: {
            cluster: { name: "postgres" },
            name: "paper_less",
            owner: "paper_less",
            databaseReclaimPolicy: "retain",
        },
    });
});

test("the password is where the server reads it, with the role's name, and where the workload does", () => {
    // CloudNativePG refuses a Secret whose username is not the role's.
    const login = {
        type: "kubernetes.io/basic-auth",
        literals: { username: "paper_less" },
        data: { password: "postgres.paper-lessPassword" },
    };
    const [, onServer, forWorkload] = planned.secrets.asked;
    expect(onServer).toEqual({
        name: "postgres-paper-less",
        namespace: expect.anything() as unknown,
        labels: { "cnpg.io/reload": "true" },
        ...login,
    });
    expect(forWorkload).toEqual({ name: "paper-less-postgres", namespace: "productivity", ...login });
    expect(planned.access).toEqual({
        host: "postgres-rw.database.svc.cluster.local",
        port: 5432,
        name: "paper_less",
        more: {},
        user: "paper_less",
        password: { secret: "paper-less-postgres", key: "password" },
    });
});

test("the first life starts empty, a later one from the archive of the one before (C-DR-07)", () => {
    expect(bootstrap({ archive: "postgres-v1" })).toEqual({ initdb: { database: "app", owner: "app" } });
    expect(bootstrap({ archive: "postgres-v3", from: "postgres-v2" })).toEqual({ recovery: { source: "postgres-v2" } });
});

test("another server by another name: its own objects, folder, volume for the WAL and image", async () => {
    const { look, secrets } = await planPostgres({
        server: "pg-media",
        amongOthers: true,
        walStorage: "8Gi",
        vectorChord: true,
        backup: {
            endpoint: "http://minio-api.other.svc.cluster.local:9000",
            bucket: "cluster-backups",
            folder: "cnpg/pg-media",
        },
    });
    expect(look.find("postgresql.cnpg.io/v1:Cluster", "postgres").inputs).toMatchObject({
        metadata: { name: "pg-media" },
        spec: {
            imageName: imageReference(images.postgresVectorChord),
            postgresql: { shared_preload_libraries: ["vchord.so"] },
            walStorage: { size: "8Gi", storageClass: "ceph-block" },
        },
    });
    expect(look.find(":ObjectStore", "postgres-archive").inputs).toMatchObject({
        metadata: { name: "pg-media" },
        spec: { configuration: { destinationPath: "s3://cluster-backups/cnpg/pg-media/" } },
    });
    expect(secrets.asked[0]).toMatchObject({ name: "pg-media-s3" });
    expect(look.find("postgresql.cnpg.io/v1:Database", "paper-less-postgres").inputs).toMatchObject({
        metadata: { name: "pg-media-paper-less" },
        spec: { cluster: { name: "pg-media" } },
    });
    for (const type of [":ScheduledBackup", ":PodMonitor"]) {
        const name = type === ":PodMonitor" ? "postgres-metrics" : "postgres-backup";
        expect(look.find(type, name).inputs).toMatchObject({ metadata: { name: "pg-media" } });
    }
});

test("the last backup goes with the server, unless it is switched off", async () => {
    expect(dig(inputs(":Command", "postgres-last-backup"), "delete")).toContain("before-destroy");
    const { look } = await planPostgres({ beforeDestroy: false });
    const off = look.find(":Command", "postgres-last-backup").inputs as { delete: string };
    expect(off.delete).toMatch(/\n:\n$/);
    // A trigger, or a delete that disappears, would replace the command, and that runs the old delete.
    expect(off).not.toHaveProperty("triggers");
    expect(inputs(":Command", "postgres-last-backup")).not.toHaveProperty("triggers");
});
