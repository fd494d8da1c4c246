/** What an app declares of databases and Redis, and what it is given: on a server of its domain, or a small one of its own. */
import * as pulumi from "@pulumi/pulumi";
import { inOrder, needVectorChord } from "../../components/database/extensions";
import { PostgresDatabase } from "../../components/database/postgres-database";
import { redisEnvironment, type Redis } from "../../components/database/redis";
import { ownValkey } from "../../components/database/valkey";
import { planComponent } from "./component-plan";
import { dig, lookInto } from "./planned";
import { NamedSecrets, testPlatform } from "./test-platform";

describe("extensions", () => {
    test("each after what it builds on, and once: CloudNativePG cascades nothing", () => {
        expect(inOrder(["vchord", "earthdistance", "vector", "cube"])).toEqual([
            "vector",
            "vchord",
            "cube",
            "earthdistance",
        ]);
        expect(inOrder([])).toEqual([]);
    });

    test("VectorChord is in no image of CloudNativePG's own, pgvector is", () => {
        expect(needVectorChord(["vector", "cube", "earthdistance", "pg_trgm", "unaccent", "uuid-ossp"])).toBe(false);
        expect(needVectorChord(["vector", "vchord"])).toBe(true);
    });
});

describe("a database", () => {
    const planned = async (wish: object) => {
        let more: Readonly<Record<string, string>> = {};
        const resources = await planComponent(() => {
            const database = new PostgresDatabase(
                "sonarr-postgres",
                {
                    database: "sonarr",
                    namespace: "media",
                    domain: "media",
                    ...wish,
                    server: {
                        name: "pg-media",
                        namespace: pulumi.output("database"),
                        host: "pg-media-rw",
                        port: 5432,
                        ready: new pulumi.ComponentResource("test:Ready", "ready"),
                    },
                    secrets: new NamedSecrets(),
                },
                {},
            );
            ({ more } = database.access);
        });
        return { ...lookInto(() => ({ resources })), resources, more };
    };
    const DATABASE = "postgresql.cnpg.io/v1:Database";

    test("further ones have the same owner and names of their own", async () => {
        const { find, more } = await planned({ more: ["log"] });
        expect(find(DATABASE, "sonarr-postgres").inputs).toMatchObject({
            metadata: { name: "pg-media-sonarr" },
            spec: { cluster: { name: "pg-media" }, name: "sonarr", owner: "sonarr" },
        });
        expect(find(DATABASE, "sonarr-postgres-log").inputs).toMatchObject({
            metadata: {
                name: "pg-media-sonarr-log",
                annotations: { "pulumi.com/waitFor": "jsonpath={.status.applied}=true" },
            },
            spec: { name: "sonarr_log", owner: "sonarr", databaseReclaimPolicy: "retain" },
        });
        expect(more).toEqual({ log: "sonarr_log" });
    });

    test("extensions are created by the operator, so the app is no superuser", async () => {
        const { find } = await planned({ extensions: ["earthdistance", "vchord"] });
        expect(dig(find(DATABASE, "sonarr-postgres").inputs, "spec", "extensions")).toEqual([
            { name: "cube" },
            { name: "earthdistance" },
            { name: "vector" },
            { name: "vchord" },
        ]);
        expect(dig((await planned({})).find(DATABASE, "sonarr-postgres").inputs, "spec")).not.toHaveProperty(
            "extensions",
        );
    });
});

describe("Redis", () => {
    const shared: Redis = {
        host: "redis-queue.redis.svc.cluster.local",
        port: 6379,
        password: { secret: pulumi.output("nextcloud-redis"), key: "password", url: "url" },
        connects: "http://redis-queue.redis.svc.cluster.local:6379",
        prefix: "nextcloud:",
    };

    test("the environment names what a program wants, and the password comes from the Secret alone", () => {
        const { env, secretEnv } = redisEnvironment(shared, {
            host: "REDIS_HOST",
            port: "REDIS_PORT",
            password: "REDIS_PASSWORD",
            url: "REDIS_URL",
        });
        expect(env).toEqual({ REDIS_HOST: shared.host, REDIS_PORT: "6379" });
        expect(Object.keys(secretEnv)).toEqual(["REDIS_PASSWORD", "REDIS_URL"]);
        expect(secretEnv["REDIS_URL"]).toMatchObject({ key: "url" });
    });

    test("without a password there is none, and the URL is no secret", () => {
        const own = { ...shared, password: undefined };
        expect(redisEnvironment(own, { password: "REDIS_PASSWORD", url: "REDIS_URL" })).toEqual({
            env: { REDIS_URL: "redis://redis-queue.redis.svc.cluster.local:6379" },
            secretEnv: {},
        });
    });

    test.each([
        ["queue", ["--maxmemory", "192mb"]],
        ["cache", ["--maxmemory", "192mb", "--maxmemory-policy", "allkeys-lru"]],
    ] as const)(
        "one of an app's own for a %s: confined, and only a cache drops what nobody reads",
        async (purpose, end) => {
            let redis: Redis | undefined;
            const resources = await planComponent(() => {
                redis = ownValkey(
                    "immich",
                    purpose,
                    { namespace: "media", group: "media" },
                    testPlatform({ media: "restricted" }),
                );
            });
            const look = lookInto(() => ({ resources }));
            const container = look.container("immich-redis");
            expect((container["args"] as string[]).slice(-end.length)).toEqual(end);
            expect(container).toMatchObject({ securityContext: { readOnlyRootFilesystem: true } });
            expect(redis).toMatchObject({
                host: "immich-redis.media.svc.cluster.local",
                port: 6379,
                password: undefined,
                prefix: "immich:",
            });
        },
    );
});
