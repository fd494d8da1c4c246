/** How names of hosts become known: records that the program makes, a controller that reads them off objects, a tunnel. */
import type { Exposure } from "./edge";

/** What objects must say for their names to become known. Records that the program makes itself need nothing of them. */
export interface Names {
    /** Whether a tunnel leads in from the internet; without one an external host is a local one. */
    readonly tunnel: boolean;
    /** Annotations of the object that is a host's route. */
    route?(access: "local" | "external"): Readonly<Record<string, string>>;
    /** Annotations of a Service with an address of its own. `host`: fully qualified. */
    service?(host: string): Readonly<Record<string, string>>;
}

/** A record as tables show it. */
export interface DnsRecordRow {
    readonly name: string;
    readonly type: "A" | "CNAME";
    readonly content: string;
    readonly proxied: boolean;
}

export type DnsRow = {
    readonly name: string;
    readonly type: "A" | "CNAME";
    /** `"tunnel"`: the name that Cloudflare gives to the stack's tunnel. */
    readonly target: { readonly address: string } | "tunnel";
    readonly access: "external" | "local";
};

/** Hosts that come in past the tunnel: names of the house's own. */
export const directHosts = (exposures: readonly Exposure[]): string[] =>
    exposures.filter(({ direct }) => direct === true).map(({ host }) => host);

/** The DNS table of a stack with a zone and a tunnel, direct hosts aside. Without them there are no records: docs/dns.md. */
export function dnsRows(exposures: readonly Exposure[]): DnsRow[] {
    const others = exposures.filter(({ direct }) => direct !== true);
    return others.map((exposure) =>
        exposure.access === "external"
            ? { name: exposure.host, type: "CNAME", target: "tunnel", access: "external" }
            : { name: exposure.host, type: "A", target: { address: exposure.address }, access: "local" },
    );
}

/** What the LAN's resolver must be told of a stack without a zone: nobody else knows its hosts. */
export const resolverRows = (exposures: readonly Exposure[]): DnsRecordRow[] =>
    exposures.map(({ host, address }) => ({ name: host, type: "A", content: address, proxied: false }));

/** Where the tunnel's connector sends requests: the edge, which knows hosts. */
export interface TunnelOrigin {
    /** Scheme, host and port inside the cluster. */
    readonly url: string;
    /** For an https origin: the name to ask for and to find in its certificate; a Service's name is in none. `host`: each its own. */
    readonly serverName?: string | { readonly host: true };
    /** False: take any certificate. */
    readonly verify?: boolean;
}

export interface TunnelRule {
    readonly hostname?: string;
    readonly service: string;
    readonly originRequest?: { readonly originServerName?: string; readonly noTlsVerify?: boolean };
}

/** The tunnel's rules: a rule a host in order of declaration, and 404 for everything else as the last. */
export function tunnelRules(exposures: readonly Exposure[], origin: string | TunnelOrigin): TunnelRule[] {
    const { url, serverName, verify }: TunnelOrigin = typeof origin === "string" ? { url: origin } : origin;
    const request = (host: string) => ({
        ...(serverName === undefined ? {} : { originServerName: typeof serverName === "string" ? serverName : host }),
        ...(verify === false ? { noTlsVerify: true } : {}),
    });
    const external = exposures.filter(({ access, direct }) => access === "external" && direct !== true);
    return [
        ...external.map(({ host }) => ({
            hostname: host,
            service: url,
            ...(Object.keys(request(host)).length === 0 ? {} : { originRequest: request(host) }),
        })),
        { service: "http_status:404" },
    ];
}
