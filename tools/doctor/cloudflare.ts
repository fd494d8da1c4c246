/** The Cloudflare token: alive, and allowed to do what the plan will ask of it. */
import { cloudflareReader } from "../live/cloudflare";
import { records } from "../../lib/json";
import { orReason, textOf } from "../live/get";
import type { Told } from "../../lib/told";
import type { CloudAccounts } from "../../lab/context";
import { findingsOf, type Finding } from "../../lib/finding";
import type { CloudNeeds } from "./needs";

const say = findingsOf("cloudflare");

type Account = NonNullable<CloudAccounts["cloudflare"]>;

export interface CloudflareFact {
    readonly token: Told<{ readonly status: string; readonly expires: string }>;
    /** Names of its permission groups, e.g. "DNS Write"; undefined where it may not read itself, which is usual. */
    readonly permissions?: readonly string[];
    /** Name of the zone with the configured id. */
    readonly zone: Told<string>;
    readonly records: Told<number>;
    readonly tunnels: Told<number>;
}

export async function lookAtCloudflare(
    { accountId, zoneId }: Account,
    token: string,
    env: NodeJS.ProcessEnv,
    timeout: number,
): Promise<CloudflareFact> {
    const api = cloudflareReader(token, env, timeout);
    // A token belongs to a user or to an account; each is verified at its own place.
    const ofUser = await orReason(api.one("/user/tokens/verify"));
    const ofAccount =
        ofUser.ok || ofUser.status === 0 ? ofUser : await orReason(api.one(`/accounts/${accountId}/tokens/verify`));
    const verified = ofUser.ok ? ofUser : ofAccount;
    const count = (told: Told<readonly unknown[]>): Told<number> =>
        told.ok ? { ok: true, value: told.value.length } : told;
    // Nothing more is asked of an API that does not answer.
    if (verified.ok === false && verified.status === 0)
        return { token: verified, zone: verified, records: verified, tunnels: verified };
    const own = verified.ok
        ? `${ofUser.ok ? "/user" : `/accounts/${accountId}`}/tokens/${textOf(verified.value, "id")}`
        : undefined;
    const [self, zone, dns, tunnels] = await Promise.all([
        own === undefined ? undefined : orReason(api.one(own)),
        orReason(api.one(`/zones/${zoneId}`)),
        orReason(api.list(`/zones/${zoneId}/dns_records`)),
        orReason(api.list(`/accounts/${accountId}/cfd_tunnel?is_deleted=false`)),
    ]);
    return {
        token: verified.ok
            ? {
                  ok: true,
                  value: { status: textOf(verified.value, "status"), expires: textOf(verified.value, "expires_on") },
              }
            : verified,
        ...(self?.ok === true && {
            permissions: records(self.value["policies"])
                .filter((policy) => policy["effect"] !== "deny")
                .flatMap((policy) => records(policy["permission_groups"]).map((group) => textOf(group, "name"))),
        }),
        zone: zone.ok ? { ok: true, value: textOf(zone.value, "name") } : zone,
        records: count(dns),
        tunnels: count(tunnels),
    };
}

const WHERE = "dash.cloudflare.com, My Profile, API Tokens";

export function judgeCloudflare(
    account: Account,
    needs: CloudNeeds,
    fact: CloudflareFact,
    now = new Date(),
): Finding[] {
    const { token, zone } = fact;
    if (!token.ok) {
        return [
            say.failure(
                "token",
                token.status === 0 ? token.reason : `Cloudflare does not know the token (${token.reason})`,
                token.status === 0
                    ? "see to this computer's way to the internet"
                    : `make one (${WHERE}) and set it:  sops set`,
            ),
            ...["zone", "DNS records", "tunnels"].map((check) => say.skipped(check, "the token was not accepted")),
        ];
    }
    return [
        tokenFinding(token.value, now),
        zoneFinding(account, zone, needs),
        ...scopeFindings(
            "DNS records",
            "DNS",
            needs.dnsRecords,
            `of zone ${account.domain}`,
            fact.records,
            fact.permissions,
        ),
        ...scopeFindings(
            "tunnels",
            "Cloudflare Tunnel",
            needs.tunnel,
            "of the account",
            fact.tunnels,
            fact.permissions,
        ),
    ];
}

function tokenFinding({ status, expires }: { status: string; expires: string }, now: Date): Finding {
    if (status !== "active")
        return say.failure("token", `is ${status || "of no known status"}`, `make a new one: ${WHERE}`);
    const days = expires === "" ? undefined : Math.floor((Date.parse(expires) - now.getTime()) / 86_400_000);
    return days !== undefined && days < 30
        ? say.warning("token", `is active and ends in ${days} days`, `roll it before that: ${WHERE}`)
        : say.ok("token", "is active");
}

function zoneFinding({ zoneId, domain }: Account, zone: Told<string>, needs: CloudNeeds): Finding {
    if (zone.ok) {
        return zone.value === domain
            ? say.ok("zone", `${zoneId} is ${domain}`)
            : say.failure(
                  "zone",
                  `${zoneId} is ${zone.value}, domain says ${domain}`,
                  "correct cloudflare.zoneId (dashboard: Overview, API) or domain",
              );
    }
    // DNS / Edit does not bring Zone / Read, and the program never reads the zone itself.
    if (zone.status === 403)
        return say.skipped("zone", `the token may not read zones (${zone.reason}); the program needs no such scope`);
    return needs.dnsRecords
        ? say.failure(
              "zone",
              `${zoneId} cannot be read: ${zone.reason}`,
              "correct cloudflare.zoneId (dashboard: Overview, API)",
          )
        : say.warning(
              "zone",
              `${zoneId} cannot be read: ${zone.reason}`,
              "correct cloudflare.zoneId (dashboard: Overview, API)",
          );
}

/** `group`: what Cloudflare calls the permission, with Read, Write (API) or Edit (dashboard) after it. */
function scopeFindings(
    check: string,
    group: string,
    needed: boolean,
    of: string,
    listed: Told<number>,
    permissions: readonly string[] | undefined,
): Finding[] {
    const scope = `${group === "DNS" ? "Zone" : "Account"} / ${group} / Edit`;
    if (!needed) return [say.skipped(check, "this stack makes none with this token")];
    if (!listed.ok) {
        return [
            say.failure(check, `the token may not list those ${of} (${listed.reason})`, `give it ${scope}: ${WHERE}`),
        ];
    }
    const list = say.ok(check, `${listed.value} ${of} can be listed`);
    const edit = `editing ${check}`;
    if (permissions === undefined) {
        return [list, say.skipped(edit, `only an edit would prove it: the token must have ${scope}`)];
    }
    return [
        list,
        permissions.some((name) => name.startsWith(group) && /(Write|Edit)$/.test(name))
            ? say.ok(edit, "the token says it may")
            : say.failure(
                  edit,
                  `the token may not: it has ${permissions.join(", ") || "no permissions"}`,
                  `give it ${scope}: ${WHERE}`,
              ),
    ];
}
