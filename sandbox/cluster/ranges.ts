import ipaddr from "ipaddr.js";

/** Addresses from `first` to `last`, both included. */
export interface AddressRange {
    readonly family: "IPv4" | "IPv6";
    readonly first: bigint;
    readonly last: bigint;
}

/** An address as a number with its family; `undefined` for what is none. */
export function parseAddress(text: string): { family: AddressRange["family"]; value: bigint } | undefined {
    if (!ipaddr.isValid(text)) {
        return undefined;
    }
    const address = ipaddr.parse(text);
    const value = address.toByteArray().reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    return { family: address.kind() === "ipv4" ? "IPv4" : "IPv6", value };
}

/** The address with that number. */
export function formatAddress(family: AddressRange["family"], value: bigint): string {
    const length = family === "IPv4" ? 4 : 16;
    const bytes = Array.from({ length }, (_, index) => Number((value >> BigInt(8 * (length - 1 - index))) & 255n));
    return ipaddr.fromByteArray(bytes).toString();
}

/** From `start` to `stop`; without `stop`, `start` alone. `undefined` when they make no range. */
export function rangeOf(start: string, stop: string = start): AddressRange | undefined {
    const [from, to] = [parseAddress(start.trim()), parseAddress(stop.trim())];
    return from === undefined || to === undefined || from.family !== to.family || from.value > to.value
        ? undefined
        : { family: from.family, first: from.value, last: to.value };
}

/** All addresses of a CIDR, or all but its first and last (which some switches take for network and broadcast). */
export function rangeOfCidr(cidr: string, keepEnds = true): AddressRange | undefined {
    if (!ipaddr.isValidCIDR(cidr.trim())) {
        return undefined;
    }
    const [network, bits] = ipaddr.parseCIDR(cidr.trim());
    const address = parseAddress(network.toString());
    if (address === undefined) {
        return undefined;
    }
    const size = 1n << BigInt((address.family === "IPv4" ? 32 : 128) - bits);
    const first = (address.value / size) * size;
    const ends = keepEnds || size <= 2n ? 0n : 1n;
    return { family: address.family, first: first + ends, last: first + size - 1n - ends };
}

export function contains(range: AddressRange, address: string): boolean {
    const parsed = parseAddress(address);
    return (
        parsed !== undefined &&
        parsed.family === range.family &&
        parsed.value >= range.first &&
        parsed.value <= range.last
    );
}

export function overlaps(one: AddressRange, other: AddressRange): boolean {
    return one.family === other.family && one.first <= other.last && other.first <= one.last;
}

export function sizeOf(range: AddressRange): bigint {
    return range.last - range.first + 1n;
}
