import { isIPv4, isIPv6 } from "node:net";
import type { ApiError } from "./envelope";

/** A DNS record in the form the API stores and returns. */
export interface DnsRecord {
    id: string;
    name: string;
    type: string;
    content: string;
    proxiable: boolean;
    proxied: boolean;
    ttl: number;
    priority?: number;
    data?: unknown;
    settings: Record<string, unknown>;
    meta: Record<string, unknown>;
    comment: string | null;
    tags: string[];
    created_on: string;
    modified_on: string;
    comment_modified_on?: string;
    tags_modified_on?: string;
}

/** The part of a record that decides whether it may exist. */
export type RecordShape = Pick<DnsRecord, "name" | "type" | "content" | "proxied" | "ttl">;

const TYPES = [
    "A",
    "AAAA",
    "CAA",
    "CNAME",
    "HTTPS",
    "LOC",
    "MX",
    "NS",
    "OPENPGPKEY",
    "PTR",
    "SRV",
    "SVCB",
    "TLSA",
    "TXT",
];
const PROXIABLE = ["A", "AAAA", "CNAME"];
/** Types that exclude a CNAME of the same name, and that a CNAME excludes. */
const HOST_TYPES = ["A", "AAAA", "CNAME"];

/**
 * The name as the API stores it: `@` is the apex, and whatever does not end in the zone's name is taken to be relative to it
 * (so a name of another zone silently becomes `foo.other.zone.this.zone`, a classic).
 */
export function fullName(name: string, zone: string): string {
    const bare = name.replace(/\.$/, "").toLowerCase();
    if (bare === "@" || bare === zone) {
        return zone;
    }
    return bare.endsWith(`.${zone}`) ? bare : `${bare}.${zone}`;
}

/** Whether Cloudflare can put its proxy in front of the record. */
export function isProxiable(type: string, content: string): boolean {
    return PROXIABLE.includes(type) && !(type === "A" && isPrivate(content));
}

/** What is wrong with the record by itself; `undefined` when nothing is. */
export function validateRecord(record: RecordShape): ApiError | undefined {
    const { type, content, proxied, ttl } = record;
    if (!TYPES.includes(type)) {
        return { code: 9000, message: `DNS record type ${type} is invalid.` };
    }
    if (type === "A" && !isIPv4(content)) {
        return { code: 9005, message: "Content for A record must be a valid IPv4 address." };
    }
    if (type === "AAAA" && !isIPv6(content)) {
        return { code: 9006, message: "Content for AAAA record must be a valid IPv6 address." };
    }
    if (type === "CNAME" && !/^[a-z0-9_]([a-z0-9._-]*[a-z0-9])?\.?$/i.test(content)) {
        return { code: 9007, message: "Content for CNAME record is invalid." };
    }
    if (type === "CNAME" && content.replace(/\.$/, "") === record.name) {
        return { code: 9039, message: "CNAME content cannot reference itself." };
    }
    if (proxied && !PROXIABLE.includes(type)) {
        return { code: 9004, message: "This record type cannot be proxied." };
    }
    if (proxied && !isProxiable(type, content)) {
        return { code: 9003, message: `Target ${content} is not allowed for a proxied record.` };
    }
    if (ttl !== 1 && (!Number.isInteger(ttl) || ttl < 60 || ttl > 86400)) {
        return { code: 9021, message: "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic." };
    }
    return undefined;
}

/**
 * Whether the zone's other records allow this one.
 * 81058: the very same record; 81057: the same name, type and content with other attributes; 81053: a CNAME beside an address
 * record (or another CNAME) of the same name. Several A or AAAA records of one name are fine.
 */
export function conflict(record: RecordShape, others: readonly RecordShape[]): ApiError | undefined {
    const sameName = others.filter((other) => other.name === record.name);
    const same = sameName.find((other) => other.type === record.type && other.content === record.content);
    if (same !== undefined) {
        return same.proxied === record.proxied && same.ttl === record.ttl
            ? { code: 81058, message: "An identical record already exists." }
            : { code: 81057, message: "The record already exists." };
    }
    const clash =
        HOST_TYPES.includes(record.type) &&
        sameName.some(
            (other) => HOST_TYPES.includes(other.type) && (other.type === "CNAME" || record.type === "CNAME"),
        );
    return clash ? { code: 81053, message: "An A, AAAA or CNAME record already exists with that host." } : undefined;
}

function isPrivate(address: string): boolean {
    return /^(10\.|127\.|169\.254\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)/.test(
        address,
    );
}
