/** What it means to be reachable: one declaration from which route, DNS record, tunnel rule and address follow. */
import type * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { Auth } from "../identity/identity";
import type { LoadBalancer } from "../network/load-balancer";
import type { Exposures } from "./exposures";
import type { Names } from "./names";

/**
 * How a workload is reached, and who asks for a login before it answers (absent: nobody).
 * - `local`: from LAN and tailnet, through the cluster's shared ingress;
 * - `external`: also from the internet, through the Cloudflare tunnel, or past it (`direct`) where no proxy may be in the way;
 * - `dedicated`: from LAN and tailnet at an address of its own, past the ingress.
 */
export type Expose =
    | {
          readonly host: string;
          readonly access: "local" | "external";
          readonly direct?: true;
          readonly auth?: Auth;
          /** Protocol besides WebSocket that clients turn a connection into, as `Upgrade` names it. */
          readonly upgrade?: string;
      }
    | {
          readonly host: string;
          readonly access: "dedicated";
          readonly address: string;
          readonly auth?: Auth;
          /** What its port speaks; absent: plain HTTP. */
          readonly scheme?: "https" | "tcp";
      };

/** One reachable host of a stack: what the tables, DNS and the tunnel are derived from. */
export interface Exposure {
    readonly workload: string;
    /** Fully qualified, e.g. sonarr.peterstorm.io. */
    readonly host: string;
    readonly access: Expose["access"];
    /** What was asked for, where there is no way in for it. */
    readonly asked?: "external";
    readonly auth: Auth;
    /** Address on the LAN. */
    readonly address: string;
    readonly port: number;
    /** What one with an address of its own speaks there; absent: plain HTTP. */
    readonly scheme?: "https" | "tcp";
    /** Of an external one that comes in past the tunnel, by the house's public name. */
    readonly direct?: true;
}

/** The Service behind a host. */
export interface Backend {
    readonly workload: string;
    readonly namespace: pulumi.Input<string>;
    /** Service name; pass the Service's own output so that the route waits for it. */
    readonly service: pulumi.Input<string>;
    /** Service port, a number. */
    readonly port: number;
    /** True: a machine outside the cluster is behind the Service, and no pod that a route could wait for. */
    readonly outside?: true;
    /** Present: it speaks TLS there. A workload of the cluster speaks plain HTTP to its edge. */
    readonly tls?: BackendTls;
}

/** How a backend's TLS is met. */
export interface BackendTls {
    /** Secret in the backend's namespace with the authority (`ca.crt`) of its certificate; absent: any certificate is taken. */
    readonly authority?: pulumi.Input<string>;
    /** Name that must be in the certificate, with `authority`. */
    readonly serverName?: string;
}

/** The way into a cluster as whoever is exposed sees it. */
export interface Edge {
    readonly domain: string;
    /** URL of a host label as a person opens it: of an external one through the tunnel, where there is one. */
    url(host: string, access: "local" | "external"): string;
    /**
     * Records the exposure and makes its route, where it has one. Without options it only records: the route is made
     * elsewhere.
     */
    expose(
        name: string,
        expose: Expose,
        backend: Backend,
        opts: pulumi.CustomResourceOptions | undefined,
    ): pulumi.Resource | undefined;
    /**
     * Type and annotations of a Service that gets this address from the load balancer, and its host label a DNS record.
     * `sharingKey`: the same for every Service that has this address together with it (`LoadBalancer.pin`).
     */
    dedicatedService(
        address: string,
        host: string,
        sharingKey?: string,
    ): {
        readonly annotations: Readonly<Record<string, string>>;
        readonly spec: Pick<k8s.types.input.core.v1.ServiceSpec, "type">;
    };
}

/** How requests by host name come in: Cilium's ingress, Envoy Gateway, Cilium's Gateway API, HAProxy, Istio. */
export interface Routes {
    readonly scheme: "http" | "https";
    /** Port at which people come in. */
    readonly port: number;
    /** Whether `Backend.tls` is heeded. Who does not would speak plain HTTP to a TLS port. */
    readonly backendTls?: true;
    /** Address of the entrance for hosts of this access. */
    address(access: "local" | "external"): string;
    /** Makes a host's route. */
    route(name: string, route: Route, opts: pulumi.CustomResourceOptions): pulumi.Resource;
}

/** A host's route to what stands behind it. */
export interface Route {
    /** Fully qualified. */
    readonly host: string;
    readonly access: "local" | "external";
    readonly backend: Backend;
    /** Protocol besides WebSocket that connections are turned into. Who passes on what it is told of must be told. */
    readonly upgrade?: string;
    /** For whoever keeps the records. */
    readonly annotations: Readonly<Record<string, string>>;
}

/** The parts of an edge; each is chosen on its own. */
export interface EdgeParts {
    readonly domain: string;
    /** Where everything exposed is noted. */
    readonly exposures: Exposures;
    readonly loadBalancer: LoadBalancer;
    readonly routes: Routes;
    readonly names: Names;
}

const DEFAULT_PORT = { http: 80, https: 443 } as const;

/** Puts an edge together. */
export function composeEdge({ domain, exposures, loadBalancer, routes, names }: EdgeParts): Edge {
    const { scheme, port } = routes;
    const fqdn = (host: string) => `${host}.${domain}`;
    return {
        domain,
        url: (host, access) =>
            access === "external" && names.tunnel
                ? // TLS of these ends at Cloudflare, whatever the edge speaks and at which port.
                  `https://${fqdn(host)}`
                : `${scheme}://${fqdn(host)}${port === DEFAULT_PORT[scheme] ? "" : `:${port}`}`,
        expose: (name, expose, backend, opts) => {
            const host = fqdn(expose.host);
            const { workload } = backend;
            const { auth = "none" } = expose;
            if (expose.access === "dedicated") {
                const { address, scheme } = expose;
                const own = scheme === undefined ? {} : { scheme };
                exposures.add({ workload, host, access: "dedicated", auth, address, port: backend.port, ...own });
                return undefined;
            }
            const direct = expose.direct === true;
            const access = names.tunnel || direct ? expose.access : "local";
            const past = direct ? { direct } : {};
            const asked = access === expose.access ? {} : { asked: "external" as const };
            exposures.add({ workload, host, access, ...asked, auth, address: routes.address(access), port, ...past });
            if (opts === undefined) return undefined;
            if (backend.tls !== undefined && routes.backendTls !== true) {
                throw new pulumi.RunError(
                    `${workload} speaks TLS at port ${backend.port}, and this cluster's edge speaks plain HTTP to what is behind it. ` +
                        "Take its plain port, or an edge that can do both (HAProxy)",
                );
            }
            const upgrade = expose.upgrade === undefined ? {} : { upgrade: expose.upgrade };
            const annotations = names.route?.(access) ?? {};
            return routes.route(name, { host, access, backend, ...upgrade, annotations }, opts);
        },
        dedicatedService: (address, host, sharingKey) => ({
            annotations: { ...loadBalancer.pin(address, sharingKey), ...names.service?.(fqdn(host)) },
            spec: { type: "LoadBalancer" },
        }),
    };
}
