import { randomUUID } from "node:crypto";
import { diffProps, type DiffResult } from "./diff";
import { send, type HttpAnswer, type HttpRequest, type Patience } from "./http";
import { parse } from "./hujson";
import {
    unsupported,
    type CheckFailure,
    type Created,
    type Found,
    type Host,
    type Plugin,
    type PluginOptions,
    type ReadRequest,
    type Session,
} from "./plugin";
import { equal, isObject, list, num, revealProps, secret, text, UNKNOWN, type Json, type Props } from "./values";

const ACL = "tailscale:index/acl:Acl";
const KEY = "tailscale:index/tailnetKey:TailnetKey";
const SPLIT = "tailscale:index/dnsSplitNameservers:DnsSplitNameservers";
const GET_ACL = "tailscale:index/getAcl:getAcl";

/** The policy's ETag as long as nobody has ever written it. */
const DEFAULT_ETAG = '"ts-default"';

/** tailscale-client-go-v2 takes every answer as it is; only a connection that broke is worth a second attempt. */
const PATIENCE: Patience = { retries: 1, after: () => false };

/** Stand-in for the `tailscale` plugin: the policy file, auth keys and split DNS. */
export function tailscalePlugin({ env }: PluginOptions): Plugin {
    return {
        configure: async (config, host) => {
            const setting = (name: string, variable: string) => text(config, name) || env[variable] || "";
            const key = setting("apiKey", "TAILSCALE_API_KEY");
            const clientId = setting("oauthClientId", "TAILSCALE_OAUTH_CLIENT_ID");
            const clientSecret = setting("oauthClientSecret", "TAILSCALE_OAUTH_CLIENT_SECRET");
            const base = setting("baseUrl", "TAILSCALE_BASE_URL") || "https://api.tailscale.com";
            const tailnet = setting("tailnet", "TAILSCALE_TAILNET") || "-";
            if (key === "" && clientId === "" && clientSecret === "") {
                throw new Error(
                    "tailscale provider credentials are empty - set `apiKey` or `oauthClientId` and `oauthClientSecret`",
                );
            }
            if (key !== "" && (clientId !== "" || clientSecret !== "")) {
                throw new Error(
                    "tailscale provider credentials are conflicting - `apiKey` or an OAuth client, not both",
                );
            }
            if (key === "" && (clientId === "" || clientSecret === "")) {
                throw new Error("tailscale: set both `oauthClientId` and `oauthClientSecret`");
            }
            const api = `${base.replace(/\/+$/, "")}/api/v2`;
            const authorization = key
                ? `Basic ${Buffer.from(`${key}:`).toString("base64")}`
                : `Bearer ${await oauthToken(api, clientId, clientSecret, host)}`;
            return session(client(`${api}/tailnet/${encodeURIComponent(tailnet)}`, authorization, host));
        },
    };
}

async function oauthToken(api: string, id: string, clientSecret: string, host: Host): Promise<string> {
    const form = new URLSearchParams({ grant_type: "client_credentials", client_id: id, client_secret: clientSecret });
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const answer = await send(
        { method: "POST", url: `${api}/oauth/token`, headers, body: form.toString() },
        host.signal,
        PATIENCE,
    );
    const token = answer.status < 300 ? text(json(answer.body), "access_token") : undefined;
    if (token === undefined) {
        throw new Error(`tailscale: the OAuth client was refused: ${answer.status}`);
    }
    return token;
}

class ApiError extends Error {
    constructor(
        message: string,
        readonly status: number,
    ) {
        super(message);
    }
}

interface CallOptions {
    body?: Json;
    /** A policy file's text, sent and answered as HuJSON. */
    policy?: string;
    accept?: string;
    ifMatch?: string;
}

type Client = (method: HttpRequest["method"], path: string, options?: CallOptions) => Promise<HttpAnswer>;

function client(base: string, authorization: string, host: Host): Client {
    return async (method, path, { body, policy, accept, ifMatch } = {}) => {
        const headers: Record<string, string> = { authorization, accept: accept ?? "application/json" };
        const request: HttpRequest = { method, url: base + path, headers };
        if (policy !== undefined) {
            headers["content-type"] = "application/hujson";
            request.body = policy;
        } else if (body !== undefined) {
            headers["content-type"] = "application/json";
            request.body = JSON.stringify(body);
        }
        if (ifMatch !== undefined) {
            headers["if-match"] = ifMatch;
        }
        const answer = await send(request, host.signal, PATIENCE);
        if (answer.status >= 300) {
            const message = text(json(answer.body), "message") ?? answer.body.slice(0, 300);
            throw new ApiError(`${message} (${answer.status})`, answer.status);
        }
        return answer;
    };
}

function json(body: string): Json {
    try {
        return JSON.parse(body) as Json;
    } catch {
        return null;
    }
}

/** One resource type; requests and results are free of secret wrappers. */
interface Kind {
    check(inputs: Props): CheckFailure[];
    /** `state`: what the resource was last seen as. */
    diff(before: Props, after: Props, state: Props): DiffResult;
    /** Outputs that only the API knows. */
    computed: readonly string[];
    /** Read-only calls that the official plugin makes on preview, too. */
    validate?(inputs: Props): Promise<void>;
    create(inputs: Props): Promise<Created>;
    update(id: string, inputs: Props): Promise<void>;
    read(request: ReadRequest): Promise<Found | undefined>;
    delete(id: string, state: Props): Promise<void>;
}

function session(call: Client): Session {
    const kinds: Record<string, Kind> = { [ACL]: acl(call), [KEY]: tailnetKey(call), [SPLIT]: splitNameservers(call) };
    const kindOf = (type: string): Kind => {
        const kind = kinds[type];
        if (kind === undefined) {
            throw unsupported("resource", type);
        }
        return kind;
    };
    return {
        check: ({ type, news }) => Promise.resolve({ inputs: news, failures: kindOf(type).check(revealProps(news)) }),
        diff: ({ type, olds, oldInputs, news }) =>
            Promise.resolve(kindOf(type).diff(revealProps(oldInputs), revealProps(news), revealProps(olds))),
        create: async ({ type, inputs, preview }) => {
            const kind = kindOf(type);
            await kind.validate?.(revealProps(inputs));
            if (preview) {
                return {
                    id: "",
                    outputs: { ...inputs, ...Object.fromEntries(kind.computed.map((key) => [key, UNKNOWN])) },
                };
            }
            const { id, outputs } = await kind.create(revealProps(inputs));
            return { id, outputs: { ...outputs, ...inputs } };
        },
        update: async ({ id, type, olds, news, preview }) => {
            const kind = kindOf(type);
            await kind.validate?.(revealProps(news));
            if (!preview) {
                await kind.update(id, revealProps(news));
            }
            return { ...olds, ...news };
        },
        read: (request) => kindOf(request.type).read(request),
        delete: ({ id, type, state }) => kindOf(type).delete(id, revealProps(state)),
        invoke: async (token) => {
            if (token !== GET_ACL) {
                throw unsupported("function", token);
            }
            const { body } = await call("GET", "/acl", { accept: "application/hujson" });
            return { id: randomUUID(), hujson: body, json: JSON.stringify(parse(body)) };
        },
    };
}

function required(inputs: Props, ...names: string[]): CheckFailure[] {
    return names
        .filter((name) => inputs[name] === undefined)
        .map((property) => ({ property, reason: `missing required property '${property}'` }));
}

/** The tailnet's policy file: there is always exactly one, so creating means writing and deleting means letting go. */
function acl(call: Client): Kind {
    const samePolicy = (a: Json | undefined, b: Json | undefined): boolean => {
        try {
            return equal(parse(String(a)), parse(String(b)));
        } catch {
            return a === b;
        }
    };
    return {
        computed: [],
        check: (inputs) => {
            const policy = inputs["acl"];
            if (typeof policy === "string" && policy !== UNKNOWN) {
                try {
                    parse(policy);
                } catch (error) {
                    return [
                        { property: "acl", reason: `not valid HuJSON: ${error instanceof Error ? error.message : ""}` },
                    ];
                }
            }
            return required(inputs, "acl");
        },
        diff: (before, after) => {
            const { changes } = diffProps(before, after, []);
            if (samePolicy(before["acl"], after["acl"])) {
                delete changes["acl"];
            }
            return { changes };
        },
        validate: async ({ acl: policy }) => {
            if (policy === UNKNOWN) {
                return;
            }
            const { body } = await call("POST", "/acl/validate", { policy: String(policy) });
            const verdict = json(body);
            const message = text(verdict, "message");
            if (message) {
                const errors = list(verdict, "data").flatMap((each) => list(each, "errors").map(String));
                throw new Error(`ACL validation failed: ${[message, ...errors].join("; ")}`);
            }
        },
        create: async (inputs) => {
            const policy = String(inputs["acl"]);
            const overwrite = inputs["overwriteExistingContent"] === true;
            try {
                await call("POST", "/acl", { policy, ...(!overwrite && { ifMatch: DEFAULT_ETAG }) });
            } catch (error) {
                if (error instanceof ApiError && error.status === 412) {
                    throw new Error(
                        "the tailnet has a policy that is not the default one, and this Acl would overwrite it: import it " +
                            `(\`import: "acl"\`) or set overwriteExistingContent (got ${JSON.stringify(error.message)})`,
                    );
                }
                throw error;
            }
            return { id: randomUUID(), outputs: {} };
        },
        update: async (_, inputs) => {
            await call("POST", "/acl", { policy: String(inputs["acl"]) });
        },
        read: async ({ id, state, inputs }) => {
            const { body } = await call("GET", "/acl", { accept: "application/hujson" });
            const now = samePolicy(revealProps(inputs)["acl"], body) ? inputs : { ...inputs, acl: body };
            return { id, outputs: { ...state, ...now }, inputs: now };
        },
        delete: async (_, state) => {
            if (state["resetAclOnDestroy"] === true) {
                await call("POST", "/acl", { policy: "" });
            }
        },
    };
}

function tailnetKey(call: Client): Kind {
    const outputsOf = (answer: Json): Props => ({
        createdAt: text(answer, "created") ?? "",
        expiresAt: text(answer, "expires") ?? "",
        invalid: isObject(answer) && answer["invalid"] === true,
        userId: text(answer, "userId") ?? "",
    });
    return {
        computed: ["createdAt", "expiresAt", "invalid", "key"],
        check: () => [],
        // As the official plugin: an invalid key is replaced, if that is asked for, once the state says that it is one.
        diff: (before, after, state) => {
            const { recreateIfInvalid, reusable } = after;
            const missed = recreateIfInvalid === "always" || (recreateIfInvalid !== "never" && reusable === true);
            const fixed = Object.keys({ ...before, ...after }).filter((key) => key !== "recreateIfInvalid");
            const { changes } = diffProps(before, after, fixed);
            return state["invalid"] === true && missed ? { changes, replaces: ["id"] } : { changes };
        },
        create: async (inputs) => {
            const tags = list(inputs, "tags");
            const device = {
                reusable: inputs["reusable"] === true,
                ephemeral: inputs["ephemeral"] === true,
                preauthorized: inputs["preauthorized"] === true,
                ...(tags.length > 0 && { tags }),
            };
            const { body } = await call("POST", "/keys", {
                body: {
                    capabilities: { devices: { create: device } },
                    expirySeconds: num(inputs, "expiry") ?? 0,
                    description: text(inputs, "description") ?? "",
                },
            });
            const answer = json(body);
            const id = text(answer, "id");
            if (id === undefined) {
                throw new Error("the API created a key but its answer has no id");
            }
            return { id, outputs: { ...outputsOf(answer), key: secret(text(answer, "key") ?? "") } };
        },
        // The official plugin looks at the key here, and at one that is gone it crashes.
        update: async (id) => {
            await call("GET", `/keys/${encodeURIComponent(id)}`);
        },
        read: async ({ id, state, inputs }) => {
            try {
                const { body } = await call("GET", `/keys/${encodeURIComponent(id)}`);
                return { id, outputs: { ...state, ...outputsOf(json(body)), ...inputs }, inputs };
            } catch (error) {
                if (error instanceof ApiError && error.status === 404) {
                    return { id, outputs: { ...state, ...inputs, invalid: true }, inputs };
                }
                throw error;
            }
        },
        delete: async (id) => {
            try {
                await call("DELETE", `/keys/${encodeURIComponent(id)}`);
            } catch (error) {
                if (!(error instanceof ApiError && error.status === 404)) {
                    throw error;
                }
            }
        },
    };
}

function splitNameservers(call: Client): Kind {
    const set = async (domain: string, nameservers: Json[]) => {
        await call("PATCH", "/dns/split-dns", { body: { [domain]: nameservers } });
    };
    const sorted = (values: Json[]) => values.map(String).sort();
    return {
        computed: [],
        check: (inputs) => required(inputs, "domain", "nameservers"),
        diff: (before, after) => {
            const { changes } = diffProps(before, after, ["domain"]);
            // A set: its order is nobody's.
            const same = equal(sorted(list(before, "nameservers")), sorted(list(after, "nameservers")));
            return {
                changes: same
                    ? Object.fromEntries(Object.entries(changes).filter(([key]) => !key.startsWith("nameservers")))
                    : changes,
            };
        },
        create: async (inputs) => {
            const domain = String(inputs["domain"]);
            await set(domain, list(inputs, "nameservers"));
            return { id: domain, outputs: {} };
        },
        update: (domain, inputs) => set(domain, list(inputs, "nameservers")),
        read: async ({ id, state, inputs }) => {
            const { body } = await call("GET", "/dns/split-dns");
            const live = list(json(body), id);
            const same = equal(sorted(live), sorted(list(revealProps(inputs), "nameservers")));
            const now = same ? inputs : { ...inputs, domain: id, nameservers: live };
            return { id, outputs: { ...state, ...now }, inputs: now };
        },
        delete: (domain) => set(domain, []),
    };
}
