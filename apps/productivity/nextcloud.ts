import { access, app, storage, webApp, type Given, type Partner } from "../app";
import { redisEnvironment } from "../../components/database/redis";
import { images } from "../../components/images";
import { nextcloudWiring, type NextcloudPlan } from "../../components/nextcloud/wiring-plan";
import type { Platform } from "../../components/platform";
import type { PodArgs } from "../../components/pod";
import { ScheduledWorkload } from "../../components/scheduled-workload";
import { data, lent, scratch, type PodVolume } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";
import { whole } from "../../config/fields";
import { SEARCH_USER } from "./elasticsearch";

const common = { namespace: "productivity", group: "apps" } as const;
const PORT = 8080;
const HTML = "/var/www/html";
const OURS = "/etc/homelab";

const SECRETS = {
    NEXTCLOUD_ADMIN_USER: "nextcloud.adminUser",
    NEXTCLOUD_ADMIN_PASSWORD: "nextcloud.adminPassword",
} as const;

const helpers = {
    "nextcloud-cron": { cpu: "20m", memory: "128Mi" },
    "nextcloud-wiring": { cpu: "10m", memory: "128Mi" },
} as const;

/** Files, calendars and contacts of the household. docs/nextcloud.md */
export const nextcloud = app({
    ...common,
    name: "nextcloud",
    title: "files, calendars and contacts",
    config: webApp(
        { host: "nextcloud", memory: "2Gi" },
        {
            access: access("external"),
            storage: storage("200Gi"),
            /** Hour of the day, UTC, at which what is heavy may begin. */
            maintenanceHour: whole(0, 23).default(1),
        },
    ),
    ports: { http: PORT },
    reach: "external",
    auth: { own: true, forward: "its clients on computers and telephones know no other login", preferred: "own" },
    provides: "files",
    asks: [
        { role: "office", optional: true },
        { role: "whiteboard", optional: true, apiKey: true },
        { role: "file-search", optional: true, apiKey: true },
    ],
    database: "postgres",
    redis: "cache",
    secrets: Object.values(SECRETS),
    keeps: ["nextcloud"],
    requests: { cpu: "100m", memory: "512Mi" },
    helpers,
    podSecurity: "restricted",
    build: (platform, config, given) => build(platform, config, given),
});

interface NextcloudConfig {
    readonly host: string;
    readonly access: "local" | "external";
    readonly storage: string;
    readonly maintenanceHour: number;
}

function build(platform: Platform, config: NextcloudConfig, given: Given): void {
    const { main, database, redis } = given;
    const cache = redis === undefined ? undefined : redisEnvironment(redis, CACHE_VARIABLES);
    const env = {
        ...(database === undefined
            ? {}
            : { POSTGRES_HOST: database.host, POSTGRES_DB: database.name, POSTGRES_USER: database.user }),
        ...cache?.env,
        PHP_UPLOAD_LIMIT: "16G",
        APACHE_BODY_LIMIT: "0",
        // Rewritten at each start: the rules name the host.
        NEXTCLOUD_INIT_HTACCESS: "true",
    };
    const secretEnv = {
        ...(database === undefined ? {} : { POSTGRES_PASSWORD: database.password }),
        ...cache?.secretEnv,
    };
    const server = new Workload(
        "nextcloud",
        {
            ...main,
            image: images.nextcloud,
            env,
            secretEnv,
            // For the first start alone; afterwards the account is the person's.
            secrets: SECRETS,
            files: {
                [`${OURS}/homelab.config.php`]: configuration(platform, config, redis?.prefix),
                // Not root: no port below 1024.
                "/etc/apache2/ports.conf": `Listen ${PORT}\n`,
                "/etc/apache2/sites-available/000-default.conf": virtualHost,
            },
            volumes: { [HTML]: data(config.storage), "/tmp": scratch() },
            init: {
                // The image fills an empty directory only, and ours is to be of today at each start.
                configuration: {
                    command: [
                        "/bin/sh",
                        "-ec",
                        `mkdir -p ${HTML}/config; cp -r --update=none /usr/src/nextcloud/config/. ${HTML}/config/; cp ${OURS}/homelab.config.php ${HTML}/config/`,
                    ],
                    mounts: { [HTML]: HTML },
                },
            },
            health: { exec: ["php", "-r", INSTALLED], timeoutSeconds: 20 },
            connects: [
                ...(main.connects ?? []),
                ...(redis === undefined ? [] : [redis.connects.replace("http:", "redis:")]),
            ],
            // Apache and PHP write beside the volumes.
            security: { user: "owner", writableRoot: true },
            // A new version copies all of its code and changes the database before it answers; killed in it, both are half done.
            patience: 3600,
        },
        platform,
    );
    const beside = (name: keyof typeof helpers, limit: string): BesideArgs => ({
        ...common,
        cpu: helpers[name].cpu,
        memory: { request: helpers[name].memory, limit },
        env,
        secretEnv,
    });
    const files = lent(server.claims.get(HTML) ?? "nextcloud");
    const opts = { dependsOn: server };
    new ScheduledWorkload(
        "nextcloud-cron",
        {
            ...besideServer(beside("nextcloud-cron", "1Gi"), files),
            // https://docs.nextcloud.com/server/latest/admin_manual/configuration_server/background_jobs_configuration.html
            schedule: "*/5 * * * *",
            command: ["php", "-f", `${HTML}/cron.php`],
        },
        platform,
        opts,
    );
    const { plan, keys } = wiring(platform, given);
    new ScheduledWorkload(
        "nextcloud-wiring",
        {
            ...besideServer(beside("nextcloud-wiring", "1Gi"), files, plan),
            schedule: "*/15 * * * *",
            command: ["php", "-d", "memory_limit=-1", `${OURS}/wire.php`, `${OURS}/plan.json`],
            ...(Object.keys(keys).length === 0 ? {} : { secrets: keys }),
        },
        platform,
        opts,
    );
}

const CACHE_VARIABLES = {
    // Not the image's own names: for them it would write PHP's configuration, which only root can.
    host: "CACHE_HOST",
    port: "CACHE_PORT",
    password: "CACHE_PASSWORD",
} as const;

/** Ends well once it is installed and answers. A name that it trusts, or it refuses even this. */
const INSTALLED = `exit((json_decode((string) @file_get_contents("http://localhost:${PORT}/status.php"), true)["installed"] ?? false) === true ? 0 : 1);`;

const virtualHost = `<VirtualHost *:${PORT}>
    DocumentRoot ${HTML}
    ErrorLog \${APACHE_LOG_DIR}/error.log
    CustomLog \${APACHE_LOG_DIR}/access.log combined
</VirtualHost>
`;

const phpText = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
const phpList = (texts: readonly string[]) => `[${texts.map(phpText).join(", ")}]`;

/**
 * What follows from the cluster, read after the image's own files and above what the database or a person says. Nextcloud
 * merges `config/*.config.php` by their names.
 */
export function configuration(
    { edge, cluster }: Pick<Platform, "edge" | "cluster">,
    { host, access, maintenanceHour }: Pick<NextcloudConfig, "host" | "access" | "maintenanceHour">,
    prefix: string | undefined,
): string {
    const url = new URL(edge.url(host, access));
    const inside = `nextcloud.${common.namespace}.svc.cluster.local`;
    return `<?php
$CONFIG = [
    'trusted_domains' => ${phpList([url.hostname, inside, "localhost"])},
    'trusted_proxies' => ${phpList([cluster.podCidr])},
    'overwriteprotocol' => ${phpText(url.protocol.replace(":", ""))},
    'overwrite.cli.url' => ${phpText(url.origin)},
    'maintenance_window_start' => ${maintenanceHour},
    'dbhost' => getenv('POSTGRES_HOST'),
    'dbpassword' => getenv('POSTGRES_PASSWORD'),
    'memcache.local' => '\\OC\\Memcache\\APCu',
${
    prefix === undefined
        ? ""
        : `    'memcache.distributed' => '\\OC\\Memcache\\Redis',
    'memcache.locking' => '\\OC\\Memcache\\Redis',
    'memcache_customprefix' => ${phpText(prefix)},
    'redis' => array_filter([
        'host' => getenv('CACHE_HOST'),
        'port' => (int) getenv('CACHE_PORT'),
        'password' => getenv('CACHE_PASSWORD'),
    ]),
`
}];
`;
}

type BesideArgs = Pick<PodArgs, "namespace" | "group" | "cpu" | "memory" | "env" | "secretEnv">;

/**
 * A pod with the server's files: on the server's machine, as its volume is one machine's at a time. It waits there until the
 * server is.
 */
function besideServer(args: BesideArgs, files: PodVolume, plan?: NextcloudPlan): PodArgs {
    const selector = { matchLabels: { "app.kubernetes.io/name": "nextcloud" } };
    return {
        ...args,
        image: images.nextcloud,
        security: { user: "owner", writableRoot: true },
        volumes: { [HTML]: files, "/tmp": scratch() },
        ...(plan === undefined
            ? {}
            : {
                  files: {
                      [`${OURS}/wire.php`]: nextcloudWiring(),
                      [`${OURS}/plan.json`]: JSON.stringify(plan, undefined, 2),
                  },
              }),
        patch: {
            pod: {
                affinity: {
                    podAffinity: {
                        requiredDuringSchedulingIgnoredDuringExecution: [
                            { labelSelector: selector, topologyKey: "kubernetes.io/hostname" },
                        ],
                    },
                },
            },
        },
    };
}

/** Nextcloud told of the programs around it. */
function wiring(platform: Platform, { partners }: Given): { plan: NextcloudPlan; keys: Record<string, string> } {
    const keys: Record<string, string> = {};
    const keyOf = (variable: string, { apiKey }: Partner): string => {
        if (apiKey !== undefined) keys[variable] = apiKey;
        return variable;
    };
    const office = partners("office").slice(0, 1);
    const boards = partners("whiteboard").slice(0, 1);
    const search = partners("file-search").slice(0, 1);
    const inside = `http://nextcloud.${common.namespace}.svc.cluster.local:${PORT}`;
    const plan: NextcloudPlan = {
        apps: [
            ...office.map(() => "richdocuments"),
            ...boards.map(() => "whiteboard"),
            ...search.flatMap(() => ["fulltextsearch", "files_fulltextsearch", "fulltextsearch_elasticsearch"]),
        ],
        settings: [
            { app: "core", key: "backgroundjobs_mode", value: "cron" },
            // https://sdk.collaboraonline.com/docs/installation/Configuration.html
            ...office.flatMap(({ url, publicUrl }) => [
                { app: "richdocuments", key: "wopi_url", value: url },
                { app: "richdocuments", key: "public_wopi_url", value: publicUrl ?? url },
                // Nobody but pods may fetch a document as the office does.
                { app: "richdocuments", key: "wopi_allowlist", value: platform.cluster.podCidr },
            ]),
            ...boards.flatMap((board) => [
                { app: "whiteboard", key: "collabBackendUrl", value: board.publicUrl ?? board.url },
                { app: "whiteboard", key: "jwt_secret_key", secret: keyOf("WHITEBOARD_KEY", board) },
            ]),
            ...search.flatMap((one) => [
                {
                    app: "fulltextsearch",
                    key: "search_platform",
                    value: "OCA\\FullTextSearch_Elasticsearch\\Platform\\ElasticSearchPlatform",
                },
                {
                    app: "fulltextsearch_elasticsearch",
                    key: "elastic_host",
                    value: one.url.replace("//", `//${SEARCH_USER}:{secret}@`),
                    secret: keyOf("SEARCH_KEY", one),
                },
                { app: "fulltextsearch_elasticsearch", key: "elastic_index", value: INDEX },
            ]),
        ],
        checks: [
            // Without the address it forgets it, and the office would ask at the public one, where nobody but pods may fetch.
            ...office.map(() => ({
                app: "richdocuments",
                occ: ["richdocuments:activate-config", "--callback-url", inside],
            })),
            ...search.map(() => ({ app: "fulltextsearch", occ: ["fulltextsearch:check"] })),
        ],
        indexes: search.map(({ url }) => ({
            app: "fulltextsearch",
            url,
            name: INDEX,
            user: SEARCH_USER,
            secret: "SEARCH_KEY",
            // Forced: Nextcloud's database knows each file as indexed, whatever became of the index.
            occ: ["fulltextsearch:index", JSON.stringify({ force: true, errors: "reset" }), "--no-readline"],
        })),
    };
    return { plan, keys };
}

const INDEX = "nextcloud";
