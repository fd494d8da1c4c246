import { json, type LoopbackServer, type Request, serve } from "../server";
import { openStore } from "../store";
import { dnsRoutes } from "./dns";
import { fail } from "./envelope";
import type { CloudflareState } from "./state";
import { setConnections, tunnelRoutes } from "./tunnels";
import { zoneRoutes } from "./zones";

export type { CloudflareState, Connection, Tunnel } from "./state";
export type { DnsRecord } from "./dns-rules";

/** What the loopback Cloudflare starts with. */
export interface CloudflareOptions {
    /** Port on 127.0.0.1; 0 takes a free one. */
    readonly port: number;
    /** File that keeps the state between runs. */
    readonly stateFile: string;
    readonly accountId: string;
    readonly zones: readonly { readonly id: string; readonly name: string }[];
    /** API tokens that are accepted as bearer. */
    readonly tokens: readonly string[];
}

/** A running loopback Cloudflare; providers take `${url}/client/v4` as their base URL. */
export interface LoopbackCloudflare extends LoopbackServer {
    /** A copy of the state. */
    state(): CloudflareState;
    /** Gives a tunnel so many live connections (0 disconnects it); false when there is no such tunnel alive. */
    setConnections(tunnelId: string, count: number): boolean;
}

/**
 * Starts a Cloudflare of our own on 127.0.0.1: API v4 under `/client/v4`, as far as DNS records and tunnels go.
 *
 * @throws Error when the port is in use.
 */
export async function startCloudflare(options: CloudflareOptions): Promise<LoopbackCloudflare> {
    const { state, save } = openStore<CloudflareState>(options.stateFile, () => ({
        accountId: options.accountId,
        zones: [],
        records: {},
        tunnels: [],
    }));
    // Account and zones are configuration, not state: a restart with others means them.
    state.accountId = options.accountId;
    state.zones = options.zones.map(({ id, name }) => ({ id, name }));

    const connect = (tunnelId: string, count: number): boolean => {
        const tunnel = state.tunnels.find((candidate) => candidate.id === tunnelId && candidate.deletedAt === null);
        if (tunnel !== undefined && tunnel.connections.length !== count) {
            setConnections(tunnel, count);
            save();
        }
        return tunnel !== undefined;
    };

    const server = await serve({
        name: "Cloudflare",
        port: options.port,
        routes: [...zoneRoutes(state), ...dnsRoutes(state), ...tunnelRoutes(state)],
        authenticate: (request) => authenticate(request, options.tokens),
        error: (status, message) => fail(status, status === 429 ? 971 : status === 404 ? 7000 : 10013, message),
        state: () => state,
        save,
        levers: [
            {
                method: "POST",
                pattern: "/__sandbox/connections",
                handle: (request) => {
                    const { tunnelId, count } = json(request) ?? {};
                    return typeof tunnelId === "string" && typeof count === "number" && connect(tunnelId, count)
                        ? { status: 200, body: {} }
                        : { status: 400, body: { message: "want {tunnelId: of a tunnel alive, count: number}" } };
                },
            },
        ],
    });
    save();
    return { ...server, state: () => structuredClone(state), setConnections: connect };
}

function authenticate(request: Request, tokens: readonly string[]) {
    const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
    return given !== undefined && tokens.includes(given) ? undefined : fail(403, 10000, "Authentication error");
}
