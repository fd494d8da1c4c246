import { configMap, full, hook, labels, served, type StandIns, value } from "../../charts/generator";

export const charts: StandIns = {
    "gateway-helm": {
        values: {
            crds: { enabled: true },
            deployment: { replicas: 1, envoyGateway: { resources: {} } },
            config: {
                envoyGateway: { gateway: { controllerName: "gateway.envoyproxy.io/gatewayclass-controller" } },
            },
        },
        crds: [
            {
                subchart: "crds",
                projects: ["gateway-api", "envoy-gateway"],
                condition: "crds.enabled",
                as: "folder",
            },
        ],
        objects: [
            served(
                {
                    name: "envoy-gateway",
                    labels: { "control-plane": "envoy-gateway", ...labels("gateway-helm") },
                    image: "docker.io/envoyproxy/gateway",
                    ports: { grpc: 18000, ratelimit: 18001, wasm: 18002, metrics: 19001 },
                    replicas: "deployment.replicas",
                    resources: "deployment.envoyGateway.resources",
                },
                { grpc: 18000, ratelimit: 18001, wasm: 18002, metrics: 19001 },
            ),
            configMap("envoy-gateway-config", {
                "envoy-gateway.yaml": value("(.Values.config.envoyGateway | toJson)"),
            }),
            hook(`${full}-certgen`, "pre-install,pre-upgrade", "docker.io/envoyproxy/gateway"),
        ],
    },
};
