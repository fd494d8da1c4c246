import { full, labels, value, workload, served, type StandIns } from "../../charts/generator";

export const charts: StandIns = {
    authentik: {
        values: {
            authentik: { enabled: true, existingSecret: { secretName: "" } },
            blueprints: { configMaps: [], secrets: [] },
            server: {
                enabled: true,
                name: "server",
                replicas: 1,
                resources: {},
                containerPorts: { http: 9000, https: 9443, metrics: 9300 },
                service: { type: "ClusterIP", servicePortHttp: 80, servicePortHttps: 443 },
                metrics: { enabled: false, service: { servicePort: 9300 } },
            },
            worker: { enabled: true, name: "worker", replicas: 1, resources: {} },
            serviceAccount: { create: true },
            postgresql: { enabled: false },
        },
        objects: [
            served(
                {
                    name: `${full}-server`,
                    labels: labels("authentik", "server"),
                    image: "ghcr.io/goauthentik/server",
                    ports: {
                        http: value("server.containerPorts.http"),
                        https: value("server.containerPorts.https"),
                    },
                    replicas: "server.replicas",
                    resources: "server.resources",
                    when: ".Values.server.enabled",
                },
                {
                    http: [value("server.service.servicePortHttp"), "http"],
                    https: [value("server.service.servicePortHttps"), "https"],
                },
                { type: "{{ .Values.server.service.type }}" },
            ),
            workload({
                name: `${full}-worker`,
                labels: labels("authentik", "worker"),
                image: "ghcr.io/goauthentik/server",
                replicas: "worker.replicas",
                resources: "worker.resources",
                when: ".Values.worker.enabled",
            }),
        ],
    },
};
