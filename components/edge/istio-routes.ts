import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { Routes } from "./edge";
import { ISTIO_INGRESS, type IstioGateway } from "./istio-gateway";

/** Routes by Istio's gateway: an HTTPRoute a host. `address`: of the machine whose ports lead to the gateway. */
export function istioRoutes(gateway: IstioGateway, address: string): Routes {
    return {
        scheme: "https",
        port: gateway.ports.https,
        address: () => address,
        route: (name, { host, backend, annotations }, opts) =>
            new k8s.apiextensions.CustomResource(
                name,
                {
                    apiVersion: "gateway.networking.k8s.io/v1",
                    kind: "HTTPRoute",
                    metadata: {
                        name: backend.workload,
                        namespace: backend.namespace,
                        labels: { "app.kubernetes.io/name": backend.workload },
                        ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
                    },
                    spec: {
                        // Without a port: Istio compares names and leaves the port of a request's host out of it.
                        hostnames: [host],
                        parentRefs: [{ name: ISTIO_INGRESS, namespace: gateway.namespace, sectionName: "https" }],
                        rules: [
                            {
                                matches: [{ path: { type: "PathPrefix", value: "/" } }],
                                backendRefs: [{ name: backend.service, port: backend.port }],
                            },
                        ],
                    },
                },
                pulumi.mergeOptions(opts, { dependsOn: gateway.gateway }),
            ),
    };
}
