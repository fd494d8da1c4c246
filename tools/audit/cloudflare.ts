/** What is in the zone and in the tunnel list. */
import type { CloudflareReader } from "../live/cloudflare";
import { isRecord, records } from "../../lib/json";
import { orReason, textOf } from "../live/get";
import type { Told } from "../../lib/told";
import { dnsKey, rulesKey, tunnelKey, TYPES, type Live } from "./things";

export async function readZone(api: CloudflareReader, zoneId: string): Promise<Told<Live[]>> {
    const told = await orReason(api.list(`/zones/${zoneId}/dns_records`));
    return told.ok ? { ok: true, value: recordsOf(zoneId, told.value) } : told;
}

/** The text by which external-dns marks what it keeps: "heritage=external-dns,external-dns/owner=chongus,...". */
const HERITAGE = /heritage=external-dns/;

/** Records with whose they are. */
export function recordsOf(zoneId: string, list: readonly Record<string, unknown>[]): Live[] {
    const marks = list
        .filter((record) => record["type"] === "TXT" && HERITAGE.test(textOf(record, "content")))
        .map((record) => ({
            name: textOf(record, "name").toLowerCase(),
            owner: /external-dns\/owner=([^,"]*)/.exec(textOf(record, "content"))?.[1] ?? "",
        }));
    return list.map((record): Live => {
        const [type, name, content] = [
            textOf(record, "type"),
            textOf(record, "name").toLowerCase(),
            textOf(record, "content"),
        ];
        const comment = textOf(record, "comment");
        const meta = record["meta"];
        const service = isRecord(meta) && (meta["read_only"] === true || meta["email_routing"] === true);
        const keeper = marks.find((mark) => marksRecord(mark.name, type, name))?.owner;
        const owner =
            type === "TXT" && HERITAGE.test(content)
                ? "external-dns (its marks)"
                : keeper !== undefined
                  ? `external-dns of ${keeper}`
                  : name.startsWith("_acme-challenge.")
                    ? "certificate requests"
                    : service
                      ? "a service of Cloudflare"
                      : undefined;
        const hint = comment === "" ? shorten(content) : `${shorten(content)}, "${comment}"`;
        return {
            place: "zone",
            key: dnsKey(zoneId, type, name),
            title: `${type} ${name}`,
            content,
            import: { type: TYPES.dnsRecord, id: `${zoneId}/${textOf(record, "id")}` },
            hint,
            ...(owner !== undefined && { owner }),
        };
    });
}

/** What our own external-dns puts before its marks: components/edge/external-dns.ts. */
const OUR_PREFIX = "k8s.";

/**
 * Whether a mark's name stands for a record. Since external-dns 0.12 it has the record's type in it, after whatever prefix:
 * `k8s.cname-www.example.org`. Before that it was the record's name alone, where only a prefix that is known can be told
 * from a part of the name.
 */
function marksRecord(mark: string, type: string, name: string): boolean {
    const typed = `${type.toLowerCase()}-${name}`;
    return (
        [name, `${OUR_PREFIX}${name}`, typed].includes(mark) || mark.endsWith(`.${typed}`) || mark.endsWith(`-${typed}`)
    );
}

function shorten(content: string): string {
    return content.length > 60 ? `${content.slice(0, 57)}...` : content;
}

export async function readTunnels(api: CloudflareReader, accountId: string): Promise<Told<Live[]>> {
    const told = await orReason(api.list(`/accounts/${accountId}/cfd_tunnel?is_deleted=false`));
    if (!told.ok) return told;
    const tunnels = tunnelsOf(accountId, told.value);
    const rules = await Promise.all(
        told.value.map(async (tunnel) => {
            const id = textOf(tunnel, "id");
            const config = await orReason(api.one(`/accounts/${accountId}/cfd_tunnel/${id}/configurations`));
            return config.ok ? rulesOf(accountId, tunnel, config.value) : [];
        }),
    );
    return { ok: true, value: [...tunnels, ...rules.flat()] };
}

/** The configuration of a tunnel that is kept at Cloudflare, and each host name in it. */
export function rulesOf(accountId: string, tunnel: Record<string, unknown>, answer: Record<string, unknown>): Live[] {
    const config = answer["config"];
    if (!isRecord(config)) return [];
    const name = textOf(tunnel, "name");
    const key = rulesKey(accountId, name);
    const hosts = records(config["ingress"]).filter((rule) => textOf(rule, "hostname") !== "");
    return [
        {
            place: "tunnels",
            key,
            title: `rules of ${name}`,
            owner: "their tunnel",
            import: { type: TYPES.tunnelConfig, id: `${accountId}/${textOf(tunnel, "id")}` },
        },
        ...hosts.map((rule): Live => {
            const host = textOf(rule, "hostname");
            return {
                place: "tunnels",
                key: `${key} ${host}`,
                title: `rule ${host} of ${name}`,
                hint: `to ${textOf(rule, "service")}`,
            };
        }),
    ];
}

export function tunnelsOf(accountId: string, list: readonly Record<string, unknown>[]): Live[] {
    return list
        .filter((tunnel) => typeof tunnel["deleted_at"] !== "string")
        .map((tunnel) => {
            const connections = records(tunnel["connections"]).length;
            return {
                place: "tunnels" as const,
                key: tunnelKey(accountId, textOf(tunnel, "name")),
                title: textOf(tunnel, "name"),
                import: { type: TYPES.tunnel, id: `${accountId}/${textOf(tunnel, "id")}` },
                hint: `${textOf(tunnel, "status") || "of no known status"}, ${connections === 0 ? "not connected" : `${connections} connections`}, since ${textOf(tunnel, "created_at").slice(0, 10)}`,
            };
        });
}
