/**
 * Vault's HTTP API as far as this project uses it, on loopback: one server a pod, one share a key. Sealed it answers nothing, its
 * data is encrypted, every token has its policies, and a server with an empty volume joins whom it asked first. What is not
 * played here is refused. https://developer.hashicorp.com/vault/api-docs
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync, gzipSync } from "node:zlib";

/** Who a service account token is of. */
export interface Reviewed {
    readonly namespace: string;
    readonly account: string;
}

interface Role {
    readonly bound_service_account_names: readonly string[];
    readonly bound_service_account_namespaces: readonly string[];
    readonly audience?: string;
    readonly token_policies?: readonly string[];
    readonly [field: string]: unknown;
}

type Values = Record<string, unknown>;

/** What is in it while it is unsealed. */
interface Contents {
    audit: Record<string, object>;
    mounts: Record<string, { type: string; options?: { version?: string } | null }>;
    auth: Record<string, { type: string }>;
    config: { kubernetes_host?: string } | undefined;
    policies: Record<string, string>;
    roles: Record<string, Role>;
    /** Newest versions, by path. */
    values: Record<string, Values>;
    tokens: Record<string, readonly string[]>;
}

/** As it lies on a volume or in a snapshot: keys wrapped by the unseal key, and the rest by those. */
export interface Sealed {
    readonly wrapped: string;
    readonly data: string;
}

interface RaftCluster {
    /** Another one after every restore of a foreign snapshot: whoever asked to join before asks in vain. */
    readonly id: string;
    sealed: Sealed;
    open: { readonly barrier: Buffer; readonly unseal: Buffer; contents: Contents } | undefined;
}

/** What lies on the volumes: clusters by their ids, and which of them each server is in. */
export interface VaultVolumes {
    readonly clusters: Readonly<Record<string, Sealed>>;
    readonly servers: readonly (string | null)[];
}

interface Node {
    /** Whether there is a process that answers. */
    runs: boolean;
    cluster: RaftCluster | undefined;
    unsealed: boolean;
    /** Whom it asked to let it join. */
    asked: string | undefined;
    server: Server | undefined;
}

/** An answer in Vault's words. */
class Refusal extends Error {
    readonly errors: readonly string[];

    constructor(
        readonly status: number,
        ...errors: string[]
    ) {
        super(errors.join("; "));
        this.errors = errors;
    }
}

export interface Reply {
    readonly status: number;
    readonly body?: object | Buffer;
}

const DEFAULT_POLICY = `
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }`;

/** Paths that need `sudo` beside the capability. */
const ROOT_PATHS = [/^sys\/audit$/, /^sys\/audit\//, /^sys\/auth\/.+/, /^sys\/generate-root\//];

const KEEPS_NOBODY_OUT = ["sys/init", "sys/unseal", "sys/seal-status", "sys/health", "sys/leader"];

function sealBytes(key: Buffer, text: Buffer): string {
    const nonce = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", key, nonce);
    return Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]).toString("base64");
}

function openBytes(key: Buffer, sealed: string): Buffer {
    const bytes = Buffer.from(sealed, "base64");
    const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, 12));
    decipher.setAuthTag(bytes.subarray(-16));
    return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
}

export class PlayedVault {
    readonly #nodes: Node[];
    #seen = "";
    /** Lines of the audit device, once there is one. */
    readonly audited: string[] = [];

    /** `review`: the API server's word on a token for that audience. */
    constructor(
        replicas: number,
        private readonly review: (jwt: string, audience: string | undefined) => Reviewed | undefined,
        volumes: VaultVolumes = { clusters: {}, servers: [] },
    ) {
        const clusters = new Map(
            Object.entries(volumes.clusters).map(([id, sealed]): [string, RaftCluster] => [
                id,
                { id, sealed, open: undefined },
            ]),
        );
        this.#nodes = Array.from({ length: replicas }, (_, ordinal) => ({
            runs: true,
            cluster: clusters.get(volumes.servers[ordinal] ?? ""),
            unsealed: false,
            asked: undefined,
            server: undefined,
        }));
    }

    /** Starts its servers; yields their URLs by ordinal. */
    async listen(): Promise<string[]> {
        return Promise.all(
            this.#nodes.map(async (node, ordinal) => {
                const server = createServer((request, response) => {
                    if (!node.runs) return void request.socket.destroy();
                    void this.respond(ordinal, request).then(({ status, body }) => {
                        const bytes = Buffer.isBuffer(body)
                            ? body
                            : body === undefined
                              ? undefined
                              : Buffer.from(JSON.stringify(body));
                        response.writeHead(status).end(bytes);
                    });
                });
                node.server = server.unref();
                await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
                return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
            }),
        );
    }

    async close(): Promise<void> {
        await Promise.all(
            this.#nodes.map(({ server }) => {
                server?.closeAllConnections();
                return new Promise<void>((resolve) =>
                    server === undefined ? resolve() : server.close(() => resolve()),
                );
            }),
        );
    }

    /** The process starts anew: sealed, and nobody asked. */
    restart(ordinal: number): void {
        const node = this.node(ordinal);
        this.leave(node);
        node.asked = undefined;
    }

    /** Whether there is a process; without one nobody answers. */
    runs(ordinal: number, runs: boolean): void {
        const node = this.node(ordinal);
        if (node.runs && !runs) this.restart(ordinal);
        node.runs = runs;
    }

    /** For keeping: as encrypted as it is on a disk. */
    volumes(): VaultVolumes {
        const clusters: Record<string, Sealed> = {};
        for (const { cluster } of this.#nodes) {
            if (cluster === undefined) continue;
            this.save(cluster);
            clusters[cluster.id] = cluster.sealed;
        }
        return { clusters, servers: this.#nodes.map(({ cluster }) => cluster?.id ?? null) };
    }

    /** A question to the server that leads, as by HTTP. Undefined where none does. */
    ask(method: string, path: string, token: string | undefined, body: object = {}): Reply | undefined {
        const node = this.#nodes.find((one) => one.runs && one.unsealed && this.leaderOf(one.cluster) === one);
        if (node === undefined) return undefined;
        try {
            return this.handle(node, method, path, token, Buffer.from(JSON.stringify(body)));
        } catch (error) {
            if (error instanceof Refusal) return { status: error.status, body: { errors: error.errors } };
            throw error;
        }
    }

    /** Its volume is another now. */
    wipe(ordinal: number): void {
        this.restart(ordinal);
        this.node(ordinal).cluster = undefined;
    }

    state(ordinal: number): { initialized: boolean; sealed: boolean } {
        const { cluster, unsealed } = this.node(ordinal);
        return { initialized: cluster !== undefined, sealed: !unsealed };
    }

    /** As a keeper does; false where it is refused. */
    unseal(ordinal: number, key: string): boolean {
        try {
            this.unsealNode(this.node(ordinal), key);
            return true;
        } catch (error) {
            if (error instanceof Refusal) return false;
            throw error;
        }
    }

    leads(ordinal: number): boolean {
        const node = this.node(ordinal);
        return node.unsealed && this.leaderOf(node.cluster) === node;
    }

    /** Whether something was written since this was asked last. */
    changed(): boolean {
        const open = this.#nodes.flatMap(({ cluster }) =>
            cluster?.open === undefined ? [] : [[cluster.id, cluster.open.contents]],
        );
        const now = createHash("sha256").update(JSON.stringify(open)).digest("hex");
        const differs = now !== this.#seen;
        this.#seen = now;
        return differs;
    }

    /** How many tokens may do everything; of a Vault that is unsealed. */
    rootTokens(): number {
        const tokens = this.#nodes[0]?.cluster?.open?.contents.tokens ?? {};
        return Object.values(tokens).filter((policies) => policies.includes("root")).length;
    }

    private node(ordinal: number): Node {
        const node = this.#nodes[ordinal];
        if (node === undefined) throw new Error(`there is no server ${ordinal}`);
        return node;
    }

    private leave(node: Node): void {
        node.unsealed = false;
        const { cluster } = node;
        if (cluster === undefined) return;
        this.save(cluster);
        if (!this.members(cluster).some(({ unsealed }) => unsealed)) cluster.open = undefined;
    }

    private save(cluster: RaftCluster): void {
        const { open } = cluster;
        if (open === undefined) return;
        cluster.sealed = {
            wrapped: sealBytes(open.unseal, open.barrier),
            data: sealBytes(open.barrier, Buffer.from(JSON.stringify(open.contents))),
        };
    }

    private members(cluster: RaftCluster): Node[] {
        return this.#nodes.filter((node) => node.cluster === cluster);
    }

    /** The first that is unsealed leads, while a majority is. */
    private leaderOf(cluster: RaftCluster | undefined): Node | undefined {
        if (cluster === undefined) return undefined;
        const members = this.members(cluster);
        const open = members.filter(({ unsealed }) => unsealed);
        return open.length > members.length / 2 ? open[0] : undefined;
    }

    /** Servers without data ask whoever leads at their start, once. */
    private askToJoin(): void {
        const leading = this.#nodes.find((node) => this.leaderOf(node.cluster) === node && node.unsealed)?.cluster;
        if (leading === undefined) return;
        for (const node of this.#nodes) if (node.cluster === undefined) node.asked ??= leading.id;
    }

    private unsealNode(node: Node, key: string): void {
        if (node.unsealed) return;
        const unseal = Buffer.from(key, "base64");
        if (unseal.length !== 32) throw new Refusal(400, "'key' must be a valid hex or base64 string");
        if (node.cluster === undefined) {
            const leading = this.#nodes.find(
                ({ cluster, unsealed }) => unsealed && cluster !== undefined && this.leaderOf(cluster) !== undefined,
            )?.cluster;
            if (node.asked === undefined || leading === undefined) throw new Refusal(400, "Vault is not initialized");
            if (node.asked !== leading.id || leading.open?.unseal.equals(unseal) !== true) {
                throw new Refusal(500, "failed to answer raft bootstrap challenge");
            }
            node.cluster = leading;
            node.unsealed = true;
            return;
        }
        const { cluster } = node;
        try {
            const barrier = openBytes(unseal, cluster.sealed.wrapped);
            cluster.open ??= {
                barrier,
                unseal,
                contents: JSON.parse(openBytes(barrier, cluster.sealed.data).toString("utf8")) as Contents,
            };
        } catch {
            throw new Refusal(400, "failed to decrypt keys from storage: cipher: message authentication failed");
        }
        node.unsealed = true;
    }

    private async respond(ordinal: number, request: IncomingMessage): Promise<Reply> {
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(Buffer.from(chunk as Uint8Array));
        const url = new URL(request.url ?? "/", "http://vault");
        const token = request.headers["x-vault-token"];
        try {
            if (!url.pathname.startsWith("/v1/")) throw new Refusal(404);
            return this.handle(
                this.node(ordinal),
                url.searchParams.get("list") === "true" ? "LIST" : (request.method ?? "GET"),
                url.pathname.slice("/v1/".length).replace(/\/$/, ""),
                typeof token === "string" ? token : undefined,
                Buffer.concat(chunks),
            );
        } catch (error) {
            if (error instanceof Refusal) return { status: error.status, body: { errors: error.errors } };
            return { status: 500, body: { errors: [String(error)] } };
        }
    }

    private handle(node: Node, method: string, path: string, token: string | undefined, raw: Buffer): Reply {
        this.askToJoin();
        if (KEEPS_NOBODY_OUT.includes(path)) return this.openPaths(node, method, path, raw);
        if (!node.unsealed || node.cluster?.open === undefined) throw new Refusal(503, "Vault is sealed");
        if (this.leaderOf(node.cluster) === undefined) {
            throw new Refusal(500, "local node not active but active cluster node not found");
        }
        const { cluster } = node;
        const { contents } = node.cluster.open;
        if (path === "auth/kubernetes/login") return this.login(contents, raw);
        const policies = token === undefined ? undefined : contents.tokens[token];
        if (token === undefined || policies === undefined) throw new Refusal(403, "permission denied");
        this.allow(contents, policies, method, path);
        if (Object.keys(contents.audit).length > 0) {
            this.audited.push(`${method} ${path} hmac-sha256:${createHash("sha256").update(token).digest("hex")}`);
        }
        return this.inside(cluster, contents, method, path, token, raw);
    }

    private openPaths(node: Node, method: string, path: string, raw: Buffer): Reply {
        const status = {
            type: "shamir",
            initialized: node.cluster !== undefined,
            sealed: !node.unsealed,
            t: node.cluster === undefined ? 0 : 1,
            n: node.cluster === undefined ? 0 : 1,
            progress: 0,
            version: "2.0.4",
            storage_type: "raft",
        };
        const leads = node.unsealed && this.leaderOf(node.cluster) === node;
        switch (path) {
            case "sys/seal-status":
                return { status: 200, body: status };
            case "sys/health":
                return {
                    status: node.cluster === undefined ? 501 : !node.unsealed ? 503 : leads ? 200 : 429,
                    body: { initialized: status.initialized, sealed: status.sealed, standby: !leads },
                };
            case "sys/leader":
                if (!node.unsealed) throw new Refusal(503, "Vault is sealed");
                return { status: 200, body: { ha_enabled: true, is_self: leads } };
            case "sys/init":
                return this.init(node, method, raw);
            default:
                if (method !== "POST" && method !== "PUT") throw new Refusal(405);
                this.unsealNode(node, String(parse(raw)["key"] ?? ""));
                return { status: 200, body: { ...status, initialized: true, sealed: !node.unsealed } };
        }
    }

    private init(node: Node, method: string, raw: Buffer): Reply {
        if (method === "GET") return { status: 200, body: { initialized: node.cluster !== undefined } };
        if (node.cluster !== undefined) throw new Refusal(400, "Vault is already initialized");
        const { secret_shares: shares, secret_threshold: threshold } = parse(raw);
        if (shares !== 1 || threshold !== 1) throw new Refusal(400, "here a key has one share");
        const unseal = randomBytes(32);
        const root = `hvs.${randomBytes(18).toString("base64url")}`;
        const cluster: RaftCluster = {
            id: randomUUID(),
            sealed: { wrapped: "", data: "" },
            open: {
                barrier: randomBytes(32),
                unseal,
                contents: {
                    audit: {},
                    mounts: { "sys/": { type: "system" }, "identity/": { type: "identity" } },
                    auth: { "token/": { type: "token" } },
                    config: undefined,
                    policies: { default: DEFAULT_POLICY },
                    roles: {},
                    values: {},
                    tokens: { [root]: ["root"] },
                },
            },
        };
        this.save(cluster);
        cluster.open = undefined;
        node.cluster = cluster;
        node.asked = undefined;
        const keys = { keys: [unseal.toString("hex")], keys_base64: [unseal.toString("base64")] };
        return { status: 200, body: { ...keys, root_token: root } };
    }

    private login(contents: Contents, raw: Buffer): Reply {
        if (contents.auth["kubernetes/"] === undefined) throw new Refusal(403, "permission denied");
        if (contents.config?.kubernetes_host === undefined) {
            throw new Refusal(500, "could not load backend configuration");
        }
        const { role: name, jwt } = parse(raw);
        const role = contents.roles[String(name)];
        if (role === undefined) throw new Refusal(400, `invalid role name "${String(name)}"`);
        const reviewed = this.review(String(jwt), role.audience);
        if (reviewed === undefined) throw new Refusal(403, "permission denied");
        if (!role.bound_service_account_names.includes(reviewed.account)) {
            throw new Refusal(403, "service account name not authorized");
        }
        if (!role.bound_service_account_namespaces.includes(reviewed.namespace)) {
            throw new Refusal(403, "namespace not authorized");
        }
        const token = `hvs.${randomBytes(24).toString("base64url")}`;
        contents.tokens[token] = ["default", ...(role.token_policies ?? [])];
        return { status: 200, body: { auth: { client_token: token, policies: contents.tokens[token] } } };
    }

    private allow(contents: Contents, policies: readonly string[], method: string, path: string): void {
        if (policies.includes("root")) return;
        const rules = policies.flatMap((name) => rulesOf(contents.policies[name] ?? ""));
        // An exact rule before those with a star, of which the longest counts.
        const fits = rules
            .filter(({ on }) => (on.endsWith("*") ? path.startsWith(on.slice(0, -1)) : path === on))
            .sort((a, b) => Number(a.on.endsWith("*")) - Number(b.on.endsWith("*")) || b.on.length - a.on.length);
        const granted = new Set(
            fits.filter(({ on }) => on === fits[0]?.on).flatMap(({ capabilities }) => capabilities),
        );
        const needed = [...capabilityOf(contents, method, path)];
        if (ROOT_PATHS.some((one) => one.test(path))) needed.push("sudo");
        if (granted.has("deny") || !needed.every((one) => granted.has(one))) {
            throw new Refusal(403, "1 error occurred:\n\t* permission denied\n\n");
        }
    }

    private inside(
        cluster: RaftCluster,
        contents: Contents,
        method: string,
        path: string,
        token: string,
        raw: Buffer,
    ): Reply {
        const writes = method === "POST" || method === "PUT";
        const done: Reply = { status: 204 };
        const data = (value: object): Reply => ({ status: 200, body: { data: value } });
        const [, policy] = /^sys\/policies\/acl\/(.+)$/.exec(path) ?? [];
        const [, role] = /^auth\/kubernetes\/role\/(.+)$/.exec(path) ?? [];
        if (path === "auth/token/revoke-self" && writes) {
            Reflect.deleteProperty(contents.tokens, token);
            return done;
        }
        if (path === "sys/audit" && method === "GET") return data(contents.audit);
        if (path === "sys/audit/stdout" && writes) {
            if (contents.audit["stdout/"] !== undefined) throw new Refusal(400, "path already in use");
            contents.audit["stdout/"] = parse(raw);
            return done;
        }
        if (path === "sys/mounts" && method === "GET") return data(contents.mounts);
        if (path.startsWith("sys/mounts/") && writes) {
            const where = `${path.slice("sys/mounts/".length)}/`;
            if (contents.mounts[where] !== undefined) {
                throw new Refusal(400, `path is already in use at ${where}`);
            }
            const { type, options } = parse(raw);
            contents.mounts[where] = { type: String(type), options: (options ?? null) as { version?: string } | null };
            return done;
        }
        if (path === "sys/auth" && method === "GET") return data(contents.auth);
        if (path === "sys/auth/kubernetes" && writes) {
            if (contents.auth["kubernetes/"] !== undefined) {
                throw new Refusal(400, "path is already in use at kubernetes/");
            }
            contents.auth["kubernetes/"] = { type: String(parse(raw)["type"]) };
            return done;
        }
        if (path.startsWith("auth/kubernetes/") && contents.auth["kubernetes/"] === undefined) throw new Refusal(404);
        if (path === "auth/kubernetes/config") {
            if (writes) {
                contents.config = parse(raw) as { kubernetes_host?: string };
                return done;
            }
            if (contents.config === undefined) throw new Refusal(404);
            return data(contents.config);
        }
        if (path === "sys/policies/acl" && method === "LIST") {
            return data({ keys: [...Object.keys(contents.policies), "root"] });
        }
        if (policy !== undefined) {
            if (writes) {
                const text = String(parse(raw)["policy"] ?? "");
                if (rulesOf(text).length === 0) throw new Refusal(400, "Failed to parse policy");
                contents.policies[policy] = text;
                return done;
            }
            if (method === "DELETE") {
                Reflect.deleteProperty(contents.policies, policy);
                return done;
            }
            const text = contents.policies[policy];
            if (text === undefined) throw new Refusal(404);
            return data({ name: policy, policy: text });
        }
        if (path === "auth/kubernetes/role" && method === "LIST") {
            const keys = Object.keys(contents.roles);
            if (keys.length === 0) throw new Refusal(404);
            return data({ keys });
        }
        if (role !== undefined) {
            if (writes) {
                const wanted = parse(raw) as unknown as Role;
                if (wanted.bound_service_account_names.length === 0) {
                    throw new Refusal(400, '"bound_service_account_names" can not be empty');
                }
                contents.roles[role] = wanted;
                return done;
            }
            if (method === "DELETE") {
                Reflect.deleteProperty(contents.roles, role);
                return done;
            }
            const found = contents.roles[role];
            if (found === undefined) throw new Refusal(404);
            return data(found);
        }
        if (path === "sys/storage/raft/snapshot" && method === "GET") {
            this.save(cluster);
            // A real one is never as short as an empty one would be here.
            return { status: 200, body: gzipSync(Buffer.from(JSON.stringify(cluster.sealed))) };
        }
        if (path === "sys/storage/raft/snapshot-force" && writes) return this.restore(cluster, raw);
        return this.keyValues(contents, method, path, raw);
    }

    private restore(cluster: RaftCluster, raw: Buffer): Reply {
        let sealed: Sealed;
        try {
            sealed = JSON.parse(gunzipSync(raw).toString("utf8")) as Sealed;
        } catch {
            throw new Refusal(400, "failed to verify the snapshot");
        }
        const restored: RaftCluster = { id: randomUUID(), sealed, open: undefined };
        // Its keys are those of the snapshot now: everybody is sealed.
        for (const node of this.members(cluster)) {
            node.cluster = restored;
            node.unsealed = false;
        }
        return { status: 204 };
    }

    private keyValues(contents: Contents, method: string, path: string, raw: Buffer): Reply {
        const [, mount = "", kind = "", where = ""] = /^([^/]+)\/(data|subkeys|metadata)\/?(.*)$/.exec(path) ?? [];
        const engine = contents.mounts[`${mount}/`];
        if (engine?.type !== "kv" || engine.options?.version !== "2") {
            throw new Refusal(404, `no handler for route "${path}". route entry not found.`);
        }
        const found = contents.values[where];
        if (kind === "data" && (method === "POST" || method === "PUT" || method === "PATCH")) {
            const { data } = parse(raw) as { data?: Values };
            if (data === undefined) throw new Refusal(400, "no data provided");
            if (method === "PATCH" && found === undefined) throw new Refusal(404);
            contents.values[where] = method === "PATCH" ? { ...found, ...data } : data;
            return { status: 200, body: { data: { version: 1 } } };
        }
        if (kind === "metadata" && method === "LIST") {
            const prefix = where === "" ? "" : `${where}/`;
            const keys = Object.keys(contents.values).filter((one) => one.startsWith(prefix));
            if (keys.length === 0) throw new Refusal(404);
            return { status: 200, body: { data: { keys: keys.map((one) => one.slice(prefix.length)) } } };
        }
        if (kind === "metadata" && method === "DELETE") {
            Reflect.deleteProperty(contents.values, where);
            return { status: 204 };
        }
        if (method !== "GET" || found === undefined) throw new Refusal(404);
        return kind === "subkeys"
            ? {
                  status: 200,
                  body: { data: { subkeys: Object.fromEntries(Object.keys(found).map((key) => [key, null])) } },
              }
            : { status: 200, body: { data: { data: found, metadata: { version: 1 } } } };
    }
}

function parse(raw: Buffer): Record<string, unknown> {
    try {
        const value: unknown = JSON.parse(raw.toString("utf8"));
        if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
    } catch {
        // Said below.
    }
    throw new Refusal(400, "failed to parse JSON input");
}

/** Rules of a policy in HCL. */
function rulesOf(policy: string): { on: string; capabilities: string[] }[] {
    return [...policy.matchAll(/path\s+"([^"]+)"\s*\{\s*capabilities\s*=\s*\[([^\]]*)\]\s*\}/g)].map(
        ([, on = "", list = ""]) => ({
            on,
            capabilities: [...list.matchAll(/"([a-z]+)"/g)].map(([, one = ""]) => one),
        }),
    );
}

/** What a request needs. Engines that can tell whether something is there ask for `create` where it is not. */
function capabilityOf(contents: Contents, method: string, path: string): string[] {
    switch (method) {
        case "GET":
            return ["read"];
        case "LIST":
            return ["list"];
        case "DELETE":
            return ["delete"];
        case "PATCH":
            return ["patch"];
        default: {
            const [, value] = /^[^/]+\/data\/(.+)$/.exec(path) ?? [];
            const [, role] = /^auth\/kubernetes\/role\/(.+)$/.exec(path) ?? [];
            const isNew =
                (value !== undefined && contents.values[value] === undefined) ||
                (role !== undefined && contents.roles[role] === undefined);
            return [isNew ? "create" : "update"];
        }
    }
}
