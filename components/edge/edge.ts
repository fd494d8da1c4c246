/** What it means to be reachable: one declaration from which route, DNS record, tunnel rule and address follow. */
import type * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";

/**
 * How a workload is reached.
 * - `local`: from LAN and tailnet, through the cluster's shared ingress;
 * - `external`: also from the internet, through the Cloudflare tunnel;
 * - `dedicated`: from LAN and tailnet at an address of its own, past the ingress.
 */
export type Expose =
    | { readonly host: string; readonly access: "local" | "external" }
    | { readonly host: string; readonly access: "dedicated"; readonly address: string };

/** One reachable host of a stack: what the tables, DNS and the tunnel are derived from. */
export interface Exposure {
    readonly workload: string;
    /** Fully qualified, e.g. sonarr.peterstorm.io. */
    readonly host: string;
    readonly access: Expose["access"];
    /** Address on the LAN. */
    readonly address: string;
    readonly port: number;
}

/** The Service behind a host. */
export interface Backend {
    readonly workload: string;
    readonly namespace: pulumi.Input<string>;
    /** Service name; pass the Service's own output so that the route waits for it. */
    readonly service: pulumi.Input<string>;
    /** Service port, a number. */
    readonly port: number;
}

/** The way into a cluster: Cilium Ingress, Envoy Gateway, Cilium Gateway API, HAProxy or Istio behind one interface. */
export interface Edge {
    readonly domain: string;
    /** URL of a host label as a person opens it, with the scheme that this edge serves. */
    url(host: string): string;
    /** Everything exposed so far, in order of declaration. */
    readonly exposures: readonly Exposure[];
    /**
     * Records the exposure and makes the route, where the technology has one. Without options it only records: the route
     * is made elsewhere.
     */
    expose(
        name: string,
        expose: Expose,
        backend: Backend,
        opts: pulumi.CustomResourceOptions | undefined,
    ): pulumi.Resource | undefined;
    /** What a Service needs to get an address of its own from the cluster's load balancer, and its host label a record. */
    dedicatedService(
        address: string,
        host: string,
    ): {
        readonly annotations: Readonly<Record<string, string>>;
        readonly spec: Pick<k8s.types.input.core.v1.ServiceSpec, "type">;
    };
}

export type DnsRow = {
    readonly name: string;
    readonly type: "A" | "CNAME";
    /** `"tunnel"`: the name that Cloudflare gives to the stack's tunnel. */
    readonly target: { readonly address: string } | "tunnel";
    readonly access: "external" | "local";
};

/** The DNS table of a stack with a zone and a tunnel. Without them there are no records: docs/dns.md. */
export function dnsRows(exposures: readonly Exposure[]): DnsRow[] {
    return exposures.map((exposure) =>
        exposure.access === "external"
            ? { name: exposure.host, type: "CNAME", target: "tunnel", access: "external" }
            : { name: exposure.host, type: "A", target: { address: exposure.address }, access: "local" },
    );
}

/** Where the tunnel's connector sends requests: the edge, which knows hosts. */
export interface TunnelOrigin {
    /** Scheme, host and port inside the cluster. */
    readonly url: string;
    /** For an https origin: the name to ask for and to find in its certificate; a Service's name is in none. */
    readonly serverName?: string;
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
    const request = {
        ...(serverName === undefined ? {} : { originServerName: serverName }),
        ...(verify === false ? { noTlsVerify: true } : {}),
    };
    const external = exposures.filter(({ access }) => access === "external");
    return [
        ...external.map(({ host }) => ({
            hostname: host,
            service: url,
            ...(Object.keys(request).length === 0 ? {} : { originRequest: request }),
        })),
        { service: "http_status:404" },
    ];
}
