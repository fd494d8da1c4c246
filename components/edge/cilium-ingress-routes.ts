import * as k8s from "@pulumi/kubernetes";
import type { Routes } from "./edge";

/**
 * Routes by Cilium's ingress controller in shared load-balancer mode: hosts share one address and differ by name. Plain
 * HTTP inside the LAN; TLS of external hosts ends at Cloudflare's edge (docs/decisions.md).
 */
export function ciliumIngressRoutes(address: string): Routes {
    return {
        scheme: "http",
        port: 80,
        address: () => address,
        route: (name, { host, backend, annotations }, opts) =>
            new k8s.networking.v1.Ingress(
                name,
                {
                    metadata: {
                        name: backend.workload,
                        namespace: backend.namespace,
                        ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
                    },
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
                                            backend: {
                                                service: { name: backend.service, port: { number: backend.port } },
                                            },
                                        },
                                    ],
                                },
                            },
                        ],
                    },
                },
                opts,
            ),
    };
}
