/** Redis that the cluster's apps share, on Redis Enterprise: schema, rules, secrets and sums, and what is built. docs/redis-enterprise.md */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { crds } from "../components/crds";
import type { PodSecurity } from "../components/cluster/namespaces";
import type { RedisPurpose } from "../components/database/redis";
import {
    REDIS_BEHAVIOUR,
    REDIS_ENTERPRISE_NAMESPACE,
    REDIS_SECRETS,
    RedisEnterprise,
    RIGGER_REQUESTS,
    type RedisEnterpriseArgs,
} from "../components/database/redis-enterprise";
import { OPERATOR_REQUESTS } from "../components/database/redis-enterprise-operator";
import type { WorkloadHost } from "../components/platform";
import { bridgedS3, bytes, cpu, folder, region, spelled, volumeSize, whole } from "../config/fields";
import { show, type CrossRule, type Fault } from "../config/parse";
import { bucketClaims, type Claim } from "../config/rules";
import { toBytes, total } from "../config/quantities";
import { appRedis, type Apps, type Reserved } from "./apps";
import type { Lab } from "./lab";
import type { OtherVolume } from "./longhorn";
import type { Part } from "./platform-parts";

/** Redis Enterprise takes an odd number, and three at least. */
const NODES = "3, 5 or 7: nodes take a vote, and two cannot outvote one that is gone";

const database = z
    .strictObject({
        /** What it may hold, its copy not counted. */
        memory: bytes.default("1Gi"),
        /** Parts that it is divided into; its copy has as many again. */
        shards: whole(1, 16).default(1),
    })
    .prefault({});

/** `redis` of a schema. */
export const redisKeys = z.strictObject({
    /** Name of the cluster of Redis Enterprise. */
    name: spelled(
        "lower-case letters, digits and inner dashes, a letter first, at most 52: pods have it with a hash in a label",
        /^[a-z]([a-z0-9-]{0,50}[a-z0-9])?$/,
    ).default("redis-enterprise"),
    /** Its nodes, each on a machine of its own. */
    nodes: z.union([z.literal(3), z.literal(5), z.literal(7)], { error: NODES }).default(3),
    /** What each node has: requested, and never more. */
    cpu: cpu.default("2"),
    memory: bytes.default("4Gi"),
    /** Of each node's volume. */
    storage: volumeSize.default("20Gi"),
    /** `secret`: the secret store has a licence. `trial`: four shards, and after 30 days nothing can be changed any more. */
    licence: z.enum(["trial", "secret"], { error: "trial or secret" }).default("trial"),
    databases: z.strictObject({ cache: database, queue: database }).prefault({}),
    /** Bucket that the queue is saved to; absent: it is on the nodes' volumes alone. */
    backup: bridgedS3
        .extend({
            region: region.default("us-east-1"),
            /** In the bucket. */
            folder: folder.default("redis"),
            /** How often. */
            everyHours: z
                .union([z.literal(1), z.literal(4), z.literal(12), z.literal(24)], { error: "1, 4, 12 or 24" })
                .default(24),
        })
        .optional(),
});

type RedisKeys = z.output<typeof redisKeys>;

export interface RedisConfig {
    readonly redis?: RedisKeys | undefined;
}

const PURPOSES: readonly RedisPurpose[] = ["cache", "queue"];

/** https://redis.io/docs/latest/operate/rs/clusters/configure/license-keys/#trial-mode */
const TRIAL = { shards: 4, days: 30 } as const;

/** Least memory of a node, and of a database. */
const SMALLEST = { node: "4Gi", database: "100Mi" } as const;

/** Least storage of a node, in sizes of its memory: a snapshot and its log are beside each other while one is written. */
const STORAGE = 3;

/** What databases may take of the nodes' memory; the rest is Redis Enterprise's own, and that of a node that is gone. */
const USABLE = 1 / 2;

const copies = (purpose: RedisPurpose): number => (REDIS_BEHAVIOUR[purpose].replication ? 2 : 1);

const shardsOf = ({ databases }: RedisKeys): number =>
    total(PURPOSES, (purpose) => databases[purpose].shards * copies(purpose));

const bytesOf = ({ databases }: RedisKeys): number =>
    total(PURPOSES, (purpose) => toBytes(databases[purpose].memory) * copies(purpose));

const gibi = (value: number): string => `${Math.round((value / 2 ** 30) * 10) / 10}Gi`;

type RedisUse = RedisConfig & { readonly apps: Apps };

/** What must hold of it. `machines`: what each machine that takes pods has, as far as the configuration says. */
export const redisRules = <C extends RedisUse>(
    machines: (config: C) => readonly ({ readonly memory: string } | undefined)[],
): readonly CrossRule<C>[] => [
    (config) => (config.redis === undefined ? [] : nodesMisplaced(config.redis, machines(config))),
    ({ redis }) => (redis === undefined ? [] : tooSmall(redis)),
    ({ redis }) => (redis === undefined ? [] : tooMuch(redis)),
    ({ redis, apps }) => (redis === undefined ? [] : tornApart(redis, apps)),
];

/**
 * Keys of one command on several shards are an error unless they share a hash tag, and these programs have none.
 * https://redis.io/docs/latest/develop/using-commands/multi-key-operations/
 */
function tornApart({ databases }: RedisKeys, apps: Apps): Fault[] {
    return PURPOSES.filter((purpose) => databases[purpose].shards > 1).flatMap((purpose) => {
        const users = appRedis(apps).flatMap(({ app, purpose: own, together }) =>
            own === purpose && together !== undefined ? [`${app} (${together})`] : [],
        );
        return users.length === 0
            ? []
            : [
                  {
                      rule: "redis-keys-torn-apart",
                      path: `redis.databases.${purpose}.shards`,
                      got: show(databases[purpose].shards),
                      allowed: `1 with ${users.join(" and ")}`,
                      suggestion: "one shard, with more memory where it is full",
                  },
              ];
    });
}

function nodesMisplaced(
    { nodes, memory }: RedisKeys,
    machines: readonly ({ readonly memory: string } | undefined)[],
): Fault[] {
    if (nodes > machines.length) {
        return [
            {
                rule: "redis-nodes",
                path: "redis.nodes",
                got: show(nodes),
                allowed: `at most one a machine (${machines.length}), and three at least`,
                suggestion: "take redis out: each app that asks for a Redis then has a small one of its own",
            },
        ];
    }
    const room = machines.filter((machine) => machine === undefined || toBytes(machine.memory) >= toBytes(memory));
    return room.length >= nodes
        ? []
        : [
              {
                  rule: "redis-node-exceeds-machine",
                  path: "redis.memory",
                  got: show(memory),
                  allowed: `at most what ${nodes} machines have, each for a node of its own`,
              },
          ];
}

function tooSmall({ memory, storage, databases }: RedisKeys): Fault[] {
    return [
        ...(toBytes(memory) >= toBytes(SMALLEST.node)
            ? []
            : [
                  {
                      rule: "redis-node-too-small",
                      path: "redis.memory",
                      got: show(memory),
                      allowed: `at least ${SMALLEST.node}, which Redis Enterprise asks for`,
                  },
              ]),
        ...(toBytes(storage) >= STORAGE * toBytes(memory)
            ? []
            : [
                  {
                      rule: "redis-storage-too-small",
                      path: "redis.storage",
                      got: show(storage),
                      allowed: `at least ${STORAGE} times its memory (${memory}), and better five times`,
                  },
              ]),
        ...PURPOSES.filter((purpose) => toBytes(databases[purpose].memory) < toBytes(SMALLEST.database)).map(
            (purpose): Fault => ({
                rule: "redis-database-too-small",
                path: `redis.databases.${purpose}.memory`,
                got: show(databases[purpose].memory),
                allowed: `at least ${SMALLEST.database}`,
            }),
        ),
    ];
}

function tooMuch(redis: RedisKeys): Fault[] {
    const { nodes, memory, licence } = redis;
    const room = nodes * toBytes(memory) * USABLE;
    return [
        ...(licence === "secret" || shardsOf(redis) <= TRIAL.shards
            ? []
            : [
                  {
                      rule: "redis-shards-exceed-licence",
                      path: "redis.databases",
                      got: `${shardsOf(redis)} shards, copies among them`,
                      allowed: `at most ${TRIAL.shards} in a trial`,
                      suggestion: "fewer shards, or a licence: redis.licence: secret",
                  },
              ]),
        ...(bytesOf(redis) <= room
            ? []
            : [
                  {
                      rule: "redis-databases-exceed-nodes",
                      path: "redis.databases",
                      got: `${gibi(bytesOf(redis))} with the queue's copy`,
                      allowed: `at most half of what the nodes have together, ${gibi(room)}`,
                      suggestion: "smaller databases, or more redis.memory",
                  },
              ]),
    ];
}

/** Volumes of the nodes. */
export const redisVolumes = ({ redis }: RedisConfig): OtherVolume[] =>
    Array.from({ length: redis?.nodes ?? 0 }, () => ({ path: "redis.storage", size: redis?.storage ?? "0" }));

/** What it requests of the machines. */
export const redisRequests = ({ redis }: RedisConfig): Reserved[] =>
    redis === undefined
        ? []
        : [
              { what: redis.name, number: redis.nodes, each: { cpu: redis.cpu, memory: redis.memory } },
              { what: `${redis.name}'s Services`, number: 1, each: RIGGER_REQUESTS },
              { what: "its operator", number: 1, each: OPERATOR_REQUESTS },
          ];

/** Its namespace with its Pod Security level: the operator makes the pods, whose fields are its own affair. */
export const redisNamespaces = ({ redis }: RedisConfig): Record<string, PodSecurity> =>
    redis === undefined ? {} : { [REDIS_ENTERPRISE_NAMESPACE]: "baseline" };

/** What the secret store must hold for it. */
export const redisSecrets = ({ redis }: RedisConfig): string[] =>
    redis === undefined
        ? []
        : [
              ...PURPOSES.map((purpose) => REDIS_SECRETS[purpose]),
              ...(redis.licence === "secret" ? [REDIS_SECRETS.licence] : []),
              ...(redis.backup === undefined ? [] : [REDIS_SECRETS.s3AccessKeyId, REDIS_SECRETS.s3SecretAccessKey]),
          ];

/** The folder that it is saved to, for comparison with whatever else writes into buckets. */
export const redisBuckets = ({ redis }: RedisConfig): Claim[] =>
    bucketClaims({ "redis.backup": redis?.backup }).map(([path, bucket]): Claim => [
        path,
        `${bucket}/${redis?.backup?.folder ?? ""}`,
    ]);

/** Its server with its place: `bridgedUrls` of lab/bridges.ts says whether the bridge is there. */
export const redisUrls = ({ redis }: RedisConfig): Claim[] =>
    redis?.backup === undefined ? [] : [["redis.backup.endpoint", redis.backup.endpoint]];

/** The same by the namespace that asks for each. */
export function redisRefs(config: RedisConfig & { readonly apps: Apps }): Record<string, string[]> {
    if (config.redis === undefined) return {};
    const refs: Record<string, string[]> = { [REDIS_ENTERPRISE_NAMESPACE]: redisSecrets(config) };
    for (const { namespace, purpose } of appRedis(config.apps)) {
        const own = (refs[namespace] ??= []);
        if (!own.includes(REDIS_SECRETS[purpose])) own.push(REDIS_SECRETS[purpose]);
    }
    return refs;
}

/** Redis as a part of the platform. `machines`: as of `redisRules`. */
export const redisPart = <C extends RedisUse>(
    machines: (config: C) => readonly ({ readonly memory: string } | undefined)[],
): Part<C> => ({
    rules: redisRules(machines),
    buckets: redisBuckets,
    servers: redisUrls,
    volumes: redisVolumes,
    requests: redisRequests,
    secrets: redisRefs,
    definitions: ({ redis }) => (redis === undefined ? [] : [crds.redisEnterprise]),
    namespaces: redisNamespaces,
    notes: redisNotes,
});

/** What a person should know of it, for the plan. */
export function redisNotes({ redis }: RedisConfig): string[] {
    if (redis === undefined) return [];
    const { name, nodes, memory, licence, backup } = redis;
    const shards = shardsOf(redis);
    return [
        licence === "trial"
            ? `Redis Enterprise ${name} is a trial: it ends ${TRIAL.days} days after its first node is up, and takes ${TRIAL.shards} shards, of which ${shards} are used. A licence goes into the secret store as ${REDIS_SECRETS.licence}, with redis.licence: secret.`
            : `Redis Enterprise ${name} uses ${shards} shards of its licence.`,
        `Redis Enterprise ${name} keeps ${memory} of ${nodes} machines, ${gibi(nodes * toBytes(memory))} together, for databases of ${gibi(bytesOf(redis))}.`,
        backup === undefined
            ? `What is in Redis Enterprise ${name} is saved nowhere and ends with the cluster: say redis.backup.`
            : `The queue of Redis Enterprise ${name} is saved to ${backup.bucket}/${backup.folder} every ${backup.everyHours === 1 ? "hour" : `${backup.everyHours} hours`}. A new cluster starts with empty ones, as a job that was done since would be done twice; by hand it is put back as docs/redis-enterprise.md says.`,
    ];
}

export interface RedisOn extends Pick<RedisEnterpriseArgs, "storageClass"> {
    readonly host: Pick<WorkloadHost, "cluster" | "namespaces" | "secrets">;
}

/** It, where the configuration has one; `redis` of the platform. */
export function redisServers(
    lab: Lab,
    { redis }: RedisConfig,
    { host, storageClass }: RedisOn,
    opts: pulumi.ComponentResourceOptions,
): RedisEnterprise | undefined {
    if (redis === undefined) return undefined;
    const { name: server, nodes, cpu, memory, storage, licence, databases, backup } = redis;
    const sized = (purpose: RedisPurpose) => ({
        shards: databases[purpose].shards,
        megabytes: Math.floor(toBytes(databases[purpose].memory) / 2 ** 20) * copies(purpose),
    });
    return lab.stage(
        "Redis Enterprise",
        new RedisEnterprise(
            "redis-enterprise",
            {
                cluster: host.cluster,
                namespace: host.namespaces.name(REDIS_ENTERPRISE_NAMESPACE),
                secrets: host.secrets,
                storageClass,
                server,
                nodes,
                cpu,
                memory,
                storage,
                licence: licence === "secret",
                databases: { cache: sized("cache"), queue: sized("queue") },
                ...(backup === undefined ? {} : { backup }),
            },
            opts,
        ),
    );
}
