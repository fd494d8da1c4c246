import { configMap, full, hook, labels, served, type StandIns, value, workload } from "../../charts/generator";

const certManagerLabels = (part: string, component: string) => ({ app: part, ...labels(part, component) });

export const charts: StandIns = {
    "cert-manager": {
        values: {
            crds: { enabled: false, keep: true },
            replicaCount: 1,
            resources: {},
            cainjector: { enabled: true, replicaCount: 1, resources: {} },
            webhook: { replicaCount: 1, resources: {} },
            startupapicheck: { enabled: true },
            config: {},
        },
        crds: [
            {
                subchart: "crds",
                projects: ["cert-manager"],
                condition: "crds.enabled",
                as: "template",
                keep: "$.Values.keep",
            },
        ],
        objects: [
            served(
                {
                    name: full,
                    labels: certManagerLabels("cert-manager", "controller"),
                    image: "quay.io/jetstack/cert-manager-controller",
                    args: "(ternary (list) (list `--config=/var/cert-manager/config/config.yaml`) (empty .Values.config))",
                    ports: { "http-metrics": 9402 },
                    replicas: "replicaCount",
                    resources: "resources",
                },
                { "http-metrics": 9402 },
            ),
            configMap(full, { "config.yaml": value("(.Values.config | toYaml)") }, ".Values.config"),
            workload({
                name: `${full}-cainjector`,
                labels: certManagerLabels("cainjector", "cainjector"),
                image: "quay.io/jetstack/cert-manager-cainjector",
                replicas: "cainjector.replicaCount",
                resources: "cainjector.resources",
                when: ".Values.cainjector.enabled",
            }),
            served(
                {
                    name: `${full}-webhook`,
                    labels: certManagerLabels("webhook", "webhook"),
                    image: "quay.io/jetstack/cert-manager-webhook",
                    ports: { https: 10250, "http-metrics": 9402 },
                    replicas: "webhook.replicaCount",
                    resources: "webhook.resources",
                },
                { https: 443, metrics: [9402, "http-metrics"] },
            ),
            hook(
                `${full}-startupapicheck`,
                "post-install",
                "quay.io/jetstack/cert-manager-startupapicheck",
                ".Values.startupapicheck.enabled",
            ),
        ],
    },
    "trust-manager": {
        values: { crds: { enabled: true, keep: true }, replicaCount: 1, resources: {} },
        crds: [
            {
                subchart: "crds",
                projects: ["trust-manager"],
                condition: "crds.enabled",
                as: "template",
                keep: "$.Values.keep",
            },
        ],
        objects: [
            workload({
                name: "trust-manager",
                labels: {
                    "app.kubernetes.io/name": "trust-manager",
                    "app.kubernetes.io/instance": "{{ .Release.Name }}",
                },
                image: "quay.io/jetstack/trust-manager",
                replicas: "replicaCount",
                resources: "resources",
                secrets: ["trust-manager-tls"],
            }),
        ],
    },
};
