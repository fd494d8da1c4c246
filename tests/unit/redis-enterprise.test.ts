/** Redis that apps share: what is built of Redis Enterprise, what must hold of it, and how the sandbox plays its operator. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import type { Redis } from "../../components/database/redis";
import { REDIS_ENTERPRISE_NAMESPACE, RedisEnterprise } from "../../components/database/redis-enterprise";
import { toBytes } from "../../config/quantities";
import { appsSchema } from "../../lab/apps";
import type { Lab } from "../../lab/lab";
import {
    redisKeys,
    redisBuckets,
    redisNamespaces,
    redisNotes,
    redisRefs,
    redisRequests,
    redisRules,
    redisSecrets,
    redisServers,
    redisVolumes,
} from "../../lab/redis";
import { type Action, collections, resources, type View } from "../../sandbox/controllers/controller";
import { redisEnterprise } from "../../sandbox/operators/redis-enterprise/controller";
import { planComponent } from "./component-plan";
import { crdFaults, haveCrds } from "./crd-schema";
import { dig, lookInto } from "./planned";
import { NamedSecrets, testPlatform } from "./test-platform";

const config = (keys: object = {}) => ({ redis: redisKeys.parse({ name: "rec-platform", ...keys }) });

async function planned(keys: object = {}) {
    const secrets = new NamedSecrets();
    let given: Redis | undefined;
    let host = "";
    const found = await planComponent(() => {
        const lab = { stage: (_title: string, component: unknown) => component } as unknown as Lab;
        const servers: RedisEnterprise | undefined = redisServers(
            lab,
            config(keys),
            {
                host: { ...testPlatform({ [REDIS_ENTERPRISE_NAMESPACE]: "baseline" }), secrets },
                storageClass: pulumi.output("ceph-block"),
            },
            {},
        );
        given = servers?.redis("nextcloud", { app: "nextcloud", purpose: "queue", namespace: "productivity" }, {});
        pulumi.output(given?.host).apply((name) => (host = name ?? ""));
    });
    return { ...lookInto(() => ({ resources: found })), resources: found, secrets, given, host: () => host };
}

describe("the cluster and its databases", () => {
    let plan: Awaited<ReturnType<typeof planned>>;
    beforeAll(async () => {
        plan = await planned();
    });
    const spec = (type: string, name: string) => dig(plan.find(type, name).inputs, "spec");

    test("three nodes with persistence, each with what it requests and no more (M-DATA-06)", () => {
        const rec = plan.find(":RedisEnterpriseCluster", "redis-enterprise").inputs;
        expect(rec).toMatchObject({
            metadata: {
                name: "rec-platform",
                namespace: "redis-enterprise",
                annotations: { "pulumi.com/waitFor": "jsonpath={.status.state}=Running" },
            },
            spec: {
                nodes: 3,
                persistentSpec: { enabled: true, storageClassName: "ceph-block", volumeSize: "20Gi" },
                redisEnterpriseNodeResources: {
                    requests: { cpu: "2", memory: "4Gi" },
                    limits: { cpu: "2", memory: "4Gi" },
                },
            },
        });
        // Without one it is a trial.
        expect(dig(rec, "spec")).not.toHaveProperty("licenseSecretName");
    });

    test("a cache makes way for what is new and keeps nothing (M-DATA-07)", () => {
        expect(spec(":RedisEnterpriseDatabase", "redis-enterprise-cache-database")).toEqual({
            redisEnterpriseCluster: { name: "rec-platform" },
            databaseSecretName: "redis-cache",
            databaseServicePort: 6379,
            memorySize: "1024MB",
            shardCount: 1,
            evictionPolicy: "allkeys-lru",
            persistence: "disabled",
            replication: false,
        });
    });

    test("a queue loses nothing: a copy on another node, and a log; its limit counts the copy (M-DATA-08)", () => {
        const database = plan.find(":RedisEnterpriseDatabase", "redis-enterprise-queue-database").inputs;
        expect(database).toMatchObject({
            metadata: {
                name: "redis-queue",
                annotations: { "pulumi.com/waitFor": "jsonpath={.status.status}=active" },
            },
            spec: {
                memorySize: "2048MB",
                evictionPolicy: "noeviction",
                persistence: "aofEverySecond",
                replication: true,
            },
        });
    });

    (haveCrds ? test : test.skip)("the real definitions know every field", () => {
        const custom = plan.resources.filter(({ type }) => type.includes("app.redislabs.com"));
        expect(custom).toHaveLength(3);
        expect(custom.flatMap(({ inputs }) => crdFaults(inputs))).toEqual([]);
    });

    test("databases after cluster and webhook, the cluster after the operator; so they go first, and in that order", () => {
        const rec = plan.find(":RedisEnterpriseCluster", "redis-enterprise");
        const operator = plan.find(":Deployment", "redis-enterprise-operator");
        const webhook = plan.find(":Command", "redis-enterprise-operator-webhook");
        for (const purpose of ["cache", "queue"]) {
            const database = plan.find(":RedisEnterpriseDatabase", `redis-enterprise-${purpose}-database`);
            plan.inOrder(operator, rec, database);
            plan.inOrder(operator, webhook, database);
        }
        plan.inOrder(plan.find(":Command", "redis-enterprise-volumes"), rec);
    });

    test("the operator is confined, and may do nothing outside its namespace", () => {
        expect(plan.all(":ClusterRole")).toEqual([]);
        const pod = dig(plan.find(":Deployment", "redis-enterprise-operator").inputs, "spec", "template", "spec");
        expect(pod).toMatchObject({ securityContext: { runAsNonRoot: true } });
        for (const container of dig(pod, "containers") as object[]) {
            expect(container).toMatchObject({
                resources: { limits: { memory: "512Mi" } },
                securityContext: { readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } },
            });
        }
        const { environment } = plan.find(":Command", "redis-enterprise-operator-webhook").inputs as {
            environment: { CONFIGURATION: string };
        };
        expect(JSON.parse(environment.CONFIGURATION)).toMatchObject({
            webhooks: [
                {
                    failurePolicy: "Fail",
                    namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "redis-enterprise" } },
                },
            ],
        });
    });

    test("an app gets host, port and a Secret in its own namespace, with the URL in it", () => {
        expect(plan.host()).toBe("redis-queue.redis-enterprise.svc.cluster.local");
        expect(plan.given).toMatchObject({
            port: 6379,
            prefix: "nextcloud:",
            password: { key: "password", url: "url" },
        });
        const asked = plan.secrets.asked.find(({ name }) => name === "nextcloud-redis");
        expect(asked).toMatchObject({ namespace: "productivity", data: { password: "redis.queuePassword" } });
        expect(asked?.templates?.["url"]?.((ref) => `<${ref}>`)).toBe(
            "redis://:<redis.queuePassword>@redis-queue.redis-enterprise.svc.cluster.local:6379",
        );
    });

    test("a licence comes from the secret store", async () => {
        const { find, secrets } = await planned({ licence: "secret" });
        expect(dig(find(":RedisEnterpriseCluster", "redis-enterprise").inputs, "spec")).toMatchObject({
            licenseSecretName: "rec-platform-licence",
        });
        expect(secrets.asked).toContainEqual(
            expect.objectContaining({ name: "rec-platform-licence", data: { license: "redis.licence" } }),
        );
    });

    test("the queue is saved to a bucket at intervals, the cache never (M-BKP-01)", async () => {
        const backup = { endpoint: "http://minio-api.other.svc.cluster.local:9000", bucket: "backups", everyHours: 4 };
        const saved = await planned({ backup });
        const of = (type: string, name: string) => dig(saved.find(type, name).inputs, "spec") as object;
        // A server that is not Amazon's is the cluster's to know.
        expect(of(":RedisEnterpriseCluster", "redis-enterprise")).toMatchObject({
            backup: { s3: { url: backup.endpoint } },
        });
        expect(of(":RedisEnterpriseDatabase", "redis-enterprise-queue-database")).toMatchObject({
            backup: {
                interval: 14_400,
                s3: {
                    awsSecretName: "rec-platform-backup",
                    bucketName: "backups",
                    subdir: "redis/redis-queue",
                    regionName: "us-east-1",
                },
            },
        });
        expect(of(":RedisEnterpriseDatabase", "redis-enterprise-cache-database")).not.toHaveProperty("backup");
        expect(saved.secrets.asked).toContainEqual(
            expect.objectContaining({
                name: "rec-platform-backup",
                data: { AWS_ACCESS_KEY_ID: "redis.s3AccessKeyId", AWS_SECRET_ACCESS_KEY: "redis.s3SecretAccessKey" },
            }),
        );
        expect(redisSecrets(config({ backup }))).toEqual(
            expect.arrayContaining(["redis.s3AccessKeyId", "redis.s3SecretAccessKey"]),
        );
        expect(redisBuckets(config({ backup }))).toEqual([
            [expect.stringMatching(/^redis\.backup/), "http://minio-api.other.svc.cluster.local:9000/backups/redis"],
        ]);
        if (haveCrds) {
            const custom = saved.resources.filter(({ type }) => type.includes("app.redislabs.com"));
            expect(custom.flatMap(({ inputs }) => crdFaults(inputs))).toEqual([]);
        }
    });

    const folder = mkdtempSync(join(tmpdir(), "redis-enterprise-"));
    afterAll(() => rmSync(folder, { recursive: true }));

    /** Runs a script of a command, without its first lines, against a kubectl that writes down what it is told. */
    function run(name: string, of: "create" | "delete", kubectl: string, more: Record<string, string> = {}) {
        const inputs = plan.find(":Command", name).inputs as Record<string, string> & {
            environment: Record<string, string>;
        };
        const log = join(folder, "log");
        writeFileSync(log, "");
        writeFileSync(join(folder, "kubectl"), `#!/bin/bash\necho "$*" >> ${log}\n${kubectl}\n`);
        chmodSync(join(folder, "kubectl"), 0o755);
        const body = (inputs[of] ?? "").split(/\|\| \{ echo "kubectl is not on the PATH.*\n/)[1] ?? "";
        const { CLUSTER_KUBECONFIG: _kubeconfig, ...environment } = inputs.environment;
        const done = spawnSync("bash", ["-euo", "pipefail", "-c", body], {
            encoding: "utf8",
            stdio: ["ignore", "pipe", "pipe"],
            env: { PATH: `${folder}${delimiter}${process.env["PATH"]}`, ...environment, ...more },
        });
        return { ...done, asked: readFileSync(log, "utf8").trim().split("\n") };
    }

    test("the webhook knows the certificate that the operator made; without one nothing is registered", () => {
        const sent = join(folder, "sent");
        const answers = `case "$*" in *jsonpath*) echo Q0VSVA== ;; *apply*) cat > ${sent} ;; esac`;
        expect(run("redis-enterprise-operator-webhook", "create", answers).status).toBe(0);
        expect(dig(JSON.parse(readFileSync(sent, "utf8")), "webhooks", 0, "clientConfig", "caBundle")).toBe("Q0VSVA==");
        const { status, stderr } = run("redis-enterprise-operator-webhook", "create", "exit 1");
        expect(status).toBe(1);
        expect(stderr).toContain("made no certificate");
        const empty = run("redis-enterprise-operator-webhook", "create", ":");
        expect([empty.status, empty.asked.some((line) => line.includes("apply"))]).toEqual([1, false]);
    });

    test("the nodes' claims go after the cluster, by name: a new one would start on the old one's disks", () => {
        const { status, asked } = run("redis-enterprise-volumes", "delete", ":");
        expect(status).toBe(0);
        expect(asked.map((line) => line.split(" ")[4])).toEqual(
            [0, 1, 2].map((node) => `redis-enterprise-storage-rec-platform-${node}`),
        );
    });
});

describe("what must hold", () => {
    const machines = (memory: string, count = 3) => Array.from({ length: count }, () => ({ memory }));
    const faults = (keys: object, on: readonly ({ memory: string } | undefined)[] = machines("48Gi")) =>
        redisRules(() => on).flatMap((rule) =>
            rule({ ...config(keys), apps: appsSchema.parse({}) }).map(({ rule: name, path }) => [name, path]),
        );

    test("as it comes it fits three machines and a trial", () => {
        expect(faults({})).toEqual([]);
        expect(faults({}, [undefined, undefined, undefined])).toEqual([]);
        // A machine that has just what a node wants, and the last shard of a trial.
        expect(faults({ memory: "48Gi", storage: "150Gi" })).toEqual([]);
        expect(faults({ databases: { cache: { shards: 2 } } })).toEqual([]);
        expect(redisRules(() => []).flatMap((rule) => rule({ apps: appsSchema.parse({}) }))).toEqual([]);
    });

    test.each([
        [{ nodes: 5 }, "redis-nodes", "redis.nodes"],
        [{ memory: "64Gi", storage: "500Gi" }, "redis-node-exceeds-machine", "redis.memory"],
        [{ memory: "3Gi" }, "redis-node-too-small", "redis.memory"],
        [{ storage: "10Gi" }, "redis-storage-too-small", "redis.storage"],
        [{ databases: { cache: { memory: "64Mi" } } }, "redis-database-too-small", "redis.databases.cache.memory"],
        // One and a copy, and three.
        [{ databases: { cache: { shards: 3 } } }, "redis-shards-exceed-licence", "redis.databases"],
        [{ databases: { queue: { memory: "3Gi" } } }, "redis-databases-exceed-nodes", "redis.databases"],
    ])("%j: %s", (keys, rule, path) => {
        expect(faults(keys)).toEqual([[rule, path]]);
    });

    test("with a licence there may be more shards", () => {
        expect(faults({ licence: "secret", databases: { cache: { shards: 3 } } })).toEqual([]);
    });

    test.each(["immich", "paperless"])("%s has its queue on one shard: its commands touch several keys", (app) => {
        const torn = (shards: { cache?: number; queue?: number }, apps: object) =>
            redisRules(() => machines("48Gi")).flatMap((rule) =>
                rule({
                    ...config({
                        licence: "secret",
                        databases: { cache: { shards: shards.cache ?? 1 }, queue: { shards: shards.queue ?? 1 } },
                    }),
                    apps: appsSchema.parse(apps),
                }).map(({ rule: name, path, allowed }) => [name, path, allowed]),
            );
        expect(torn({ queue: 2 }, { [app]: {} })).toEqual([
            ["redis-keys-torn-apart", "redis.databases.queue.shards", expect.stringContaining(`1 with ${app} (`)],
        ]);
        expect([torn({ cache: 2 }, { [app]: {} }), torn({ queue: 2 }, { nextcloud: {} })]).toEqual([[], []]);
    });

    test("two machines cannot have it: without it each app has a small one of its own", () => {
        expect(faults({}, machines("48Gi", 2))).toEqual([["redis-nodes", "redis.nodes"]]);
    });
});

test("the plan says what a trial is, and what it takes of the machines", () => {
    expect(redisNotes(config())).toEqual([
        expect.stringMatching(
            /rec-platform is a trial: it ends 30 days .* takes 4 shards, of which 3 are used/,
        ) as string,
        expect.stringMatching(/keeps 4Gi of 3 machines, 12Gi together, for databases of 3Gi/) as string,
        expect.stringMatching(/is saved nowhere and ends with the cluster: say redis\.backup/) as string,
    ]);
    const backup = { endpoint: "https://s3.example.net", bucket: "backups" };
    expect(redisNotes(config({ backup }))[2]).toMatch("is saved to backups/redis every 24 hours");
    expect(redisNotes(config({ licence: "secret" }))[0]).toMatch("uses 3 shards of its licence");
    expect(redisNotes({})).toEqual([]);
});

test("volumes, requests, secrets and the namespace are summed up; nothing where there is none", () => {
    expect(redisVolumes(config())).toHaveLength(3);
    const asked = redisRequests(config()).reduce((sum, { number, each }) => sum + number * toBytes(each.memory), 0);
    expect(asked).toBe(13 * 2 ** 30);
    expect(redisSecrets(config({ licence: "secret" }))).toEqual([
        "redis.cachePassword",
        "redis.queuePassword",
        "redis.licence",
    ]);
    expect(redisRefs({ ...config(), apps: appsSchema.parse({ paperless: {} }) })).toEqual({
        "redis-enterprise": ["redis.cachePassword", "redis.queuePassword"],
        productivity: ["redis.queuePassword"],
    });
    expect(redisNamespaces(config())).toEqual({ "redis-enterprise": "baseline" });
    expect([redisVolumes({}), redisRequests({}), redisSecrets({}), redisNamespaces({})]).toEqual([[], [], [], {}]);
});

describe("the sandbox's operator", () => {
    const clusters = resources("app.redislabs.com", "v1", "redisenterpriseclusters");
    const databases = resources("app.redislabs.com", "v1alpha1", "redisenterprisedatabases");
    const sets = resources("apps", "v1", "statefulsets");
    const namespace = "redis-enterprise";
    const operator = {
        metadata: { name: "redis-enterprise-operator", namespace, generation: 1, labels: { app: "redis-enterprise" } },
        spec: { replicas: 1, template: { metadata: { labels: { name: "redis-enterprise-operator" } } } },
        status: { observedGeneration: 1, readyReplicas: 1, updatedReplicas: 1 },
    };
    const rec = (more: object = {}, status: object = { state: "Running" }) => ({
        metadata: { name: "rec", namespace, uid: "u", creationTimestamp: "2026-01-01T00:00:00Z" },
        spec: {
            nodes: 3,
            redisEnterpriseNodeResources: { requests: { memory: "4Gi" }, limits: { memory: "4Gi" } },
            ...more,
        },
        status,
    });
    const redb = (name: string, more: object = {}, status: object = {}, metadata: object = {}) => ({
        metadata: { name, namespace, uid: name, ...metadata },
        spec: { redisEnterpriseCluster: { name: "rec" }, memorySize: "1024MB", shardCount: 1, ...more },
        status,
    });
    const set = (ready: number) => ({
        metadata: { name: "rec", namespace },
        spec: {},
        status: { readyReplicas: ready },
    });

    async function actions(lists: Record<string, readonly object[]>): Promise<readonly Action[]> {
        const view: View = {
            now: Date.parse("2026-01-02T00:00:00Z"),
            list: <T>(path: string) =>
                ((path === collections.deployments ? [operator] : lists[path]) ?? []) as readonly T[],
            get: () => Promise.resolve(undefined),
        };
        return redisEnterprise.reconcile(view);
    }
    async function statusOf(kind: string, name: string, lists: Record<string, readonly object[]>) {
        const found = (await actions(lists)).find(({ path }) => path.endsWith(`/${kind}/${name}/status`));
        return found !== undefined && "body" in found ? (dig(found.body, "status") as object) : undefined;
    }
    const cluster = (one: object, ready = 3) =>
        statusOf("redisenterpriseclusters", "rec", { [clusters]: [one], [sets]: [set(ready)] });
    const database = (one: object, others: readonly object[] = [], of: object = rec()) =>
        statusOf("redisenterprisedatabases", "one", {
            [clusters]: [of],
            [sets]: [set(3)],
            [databases]: [one, ...others],
        });

    test("a cluster runs once all nodes are ready, as a trial of four shards for 30 days", async () => {
        expect(await cluster(rec({}, {}), 2)).toMatchObject({ state: "Initializing" });
        expect(await cluster(rec({}, {}))).toMatchObject({
            state: "Running",
            licenseStatus: { shardsLimit: 4, expirationDate: "2026-01-31T00:00:00Z" },
        });
    });

    test.each([
        ["an even number of nodes", { nodes: 4 }],
        ["too few", { nodes: 1 }],
        ["less memory than it asks for", { redisEnterpriseNodeResources: { requests: { memory: "2Gi" } } }],
        ["a licence that is not there", { licenseSecretName: "licence" }],
    ])("%s is invalid", async (_why, spec) => {
        expect(await cluster(rec(spec, {}))).toMatchObject({ state: "Invalid" });
    });

    test("a database is active on a running cluster", async () => {
        expect(await database(redb("one"))).toMatchObject({ status: "active" });
    });

    test("one that is to be saved needs both keys of its bucket, and then says when it was", async () => {
        const backup = { interval: 3600, s3: { awsSecretName: "bucket" } };
        const secret = (data: object) => [{ metadata: { name: "bucket", namespace }, data }];
        const state = (one: object, secrets: readonly object[]) =>
            statusOf("redisenterprisedatabases", "one", {
                [clusters]: [rec()],
                [sets]: [set(3)],
                [databases]: [one],
                [collections.secrets]: secrets,
            });
        const keys = { AWS_ACCESS_KEY_ID: "YQ==", AWS_SECRET_ACCESS_KEY: "YQ==" };
        expect(await state(redb("one", { backup }), [])).toMatchObject({ status: "creation-failed" });
        expect(await state(redb("one", { backup }), secret({ AWS_ACCESS_KEY_ID: "YQ==" }))).toMatchObject({
            status: "creation-failed",
        });
        expect(await state(redb("one", { backup }), secret(keys))).toMatchObject({ status: "active" });
        expect(await state(redb("one", { backup }, { status: "active" }), secret(keys))).toMatchObject({
            status: "active",
            backupInfo: { backupInterval: 3600, lastBackupTime: "2026-01-02T00:00:00Z" },
        });
    });

    test("before its cluster runs it fails, and stays so", async () => {
        expect(await database(redb("one"), [], rec({}, { state: "Initializing" }))).toMatchObject({
            status: "creation-failed",
        });
        expect(await database(redb("one", {}, { status: "creation-failed" }))).toBeUndefined();
    });

    test.each([
        ["shards beyond a trial", { shardCount: 2, replication: true }, [redb("two", {}, { status: "active" })]],
        ["memory beyond all nodes", { memorySize: "10240MB", shardCount: 4 }, []],
        ["a shard beyond a node", { memorySize: "4096MB" }, []],
        ["less than the least", { memorySize: "50MB" }, []],
        ["another cluster", { redisEnterpriseCluster: { name: "other" } }, []],
    ])("%s fails", async (_why, spec, others) => {
        expect(await database(redb("one", spec), others)).toMatchObject({ status: "creation-failed" });
    });

    test("a cluster waits for its databases to go, and a database for a cluster that can let it go", async () => {
        const leaving = { deletionTimestamp: "2026-01-02T00:00:00Z" };
        const held = { ...leaving, finalizers: ["finalizer.redisenterprisedatabases.app.redislabs.com"] };
        const going = {
            ...rec(),
            metadata: {
                ...rec().metadata,
                ...leaving,
                finalizers: ["redbfinalizer.redisenterpriseclusters.app.redislabs.com"],
            },
        };
        const patched = async (lists: Record<string, readonly object[]>) =>
            (await actions(lists))
                .filter(({ verb, path }) => verb === "patch" && path.includes("redisenterprise"))
                .map(({ path }) => path.split("/").at(-1));
        expect(
            await patched({ [clusters]: [going], [databases]: [redb("one", {}, { status: "active" })] }),
        ).not.toContain("rec");
        expect(await patched({ [clusters]: [going] })).toEqual(["rec"]);
        const one = redb("one", {}, { status: "active" }, held);
        expect(await patched({ [clusters]: [rec()], [sets]: [set(3)], [databases]: [one] })).toContain("one");
        expect(await patched({ [clusters]: [rec({}, { state: "Error" })], [databases]: [one] })).not.toContain("one");
    });

    test("nothing happens without the operator", async () => {
        const view: View = {
            now: 0,
            list: <T>(path: string) => (path === clusters ? [rec({}, {})] : []) as unknown as readonly T[],
            get: () => Promise.resolve(undefined),
        };
        expect(await redisEnterprise.reconcile(view)).toEqual([]);
    });
});
