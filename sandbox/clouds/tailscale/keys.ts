import { randomBytes } from "node:crypto";
import { type Answer, json, type Request, type Route } from "../server";
import { currentPolicy } from "./acl";
import type { AuthKey, TailscaleState } from "./state";

const KEYS = "/api/v2/tailnet/:tailnet/keys";
const NINETY_DAYS = 90 * 24 * 60 * 60;

/** `/tailnet/{t}/keys`: auth keys. The key itself is told once, when it is made. */
export function keyRoutes(state: TailscaleState): Route[] {
    const withKey =
        (handle: (key: AuthKey) => Answer): Route["handle"] =>
        (_, params) => {
            const key = state.keys.find((candidate) => candidate.id === params["id"]);
            return key === undefined ? { status: 404, body: { message: "key not found" } } : handle(key);
        };
    return [
        { method: "GET", pattern: KEYS, handle: () => ({ status: 200, body: { keys: state.keys.map(present) } }) },
        { method: "POST", pattern: KEYS, handle: (request) => create(state, request) },
        { method: "GET", pattern: `${KEYS}/:id`, handle: withKey((key) => ({ status: 200, body: present(key) })) },
        {
            method: "DELETE",
            pattern: `${KEYS}/:id`,
            handle: withKey((key) => {
                state.keys.splice(state.keys.indexOf(key), 1);
                return { status: 200, body: {} };
            }),
        },
    ];
}

/** Whether a device may still register with the key. */
export function isUsable(key: AuthKey, now = Date.now()): boolean {
    return !(key.used && !key.capabilities.devices.create.reusable) && Date.parse(key.expires) > now;
}

function create(state: TailscaleState, request: Request): Answer {
    const body = json(request);
    if (body === undefined) {
        return { status: 400, body: { message: "invalid JSON body" } };
    }
    if (body["keyType"] !== undefined && body["keyType"] !== "auth") {
        return { status: 501, body: { message: "the sandbox makes auth keys only" } };
    }
    const wanted =
        (body["capabilities"] as { devices?: { create?: Record<string, unknown> } } | undefined)?.devices?.create ?? {};
    const tags = Array.isArray(wanted["tags"]) ? wanted["tags"].map(String) : [];
    const owned = currentPolicy(state).tagOwners ?? {};
    const unknown = tags.filter((tag) => !(tag in owned));
    if (unknown.length > 0) {
        return { status: 400, body: { message: `requested tags [${unknown.join(" ")}] are invalid or not permitted` } };
    }
    const expirySeconds = Number(body["expirySeconds"] ?? 0) || NINETY_DAYS;
    if (expirySeconds < 0 || expirySeconds > NINETY_DAYS) {
        return { status: 400, body: { message: "expirySeconds must be between 1 and 7776000 seconds (90 days)" } };
    }
    const description = String(body["description"] ?? "");
    if (description.length > 50 || /[^A-Za-z0-9 -]/.test(description)) {
        return {
            status: 400,
            body: { message: "description may hold at most 50 letters, digits, hyphens and spaces" },
        };
    }
    const now = Date.now();
    const id = `k${randomBytes(8).toString("hex")}CNTRL`;
    const key: AuthKey = {
        id,
        key: `tskey-auth-${id}-${randomBytes(16).toString("hex")}`,
        description,
        created: new Date(now).toISOString(),
        expires: new Date(now + expirySeconds * 1000).toISOString(),
        expirySeconds,
        capabilities: {
            devices: {
                create: {
                    reusable: wanted["reusable"] === true,
                    ephemeral: wanted["ephemeral"] === true,
                    preauthorized: wanted["preauthorized"] === true,
                    tags,
                },
            },
        },
        used: false,
    };
    state.keys.push(key);
    return { status: 200, body: { ...present(key), key: key.key } };
}

function present(key: AuthKey) {
    const { key: _secret, used: _used, ...visible } = key;
    return { ...visible, keyType: "auth", invalid: !isUsable(key), userId: "" };
}
