/** PostgreSQL for the cluster's apps, on one server or on several by domain: schema, rules and secrets, and what is built. docs/databases.md */
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { CloudNativePg } from "../components/database/cloudnative-pg";
import type { Databases } from "../components/database/databases";
import { needVectorChord } from "../components/database/extensions";
import {
    POSTGRES_LEAST_MEMORY,
    POSTGRES_REQUESTS,
    POSTGRES_SECRETS,
    PostgresCluster,
    type PostgresClusterArgs,
} from "../components/database/postgres-cluster";
import { databaseSecret } from "../components/database/postgres-database";
import type { WorkloadHost } from "../components/platform";
import { bytes, folder, type homeS3, label, spelled, volumeSize, whole } from "../config/fields";
import { didYouMean, show, type CrossRule, type Fault } from "../config/parse";
import { toBytes } from "../config/quantities";
import { bucketClaims, claimedTwice, type Claim } from "../config/rules";
import { appDatabases, type Apps, type Reserved } from "./apps";
import type { Lab } from "./lab";
import type { OtherVolume } from "./longhorn";
import type { Part } from "./platform-parts";

/** Namespace of the servers. */
export const DATABASE = "database";

/** Instances of a server, where there are machines enough: one can go, and two still agree. */
const INSTANCES = 3;

const ARCHIVE = /^[a-z][a-z0-9-]*-v[1-9][0-9]*$/;
/** An instance asks for that much, and its limit cannot be less; 2Gi is a good one. */
const memory = bytes.refine((size) => toBytes(size) >= toBytes(POSTGRES_LEAST_MEMORY), {
    error: `a size such as 2Gi, from ${POSTGRES_LEAST_MEMORY}, for which an instance asks`,
});

const archives = z.array(spelled("the name of an archive such as postgres-v2 or pg-media-v2", ARCHIVE)).default([]);

/** What a server may have of its own; the rest is as `postgres` says for all. */
const server = z.strictObject({
    instances: whole(1, 9).optional(),
    storage: volumeSize.optional(),
    walStorage: volumeSize.optional(),
    memory: memory.optional(),
    /** Namespaces whose apps have their databases there; default: that of its name. */
    namespaces: z.array(label).min(1, { error: "at least one namespace; without the key that of its name" }).optional(),
    /** True: its image has VectorChord although no app asks for it (any more). */
    vectorChord: z.boolean({ error: "true or false" }).optional(),
    ignoreArchives: archives,
});

/** `postgres` of a schema. `bucket`: of the servers that the recipe can reach. */
export const postgresKeys = (bucket: typeof homeS3) =>
    z.strictObject({
        /** Of each server, each on a machine of its own; default: 3, or as many as there are machines. */
        instances: whole(1, 9).optional(),
        storage: volumeSize.default("20Gi"),
        /** A volume of its own for the WAL; absent: it is on the same. */
        walStorage: volumeSize.optional(),
        /** Limit of each instance. */
        memory: memory.default("2Gi"),
        /** Bucket for base backups and WAL. `folder`: in it; several servers have one each below. */
        backup: bucket.extend({
            folder: folder.optional(),
        }),
        /** How long base backups and WAL are kept: days, weeks or months, as Barman spells them. */
        retention: spelled("a duration such as 14d, 4w or 6m (months)", /^[1-9][0-9]*[dwm]$/).default("14d"),
        /** Archives that a new server never starts from: damaged ones, or leftovers of an `up` that was cut short. */
        ignoreArchives: archives,
        /** Several servers by name, each called pg-<name>; absent: one, called postgres, which serves all. */
        clusters: z
            .record(spelled("a short name such as media", /^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$/), server)
            .optional(),
        /** Which of them serves namespaces that none is for; default: the one called other. */
        others: label.optional(),
    });

type PostgresKeys = z.output<ReturnType<typeof postgresKeys>>;

interface PostgresConfig {
    readonly postgres?: PostgresKeys | undefined;
}

/** The one server where no others are declared. */
const ALONE = "postgres";

/** A server as it is built. */
interface Server extends Pick<
    PostgresClusterArgs,
    "server" | "instances" | "storage" | "walStorage" | "memory" | "ignoreArchives" | "ignoredBy" | "amongOthers"
> {
    /** Place of its keys in the configuration. */
    readonly path: string;
    /** Namespaces that it serves; undefined: all. */
    readonly serves: readonly string[] | undefined;
    readonly folder: string | undefined;
    readonly vectorChord: boolean;
}

/** The servers of a configuration. `machines`: how many there are for them. */
function serversOf({ postgres }: PostgresConfig, machines: number): Server[] {
    if (postgres === undefined) return [];
    const { clusters, storage, walStorage, memory, backup, ignoreArchives } = postgres;
    const usual = postgres.instances ?? Math.max(1, Math.min(INSTANCES, machines));
    if (clusters === undefined) {
        const own = { server: ALONE, path: "postgres", serves: undefined, folder: backup.folder, vectorChord: false };
        const ignored = { ignoreArchives, ignoredBy: "postgres.ignoreArchives", amongOthers: false };
        return [{ ...own, ...ignored, instances: usual, storage, walStorage, memory }];
    }
    return Object.entries(clusters).map(([name, own]): Server => {
        const called = `pg-${name}`;
        const path = `postgres.clusters.${name}`;
        return {
            server: called,
            path,
            serves: own.namespaces ?? [name],
            folder: [backup.folder, called].filter((part) => part !== undefined).join("/"),
            instances: own.instances ?? usual,
            storage: own.storage ?? storage,
            walStorage: own.walStorage ?? walStorage,
            memory: own.memory ?? memory,
            vectorChord: own.vectorChord ?? false,
            ignoreArchives: own.ignoreArchives,
            ignoredBy: `${path}.ignoreArchives`,
            amongOthers: Object.keys(clusters).length > 1,
        };
    });
}

/** Which of several servers is for namespaces that none names. */
const fallback = ({ others = "other", clusters = {} }: PostgresKeys): string | undefined =>
    clusters[others] === undefined ? undefined : `pg-${others}`;

/** The server of a namespace; undefined: none is. */
function serverOf(namespace: string, servers: readonly Server[], postgres: PostgresKeys): Server | undefined {
    const own = servers.find(({ serves }) => serves?.includes(namespace) !== false);
    return own ?? servers.find((one) => one.server === fallback(postgres));
}

/** Two instances on one machine would fall with it. */
export const oneEachNode: CrossRule<PostgresConfig & { readonly nodes: readonly unknown[] }> = ({
    postgres,
    nodes,
}) => {
    const said: readonly (readonly [string, number | undefined])[] = [
        ["postgres.instances", postgres?.instances],
        ...Object.entries(postgres?.clusters ?? {}).map(
            ([name, { instances }]) => [`postgres.clusters.${name}.instances`, instances] as const,
        ),
    ];
    return said.flatMap(([path, instances]) =>
        instances === undefined || instances <= nodes.length
            ? []
            : [
                  {
                      rule: "postgres-instances",
                      path,
                      got: show(instances),
                      allowed: `at most one a node (${nodes.length})`,
                      suggestion: "take it out: there are as many as there are machines, three at most",
                  },
              ],
    );
};

/** What must hold of them. `databases`: namespaces besides the apps' that have a database, by the key that wants one. */
export const postgresRules = <C extends PostgresConfig & { readonly apps: Apps }>(
    databases: (config: C) => readonly Claim[] = () => [],
): readonly CrossRule<C>[] => [
    ({ postgres }) => (postgres === undefined ? [] : namesMisplaced(postgres)),
    ({ postgres }) => (postgres === undefined ? [] : archivesOfOthers(postgres)),
    ({ postgres }) =>
        claimedTwice(
            "postgres-namespace-twice",
            Object.entries(postgres?.clusters ?? {}).flatMap(([name, { namespaces = [name] }]) =>
                namespaces.map((namespace): Claim => [`postgres.clusters.${name}.namespaces`, namespace]),
            ),
            "one server a namespace",
        ),
    (config) => {
        const { postgres } = config;
        if (postgres === undefined) return [];
        const servers = serversOf(config, 1);
        const users = [
            ...appDatabases(config.apps).map(({ app, namespace }): Claim => [`apps.${app}`, namespace]),
            ...databases(config),
        ];
        return users
            .filter(([, namespace]) => serverOf(namespace, servers, postgres) === undefined)
            .map(([path, namespace]) => ({
                rule: "postgres-domain-unserved",
                path,
                got: `a database for the namespace ${namespace}`,
                allowed: `only where a server is for it: ${servers.map((one) => `${one.server} for ${(one.serves ?? []).join(", ")}`).join("; ")}`,
                suggestion: `set postgres.others to the one for all other namespaces, or add ${namespace} to the namespaces of one under postgres.clusters`,
            }));
    },
];

function namesMisplaced({ clusters, others, ignoreArchives }: PostgresKeys): Fault[] {
    const names = Object.keys(clusters ?? {});
    return [
        ...(clusters === undefined || names.length > 0
            ? []
            : [
                  {
                      rule: "postgres-clusters-empty",
                      path: "postgres.clusters",
                      got: "none",
                      allowed: "at least one server; without the key there is one, which serves all",
                  },
              ]),
        ...(others === undefined || names.includes(others)
            ? []
            : [
                  {
                      rule: "postgres-others-unknown",
                      path: "postgres.others",
                      got: show(others),
                      allowed:
                          names.length === 0
                              ? "nothing: there is one server, which serves all"
                              : `one of postgres.clusters: ${names.join(", ")}`,
                      ...didYouMean(others, names),
                  },
              ]),
        ...(clusters === undefined || ignoreArchives.length === 0
            ? []
            : [
                  {
                      rule: "postgres-archives-of-nobody",
                      path: "postgres.ignoreArchives",
                      got: show(ignoreArchives),
                      allowed: "nothing where there are several servers: each has archives of its own",
                      suggestion: "say it under the server, in postgres.clusters.<name>.ignoreArchives",
                  },
              ]),
    ];
}

/** A name of another server's would be passed over in silence. */
function archivesOfOthers(postgres: PostgresKeys): Fault[] {
    return serversOf({ postgres }, 1).flatMap(({ server: name, path, ignoreArchives }) =>
        ignoreArchives.flatMap((archive, index) =>
            new RegExp(`^${name}-v[0-9]+$`).test(archive)
                ? []
                : [
                      {
                          rule: "postgres-archive-of-another",
                          path: `${path}.ignoreArchives.${index}`,
                          got: show(archive),
                          allowed: `an archive of this server, such as ${name}-v2`,
                      },
                  ],
        ),
    );
}

/** The folder, for comparison with whatever else writes into buckets. */
export const postgresBuckets = ({ postgres }: PostgresConfig): Claim[] =>
    bucketClaims({ "postgres.backup": postgres?.backup }).map(([path, bucket]): Claim =>
        postgres?.backup.folder === undefined ? [path, bucket] : [path, `${bucket}/${postgres.backup.folder}`],
    );

/** Endpoint of the bucket, which may be a bridge's. */
export const postgresUrls = ({ postgres }: PostgresConfig): Claim[] =>
    postgres === undefined || !URL.canParse(postgres.backup.endpoint)
        ? []
        : [["postgres.backup.endpoint", postgres.backup.endpoint]];

/** Names of the servers. */
export const postgresNames = (config: PostgresConfig): string[] => serversOf(config, 1).map(({ server }) => server);

/** Volumes of the servers. `machines`: how many there are for them. */
export const postgresVolumes = (config: PostgresConfig, machines: number): OtherVolume[] =>
    serversOf(config, machines).flatMap(({ path, instances, storage, walStorage }) =>
        Array.from({ length: instances }, () => [
            { path: `${path}.storage`, size: storage },
            ...(walStorage === undefined ? [] : [{ path: `${path}.walStorage`, size: walStorage }]),
        ]).flat(),
    );

/** What the servers request of the machines. */
export const postgresRequests = (config: PostgresConfig, machines: number): Reserved[] =>
    serversOf(config, machines).map(({ server: what, instances }) => ({
        what,
        number: instances,
        each: POSTGRES_REQUESTS,
    }));

/** What the secret store must hold for the servers and the apps' databases. */
export const postgresSecrets = ({ postgres, apps }: PostgresConfig & { readonly apps: Apps }): string[] => [
    ...appDatabases(apps).map(({ app }) => databaseSecret(app)),
    ...(postgres === undefined ? [] : Object.values(POSTGRES_SECRETS)),
];

/** The same by the namespace that asks for each. */
export function postgresRefs(config: PostgresConfig & { readonly apps: Apps }): Record<string, string[]> {
    const refs: Record<string, string[]> = {};
    for (const { app, namespace } of appDatabases(config.apps)) (refs[namespace] ??= []).push(databaseSecret(app));
    return config.postgres === undefined ? refs : { ...refs, [DATABASE]: postgresSecrets(config) };
}

/** The servers as a part of the platform. `machines`: those that instances may be on; `databases`: as of `postgresRules`. */
export const postgresPart = <C extends PostgresConfig & { readonly apps: Apps }>({
    machines,
    databases,
}: {
    readonly machines: (config: C) => readonly unknown[];
    readonly databases?: (config: C) => readonly Claim[];
}): Part<C> => ({
    rules: [
        (config) => oneEachNode({ postgres: config.postgres, nodes: machines(config) }),
        ...postgresRules<C>(databases),
    ],
    buckets: postgresBuckets,
    servers: postgresUrls,
    volumes: (config) => postgresVolumes(config, machines(config).length),
    requests: (config) => postgresRequests(config, machines(config).length),
    secrets: postgresRefs,
    namespaces: ({ postgres }) => (postgres === undefined ? {} : { [DATABASE]: "restricted" }),
});

/** The operator of the servers, where the configuration has any. `title`: of the stage. */
export const postgresOperator = (
    lab: Lab,
    { postgres }: PostgresConfig,
    title: string,
    opts: pulumi.ComponentResourceOptions,
): CloudNativePg | undefined =>
    postgres === undefined ? undefined : lab.stage(title, new CloudNativePg("cloudnative-pg", {}, opts));

export interface PostgresOn extends Pick<PostgresClusterArgs, "storageClass"> {
    /** Undefined where the configuration has no server. */
    readonly operator: CloudNativePg | undefined;
    readonly host: Pick<WorkloadHost, "cluster" | "namespaces" | "secrets">;
    /** How many machines there are for instances of one server. */
    readonly machines: number;
}

/** What several servers are together: each app's databases are on that of its namespace. */
export interface PostgresServers extends Databases {
    /** The servers, for what must come after them. */
    readonly servers: readonly PostgresCluster[];
}

/** The servers, where the configuration has any. */
export function postgresServers(
    lab: Lab,
    config: PostgresConfig & {
        readonly apps: Apps;
        readonly backups?: { readonly beforeDestroy: boolean } | undefined;
    },
    { operator, host, storageClass, machines }: PostgresOn,
    opts: pulumi.ComponentResourceOptions,
): PostgresServers | undefined {
    const { postgres } = config;
    if (postgres === undefined || operator === undefined) return undefined;
    const { cluster, namespaces, secrets } = host;
    const on = { operator, cluster, secrets, storageClass, namespace: namespaces.name(DATABASE) };
    const servers = serversOf(config, machines);
    const asked = appDatabases(config.apps);
    const monitors = lab.part("postgres-monitors", opts);
    const made = new Map(
        servers.map((one) => {
            const { path: _path, serves: _serves, folder, vectorChord, ...args } = one;
            const extensions = asked
                .filter(({ namespace }) => serverOf(namespace, servers, postgres) === one)
                .flatMap((app) => app.extensions);
            const built = new PostgresCluster(
                one.server,
                {
                    ...on,
                    ...args,
                    vectorChord: vectorChord || needVectorChord(extensions),
                    backup: { ...postgres.backup, folder },
                    retention: postgres.retention,
                    beforeDestroy: config.backups?.beforeDestroy ?? true,
                    ...(monitors === undefined ? {} : { monitor: { delivery: monitors, namespace: DATABASE } }),
                },
                opts,
            );
            return [one, lab.stage(one.server === ALONE ? "PostgreSQL" : `PostgreSQL ${one.server}`, built)] as const;
        }),
    );
    return {
        servers: [...made.values()],
        postgres: (name, args, options) => {
            const own = serverOf(args.domain, servers, postgres);
            const built = own === undefined ? undefined : made.get(own);
            if (built === undefined) {
                throw new pulumi.RunError(
                    `${name} wants a database, and no server of postgres.clusters is for the namespace ${args.domain}; set postgres.others`,
                );
            }
            return built.postgres(name, args, options);
        },
    };
}
