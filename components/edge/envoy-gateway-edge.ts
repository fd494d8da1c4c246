import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { Backend, Edge, Expose, Exposure } from "./edge";
import { GATEWAYS, LISTENERS, type EnvoyGateway, type GatewayName } from "./envoy-gateway";
import { EXTERNAL_DNS } from "./external-dns";

export interface EnvoyGatewayEdgeArgs {
    gateway: EnvoyGateway;
    domain: string;
    internalAddress: string;
    externalAddress: string;
    /** Whether a tunnel leads to the external gateway; without one an external host is a local one. */
    hasTunnel: boolean;
}

/**
 * Edge of a cluster with Envoy Gateway: an HTTPRoute a host, by the internal gateway unless the workload asks for the
 * internet. external-dns makes the records of routes and of Services with an address of their own.
 */
export class EnvoyGatewayEdge implements Edge {
    readonly domain: string;
    readonly #exposures: Exposure[] = [];

    constructor(private readonly args: EnvoyGatewayEdgeArgs) {
        this.domain = args.domain;
    }

    get exposures(): readonly Exposure[] {
        return this.#exposures;
    }

    url(host: string): string {
        return `https://${host}.${this.domain}`;
    }

    expose(
        name: string,
        expose: Expose,
        backend: Backend,
        opts: pulumi.CustomResourceOptions | undefined,
    ): pulumi.Resource | undefined {
        const host = `${expose.host}.${this.domain}`;
        const access = expose.access === "external" && !this.args.hasTunnel ? "local" : expose.access;
        if (expose.access === "dedicated") {
            const { address } = expose;
            this.#exposures.push({ workload: backend.workload, host, access, address, port: backend.port });
            return undefined;
        }
        const which: GatewayName = access === "external" ? "external" : "internal";
        const { gateway, internalAddress, externalAddress } = this.args;
        this.#exposures.push({
            workload: backend.workload,
            host,
            access,
            address: which === "external" ? externalAddress : internalAddress,
            port: LISTENERS.https,
        });
        if (opts === undefined) return undefined;
        return new k8s.apiextensions.CustomResource(
            name,
            {
                apiVersion: "gateway.networking.k8s.io/v1",
                kind: "HTTPRoute",
                metadata: {
                    name: backend.workload,
                    namespace: backend.namespace,
                    labels: { "app.kubernetes.io/name": backend.workload },
                    // Cloudflare resolves a tunnel's name only for itself.
                    ...(which === "external" ? { annotations: { [EXTERNAL_DNS.proxied]: "true" } } : {}),
                },
                spec: {
                    hostnames: [host],
                    parentRefs: [{ name: GATEWAYS[which], namespace: gateway.namespace, sectionName: "https" }],
                    rules: [
                        {
                            matches: [{ path: { type: "PathPrefix", value: "/" } }],
                            backendRefs: [{ name: backend.service, port: backend.port }],
                        },
                    ],
                },
            },
            pulumi.mergeOptions(opts, { dependsOn: gateway.gateways[which] }),
        );
    }

    dedicatedService(address: string, host: string): ReturnType<Edge["dedicatedService"]> {
        return {
            annotations: {
                "lbipam.cilium.io/ips": address,
                [EXTERNAL_DNS.hostname]: `${host}.${this.domain}`,
            },
            spec: { type: "LoadBalancer" },
        };
    }
}
