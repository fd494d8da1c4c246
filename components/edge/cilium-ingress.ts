import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { Backend, Edge, Expose, Exposure } from "./edge";

/**
 * Edge of a cluster with Cilium's ingress controller in shared load-balancer mode: hosts share one address and differ
 * by name. Plain HTTP inside the LAN; TLS of external hosts ends at Cloudflare's edge (docs/decisions.md).
 */
export class CiliumIngressEdge implements Edge {
    readonly #exposures: Exposure[] = [];

    constructor(
        readonly domain: string,
        /** Address of the shared load balancer. */
        readonly address: string,
        /** Whether a tunnel leads here; without one an external host is a local one. */
        private readonly hasTunnel: boolean,
    ) {}

    get exposures(): readonly Exposure[] {
        return this.#exposures;
    }

    url(host: string): string {
        return `http://${host}.${this.domain}`;
    }

    expose(
        name: string,
        expose: Expose,
        backend: Backend,
        opts: pulumi.CustomResourceOptions | undefined,
    ): pulumi.Resource | undefined {
        const host = `${expose.host}.${this.domain}`;
        const dedicated = expose.access === "dedicated";
        this.#exposures.push({
            workload: backend.workload,
            host,
            access: expose.access === "external" && !this.hasTunnel ? "local" : expose.access,
            address: dedicated ? expose.address : this.address,
            port: dedicated ? backend.port : 80,
        });
        if (dedicated || opts === undefined) return undefined;
        return new k8s.networking.v1.Ingress(
            name,
            {
                metadata: { name: backend.workload, namespace: backend.namespace },
                spec: {
                    ingressClassName: "cilium",
                    rules: [
                        {
                            host,
                            http: {
                                paths: [
                                    {
                                        path: "/",
                                        pathType: "Prefix",
                                        backend: { service: { name: backend.service, port: { number: backend.port } } },
                                    },
                                ],
                            },
                        },
                    ],
                },
            },
            opts,
        );
    }

    dedicatedService(address: string): ReturnType<Edge["dedicatedService"]> {
        return {
            annotations: { "io.cilium/lb-ipam-ips": address },
            // Not externalTrafficPolicy Local: with L2 announcements the announcing node may have no pod of the Service.
            spec: { type: "LoadBalancer" },
        };
    }
}
