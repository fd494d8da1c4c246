import { full, labels, service, type StandIns, workload } from "../../charts/generator";

export const charts: StandIns = {
    vault: {
        values: {
            server: {
                ha: { replicas: 3 },
                resources: {},
                dataStorage: { enabled: true, size: "10Gi", storageClass: null },
                volumes: null,
                extraContainers: null,
            },
            serverTelemetry: { serviceMonitor: { enabled: false }, prometheusRules: { enabled: false } },
        },
        objects: [
            workload({
                kind: "StatefulSet",
                name: full,
                labels: { ...labels("vault"), component: "server" },
                image: "hashicorp/vault",
                ports: { https: 8200, "https-internal": 8201 },
                replicas: "server.ha.replicas",
                resources: "server.resources",
                pod: { volumes: "server.volumes" },
                storage: { values: "server.dataStorage", classKey: "storageClass", mode: "ReadWriteOnce" },
            }),
            ...["", "-active", "-standby", "-internal"].map((suffix) =>
                service({
                    name: `${full}${suffix}`,
                    labels: { ...labels("vault"), component: "server" },
                    ...(suffix === "-internal" && { clusterIP: "None" }),
                    ports: { https: 8200, "https-internal": 8201 },
                }),
            ),
        ],
    },
};
