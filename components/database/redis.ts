/** Redis for workloads: on servers that the cluster shares, or a small one of a workload's own, behind one interface. */
import type * as pulumi from "@pulumi/pulumi";

/**
 * What for. `cache`: whatever is in it can be made again, and the oldest makes way. `queue`: jobs and sessions, which nothing
 * may push out.
 */
export type RedisPurpose = "cache" | "queue";

export interface RedisArgs {
    /** The app: its keys begin with its name where others are in the same database. */
    readonly app: string;
    readonly purpose: RedisPurpose;
    /** Namespace of the workload, where the Secret with the password must be. */
    readonly namespace: pulumi.Input<string>;
}

/** How a workload reaches its Redis. */
export interface Redis {
    readonly host: pulumi.Input<string>;
    readonly port: number;
    /** Secret in the workload's namespace: `key` has the password, `url` all of the URL. Absent: it asks for no password. */
    readonly password:
        { readonly secret: pulumi.Output<string>; readonly key: string; readonly url: string } | undefined;
    /** `http://<service>.<namespace>.svc.cluster.local:<port>` of `connects`. */
    readonly connects: string;
    /** What its keys should begin with: others may be in the same database, which is number 0 and the only one. */
    readonly prefix: string;
}

export interface RedisServers {
    redis(name: string, args: RedisArgs, opts: pulumi.ComponentResourceOptions): Redis;
}

/** Variables of the environment in which a program wants to be told. */
export interface RedisVariables {
    readonly host?: string;
    readonly port?: string;
    /** Left out where there is no password. */
    readonly password?: string;
    /** `redis://[:<password>@]<host>:<port>`. */
    readonly url?: string;
}

/** The environment of a workload for its Redis; `env` and `secretEnv` are arguments of a workload. */
export function redisEnvironment(
    redis: Redis,
    variables: RedisVariables,
): {
    readonly env: Readonly<Record<string, pulumi.Input<string>>>;
    readonly secretEnv: Readonly<Record<string, { readonly secret: pulumi.Input<string>; readonly key: string }>>;
} {
    const { host, port, password, connects } = redis;
    const { secret, key, url } = password ?? {};
    return {
        env: {
            ...(variables.host === undefined ? {} : { [variables.host]: host }),
            ...(variables.port === undefined ? {} : { [variables.port]: String(port) }),
            ...(variables.url === undefined || secret !== undefined
                ? {}
                : { [variables.url]: connects.replace("http:", "redis:") }),
        },
        secretEnv:
            secret === undefined || key === undefined || url === undefined
                ? {}
                : {
                      ...(variables.password === undefined ? {} : { [variables.password]: { secret, key } }),
                      ...(variables.url === undefined ? {} : { [variables.url]: { secret, key: url } }),
                  },
    };
}
