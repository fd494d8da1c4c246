import type { LoopbackCloudflare } from "../../clouds";
import { collections, type Controller } from "../../controllers/controller";
import { isReady, keyOf, type Pod } from "../../controllers/objects";
import { containerOf, variable } from "../../controllers/pod-environment";

/** Connections of one cloudflared: two sites, two each. */
const PER_POD = 4;

/** A tunnel token's content. */
export interface TunnelToken {
    readonly account: string;
    readonly tunnel: string;
    readonly secret: string;
}

/**
 * Connects tunnels to the cloudflared pods that are ready and hold their token. Connections outlast their pod by
 * `lingerMs`, as Cloudflare's do: whoever deletes the tunnel at once is refused.
 */
export function tunnels(
    cloudflare: Pick<LoopbackCloudflare, "setConnections" | "state">,
    { lingerMs = 5000, log = console.log }: { readonly lingerMs?: number; readonly log?: (line: string) => void } = {},
): Controller {
    const connected = new Map<string, { readonly tunnel: string; readonly until: number }>();
    const refused = new Set<string>();
    // Connections that an earlier process left in the cloud's state: gone unless a pod is found for them.
    let inherited = cloudflare.state().tunnels.flatMap((tunnel) => (tunnel.connections.length > 0 ? [tunnel.id] : []));
    return {
        name: "tunnels",
        lists: [collections.pods],
        async reconcile(view) {
            for (const pod of view.list<Pod>(collections.pods)) {
                const container = containerOf(pod, "cloudflared");
                if (container === undefined || !isReady(pod)) {
                    continue;
                }
                const token = parseToken(
                    (await variable(view, pod, container, "TUNNEL_TOKEN")) ?? argument(container.args ?? [], "--token"),
                );
                const tunnel = cloudflare
                    .state()
                    .tunnels.find(
                        (one) => one.id === token?.tunnel && one.secret === token.secret && one.deletedAt === null,
                    );
                const key = `${keyOf(pod)}/${pod.metadata.uid ?? ""}`;
                if (tunnel !== undefined) {
                    connected.set(key, { tunnel: tunnel.id, until: view.now + lingerMs });
                } else if (!refused.has(key)) {
                    refused.add(key);
                    log(
                        `tunnels: pod ${keyOf(pod)} has ${token === undefined ? "no tunnel token" : "a token of no living tunnel"}; it stays unconnected`,
                    );
                }
            }
            const involved = new Set([...inherited, ...[...connected.values()].map(({ tunnel }) => tunnel)]);
            inherited = [];
            for (const [key, { until }] of connected) {
                if (until <= view.now) {
                    connected.delete(key);
                }
            }
            for (const tunnel of involved) {
                const pods = [...connected.values()].filter((one) => one.tunnel === tunnel).length;
                cloudflare.setConnections(tunnel, pods * PER_POD);
            }
            return [];
        },
    };
}

/** Reads a tunnel token: base64 of `{a, t, s}`. */
export function parseToken(text: string | undefined): TunnelToken | undefined {
    try {
        const value = JSON.parse(Buffer.from(text ?? "", "base64").toString("utf8")) as {
            a?: unknown;
            t?: unknown;
            s?: unknown;
        };
        const { a: account, t: tunnel, s: secret } = value;
        return typeof account === "string" && typeof tunnel === "string" && typeof secret === "string"
            ? { account, tunnel, secret }
            : undefined;
    } catch {
        return undefined;
    }
}

/** The value after a flag, or behind its `=`. */
function argument(args: readonly string[], flag: string): string | undefined {
    const index = args.indexOf(flag);
    return index >= 0 ? args[index + 1] : args.find((arg) => arg.startsWith(`${flag}=`))?.slice(flag.length + 1);
}
