import { full, labels, PLACEMENT, served, type StandIns, UNPLACED, value } from "../../charts/generator";

export const charts: StandIns = {
    "metrics-server": {
        values: { replicas: 1, resources: {}, containerPort: 10250, service: { port: 443 }, ...UNPLACED },
        objects: [
            {
                object: {
                    apiVersion: "apiregistration.k8s.io/v1",
                    kind: "APIService",
                    metadata: { name: "v1beta1.metrics.k8s.io", labels: labels("metrics-server") },
                    spec: {
                        group: "metrics.k8s.io",
                        version: "v1beta1",
                        groupPriorityMinimum: 100,
                        versionPriority: 100,
                        insecureSkipTLSVerify: true,
                        service: {
                            name: full,
                            namespace: "{{ .Release.Namespace }}",
                            port: value("service.port"),
                        },
                    },
                },
            },
            served(
                {
                    name: full,
                    labels: labels("metrics-server"),
                    image: "registry.k8s.io/metrics-server/metrics-server",
                    ports: { https: value("containerPort") },
                    replicas: "replicas",
                    resources: "resources",
                    pod: PLACEMENT,
                },
                { https: value("service.port") },
            ),
        ],
    },
};
