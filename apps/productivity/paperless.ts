import * as pulumi from "@pulumi/pulumi";
import { images } from "../../components/images";
import type { Platform } from "../../components/platform";
import { data, scratch, shared } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";

export interface PaperlessArgs {
    host: string;
    /** Memory limit. */
    memory: string;
    /** Size of the documents' volume. */
    storage: string;
}

/** Values in the secret store. */
export const PAPERLESS_SECRETS = {
    PAPERLESS_SECRET_KEY: "paperless.secretKey",
    PAPERLESS_ADMIN_USER: "paperless.adminUser",
    PAPERLESS_ADMIN_PASSWORD: "paperless.adminPassword",
} as const;

const common = { namespace: "productivity", group: "apps", cpu: "10m" } as const;

/** Documents: scanned into the inbox, read, filed and found again. https://docs.paperless-ngx.com/configuration/ */
export function paperless(platform: Platform, args: PaperlessArgs): Workload {
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
            ...common,
            image: images.valkey,
            // A queue of tasks that are found again in the inbox: nothing to keep.
            args: ["valkey-server", "--save", "", "--appendonly", "no", "--maxmemory", "192mb"],
            ports: { redis: 6379 },
            volumes: { "/data": scratch() },
            health: { exec: ["valkey-cli", "ping"] },
            memory: { request: "32Mi", limit: "256Mi" },
            security: { user: 999 },
        },
        platform,
    );
    const tika = new Workload(
        "paperless-tika",
        {
            ...common,
            image: images.tika,
            ports: { http: 9998 },
            volumes: { "/tmp": scratch() },
            health: { http: "/tika" },
            memory: { request: "512Mi", limit: "2Gi" },
            security: { user: 35002 },
        },
        platform,
    );
    const gotenberg = new Workload(
        "paperless-gotenberg",
        {
            ...common,
            image: images.gotenberg,
            args: ["gotenberg", "--chromium-disable-javascript=true", "--chromium-allow-list=file:///tmp/.*"],
            ports: { http: 3000 },
            volumes: { "/tmp": scratch() },
            health: { http: "/health" },
            memory: { request: "128Mi", limit: "2Gi" },
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
            ...common,
            image: images.paperless,
            ports: { http: 8000 },
            env: {
                PAPERLESS_URL: platform.edge.url(args.host),
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
            secrets: PAPERLESS_SECRETS,
            secretEnv: { PAPERLESS_DBPASS: database.password },
            volumes: { "/data": data(args.storage), [inbox]: shared("inbox"), "/tmp": scratch("4Gi") },
            expose: { host: args.host, access: "local" },
            // Every page but this one asks for a login and answers with a redirect.
            health: { http: "/accounts/login/" },
            connects: [broker.url, tika.url, gotenberg.url],
            memory: { request: "1Gi", limit: args.memory },
            security: "startsAsRoot",
        },
        platform,
    );
}
