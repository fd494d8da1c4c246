import { randomBytes } from "node:crypto";
import type { Answer, Request, Route } from "../server";
import type { TailscaleState } from "./state";

/** Who may use the API. */
export interface TailscaleCredentials {
    /** API access tokens (`tskey-api-...`), taken as basic-auth user or as bearer. */
    readonly apiKeys: readonly string[];
    readonly oauthClients?: readonly { readonly id: string; readonly secret: string }[];
}

const HOUR = 3600;
const TOKEN_PATH = "/api/v2/oauth/token";

/** `POST /oauth/token`: the client-credentials grant, credentials in the form or in the basic-auth header. */
export function oauthRoutes(state: TailscaleState, credentials: TailscaleCredentials): Route[] {
    return [
        {
            method: "POST",
            pattern: TOKEN_PATH,
            handle: (request) => {
                const form = new URLSearchParams(request.body);
                const [user, password] = basic(request) ?? [];
                const id = form.get("client_id") ?? user;
                const secret = form.get("client_secret") ?? password;
                const known = (credentials.oauthClients ?? []).some(
                    (client) => client.id === id && client.secret === secret,
                );
                if (!known) {
                    return { status: 401, body: { message: "API token invalid", error: "invalid_client" } };
                }
                const token = `tskey-api-${randomBytes(16).toString("hex")}`;
                state.accessTokens[token] = Date.now() + HOUR * 1000;
                return {
                    status: 200,
                    body: {
                        access_token: token,
                        token_type: "Bearer",
                        expires_in: HOUR,
                        scope: form.get("scope") ?? "all",
                    },
                };
            },
        },
    ];
}

/** 401 unless the request carries a known key or a live access token; the token endpoint looks for itself. */
export function authenticate(
    request: Request,
    state: TailscaleState,
    credentials: TailscaleCredentials,
): Answer | undefined {
    if (request.path === TOKEN_PATH) {
        return undefined;
    }
    const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? basic(request)?.[0];
    const valid =
        given !== undefined && (credentials.apiKeys.includes(given) || (state.accessTokens[given] ?? 0) > Date.now());
    return valid ? undefined : { status: 401, body: { message: "API token invalid" } };
}

function basic(request: Request): [string, string] | undefined {
    const encoded = /^Basic (.+)$/.exec(request.headers.authorization ?? "")?.[1];
    if (encoded === undefined) {
        return undefined;
    }
    const [user = "", ...password] = Buffer.from(encoded, "base64").toString("utf8").split(":");
    return [decodeURIComponent(user), decodeURIComponent(password.join(":"))];
}
