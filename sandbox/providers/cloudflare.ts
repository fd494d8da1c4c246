import { diffProps } from "./diff";
import { send, type HttpRequest, type Patience } from "./http";
import { unsupported, type Found, type Host, type Plugin, type PluginOptions, type Session } from "./plugin";
import { configFromWire, configToWire, fromWire, toWire } from "./cloudflare-wire";
import {
    annotateSecrets,
    equal,
    isObject,
    list,
    revealProps,
    secret,
    text,
    UNKNOWN,
    type Json,
    type Props,
} from "./values";

const TOKEN = "cloudflare:index/getZeroTrustTunnelCloudflaredToken:getZeroTrustTunnelCloudflaredToken";

/** How one resource type maps to the API. Bodies and answers are in the API's own names. */
interface Kind {
    required: readonly string[];
    /** Properties that cannot be changed in place. */
    immutable: readonly string[];
    defaults?: Props;
    /** Outputs that only the API knows. */
    computed: readonly string[];
    secrets: readonly string[];
    collection(inputs: Props): string;
    body(inputs: Props): Props;
    outputs(result: Props): Props;
    /** A fault that the official plugin reports when it applies, not before. */
    fault?(inputs: Props): string | undefined;
    /** What the program would say of an imported object beside what stands in its id. */
    imported: readonly string[];
    /** The one object of its parent: written with PUT, its id is the parent's, and nothing deletes it. */
    singleton?: (inputs: Props) => string;
    update: "PUT" | "PATCH";
    /** Does a live value mean the same as what the program said? */
    same?(property: string, said: Json, live: Json, inputs: Props): boolean;
}

const DNS_BODY = ["comment", "content", "data", "name", "priority", "proxied", "settings", "tags", "ttl", "type"];

const KINDS: Record<string, Kind> = {
    "cloudflare:index/dnsRecord:DnsRecord": {
        required: ["zoneId", "name", "type", "ttl"],
        immutable: ["zoneId"],
        computed: ["commentModifiedOn", "createdOn", "meta", "modifiedOn", "proxiable", "tagsModifiedOn"],
        secrets: [],
        collection: ({ zoneId }) => `/zones/${id(zoneId)}/dns_records`,
        body: (inputs) => toWire(inputs, DNS_BODY),
        outputs: (result) => ({
            ...fromWire(result),
            ...(isObject(result["meta"]) && { meta: JSON.stringify(result["meta"]) }),
        }),
        fault: ({ proxied, ttl }) =>
            proxied === true && ttl !== 1 ? "ttl must be set to 1 when `proxied` is true" : undefined,
        imported: DNS_BODY,
        update: "PUT",
        same: (property, said, live, { type }) => {
            const [ours, theirs] = [String(said), String(live)].map((name) => name.toLowerCase().replace(/\.$/, ""));
            // The API answers with the whole name where the program may have said only its first part.
            return (
                (property === "name" && (ours === theirs || said === "@" || (theirs ?? "").startsWith(`${ours}.`))) ||
                (property === "content" && type === "CNAME" && ours === theirs)
            );
        },
    },
    "cloudflare:index/zeroTrustTunnelCloudflared:ZeroTrustTunnelCloudflared": {
        required: ["accountId", "name"],
        immutable: ["accountId", "configSrc"],
        defaults: { configSrc: "local" },
        computed: [
            ...["accountTag", "connections", "connsActiveAt", "connsInactiveAt", "createdAt", "deletedAt", "metadata"],
            ...["remoteConfig", "status", "tunType"],
        ],
        secrets: ["tunnelSecret"],
        collection: ({ accountId }) => `/accounts/${id(accountId)}/cfd_tunnel`,
        body: (inputs) => toWire(inputs, ["configSrc", "name", "tunnelSecret"]),
        outputs: (result) => ({
            ...fromWire(result),
            ...(isObject(result["metadata"]) && { metadata: JSON.stringify(result["metadata"]) }),
        }),
        imported: ["name", "configSrc"],
        update: "PATCH",
    },
    "cloudflare:index/zeroTrustTunnelCloudflaredConfig:ZeroTrustTunnelCloudflaredConfig": {
        required: ["accountId", "tunnelId"],
        immutable: ["accountId", "tunnelId"],
        computed: ["createdAt", "version"],
        secrets: [],
        collection: ({ accountId, tunnelId }) => `/accounts/${id(accountId)}/cfd_tunnel/${id(tunnelId)}/configurations`,
        body: ({ config, source }) => ({
            ...(isObject(config) && { config: configToWire(config) }),
            ...(source !== undefined && { source }),
        }),
        outputs: (result) => ({
            ...fromWire(result),
            ...(isObject(result["config"]) && { config: configFromWire(result["config"]) }),
        }),
        imported: ["config", "source"],
        singleton: ({ tunnelId }) => id(tunnelId),
        update: "PUT",
    },
};

/** Stand-in for the `cloudflare` plugin: DNS records and tunnels, as a client of the v4 API. */
export function cloudflarePlugin({ env }: PluginOptions): Plugin {
    return {
        configure: (config, host) => {
            const token = text(config, "apiToken") || env["CLOUDFLARE_API_TOKEN"];
            const base =
                text(config, "baseUrl") || env["CLOUDFLARE_BASE_URL"] || "https://api.cloudflare.com/client/v4";
            if (token === undefined || token === "") {
                return Promise.reject(
                    new Error("cloudflare: no credentials: set the provider's apiToken or CLOUDFLARE_API_TOKEN"),
                );
            }
            if (!/^[0-9A-Za-z\-_]{40,80}$/.test(token)) {
                return Promise.reject(
                    new Error("cloudflare: apiToken must be 40 to 80 letters, digits, hyphens and underscores"),
                );
            }
            return Promise.resolve(session(client(base.replace(/\/+$/, ""), token, host)));
        },
    };
}

/** What cloudflare-go does by default (internal/requestconfig), and the official plugin leaves as it is. */
const PATIENCE: Patience = {
    retries: 2,
    after: (status) => [408, 409, 429].includes(status) || status >= 500,
};

type Client = (method: HttpRequest["method"], path: string, body?: Props) => Promise<Json>;

class ApiError extends Error {
    constructor(
        message: string,
        readonly status: number,
    ) {
        super(message);
    }
}

/** Speaks the v4 envelope: yields `result`, throws every listed error with its code. */
function client(base: string, token: string, host: Host): Client {
    return async (method, path, body) => {
        const headers: Record<string, string> = { authorization: `Bearer ${token}`, accept: "application/json" };
        const request: HttpRequest = { method, url: base + path, headers };
        if (body !== undefined) {
            headers["content-type"] = "application/json";
            request.body = JSON.stringify(body);
        }
        const { status, body: answer } = await send(request, host.signal, PATIENCE);
        let envelope: Json = null;
        try {
            envelope = JSON.parse(answer) as Json;
        } catch {
            // Reported below: whatever this is, it is not the API's envelope.
        }
        if (status < 300 && isObject(envelope) && envelope["success"] === true) {
            return envelope["result"] ?? null;
        }
        const errors = list(envelope, "errors").map((each) =>
            isObject(each) ? `${String(each["code"])} ${String(each["message"])}` : String(each),
        );
        const detail = errors.length > 0 ? errors.join("; ") : answer.slice(0, 300);
        throw new ApiError(`failed to make http request: ${method} ${path}: ${status}: ${detail}`, status);
    };
}

function session(call: Client): Session {
    const kindOf = (type: string): Kind => {
        const kind = KINDS[type];
        if (kind === undefined) {
            throw unsupported("resource", type);
        }
        return kind;
    };
    const outputsOf = (kind: Kind, wrapped: Props, result: Json): Props => {
        const live = isObject(result) ? kind.outputs(result) : {};
        // Inputs as the program said them, so that an answer in other words is no difference.
        const outputs: Props = { ...live, ...revealProps(wrapped) };
        annotateSecrets(outputs, wrapped);
        for (const name of kind.secrets) {
            if (outputs[name] !== undefined) {
                outputs[name] = secret(outputs[name]);
            }
        }
        return outputs;
    };

    /** An id of `pulumi import`: the parent's before the object's own, `zone/record`. */
    const adopt = async (kind: Kind, path: string): Promise<Found | undefined> => {
        const [parent = "", own = ""] = path.split("/");
        const where: Props = kind.required.includes("zoneId") ? { zoneId: parent } : { accountId: parent };
        if (kind.singleton !== undefined) where["tunnelId"] = own;
        try {
            const result = await call("GET", kind.collection(where) + (kind.singleton ? "" : `/${id(own)}`));
            const live = isObject(result) ? kind.outputs(result) : {};
            const said = kind.imported.filter((name) => {
                const value = live[name];
                return value !== undefined && value !== null && !equal(value, []) && !equal(value, {});
            });
            const inputs = { ...where, ...Object.fromEntries(said.map((name) => [name, live[name] ?? null])) };
            return { id: own, outputs: outputsOf(kind, inputs, result), inputs };
        } catch (error) {
            if (error instanceof ApiError && error.status === 404) return undefined;
            throw error;
        }
    };

    return {
        check: ({ type, news }) => {
            const kind = kindOf(type);
            const missing = kind.required.filter((name) => news[name] === undefined);
            return Promise.resolve({
                inputs: { ...kind.defaults, ...news },
                failures: missing.map((property) => ({ property, reason: `missing required property '${property}'` })),
            });
        },
        diff: ({ type, oldInputs, news }) =>
            Promise.resolve(diffProps(revealProps(oldInputs), revealProps(news), kindOf(type).immutable)),
        create: async ({ type, inputs, preview }) => {
            const kind = kindOf(type);
            if (preview) {
                return {
                    id: "",
                    outputs: { ...inputs, ...Object.fromEntries(kind.computed.map((key) => [key, UNKNOWN])) },
                };
            }
            const plain = revealProps(inputs);
            const fault = kind.fault?.(plain);
            if (fault !== undefined) {
                throw new Error(fault);
            }
            const result = await call(kind.singleton ? "PUT" : "POST", kind.collection(plain), kind.body(plain));
            const created = kind.singleton?.(plain) ?? text(result, "id");
            if (created === undefined) {
                throw new Error(`the API created a ${type} but its answer has no id`);
            }
            return { id: created, outputs: outputsOf(kind, inputs, result) };
        },
        update: async ({ id: known, type, olds, oldInputs, news, preview }) => {
            const kind = kindOf(type);
            if (preview) {
                return { ...olds, ...news };
            }
            const plain = revealProps(news);
            const body = kind.body(plain);
            if (kind.update === "PATCH") {
                const before = kind.body(revealProps(oldInputs));
                Object.keys(body).forEach((key) => equal(body[key], before[key]) && delete body[key]);
            }
            const path = kind.collection(plain) + (kind.singleton ? "" : `/${id(known)}`);
            return outputsOf(kind, news, await call(kind.update, path, body));
        },
        read: async ({ id: known, type, state, inputs }) => {
            const kind = kindOf(type);
            if (Object.keys(inputs).length === 0 && Object.keys(state).length === 0) return adopt(kind, known);
            const plain = revealProps(Object.keys(inputs).length > 0 ? inputs : state);
            try {
                const result = await call("GET", kind.collection(plain) + (kind.singleton ? "" : `/${id(known)}`));
                const live = isObject(result) ? kind.outputs(result) : {};
                // Drift shows as an input that is no longer what the program said. A secret is never answered.
                const now = { ...inputs };
                for (const [name, said] of Object.entries(plain)) {
                    const theirs = live[name];
                    const known = theirs !== undefined && theirs !== null && !kind.secrets.includes(name);
                    if (
                        known &&
                        name !== "configSrc" &&
                        !equal(said, theirs) &&
                        !kind.same?.(name, said, theirs, plain)
                    ) {
                        now[name] = theirs;
                    }
                }
                return { id: known, outputs: outputsOf(kind, now, result), inputs: now };
            } catch (error) {
                if (error instanceof ApiError && error.status === 404) {
                    return undefined;
                }
                throw error;
            }
        },
        delete: async ({ id: known, type, state }) => {
            const kind = kindOf(type);
            if (kind.singleton === undefined) {
                await call("DELETE", `${kind.collection(revealProps(state))}/${id(known)}`);
            }
        },
        invoke: async (token, args) => {
            if (token !== TOKEN) {
                throw unsupported("function", token);
            }
            const { accountId, tunnelId } = revealProps(args);
            const result = await call("GET", `/accounts/${id(accountId)}/cfd_tunnel/${id(tunnelId)}/token`);
            // Not marked secret: the official plugin does not either, so the program has to.
            return { ...args, id: id(tunnelId), token: result };
        },
    };
}

/** A path segment; the API's own ids need no escaping, anything else must not change the path. */
function id(value: Json | undefined): string {
    return encodeURIComponent(typeof value === "string" ? value : String(value ?? ""));
}
