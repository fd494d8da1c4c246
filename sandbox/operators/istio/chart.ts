import { service, value, workload, type StandIns } from "../../charts/generator";

const GATEWAY_LABELS = { app: "{{ .Release.Name }}", istio: "{{ .Release.Name | trimPrefix `istio-` }}" };

export const charts: StandIns = {
    base: {
        values: {},
        objects: [
            {
                object: {
                    apiVersion: "v1",
                    kind: "ServiceAccount",
                    metadata: { name: "istio-reader-service-account", namespace: "{{ .Release.Namespace }}" },
                },
            },
        ],
    },
    istiod: {
        values: { replicaCount: 1, env: {} },
        objects: [
            workload({
                name: "istiod",
                labels: { app: "istiod", istio: "pilot" },
                image: "registry.istio.io/release/pilot",
                ports: { "http-debug": 8080, "grpc-xds": 15010, "tls-xds": 15012, "https-webhooks": 15017 },
                replicas: "replicaCount",
                env: "env",
                resources: "resources",
            }),
            service({
                name: "istiod",
                labels: { app: "istiod", istio: "pilot" },
                ports: {
                    "grpc-xds": 15010,
                    "https-dns": [15012, "tls-xds"],
                    "https-webhook": [443, "https-webhooks"],
                    "http-monitoring": [15014, 15014],
                },
            }),
        ],
    },
    gateway: {
        values: {
            replicaCount: 1,
            service: {
                type: "LoadBalancer",
                ports: [
                    { name: "status-port", port: 15021, protocol: "TCP", targetPort: 15021 },
                    { name: "http2", port: 80, protocol: "TCP", targetPort: 80 },
                    { name: "https", port: 443, protocol: "TCP", targetPort: 443 },
                ],
            },
            resources: {},
        },
        objects: [
            workload({
                name: "{{ .Release.Name }}",
                labels: GATEWAY_LABELS,
                // Filled in by istiod, in a pod of a real cluster.
                image: "auto",
                ports: { "http-envoy-prom": 15090 },
                replicas: "replicaCount",
                resources: "resources",
            }),
            {
                object: {
                    apiVersion: "v1",
                    kind: "Service",
                    metadata: { name: "{{ .Release.Name }}", namespace: "{{ .Release.Namespace }}" },
                    spec: {
                        type: "{{ .Values.service.type }}",
                        selector: GATEWAY_LABELS,
                        ports: value("service.ports"),
                    },
                },
            },
        ],
    },
};
