import { type Answer, json, type Request, type Route } from "../server";
import type { TailscaleState } from "./state";

const DNS = "/api/v2/tailnet/:tailnet/dns";

/** `/tailnet/{t}/dns/*`: split DNS, nameservers, search paths, MagicDNS. */
export function dnsRoutes(state: TailscaleState): Route[] {
    return [
        { method: "GET", pattern: `${DNS}/split-dns`, handle: () => ({ status: 200, body: state.splitDns }) },
        { method: "PUT", pattern: `${DNS}/split-dns`, handle: (request) => split(state, request, {}) },
        { method: "PATCH", pattern: `${DNS}/split-dns`, handle: (request) => split(state, request, state.splitDns) },
        {
            method: "GET",
            pattern: `${DNS}/nameservers`,
            handle: () => ({ status: 200, body: { dns: state.nameservers } }),
        },
        {
            method: "POST",
            pattern: `${DNS}/nameservers`,
            handle: (request) => {
                state.nameservers = strings(json(request)?.["dns"]);
                return { status: 200, body: { dns: state.nameservers, magicDNS: state.magicDns } };
            },
        },
        {
            method: "GET",
            pattern: `${DNS}/searchpaths`,
            handle: () => ({ status: 200, body: { searchPaths: state.searchPaths } }),
        },
        {
            method: "POST",
            pattern: `${DNS}/searchpaths`,
            handle: (request) => {
                state.searchPaths = strings(json(request)?.["searchPaths"]);
                return { status: 200, body: { searchPaths: state.searchPaths } };
            },
        },
        {
            method: "GET",
            pattern: `${DNS}/preferences`,
            handle: () => ({ status: 200, body: { magicDNS: state.magicDns } }),
        },
        {
            method: "POST",
            pattern: `${DNS}/preferences`,
            handle: (request) => {
                state.magicDns = json(request)?.["magicDNS"] === true;
                return { status: 200, body: { magicDNS: state.magicDns } };
            },
        },
    ];
}

/** Sets the domains of the request over `base`; an empty list or null takes a domain out. */
function split(state: TailscaleState, request: Request, base: Readonly<Record<string, string[]>>): Answer {
    const body = json(request);
    if (body === undefined) {
        return { status: 400, body: { message: "invalid JSON body" } };
    }
    const merged = {
        ...base,
        ...Object.fromEntries(Object.entries(body).map(([domain, servers]) => [domain, strings(servers)])),
    };
    state.splitDns = Object.fromEntries(Object.entries(merged).filter(([, servers]) => servers.length > 0));
    return { status: 200, body: state.splitDns };
}

function strings(value: unknown): string[] {
    return Array.isArray(value) ? value.map(String) : [];
}
