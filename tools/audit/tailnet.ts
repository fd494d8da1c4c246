/** What is in the tailnet: devices, auth keys, policy file, DNS. */
import { stacksIn } from "../../components/tailnet/policy";
import { isRecord, records } from "../../lib/json";
import { orReason, textOf } from "../live/get";
import type { Told } from "../../lib/told";
import type { TailscaleReader } from "../live/tailscale";
import { tailnetKey, TYPES, type Live } from "./things";

export interface Tailnet {
    readonly things: readonly Live[];
    readonly notLookedAt: readonly string[];
    /** What the OAuth client needs no scope for, as no stack declares it, and therefore does not show. */
    readonly hidden: readonly string[];
}

export async function readTailnet(api: TailscaleReader): Promise<Tailnet> {
    const [devices, keys, policy, splitDns, nameservers, searchPaths] = await Promise.all([
        orReason(api.one("/devices")),
        orReason(authKeys(api)),
        orReason(api.policy()),
        orReason(api.one("/dns/split-dns")),
        orReason(api.one("/dns/nameservers")),
        orReason(api.one("/dns/searchpaths")),
    ]);
    const parts: [string, Told<Live[]>][] = [
        ["devices (scope devices:core:read)", map(devices, (value) => devicesOf(records(value["devices"])))],
        ["auth keys (scope auth_keys:read)", map(keys, keysOf)],
        ["policy file (scope policy_file:read)", map(policy, policyOf)],
        ["split DNS (scope dns:read)", map(splitDns, splitDnsOf)],
        ["name servers (scope dns:read)", map(nameservers, (value) => listOf(value["dns"], "nameservers"))],
        ["search paths (scope dns:read)", map(searchPaths, (value) => listOf(value["searchPaths"], "search-paths"))],
    ];
    const faults = parts.flatMap(([what, told]) => (told.ok ? [] : [{ what, ...told }]));
    const forbidden = faults.filter(({ what, status }) => status === 403 && what.includes("dns:read"));
    return {
        things: parts.flatMap(([, told]) => (told.ok ? told.value : [])),
        notLookedAt: faults
            .filter((fault) => !forbidden.includes(fault))
            .map(({ what, reason }) => `${what}: ${reason}`),
        hidden: forbidden.map(({ what, reason }) => `${what}: ${reason}`),
    };
}

function map<A, B>(told: Told<A>, to: (value: A) => B): Told<B> {
    return told.ok ? { ok: true, value: to(told.value) } : told;
}

/** The list may hold ids only; what a key is for then stands in the key itself. */
async function authKeys(api: TailscaleReader): Promise<Told<Record<string, unknown>[]>> {
    const list = await api.one("/keys");
    if (!list.ok) return list;
    const keys = await Promise.all(
        records(list.value["keys"]).map(async (key) => {
            if ("capabilities" in key) return key;
            const one = await api.one(`/keys/${encodeURIComponent(textOf(key, "id"))}`);
            return one.ok ? one.value : key;
        }),
    );
    return { ok: true, value: keys };
}

export function devicesOf(devices: readonly Record<string, unknown>[]): Live[] {
    return devices.map((device) => {
        const tags = Array.isArray(device["tags"]) ? device["tags"].map(String) : [];
        const user = textOf(device, "user");
        const addresses = Array.isArray(device["addresses"]) ? String(device["addresses"][0] ?? "") : "";
        return {
            place: "tailnet" as const,
            key: tailnetKey("device", textOf(device, "hostname")),
            title: `device ${textOf(device, "hostname")}`,
            hint: [tags.join(" "), addresses].filter((word) => word !== "").join(", "),
            // A laptop is its owner's; a tagged device is the infrastructure's.
            ...(tags.length === 0 && { owner: user === "" ? "a person" : `a person (${user})` }),
        };
    });
}

/** Keys that can still let a device in. The client's own credentials are listed too and are no auth keys. */
export function keysOf(keys: readonly Record<string, unknown>[]): Live[] {
    return keys
        .filter((key) => {
            const type = textOf(key, "keyType");
            const auth =
                type === "auth" || (type === "" && isRecord(key["capabilities"]) && "devices" in key["capabilities"]);
            return auth && key["invalid"] !== true && textOf(key, "revoked") === "";
        })
        .map((key) => ({
            place: "tailnet" as const,
            key: tailnetKey("key", textOf(key, "description")),
            title: `auth key "${textOf(key, "description")}"`,
            hint: `${textOf(key, "id")}, ends ${textOf(key, "expires").slice(0, 10)}`,
            import: { type: TYPES.key, id: textOf(key, "id") },
        }));
}

function policyOf(hujson: string): Live[] {
    const stacks = stacksIn(hujson);
    return [
        {
            place: "tailnet",
            key: tailnetKey("acl", ""),
            title: "policy file",
            // There always is one, and it is never imported: stacks only add to it.
            ...(stacks.length === 0 ? { owner: "a person" } : { hint: `with entries of ${stacks.join(", ")}` }),
        },
    ];
}

function splitDnsOf(domains: Record<string, unknown>): Live[] {
    return Object.entries(domains).map(([domain, servers]) => ({
        place: "tailnet",
        key: tailnetKey("split-dns", domain),
        title: `split DNS ${domain}`,
        hint: Array.isArray(servers) ? servers.join(", ") : "",
        import: { type: TYPES.splitDns, id: domain },
    }));
}

function listOf(value: unknown, kind: "nameservers" | "search-paths"): Live[] {
    const entries = Array.isArray(value) ? value.map(String) : [];
    if (entries.length === 0) return [];
    const [type, id, title] =
        kind === "nameservers"
            ? [TYPES.nameservers, "dns_nameservers", "name servers"]
            : [TYPES.searchPaths, "dns_search_paths", "search paths"];
    return [{ place: "tailnet", key: tailnetKey(kind, ""), title, hint: entries.join(", "), import: { type, id } }];
}
