import { randomBytes, randomUUID } from "node:crypto";
import { type Answer, json, type Request, type Route } from "../server";
import { fail, ok, page } from "./envelope";
import { ingressFault } from "./ingress-rules";
import type { CloudflareState, Connection, Tunnel } from "./state";

const COLLECTION = "/client/v4/accounts/:account/cfd_tunnel";
const TUNNEL = `${COLLECTION}/:id`;
/** Two sites with two connections each is what one cloudflared keeps. */
const COLOS = ["fra03", "ams02"];
const CLIENT_VERSION = "2026.1.0";

/** `/accounts/{a}/cfd_tunnel`: tunnels, their configuration, token and connections. */
export function tunnelRoutes(state: CloudflareState): Route[] {
    const inAccount =
        (handle: (request: Request, id: string) => Answer): Route["handle"] =>
        (request, params) =>
            params["account"] === state.accountId
                ? handle(request, params["id"] ?? "")
                : fail(403, 10000, "Authentication error");
    const withTunnel = (handle: (request: Request, tunnel: Tunnel) => Answer, { deleted }: { deleted: boolean }) =>
        inAccount((request, id) => {
            const tunnel = state.tunnels.find(
                (candidate) => candidate.id === id && (deleted || candidate.deletedAt === null),
            );
            return tunnel === undefined ? fail(404, 1003, "Tunnel not found") : handle(request, tunnel);
        });
    const alive = (handle: (request: Request, tunnel: Tunnel) => Answer) => withTunnel(handle, { deleted: false });

    return [
        {
            method: "GET",
            pattern: COLLECTION,
            handle: inAccount(({ query }) =>
                page(
                    filter(state.tunnels, query).map((tunnel) => present(tunnel, state.accountId)),
                    query,
                    20,
                ),
            ),
        },
        { method: "POST", pattern: COLLECTION, handle: inAccount((request) => create(state, request)) },
        // A deleted tunnel is still read by its id, with deleted_at set.
        {
            method: "GET",
            pattern: TUNNEL,
            handle: withTunnel((_, tunnel) => ok(present(tunnel, state.accountId)), { deleted: true }),
        },
        { method: "PATCH", pattern: TUNNEL, handle: alive((request, tunnel) => edit(state, request, tunnel)) },
        {
            method: "DELETE",
            pattern: TUNNEL,
            handle: alive((_, tunnel) => {
                if (tunnel.connections.length > 0) {
                    return fail(400, 1022, "Cannot delete tunnel because it has active connections");
                }
                tunnel.deletedAt = new Date().toISOString();
                return ok(present(tunnel, state.accountId));
            }),
        },
        { method: "GET", pattern: `${TUNNEL}/token`, handle: alive((_, tunnel) => ok(token(tunnel, state.accountId))) },
        {
            method: "GET",
            pattern: `${TUNNEL}/configurations`,
            handle: alive((_, tunnel) => ok(configuration(tunnel, state.accountId))),
        },
        {
            method: "PUT",
            pattern: `${TUNNEL}/configurations`,
            handle: alive((request, tunnel) => {
                const body = json(request);
                const fault =
                    body === undefined
                        ? "Bad Configuration: the body is not a JSON object"
                        : ingressFault(body["config"]);
                if (fault !== undefined) {
                    return fail(400, 1056, fault);
                }
                tunnel.configuration = {
                    version: (tunnel.configuration?.version ?? 0) + 1,
                    config: body?.["config"] ?? null,
                    created_at: new Date().toISOString(),
                };
                // Putting a configuration makes a locally managed tunnel a remotely managed one.
                tunnel.configSource = "cloudflare";
                return ok(configuration(tunnel, state.accountId));
            }),
        },
        { method: "GET", pattern: `${TUNNEL}/connections`, handle: alive((_, tunnel) => ok(clients(tunnel))) },
        {
            method: "DELETE",
            pattern: `${TUNNEL}/connections`,
            handle: alive(({ query }, tunnel) => {
                const client = query.get("client_id");
                connect(
                    tunnel,
                    client === null ? [] : tunnel.connections.filter((connection) => connection.client_id !== client),
                );
                return ok(null);
            }),
        },
    ];
}

/** The token that cloudflared is started with: base64 of account, tunnel and secret. */
export function token(tunnel: Pick<Tunnel, "id" | "secret">, accountId: string): string {
    return Buffer.from(JSON.stringify({ a: accountId, t: tunnel.id, s: tunnel.secret })).toString("base64");
}

/** Gives a tunnel `count` live connections; four make one cloudflared. */
export function setConnections(tunnel: Tunnel, count: number): void {
    const now = new Date().toISOString();
    const kept = tunnel.connections.slice(0, count);
    const added = Array.from({ length: count - kept.length }, (_, index): Connection => {
        const position = kept.length + index;
        const replica = kept.find((__, other) => Math.floor(other / 4) === Math.floor(position / 4));
        return {
            id: randomUUID(),
            client_id: replica?.client_id ?? clientId(tunnel, Math.floor(position / 4)),
            colo_name: COLOS[Math.floor(position / 2) % COLOS.length] ?? "fra03",
            opened_at: now,
        };
    });
    connect(tunnel, [...kept, ...added]);
}

/** One stable client per replica while it lives, so that its four connections share it. */
function clientId(tunnel: Tunnel, replica: number): string {
    return `${tunnel.id.slice(0, 24)}${String(replica).padStart(12, "0")}`;
}

function connect(tunnel: Tunnel, connections: Connection[]): void {
    const now = new Date().toISOString();
    if (tunnel.connections.length === 0 && connections.length > 0) {
        tunnel.activeAt = now;
        tunnel.inactiveAt = null;
    }
    if (tunnel.connections.length > 0 && connections.length === 0) {
        tunnel.activeAt = null;
        tunnel.inactiveAt = now;
    }
    tunnel.connections = connections;
}

function create(state: CloudflareState, request: Request): Answer {
    const body = json(request);
    const name = body?.["name"];
    if (typeof name !== "string" || name === "") {
        return fail(400, 1002, "Tunnel name is required");
    }
    if (isTaken(state, name)) {
        return fail(
            409,
            1013,
            "You already have a tunnel with this name. Delete the existing tunnel, or choose a different name for your new tunnel",
        );
    }
    const secret = body?.["tunnel_secret"];
    if (secret !== undefined && (typeof secret !== "string" || Buffer.from(secret, "base64").length < 32)) {
        return fail(400, 1005, "Tunnel secret must be at least 32 bytes, base64 encoded");
    }
    const now = new Date().toISOString();
    const tunnel: Tunnel = {
        id: randomUUID(),
        name,
        secret: secret ?? randomBytes(32).toString("base64"),
        configSource: body?.["config_src"] === "cloudflare" ? "cloudflare" : "local",
        createdAt: now,
        deletedAt: null,
        connections: [],
        activeAt: null,
        inactiveAt: now,
    };
    state.tunnels.push(tunnel);
    return ok({
        ...present(tunnel, state.accountId),
        credentials_file: {
            AccountTag: state.accountId,
            TunnelID: tunnel.id,
            TunnelName: name,
            TunnelSecret: tunnel.secret,
        },
        token: token(tunnel, state.accountId),
    });
}

function edit(state: CloudflareState, request: Request, tunnel: Tunnel): Answer {
    const { name, tunnel_secret: secret } = json(request) ?? {};
    if (typeof name === "string" && name !== tunnel.name) {
        if (isTaken(state, name)) {
            return fail(409, 1013, "You already have a tunnel with this name");
        }
        tunnel.name = name;
    }
    if (typeof secret === "string") {
        tunnel.secret = secret;
    }
    return ok(present(tunnel, state.accountId));
}

function isTaken(state: CloudflareState, name: string): boolean {
    return state.tunnels.some((tunnel) => tunnel.name === name && tunnel.deletedAt === null);
}

function filter(tunnels: readonly Tunnel[], query: URLSearchParams): Tunnel[] {
    const deleted = query.get("is_deleted");
    return tunnels.filter(
        (tunnel) =>
            (deleted === null || String(tunnel.deletedAt !== null) === deleted) &&
            (query.get("name") === null || tunnel.name === query.get("name")) &&
            (query.get("uuid") === null || tunnel.id === query.get("uuid")) &&
            (query.get("status") === null || statusOf(tunnel) === query.get("status")) &&
            tunnel.name.startsWith(query.get("include_prefix") ?? "") &&
            !(query.has("exclude_prefix") && tunnel.name.startsWith(query.get("exclude_prefix") ?? "")),
    );
}

function statusOf(tunnel: Tunnel): string {
    if (tunnel.connections.length === 0) {
        // Never connected is "inactive", no longer connected is "down".
        return tunnel.inactiveAt === tunnel.createdAt ? "inactive" : "down";
    }
    return tunnel.connections.length < 4 ? "degraded" : "healthy";
}

function present(tunnel: Tunnel, accountId: string) {
    return {
        id: tunnel.id,
        account_tag: accountId,
        created_at: tunnel.createdAt,
        deleted_at: tunnel.deletedAt,
        name: tunnel.name,
        connections: tunnel.connections.map(presentConnection),
        conns_active_at: tunnel.activeAt,
        conns_inactive_at: tunnel.inactiveAt,
        tun_type: "cfd_tunnel",
        metadata: {},
        status: statusOf(tunnel),
        remote_config: tunnel.configSource === "cloudflare",
        config_src: tunnel.configSource,
    };
}

function presentConnection(connection: Connection) {
    return {
        id: connection.id,
        uuid: connection.id,
        client_id: connection.client_id,
        client_version: CLIENT_VERSION,
        colo_name: connection.colo_name,
        is_pending_reconnect: false,
        opened_at: connection.opened_at,
        origin_ip: "127.0.0.1",
    };
}

function clients(tunnel: Tunnel) {
    const ids = [...new Set(tunnel.connections.map((connection) => connection.client_id))];
    return ids.map((id) => {
        const own = tunnel.connections.filter((connection) => connection.client_id === id);
        return {
            id,
            features: ["allow_remote_config", "serialized_headers"],
            version: CLIENT_VERSION,
            arch: "linux_amd64",
            config_version: tunnel.configuration?.version ?? 0,
            run_at: own[0]?.opened_at,
            conns: own.map(presentConnection),
        };
    });
}

function configuration(tunnel: Tunnel, accountId: string) {
    return {
        account_id: accountId,
        tunnel_id: tunnel.id,
        version: tunnel.configuration?.version ?? 0,
        config: tunnel.configuration?.config ?? null,
        source: tunnel.configSource,
        created_at: tunnel.configuration?.created_at ?? tunnel.createdAt,
    };
}
