import type { Route } from "../server";
import { fail, ok, page } from "./envelope";
import { type CloudflareState, zoneById } from "./state";

/** `/zones`, `/accounts` and `/user/tokens/verify`: read-only, what look-ups by name need. */
export function zoneRoutes(state: CloudflareState): Route[] {
    const verify = () =>
        ok({ id: "0".repeat(32), status: "active" }, [{ code: 10000, message: "This API Token is valid and active" }]);
    return [
        {
            method: "GET",
            pattern: "/client/v4/zones",
            handle: ({ query }) => {
                const name = query.get("name");
                const account = query.get("account.id");
                const zones = state.zones.filter(
                    (zone) =>
                        (name === null || zone.name === name) && (account === null || account === state.accountId),
                );
                return page(
                    zones.map((zone) => present(zone, state.accountId)),
                    query,
                    20,
                );
            },
        },
        {
            method: "GET",
            pattern: "/client/v4/zones/:zone",
            handle: (request, params) => {
                const zone = zoneById(state, params["zone"] ?? "");
                return zone === undefined
                    ? fail(404, 7003, `Could not route to ${request.path}, perhaps your object identifier is invalid?`)
                    : ok(present(zone, state.accountId));
            },
        },
        {
            method: "GET",
            pattern: "/client/v4/accounts",
            handle: ({ query }) => page([account(state.accountId)], query, 20),
        },
        {
            method: "GET",
            pattern: "/client/v4/accounts/:account",
            handle: (_, params) =>
                params["account"] === state.accountId
                    ? ok(account(state.accountId))
                    : fail(403, 9109, "Unauthorized to access requested resource"),
        },
        { method: "GET", pattern: "/client/v4/user/tokens/verify", handle: verify },
        { method: "GET", pattern: "/client/v4/accounts/:account/tokens/verify", handle: verify },
    ];
}

function account(id: string) {
    return {
        id,
        name: "sandbox",
        type: "standard",
        settings: { enforce_twofactor: false },
        created_on: "2020-01-01T00:00:00Z",
    };
}

function present(zone: { id: string; name: string }, accountId: string) {
    return {
        id: zone.id,
        name: zone.name,
        status: "active",
        paused: false,
        type: "full",
        development_mode: 0,
        name_servers: ["ada.ns.cloudflare.com", "bob.ns.cloudflare.com"],
        original_name_servers: null,
        original_registrar: null,
        original_dnshost: null,
        created_on: "2020-01-01T00:00:00Z",
        modified_on: "2020-01-01T00:00:00Z",
        activated_on: "2020-01-01T00:00:00Z",
        meta: {
            step: 2,
            custom_certificate_quota: 0,
            page_rule_quota: 3,
            phishing_detected: false,
            cdn_only: false,
            dns_only: false,
            foundation_dns: false,
        },
        owner: { id: null, type: "user", name: null },
        account: { id: accountId, name: "sandbox" },
        tenant: { id: null, name: null },
        tenant_unit: { id: null },
        permissions: ["#dns_records:edit", "#dns_records:read", "#zone:read"],
        plan: {
            id: "0feeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
            name: "Free Website",
            price: 0,
            currency: "USD",
            frequency: "",
            is_subscribed: false,
            can_subscribe: false,
            legacy_id: "free",
            legacy_discount: false,
            externally_managed: false,
        },
    };
}
