import { full, labels, PLACEMENT, served, type StandIns, UNPLACED, value, workload } from "../../charts/generator";

export const charts: StandIns = {
    "external-secrets": {
        values: {
            installCRDs: true,
            replicaCount: 1,
            resources: {},
            webhook: { create: true, replicaCount: 1, resources: {} },
            certController: { create: true, replicaCount: 1, resources: {} },
            ...UNPLACED,
        },
        crds: [{ subchart: "crds", projects: ["external-secrets"], condition: "installCRDs", as: "template" }],
        objects: [
            workload({
                name: full,
                labels: labels("external-secrets"),
                image: "ghcr.io/external-secrets/external-secrets",
                ports: { metrics: 8080 },
                replicas: "replicaCount",
                resources: "resources",
                pod: PLACEMENT,
            }),
            served(
                {
                    name: `${full}-webhook`,
                    labels: labels("external-secrets-webhook"),
                    image: "ghcr.io/external-secrets/external-secrets",
                    ports: { webhook: 10250 },
                    replicas: "webhook.replicaCount",
                    resources: "webhook.resources",
                    when: ".Values.webhook.create",
                },
                { webhook: 443 },
            ),
            workload({
                name: `${full}-cert-controller`,
                labels: labels("external-secrets-cert-controller"),
                image: "ghcr.io/external-secrets/external-secrets",
                replicas: "certController.replicaCount",
                resources: "certController.resources",
                when: ".Values.certController.create",
            }),
        ],
    },
    "bitwarden-sdk-server": {
        values: {
            replicaCount: 1,
            // The chart calls itself so whatever the release is called.
            fullnameOverride: "bitwarden-sdk-server",
            image: { tls: { enabled: true, secretName: "bitwarden-tls-certs" } },
            service: { type: "ClusterIP", port: 9998 },
            resources: {},
        },
        objects: [
            served(
                {
                    name: full,
                    labels: labels("bitwarden-sdk-server"),
                    image: "ghcr.io/external-secrets/bitwarden-sdk-server",
                    ports: { http: value("service.port") },
                    replicas: "replicaCount",
                    resources: "resources",
                    secrets: ["{{ .Values.image.tls.secretName }}"],
                },
                { http: value("service.port") },
                { type: "{{ .Values.service.type }}" },
            ),
        ],
    },
};
