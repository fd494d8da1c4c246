/**
 * Removes from the loopback clouds what a run that was cut short made there and never wrote to the state: created again,
 * a tunnel or a record is refused as a duplicate, and a key would be one too many. Never used on a real account.
 */
import type { DaemonInfo } from "./background";
import { CLOUD_SECRETS } from "./clouds/credentials";
import type { Knows } from "./repair";
import { DNS_RECORD, TAILNET_KEY, TUNNEL, type Unfinished } from "./unfinished";

/** Where things of a type are listed and deleted, and where an answer holds the list. */
interface Place {
    readonly collection: string;
    readonly query?: Readonly<Record<string, string>>;
    readonly list: "result" | "keys";
    readonly token: string;
}

export async function removeUnknownFromClouds(
    clouds: Pick<DaemonInfo, "cloudflareUrl" | "tailscaleUrl">,
    left: readonly Unfinished[],
    knows: Knows,
    say: (line: string) => void,
): Promise<void> {
    for (const one of left) {
        const place = await placeOf(one, clouds);
        if (place === undefined) continue;
        const url = new URL(place.collection);
        Object.entries(place.query ?? {}).forEach(([key, value]) => url.searchParams.set(key, value));
        const answer = (await call("GET", url.href, place.token)) as Record<string, { id: string }[] | undefined>;
        for (const { id } of answer[place.list] ?? []) {
            if (knows(one.type, id)) continue;
            say(`cut short: ${one.type.split(":").at(-1)} ${one.identity["name"] ?? id} is made again`);
            await call("DELETE", `${place.collection}/${id}`, place.token);
        }
    }
}

async function placeOf(
    { type, identity }: Unfinished,
    { cloudflareUrl, tailscaleUrl }: Pick<DaemonInfo, "cloudflareUrl" | "tailscaleUrl">,
): Promise<Place | undefined> {
    const { accountId = "", zoneId = "", name = "", type: recordType = "" } = identity;
    const cloudflare = {
        list: "result",
        token: CLOUD_SECRETS["cloudflare.apiToken"],
    } as const;
    switch (type) {
        case DNS_RECORD:
            return {
                ...cloudflare,
                collection: `${cloudflareUrl}/client/v4/zones/${zoneId}/dns_records`,
                query: { name, type: recordType },
            };
        case TUNNEL:
            return {
                ...cloudflare,
                collection: `${cloudflareUrl}/client/v4/accounts/${accountId}/cfd_tunnel`,
                query: { name, is_deleted: "false" },
            };
        case TAILNET_KEY:
            return {
                list: "keys",
                token: await tailscaleToken(tailscaleUrl),
                collection: `${tailscaleUrl}/api/v2/tailnet/-/keys`,
            };
        default:
            return undefined;
    }
}

async function tailscaleToken(url: string): Promise<string> {
    const form = new URLSearchParams({
        grant_type: "client_credentials",
        client_id: CLOUD_SECRETS["tailscale.oauthClientId"],
        client_secret: CLOUD_SECRETS["tailscale.oauthClientSecret"],
    });
    const response = await fetch(`${url}/api/v2/oauth/token`, { method: "POST", body: form });
    return ((await response.json()) as { access_token: string }).access_token;
}

async function call(method: string, url: string, token: string): Promise<unknown> {
    const response = await fetch(url, { method, headers: { authorization: `Bearer ${token}` } });
    if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${(await response.text()).slice(0, 200)}`);
    return response.json();
}
