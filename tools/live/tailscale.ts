/** Tailscale's API, read only but for the grant of a token that every OAuth client starts with. https://tailscale.com/api */
import { get, objectOf, textOf } from "./get";
import { postForm } from "./grant";
import type { Told } from "../../lib/told";

export interface TailscaleReader {
    /** What the token may do, as the API says: e.g. ["auth_keys", "devices:core"]; empty when it does not say. */
    readonly scopes: readonly string[];
    /** `path` below /api/v2/tailnet/<tailnet>. Throws `Unreachable`. */
    one(path: string): Promise<Told<Record<string, unknown>>>;
    /** The policy file as it was written. Throws `Unreachable`. */
    policy(): Promise<Told<string>>;
}

export interface TailscaleAccount {
    readonly tailnet: string;
    readonly clientId: string;
    readonly clientSecret: string;
}

/** TAILSCALE_BASE_URL is what the provider reads, too. The token lives for an hour and is forgotten with the process. */
export async function tailscaleReader(
    { tailnet, clientId, clientSecret }: TailscaleAccount,
    env: NodeJS.ProcessEnv,
    timeout: number,
): Promise<Told<TailscaleReader>> {
    const api = `${(env["TAILSCALE_BASE_URL"] ?? "https://api.tailscale.com").replace(/\/+$/, "")}/api/v2`;
    const granted = await grant(`${api}/oauth/token`, clientId, clientSecret, timeout);
    if (!granted.ok) return granted;
    const call = async (path: string, accept: string) => {
        const url = `${api}/tailnet/${encodeURIComponent(tailnet)}${path}`;
        const headers = { authorization: `Bearer ${granted.value.token}`, accept };
        const answer = await get(url, { headers, timeout });
        return answer.status < 300
            ? { answer }
            : { refused: { ok: false, status: answer.status, reason: reasonOf(answer.status, answer.body) } as const };
    };
    return {
        ok: true,
        value: {
            scopes: granted.value.scopes,
            one: async (path) => {
                const { answer, refused } = await call(path, "application/json");
                if (refused !== undefined) return refused;
                const value = objectOf(answer);
                return value === undefined
                    ? { ok: false, status: answer.status, reason: "an answer that is no object" }
                    : { ok: true, value };
            },
            policy: async () => {
                const { answer, refused } = await call("/acl", "application/hujson");
                return refused ?? { ok: true, value: answer.body };
            },
        },
    };
}

/** The token that an OAuth client gets, and its scopes. */
async function grant(
    url: string,
    id: string,
    secret: string,
    timeout: number,
): Promise<Told<{ token: string; scopes: string[] }>> {
    const form = { client_id: id, client_secret: secret, grant_type: "client_credentials" };
    const { status, body } = await postForm(url, form, timeout);
    const answer = objectOf({ status, body });
    const token = textOf(answer, "access_token");
    if (status >= 300 || token === "") return { ok: false, status, reason: reasonOf(status, body) };
    return {
        ok: true,
        value: {
            token,
            scopes: textOf(answer, "scope")
                .split(/[\s,]+/)
                .filter((word) => word !== ""),
        },
    };
}

function reasonOf(status: number, body: string): string {
    const message = textOf(objectOf({ status, body }), "message");
    return message === "" ? String(status) : `${status}, ${message}`;
}
