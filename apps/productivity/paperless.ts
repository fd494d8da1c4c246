import { z } from "zod";
import { app, storage, webApp, type Given } from "../app";
import { redisEnvironment } from "../../components/database/redis";
import { images } from "../../components/images";
import type { Platform } from "../../components/platform";
import { spelled } from "../../config/fields";
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
    config: webApp(
        { host: "paperless", memory: "4Gi" },
        {
            storage: storage("20Gi"),
            /** `sqlite`: a file in its data volume instead of the cluster's server. */
            database: z.enum(["postgres", "sqlite"], { error: "postgres or sqlite" }).default("postgres"),
            /** What documents are written in, as tesseract calls its packages, e.g. deu, chi-sim; empty: English. */
            languages: z
                .array(spelled("a language as tesseract calls it: eng, deu, chi-sim", /^[a-z]{3}(-[a-z]+)*$/))
                .default([]),
        },
    ),
    ports: { http: 8000 },
    reach: "local",
    auth: { own: true, forward: { open: ["^/api/"] }, preferred: "own" },
    secrets: Object.values(SECRETS),
    database: "postgres",
    // Tasks that are found again in the inbox.
    redis: "queue",
    redisTogether: "Celery waits for several keys at once",
    libraries: ["inbox"],
    keeps: ["paperless"],
    requests: { cpu: "10m", memory: "1Gi" },
    helpers,
    // Steps before it are root.
    podSecurity: "baseline",
    build: (platform, config, given) => build(platform, config, given),
});

const TESSDATA = "/data/tessdata";

/**
 * Language data, once: kept in the data volume, so that a start needs no internet. The image installs languages itself
 * only when all of it runs as root.
 */
function languagesScript(languages: readonly string[]): string {
    const files = languages.map((language) => `${TESSDATA}/${language.replaceAll("-", "_")}.traineddata`);
    return [
        `missing=; for file in ${files.join(" ")}; do test -e "$file" || missing=yes; done`,
        'test -n "$missing" || exit 0',
        "apt-get --quiet update",
        `apt-get --quiet --yes --no-install-recommends install ${languages.map((one) => `tesseract-ocr-${one}`).join(" ")}`,
        'image=$(dirname "$(find /usr/share/tesseract-ocr -name eng.traineddata | head -n 1)")',
        `mkdir -p ${TESSDATA}`,
        `cp -R "$image"/. ${TESSDATA}/`,
        `chmod -R a+rX ${TESSDATA}`,
    ].join("\n");
}

function build(
    platform: Platform,
    config: {
        readonly host: string;
        readonly storage: string;
        readonly database: "postgres" | "sqlite";
        readonly languages: readonly string[];
    },
    { main, database, redis }: Given,
): void {
    if (redis === undefined) throw new Error("paperless was given no Redis, which it asks for");
    const broker = redisEnvironment(redis, { url: "PAPERLESS_REDIS" });
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
    new Workload(
        "paperless",
        {
            ...main,
            image: images.paperless,
            env: {
                PAPERLESS_URL: platform.edge.url(config.host, "local"),
                PAPERLESS_PORT: "8000",
                HOME: "/usr/src/paperless",
                PAPERLESS_TIME_ZONE: platform.cluster.timezone,
                ...(database === undefined
                    ? { PAPERLESS_DBENGINE: "sqlite" }
                    : {
                          PAPERLESS_DBENGINE: "postgresql",
                          PAPERLESS_DBHOST: database.host,
                          PAPERLESS_DBPORT: String(database.port),
                          PAPERLESS_DBNAME: database.name,
                          PAPERLESS_DBUSER: database.user,
                      }),
                ...broker.env,
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
                ...(config.languages.length === 0
                    ? {}
                    : {
                          PAPERLESS_OCR_LANGUAGE: config.languages.join("+").replaceAll("-", "_"),
                          TESSDATA_PREFIX: TESSDATA,
                      }),
            },
            secrets: SECRETS,
            secretEnv: {
                ...(database === undefined ? {} : { PAPERLESS_DBPASS: database.password }),
                ...broker.secretEnv,
            },
            volumes: {
                "/data": data(config.storage),
                [inbox]: shared("inbox"),
                "/tmp": scratch("4Gi"),
                "/run": scratch("64Mi"),
            },
            init: {
                // s6 wants it to be the user's own, and only root can give it away.
                "run-directory": {
                    command: ["chown", `${uid}:${gid}`, "/run-of-paperless"],
                    mounts: { "/run-of-paperless": "/run" },
                    asRoot: true,
                },
                ...(config.languages.length === 0
                    ? {}
                    : {
                          "tesseract-langs": {
                              command: ["/bin/bash", "-euc", languagesScript(config.languages)],
                              mounts: { "/data": "/data" },
                              asRoot: true,
                          },
                      }),
            },
            // Every page but this one asks for a login and answers with a redirect.
            health: { http: "/accounts/login/" },
            connects: [redis.connects, tika.url, gotenberg.url],
            // Its home directory and s6 write beside the volumes.
            security: { user: "owner", writableRoot: true },
        },
        platform,
    );
}
