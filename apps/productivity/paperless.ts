import * as pulumi from "@pulumi/pulumi";
import { app, storage, webApp, type Given } from "../app";
import { images } from "../../components/images";
import type { Platform } from "../../components/platform";
import { data, scratch, shared } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";

const SECRETS = {
    PAPERLESS_SECRET_KEY: "paperless.secretKey",
    PAPERLESS_ADMIN_USER: "paperless.adminUser",
    PAPERLESS_ADMIN_PASSWORD: "paperless.adminPassword",
} as const;

const common = { namespace: "productivity", group: "apps" } as const;

/** What the workloads beside paperless itself request. */
const helpers = {
    "paperless-redis": { cpu: "10m", memory: "32Mi" },
    "paperless-tika": { cpu: "10m", memory: "512Mi" },
    "paperless-gotenberg": { cpu: "10m", memory: "128Mi" },
} as const;

/** What a helper's declaration says, as arguments. */
const helper = (name: keyof typeof helpers, limit: string) => ({
    ...common,
    cpu: helpers[name].cpu,
    memory: { request: helpers[name].memory, limit },
});

/** Documents: scanned into the inbox, read, filed and found again. https://docs.paperless-ngx.com/configuration/ */
export const paperless = app({
    ...common,
    name: "paperless",
    title: "documents, scanned, read and found again",
    config: webApp({ host: "paperless", memory: "4Gi" }, { storage: storage("20Gi") }),
    ports: { http: 8000 },
    reach: "local",
    secrets: Object.values(SECRETS),
    database: "postgres",
    libraries: ["inbox"],
    keeps: ["paperless"],
    requests: { cpu: "10m", memory: "1Gi" },
    helpers,
    // The image's init is root.
    podSecurity: "baseline",
    build: (platform, config, { main }) => build(platform, config, main),
});

function build(
    platform: Platform,
    config: { readonly host: string; readonly storage: string },
    main: Given["main"],
): Workload {
    if (platform.databases === undefined) {
        throw new pulumi.RunError("paperless needs a PostgreSQL server, and this cluster has none");
    }
    const database = platform.databases.postgres(
        "paperless",
        { database: "paperless", namespace: platform.namespaces.name(common.namespace) },
        platform.opts,
    );
    const broker = new Workload(
        "paperless-redis",
        {
            ...helper("paperless-redis", "256Mi"),
            image: images.valkey,
            // A queue of tasks that are found again in the inbox: nothing to keep.
            args: ["valkey-server", "--save", "", "--appendonly", "no", "--maxmemory", "192mb"],
            ports: { redis: 6379 },
            volumes: { "/data": scratch() },
            health: { exec: ["valkey-cli", "ping"] },
            security: { user: 999 },
        },
        platform,
    );
    const tika = new Workload(
        "paperless-tika",
        {
            ...helper("paperless-tika", "2Gi"),
            image: images.tika,
            ports: { http: 9998 },
            volumes: { "/tmp": scratch() },
            health: { http: "/tika" },
            security: { user: 35002 },
        },
        platform,
    );
    const gotenberg = new Workload(
        "paperless-gotenberg",
        {
            ...helper("paperless-gotenberg", "2Gi"),
            image: images.gotenberg,
            args: ["gotenberg", "--chromium-disable-javascript=true", "--chromium-allow-list=file:///tmp/.*"],
            ports: { http: 3000 },
            volumes: { "/tmp": scratch() },
            health: { http: "/health" },
            // Chromium and LibreOffice write profiles into their home directory.
            security: { user: 1001, writableRoot: true },
        },
        platform,
    );
    const { uid, gid } = platform.storage.owner;
    const inbox = platform.storage.path("inbox");
    return new Workload(
        "paperless",
        {
            ...main,
            image: images.paperless,
            env: {
                PAPERLESS_URL: platform.edge.url(config.host),
                PAPERLESS_PORT: "8000",
                PAPERLESS_TIME_ZONE: platform.cluster.timezone,
                PAPERLESS_DBENGINE: "postgresql",
                PAPERLESS_DBHOST: database.host,
                PAPERLESS_DBPORT: String(database.port),
                PAPERLESS_DBNAME: database.name,
                PAPERLESS_DBUSER: database.user,
                PAPERLESS_REDIS: broker.url.replace("http:", "redis:"),
                PAPERLESS_TIKA_ENABLED: "true",
                PAPERLESS_TIKA_ENDPOINT: tika.url,
                PAPERLESS_TIKA_GOTENBERG_ENDPOINT: gotenberg.url,
                PAPERLESS_DATA_DIR: "/data/data",
                PAPERLESS_MEDIA_ROOT: "/data/media",
                PAPERLESS_CONSUMPTION_DIR: inbox,
                // Nothing tells a client of an NFS export that another one wrote a file.
                PAPERLESS_CONSUMER_POLLING_INTERVAL: "60",
                PAPERLESS_CONSUMER_RECURSIVE: "true",
                PAPERLESS_CONSUMER_SUBDIRS_AS_TAGS: "true",
                // The image's init is root and drops to these.
                USERMAP_UID: String(uid),
                USERMAP_GID: String(gid),
            },
            secrets: SECRETS,
            secretEnv: { PAPERLESS_DBPASS: database.password },
            volumes: { "/data": data(config.storage), [inbox]: shared("inbox"), "/tmp": scratch("4Gi") },
            // Every page but this one asks for a login and answers with a redirect.
            health: { http: "/accounts/login/" },
            connects: [broker.url, tika.url, gotenberg.url],
            security: "startsAsRoot",
        },
        platform,
    );
}
