/** IPv4 arithmetic without Pulumi: addresses, CIDRs and inclusive ranges as numbers and back. */
import ipaddr from "ipaddr.js";

/** Inclusive range of IPv4 addresses in dotted-quad form, e.g. the seed's 192.168.0.240-250. */
export interface AddressRange {
    readonly first: string;
    readonly last: string;
}

/** True for a dotted quad with four decimal octets (`ipaddr.js` alone would also take `10.1` or `0x7f.1`). */
export function isIpv4(text: string): boolean {
    return ipaddr.IPv4.isValidFourPartDecimal(text);
}

/** The address as an unsigned 32-bit number. Throws a `RangeError` on anything but a dotted quad. */
export function toNumber(address: string): number {
    if (!isIpv4(address)) throw new RangeError(`"${address}" is not an IPv4 address`);
    return ipaddr.IPv4.parse(address).octets.reduce((sum, octet) => sum * 256 + octet, 0);
}

/** The dotted quad of an unsigned 32-bit number. */
export function toAddress(value: number): string {
    return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}

/** The range a CIDR covers, network and broadcast address included. Throws a `RangeError` on a malformed CIDR. */
export function cidrRange(cidr: string): AddressRange {
    const [address, prefix, rest] = cidr.split("/");
    if (
        address === undefined ||
        prefix === undefined ||
        rest !== undefined ||
        !/^\d{1,2}$/.test(prefix) ||
        +prefix > 32
    ) {
        throw new RangeError(`"${cidr}" is not an IPv4 CIDR`);
    }
    const size = 2 ** (32 - Number(prefix));
    const first = Math.floor(toNumber(address) / size) * size;
    return { first: toAddress(first), last: toAddress(first + size - 1) };
}

/** The range of `first-last` or of a CIDR. Throws a `RangeError` on anything else, and where the last is before the first. */
export function textRange(text: string): AddressRange {
    if (text.includes("/")) return cidrRange(text);
    const [first = "", last = "", rest] = text.split("-").map((end) => end.trim());
    if (rest !== undefined || toNumber(first) > toNumber(last)) {
        throw new RangeError(`"${text}" is not a range of addresses`);
    }
    return { first, last };
}

/** True when no host bit is set: 10.42.0.0/16 is canonical, 10.42.0.1/16 is not. */
export function isCanonicalCidr(cidr: string): boolean {
    return cidrRange(cidr).first === cidr.split("/")[0];
}

/** The canonical spelling of a CIDR, for the "did you mean" of an error. */
export function canonicalCidr(cidr: string): string {
    return `${cidrRange(cidr).first}/${cidr.split("/")[1]}`;
}

/** Throws a `RangeError` on a malformed address and on a range that ends before it begins. */
export function contains(range: AddressRange, address: string): boolean {
    const value = toNumber(address);
    if (toNumber(range.first) > toNumber(range.last)) throw new RangeError(`${range.first} is after ${range.last}`);
    return toNumber(range.first) <= value && value <= toNumber(range.last);
}

export function overlaps(a: AddressRange, b: AddressRange): boolean {
    return toNumber(a.first) <= toNumber(b.last) && toNumber(b.first) <= toNumber(a.last);
}

/** True where the whole of a network is in another. */
export function isInside(network: string, other: string): boolean {
    const [inner, outer] = [textRange(network), textRange(other)];
    return contains(outer, inner.first) && contains(outer, inner.last);
}

/** Nobody outside the house is there (RFC 1918), in the order in which seed 004 (Ingress classes) has them. */
export const PRIVATE_RANGES: readonly string[] = ["192.168.0.0/16", "172.16.0.0/12", "10.0.0.0/8"];

/** Whether an address or the whole of a network is the house's own. */
export const isPrivate = (network: string): boolean => PRIVATE_RANGES.some((range) => isInside(network, range));

/**
 * The fewest CIDRs that cover exactly the range, in order: 192.168.0.240-250 is
 * 192.168.0.240/29, 192.168.0.248/31, 192.168.0.250/32. A subnet router advertises routes only in this form.
 */
export function rangeToCidrs(range: AddressRange): string[] {
    const cidrs: string[] = [];
    const last = toNumber(range.last);
    let next = toNumber(range.first);
    while (next <= last) {
        let size = 1;
        while (next % (size * 2) === 0 && next + size * 2 - 1 <= last) size *= 2;
        cidrs.push(`${toAddress(next)}/${32 - Math.log2(size)}`);
        next += size;
    }
    return cidrs;
}
