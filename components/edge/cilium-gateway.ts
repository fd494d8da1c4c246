import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { CILIUM_CLASS, type Cilium } from "../network/cilium";
import type { Routes } from "./edge";
import {
    gatewayListeners,
    hostListener,
    hostListeners,
    httpRoute,
    httpsRedirect,
    LISTENERS,
    type RouteParent,
} from "./gateway-api";
import type { TunnelOrigin } from "./names";

/** Namespace of the Gateway, seed 003 (Common Commands); a recipe declares it. */
export const NETWORKING = "networking";

/** Name of the Gateway. */
export const SHARED_GATEWAY = "shared-gateway";

/** Cilium makes a Service for a Gateway and calls it so. */
const SERVICE = `cilium-gateway-${SHARED_GATEWAY}`;

/** What proves the hosts: one certificate for all, by the name of its Secret, or one for each host. */
export type GatewayTls =
    | { readonly for: "domain"; readonly secret: pulumi.Input<string> }
    /** Fully qualified. They are told before anything is exposed: a route waits for the Gateway, which has a listener for it. */
    | { readonly for: "hosts"; readonly hosts: readonly string[] };

export interface CiliumGatewayArgs {
    cilium: Cilium;
    /** Namespace `networking`, of the Gateway and of every Secret with a certificate. */
    namespace: pulumi.Input<string>;
    domain: string;
    /** From the load balancer's pool. */
    address: string;
    tls: GatewayTls;
}

/**
 * The cluster's one Gateway, served by Cilium's agents: plain HTTP redirects, HTTPS ends here. A host more or less is an update of
 * its listeners. A listener whose certificate is not there yet is left out, and the others are served all the same; so the
 * HTTP listener is there for the challenges that certificates are issued by.
 * https://docs.cilium.io/en/stable/network/servicemesh/gateway-api/gateway-api/
 */
export class CiliumGateway extends pulumi.ComponentResource {
    readonly namespace: pulumi.Output<string>;
    /** Done when it is programmed and has its address: routes and certificates depend on it. */
    readonly gateway: k8s.apiextensions.CustomResource;
    readonly #domain: string;
    /** Absent: one listener has them all. */
    readonly #hosts: ReadonlySet<string> | undefined;

    constructor(name: string, args: CiliumGatewayArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:edge:CiliumGateway", name, {}, opts);
        const { namespace, domain, address, tls } = args;
        this.namespace = pulumi.output(namespace);
        this.#domain = domain;
        this.#hosts = tls.for === "hosts" ? new Set(tls.hosts) : undefined;
        this.gateway = new k8s.apiextensions.CustomResource(
            `${name}-gateway`,
            {
                apiVersion: "gateway.networking.k8s.io/v1",
                kind: "Gateway",
                metadata: {
                    name: SHARED_GATEWAY,
                    namespace,
                    annotations: { "pulumi.com/waitFor": "condition=Programmed" },
                },
                spec: {
                    gatewayClassName: CILIUM_CLASS,
                    // Cilium asks its own address management for it, and is not programmed with any other.
                    addresses: [{ type: "IPAddress", value: address }],
                    listeners:
                        tls.for === "domain" ? gatewayListeners(domain, tls.secret) : hostListeners(tls.hosts, domain),
                },
            },
            { parent: this, dependsOn: args.cilium.ready },
        );
        httpsRedirect(
            `${name}-redirect`,
            { gateway: SHARED_GATEWAY, namespace },
            { parent: this, dependsOn: this.gateway },
        );
        this.registerOutputs({});
    }

    /** Where a route of this host hangs on. Throws a `RunError` on a host that it has no listener for. */
    parentOf(host: string): RouteParent {
        const parent = { gateway: SHARED_GATEWAY, namespace: this.namespace, ready: this.gateway };
        if (this.#hosts === undefined) return parent;
        if (!this.#hosts.has(host)) {
            throw new pulumi.RunError(
                `${host} is exposed, and the Gateway has no listener for it (${[...this.#hosts].join(", ")}): ` +
                    "add it to the hosts that the Gateway is made with",
            );
        }
        return { ...parent, listener: hostListener(host, this.#domain).listener };
    }

    /** Where a challenge's route hangs on: the listener for plain HTTP and no other, as HTTPS has no certificate before it. */
    get challengeParent() {
        return {
            group: "gateway.networking.k8s.io",
            kind: "Gateway",
            name: SHARED_GATEWAY,
            namespace: this.namespace,
            sectionName: "http",
        };
    }
}

/** Routes by Cilium's Gateway: an HTTPRoute a host. */
export function ciliumGatewayRoutes(gateway: CiliumGateway, address: string): Routes {
    return {
        scheme: "https",
        port: LISTENERS.https,
        address: () => address,
        route: (name, route, opts) => httpRoute(name, route, gateway.parentOf(route.host), opts),
    };
}

/** Where cloudflared finds the gateway. Each host's own name, as each may have its own certificate. */
export function ciliumGatewayOrigin(server: "production" | "staging" | "self-signed"): TunnelOrigin {
    return {
        url: `https://${SERVICE}.${NETWORKING}.svc.cluster.local:${LISTENERS.https}`,
        serverName: { host: true },
        // Nobody trusts a certificate of the staging directory, or of the cluster's own authority.
        verify: server === "production",
    };
}
