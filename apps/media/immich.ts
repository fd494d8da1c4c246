import * as pulumi from "@pulumi/pulumi";
import { address, app, gpu, storage, webApp } from "../app";
import { volumeSize } from "../../config/fields";
import { redisEnvironment } from "../../components/database/redis";
import { images } from "../../components/images";
import { cache, data, scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";

const common = { namespace: "media", group: "media" } as const;

const helpers = { "immich-machine-learning": { cpu: "100m", memory: "1Gi" } } as const;

/**
 * Photos and films of the household's telephones. Its database and its volume belong together: docs/media.md says in which
 * order they come back. https://docs.immich.app/install/environment-variables
 */
export const immich = app({
    ...common,
    name: "immich",
    title: "photos and films of the household's telephones",
    config: webApp(
        { host: "immich", memory: "4Gi" },
        {
            address,
            /** Of the photos themselves. */
            storage: storage("500Gi"),
            /** Of the models that recognise faces and things, which are fetched again where they are lost. */
            models: volumeSize.default("10Gi"),
            /** Whether a GPU makes films small enough for telephones; it is the processor's work otherwise. */
            gpu: gpu.default("none"),
        },
    ),
    ports: { http: 2283 },
    reach: "local",
    auth: {
        own: true,
        oidc: {
            redirects: ["/auth/login", "/user-settings", "/api/oauth/mobile-redirect"],
            // A configuration file would take every other setting out of its owner's hands.
            byHand: "docs/media.md, Photos",
        },
        forward: "its app on telephones speaks to it, and knows no other login",
        preferred: "own",
    },
    gpu: "optional",
    database: "postgres",
    // What its migrations would create, and may not without the rights of a superuser.
    databaseNeeds: { extensions: ["vchord", "cube", "earthdistance", "pg_trgm", "unaccent", "uuid-ossp"] },
    redis: "queue",
    redisTogether: "a script of BullMQ touches several keys of a queue",
    keeps: ["immich-server"],
    caches: ({ models }) => [models],
    requests: { cpu: "200m", memory: "1Gi" },
    helpers,
    podSecurity: "restricted",
    build: (platform, config, { main, database, redis }) => {
        if (database === undefined || redis === undefined) {
            throw new pulumi.RunError("immich needs a PostgreSQL server with VectorChord and a Redis");
        }
        const learning = new Workload(
            "immich-machine-learning",
            {
                ...common,
                ...(main.tier === undefined ? {} : { tier: main.tier }),
                cpu: helpers["immich-machine-learning"].cpu,
                memory: { request: helpers["immich-machine-learning"].memory, limit: "4Gi" },
                image: images.immichMachineLearning,
                env: { MACHINE_LEARNING_CACHE_FOLDER: "/cache", HOME: "/tmp", MPLCONFIGDIR: "/tmp" },
                ports: { http: 3003 },
                volumes: { "/cache": cache(config.models), "/tmp": scratch("2Gi") },
                health: { http: "/ping" },
                security: "owner",
            },
            platform,
        );
        const queue = redisEnvironment(redis, {
            host: "REDIS_HOSTNAME",
            port: "REDIS_PORT",
            password: "REDIS_PASSWORD",
        });
        return new Workload(
            "immich-server",
            {
                ...main,
                image: images.immichServer,
                env: {
                    DB_HOSTNAME: database.host,
                    DB_PORT: String(database.port),
                    DB_USERNAME: database.user,
                    DB_DATABASE_NAME: database.name,
                    DB_VECTOR_EXTENSION: "vectorchord",
                    ...queue.env,
                    IMMICH_MEDIA_LOCATION: "/data",
                    IMMICH_MACHINE_LEARNING_URL: learning.url,
                    // The container toolkit gives a container compute only, unless it asks for the encoder.
                    ...(main.gpu === "nvidia" ? { NVIDIA_DRIVER_CAPABILITIES: "compute,video,utility" } : {}),
                },
                secretEnv: { DB_PASSWORD: database.password, ...queue.secretEnv },
                volumes: { "/data": data(config.storage), "/tmp": scratch("8Gi") },
                health: { http: "/api/server/ping" },
                connects: [learning.url, redis.connects],
                security: "owner",
                // A film that is being read in is finished first.
                terminationGracePeriod: 60,
            },
            platform,
        );
    },
});
