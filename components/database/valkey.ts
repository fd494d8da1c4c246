import { images } from "../images";
import type { WorkloadHost } from "../platform";
import { scratch } from "../storage/volumes";
import { Workload, type WorkloadArgs } from "../workload";
import type { Redis, RedisPurpose } from "./redis";

/** What one requests. */
export const VALKEY_REQUESTS = { cpu: "10m", memory: "32Mi" } as const;

/**
 * A small Redis beside the workload that has it for itself, where the cluster shares none: Valkey, which keeps nothing over a
 * restart and asks for no password.
 */
export function ownValkey(
    app: string,
    purpose: RedisPurpose,
    place: Pick<WorkloadArgs, "namespace" | "group">,
    platform: WorkloadHost,
): Redis {
    const name = `${app}-redis`;
    const port = 6379;
    const { url } = new Workload(
        name,
        {
            ...place,
            cpu: VALKEY_REQUESTS.cpu,
            memory: { request: VALKEY_REQUESTS.memory, limit: "256Mi" },
            image: images.valkey,
            args: [
                "valkey-server",
                // No snapshot: a job in a queue is asked for again by who put it there.
                "--save",
                "",
                "--appendonly",
                "no",
                "--maxmemory",
                "192mb",
                ...(purpose === "cache" ? ["--maxmemory-policy", "allkeys-lru"] : []),
            ],
            ports: { redis: port },
            volumes: { "/data": scratch() },
            health: { exec: ["valkey-cli", "ping"] },
            security: { user: 999 },
        },
        platform,
    );
    return { host: new URL(url).hostname, port, password: undefined, connects: url, prefix: `${app}:` };
}
