import { randomBytes } from "node:crypto";
import { type Answer, json, type Request, type Route } from "../server";
import { conflict, type DnsRecord, fullName, isProxiable, validateRecord } from "./dns-rules";
import { fail, ok, page } from "./envelope";
import { type CloudflareState, zoneById } from "./state";

const COLLECTION = "/client/v4/zones/:zone/dns_records";
const RECORD = `${COLLECTION}/:id`;

/** `/zones/{zone}/dns_records`: list, create, read, replace, edit, delete. */
export function dnsRoutes(state: CloudflareState): Route[] {
    const inZone =
        (
            handle: (request: Request, zone: { id: string; name: string; records: DnsRecord[] }, id: string) => Answer,
        ): Route["handle"] =>
        (request, params) => {
            const zone = zoneById(state, params["zone"] ?? "");
            if (zone === undefined) {
                return fail(
                    404,
                    7003,
                    `Could not route to ${request.path}, perhaps your object identifier is invalid?`,
                );
            }
            return handle(request, { ...zone, records: (state.records[zone.id] ??= []) }, params["id"] ?? "");
        };
    const withRecord = (
        handle: (request: Request, zone: { name: string; records: DnsRecord[] }, record: DnsRecord) => Answer,
    ) =>
        inZone((request, zone, id) => {
            const record = zone.records.find((candidate) => candidate.id === id);
            return record === undefined ? fail(404, 81044, "Record does not exist.") : handle(request, zone, record);
        });

    return [
        {
            method: "GET",
            pattern: COLLECTION,
            handle: inZone((request, zone) => page(filter(zone.records, request.query), request.query, 100)),
        },
        { method: "POST", pattern: COLLECTION, handle: inZone((request, zone) => write(request, zone)) },
        { method: "GET", pattern: RECORD, handle: withRecord((_, __, record) => ok(record)) },
        {
            method: "PUT",
            pattern: RECORD,
            handle: withRecord((request, zone, record) => write(request, zone, record, {})),
        },
        {
            method: "PATCH",
            pattern: RECORD,
            handle: withRecord((request, zone, record) => write(request, zone, record, { ...record })),
        },
        {
            method: "DELETE",
            pattern: RECORD,
            handle: withRecord((_, zone, record) => {
                zone.records.splice(zone.records.indexOf(record), 1);
                return ok({ id: record.id });
            }),
        },
    ];
}

function write(
    request: Request,
    zone: { name: string; records: DnsRecord[] },
    existing?: DnsRecord,
    base: Partial<DnsRecord> = {},
): Answer {
    const body = json(request);
    return body === undefined ? fail(400, 9207, "Request body is invalid.") : writeRecord(body, zone, existing, base);
}

/** Creates a record, or overwrites `existing`; `base` holds what `body` may leave out. */
export function writeRecord(
    body: Readonly<Record<string, unknown>>,
    zone: { name: string; records: DnsRecord[] },
    existing?: DnsRecord,
    base: Partial<DnsRecord> = {},
): Answer {
    const wanted: Record<string, unknown> = { ...base, ...body };
    const { name, type } = wanted;
    if (typeof name !== "string" || typeof type !== "string") {
        return fail(400, 9000, "DNS name is invalid.");
    }
    const content = contentOf(type, wanted);
    if (content === undefined) {
        return fail(400, 9101, "content is a required field.");
    }
    if (wanted["proxied"] !== undefined && typeof wanted["proxied"] !== "boolean") {
        return fail(400, 9003, "Invalid 'proxied' value, must be a boolean.");
    }
    const proxied = wanted["proxied"] === true;
    const shape = {
        name: fullName(name, zone.name),
        type,
        content,
        proxied,
        ttl: proxied ? 1 : Number(wanted["ttl"] ?? 1),
    };
    const error =
        validateRecord(shape) ??
        conflict(
            shape,
            zone.records.filter((other) => other !== existing),
        );
    if (error !== undefined) {
        return fail(400, error.code, error.message);
    }
    const now = new Date().toISOString();
    const comment = typeof wanted["comment"] === "string" && wanted["comment"] !== "" ? wanted["comment"] : null;
    const tags = Array.isArray(wanted["tags"]) ? wanted["tags"].map(String) : [];
    const record: DnsRecord = {
        id: existing?.id ?? randomBytes(16).toString("hex"),
        ...shape,
        proxiable: isProxiable(type, content),
        ...(typeof wanted["priority"] === "number" && { priority: wanted["priority"] }),
        ...(wanted["data"] !== undefined && { data: wanted["data"] }),
        settings: settingsOf(type, wanted["settings"]),
        meta: {},
        comment,
        tags,
        created_on: existing?.created_on ?? now,
        modified_on: now,
        ...(comment !== null && { comment_modified_on: now }),
        ...(tags.length > 0 && { tags_modified_on: now }),
    };
    if (existing === undefined) {
        zone.records.push(record);
    } else {
        zone.records[zone.records.indexOf(existing)] = record;
    }
    return ok(record);
}

/** The record's content; types described by `data` have theirs made of it, as the real API does. */
function contentOf(type: string, wanted: Record<string, unknown>): string | undefined {
    if (typeof wanted["content"] === "string") {
        return type === "CNAME" ? wanted["content"].replace(/\.$/, "") : wanted["content"];
    }
    const data = wanted["data"];
    return typeof data === "object" && data !== null ? Object.values(data).join(" ") : undefined;
}

function settingsOf(type: string, given: unknown): Record<string, unknown> {
    const settings = typeof given === "object" && given !== null ? { ...given } : {};
    return type === "CNAME" ? { flatten_cname: false, ...settings } : settings;
}

function filter(records: readonly DnsRecord[], query: URLSearchParams): DnsRecord[] {
    const exact = (key: "name" | "type" | "content") => query.get(key) ?? query.get(`${key}.exact`);
    return records.filter(
        (record) =>
            (["name", "type", "content"] as const).every((key) => {
                const wanted = exact(key);
                const part = query.get(`${key}.contains`);
                return (
                    (wanted === null || record[key].toLowerCase() === wanted.toLowerCase()) &&
                    (part === null || record[key].includes(part))
                );
            }) &&
            (query.get("proxied") === null || String(record.proxied) === query.get("proxied")) &&
            (query.get("comment.contains") === null ||
                (record.comment ?? "").includes(query.get("comment.contains") ?? "")),
    );
}
