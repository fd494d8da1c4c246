/** Redis that the cluster's apps share, on Redis Enterprise: its part of the schema, rules, secrets and sums. docs/redis-enterprise.md */
import { z } from "zod";
import { bytes, cpu, label, whole } from "../config/fields";

/** Redis Enterprise takes a majority of an odd number of nodes. */
const NODES = "3, 5 or 7: nodes take a vote, and two cannot outvote one that is gone";

/** `redis` of a schema. */
export const redisKeys = z.strictObject({
    /** Name of the cluster of Redis Enterprise. */
    name: label.default("redis-enterprise"),
    /** Its nodes, each on a machine of its own. */
    nodes: z.union([z.literal(3), z.literal(5), z.literal(7)], { error: NODES }).default(3),
    /** What each node has; requested and never more. */
    cpu: cpu.default("1"),
    memory: bytes.default("4Gi"),
    /** Of each node's volume. */
    storage: bytes.default("20Gi"),
    /** `secret`: the secret store has a licence. `trial`: it ends after 30 days. */
    licence: z.enum(["trial", "secret"], { error: "trial or secret" }).default("trial"),
    /** What each database may hold, its copy not counted. */
    databases: z
        .strictObject({
            cache: z.strictObject({ memory: bytes.default("1Gi"), shards: whole(1, 16).default(1) }).prefault({}),
            queue: z.strictObject({ memory: bytes.default("1Gi"), shards: whole(1, 16).default(1) }).prefault({}),
        })
        .prefault({}),
});

export interface RedisConfig {
    readonly redis?: z.output<typeof redisKeys> | undefined;
}
