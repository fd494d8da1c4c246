import { type Answer, json, type LoopbackServer, type Request, serve } from "../server";
import { openStore } from "../store";
import { dnsRoutes, writeRecord } from "./dns";
import type { DnsRecord } from "./dns-rules";
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
    /** Writes a record as the API would, in place of the one with that id; an answer that is no success says why not. */
    writeRecord(zoneId: string, body: Readonly<Record<string, unknown>>, id?: string): Answer;
    deleteRecord(zoneId: string, id: string): void;
    /** What a metrics endpoint in the cluster would say: nothing in a sandbox can ask a pod, so it is asked here. */
    publishMetrics(name: string, text: string | undefined): void;
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

    const recordsOf = (zoneId: string): DnsRecord[] => (state.records[zoneId] ??= []);
    const putRecord = (zoneId: string, body: Readonly<Record<string, unknown>>, id?: string): Answer => {
        const zone = state.zones.find((one) => one.id === zoneId);
        if (zone === undefined) return fail(404, 7003, "no such zone");
        const records = recordsOf(zoneId);
        const answer = writeRecord(
            body,
            { name: zone.name, records },
            records.find((record) => record.id === id),
        );
        save();
        return answer;
    };
    const dropRecord = (zoneId: string, id: string): void => {
        state.records[zoneId] = recordsOf(zoneId).filter((record) => record.id !== id);
        save();
    };
    const metrics = new Map<string, string>();

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
                method: "GET",
                pattern: "/__sandbox/metrics/:name",
                handle: (_, { name = "" }) => ({
                    status: metrics.has(name) ? 200 : 503,
                    body: metrics.get(name) ?? "",
                }),
            },
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
    return {
        ...server,
        state: () => structuredClone(state),
        setConnections: connect,
        writeRecord: putRecord,
        deleteRecord: dropRecord,
        publishMetrics: (name, text) => {
            if (text === undefined) metrics.delete(name);
            else metrics.set(name, text);
        },
    };
}

function authenticate(request: Request, tokens: readonly string[]) {
    const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
    return given !== undefined && tokens.includes(given) ? undefined : fail(403, 10000, "Authentication error");
}
