import {
    configMap,
    full,
    labels,
    PLACEMENT,
    service,
    type StandIns,
    UNPLACED,
    value,
    workload,
} from "../../charts/generator";

export const charts: StandIns = {
    "cloudnative-pg": {
        values: {
            crds: { create: true },
            replicaCount: 1,
            resources: {},
            service: { name: "cnpg-webhook-service", port: 443 },
            config: { name: "cnpg-controller-manager-config", data: {} },
            monitoringQueriesConfigMap: { name: "cnpg-default-monitoring" },
            ...UNPLACED,
        },
        crds: [
            { subchart: "crds", projects: ["cloudnative-pg"], condition: "crds.create", as: "template", keep: true },
        ],
        objects: [
            workload({
                name: full,
                labels: labels("cloudnative-pg"),
                image: "ghcr.io/cloudnative-pg/cloudnative-pg",
                ports: { metrics: 8080, "webhook-server": 9443 },
                replicas: "replicaCount",
                resources: "resources",
                pod: PLACEMENT,
            }),
            service({
                name: "{{ .Values.service.name }}",
                labels: labels("cloudnative-pg"),
                ports: { "webhook-server": value("service.port") },
            }),
            configMap("{{ .Values.config.name }}", value("config.data") as unknown as object),
            configMap("{{ .Values.monitoringQueriesConfigMap.name }}", { queries: "" }),
        ],
    },
    "plugin-barman-cloud": {
        values: {
            crds: { create: true },
            replicaCount: 1,
            resources: {},
            service: { name: "barman-cloud", port: 9090 },
            certificate: {
                createClientCertificate: true,
                createServerCertificate: true,
                issuerName: "selfsigned-issuer",
            },
            ...UNPLACED,
        },
        crds: [
            {
                subchart: "crds",
                projects: ["plugin-barman-cloud"],
                condition: "crds.create",
                as: "template",
                keep: true,
            },
        ],
        objects: [
            workload({
                name: full,
                labels: labels("plugin-barman-cloud"),
                image: "ghcr.io/cloudnative-pg/plugin-barman-cloud",
                ports: { grpc: 9090 },
                replicas: "replicaCount",
                resources: "resources",
                pod: PLACEMENT,
            }),
            service({
                name: "{{ .Values.service.name }}",
                labels: labels("plugin-barman-cloud"),
                marks: { "cnpg.io/pluginName": "barman-cloud.cloudnative-pg.io" },
                annotations: {
                    "cnpg.io/pluginClientSecret": "barman-cloud-client-tls",
                    "cnpg.io/pluginServerSecret": "barman-cloud-server-tls",
                    "cnpg.io/pluginPort": "{{ .Values.service.port }}",
                },
                ports: { "": [value("service.port"), 9090] },
            }),
            {
                object: {
                    apiVersion: "cert-manager.io/v1",
                    kind: "Issuer",
                    metadata: {
                        name: `${full}-{{ .Values.certificate.issuerName }}`,
                        namespace: "{{ .Release.Namespace }}",
                    },
                    spec: { selfSigned: {} },
                },
            },
            ...["Client", "Server"].map((side) => ({
                when: `.Values.certificate.create${side}Certificate`,
                object: {
                    apiVersion: "cert-manager.io/v1",
                    kind: "Certificate",
                    metadata: {
                        name: `barman-cloud-${side.toLowerCase()}`,
                        namespace: "{{ .Release.Namespace }}",
                    },
                    spec: {
                        commonName: "{{ .Values.service.name }}",
                        dnsNames: ["{{ .Values.service.name }}"],
                        secretName: `barman-cloud-${side.toLowerCase()}-tls`,
                        issuerRef: {
                            group: "cert-manager.io",
                            kind: "Issuer",
                            name: `${full}-{{ .Values.certificate.issuerName }}`,
                        },
                    },
                },
            })),
        ],
    },
};
