import {
    canonicalCidr,
    cidrRange,
    contains,
    isCanonicalCidr,
    isIpv4,
    overlaps,
    rangeToCidrs,
    toAddress,
    toNumber,
} from "../../components/network/addresses";

test("addresses are numbers and back", () => {
    for (const address of ["0.0.0.0", "10.42.0.1", "192.168.0.240", "255.255.255.255"]) {
        expect(toAddress(toNumber(address))).toBe(address);
    }
    expect(toNumber("192.168.0.240") - toNumber("192.168.0.0")).toBe(240);
    expect(() => toNumber("192.168.0")).toThrow('"192.168.0" is not an IPv4 address');
});

test.each(["10.1", "0x7f.0.0.1", "192.168.0.256", "::1", "1.2.3.4.5", ""])("%s is no IPv4 address", (text) => {
    expect(isIpv4(text)).toBe(false);
});

test("CIDRs: range, canonical form, malformed ones", () => {
    expect(cidrRange("10.42.0.0/16")).toEqual({ first: "10.42.0.0", last: "10.42.255.255" });
    expect(cidrRange("192.168.10.224/28")).toEqual({ first: "192.168.10.224", last: "192.168.10.239" });
    expect(cidrRange("0.0.0.0/0").last).toBe("255.255.255.255");
    expect([isCanonicalCidr("10.42.0.0/16"), isCanonicalCidr("10.42.0.1/16")]).toEqual([true, false]);
    expect(canonicalCidr("10.42.3.1/16")).toBe("10.42.0.0/16");
    for (const text of ["10.42.0.0", "10.42.0.0/33", "10.42.0.0/16/8", "10.42.0.0/a", "a/8"]) {
        expect(() => cidrRange(text)).toThrow(RangeError);
    }
});

test("containment and overlap include both ends", () => {
    const pool = { first: "192.168.0.240", last: "192.168.0.250" };
    expect(["192.168.0.239", "192.168.0.240", "192.168.0.250", "192.168.0.251"].map((a) => contains(pool, a))).toEqual([
        false,
        true,
        true,
        false,
    ]);
    expect(overlaps(pool, { first: "192.168.0.250", last: "192.168.0.255" })).toBe(true);
    expect(overlaps(pool, { first: "192.168.0.251", last: "192.168.0.255" })).toBe(false);
});

test("a range as the fewest CIDRs that cover exactly it", () => {
    expect(rangeToCidrs({ first: "192.168.0.240", last: "192.168.0.250" })).toEqual([
        "192.168.0.240/29",
        "192.168.0.248/31",
        "192.168.0.250/32",
    ]);
    expect(rangeToCidrs({ first: "0.0.0.0", last: "255.255.255.255" })).toEqual(["0.0.0.0/0"]);
    expect(rangeToCidrs({ first: "10.0.0.1", last: "10.0.0.1" })).toEqual(["10.0.0.1/32"]);
});
