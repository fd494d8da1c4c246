import {
    full,
    labels,
    service,
    value,
    workload,
    inNamespace,
    type StandIn,
    type StandIns,
} from "../../charts/generator";

const ON = { enabled: true };

/** Selects everything, or with the chart's default what carries the release's name. */
const selectors = Object.fromEntries(
    ["serviceMonitor", "podMonitor", "probe", "rule", "scrapeConfig"].flatMap((kind) => [
        [`${kind}NamespaceSelector`, {}],
        [
            `${kind}Selector`,
            value(
                `(ternary (dict \`matchLabels\` (dict \`release\` .Release.Name)) dict .Values.prometheus.prometheusSpec.${kind}SelectorNilUsesHelmValues)`,
            ),
        ],
    ]),
);

const prometheusLabels = {
    "app.kubernetes.io/name": "prometheus",
    "operator.prometheus.io/name": `${full}-prometheus`,
};

const kubePrometheusStack: StandIn = {
    values: {
        crds: ON,
        prometheusOperator: { resources: {} },
        prometheus: {
            enabled: true,
            service: { port: 9090 },
            thanosService: { enabled: false, port: 10901, httpPort: 10902 },
            prometheusSpec: {
                replicas: 1,
                retention: "10d",
                resources: {},
                storageSpec: {},
                thanos: {},
                serviceMonitorSelectorNilUsesHelmValues: true,
                podMonitorSelectorNilUsesHelmValues: true,
                probeSelectorNilUsesHelmValues: true,
                ruleSelectorNilUsesHelmValues: true,
                scrapeConfigSelectorNilUsesHelmValues: true,
            },
        },
        alertmanager: {
            enabled: true,
            config: {},
            service: { port: 9093 },
            alertmanagerSpec: { replicas: 1, retention: "120h", resources: {}, storage: {} },
        },
        grafana: {
            enabled: true,
            replicas: 1,
            resources: {},
            service: { portName: "http-web", port: 80 },
            admin: { existingSecret: "" },
            sidecar: { resources: {} },
        },
        kubeStateMetrics: ON,
        "kube-state-metrics": { resources: {} },
        nodeExporter: ON,
        "prometheus-node-exporter": { resources: {}, tolerations: [{ effect: "NoSchedule", operator: "Exists" }] },
    },
    crds: [{ subchart: "crds", projects: ["prometheus-operator"], condition: "crds.enabled", as: "folder" }],
    objects: [
        workload({
            name: `${full}-operator`,
            labels: { app: "kube-prometheus-stack-operator", release: "{{ .Release.Name }}" },
            image: "quay.io/prometheus-operator/prometheus-operator",
            ports: { https: 10250 },
            resources: "prometheusOperator.resources",
        }),
        service({
            name: `${full}-operator`,
            labels: { app: "kube-prometheus-stack-operator", release: "{{ .Release.Name }}" },
            ports: { https: [443, "https"] },
        }),
        inNamespace("v1", "ServiceAccount", `${full}-prometheus`, {}, ".Values.prometheus.enabled"),
        inNamespace(
            "monitoring.coreos.com/v1",
            "Prometheus",
            `${full}-prometheus`,
            {
                spec: {
                    serviceAccountName: `${full}-prometheus`,
                    replicas: value("prometheus.prometheusSpec.replicas"),
                    retention: value("prometheus.prometheusSpec.retention"),
                    resources: value("prometheus.prometheusSpec.resources"),
                    storage: value("prometheus.prometheusSpec.storageSpec"),
                    thanos: value(
                        "(omit (.Values.prometheus.prometheusSpec.thanos | default dict) `objectStorageConfig`)",
                    ),
                    portName: "http-web",
                    ...selectors,
                },
            },
            ".Values.prometheus.enabled",
        ),
        service({
            name: `${full}-prometheus`,
            labels: prometheusLabels,
            ports: { "http-web": [value("prometheus.service.port"), 9090] },
            when: ".Values.prometheus.enabled",
        }),
        service({
            name: `${full}-thanos-discovery`,
            labels: prometheusLabels,
            clusterIP: "None",
            ports: {
                grpc: [value("prometheus.thanosService.port"), "grpc"],
                http: [value("prometheus.thanosService.httpPort"), "http"],
            },
            when: ".Values.prometheus.thanosService.enabled",
        }),
        inNamespace("v1", "ServiceAccount", `${full}-alertmanager`, {}, ".Values.alertmanager.enabled"),
        inNamespace(
            "v1",
            "Secret",
            `alertmanager-${full}-alertmanager`,
            { stringData: { "alertmanager.yaml": value("(.Values.alertmanager.config | toJson)") } },
            ".Values.alertmanager.enabled",
        ),
        inNamespace(
            "monitoring.coreos.com/v1",
            "Alertmanager",
            `${full}-alertmanager`,
            {
                spec: {
                    serviceAccountName: `${full}-alertmanager`,
                    replicas: value("alertmanager.alertmanagerSpec.replicas"),
                    retention: value("alertmanager.alertmanagerSpec.retention"),
                    resources: value("alertmanager.alertmanagerSpec.resources"),
                    storage: value("alertmanager.alertmanagerSpec.storage"),
                    portName: "http-web",
                },
            },
            ".Values.alertmanager.enabled",
        ),
        service({
            name: `${full}-alertmanager`,
            labels: { "app.kubernetes.io/name": "alertmanager", alertmanager: `${full}-alertmanager` },
            ports: { "http-web": [value("alertmanager.service.port"), 9093] },
            when: ".Values.alertmanager.enabled",
        }),
        workload({
            name: "{{ .Release.Name }}-grafana",
            labels: labels("grafana"),
            image: "docker.io/grafana/grafana",
            ports: { grafana: 3000 },
            replicas: "grafana.replicas",
            resources: "grafana.resources",
            when: ".Values.grafana.enabled",
        }),
        service({
            name: "{{ .Release.Name }}-grafana",
            labels: labels("grafana"),
            ports: { "{{ .Values.grafana.service.portName }}": [value("grafana.service.port"), "grafana"] },
            when: ".Values.grafana.enabled",
        }),
        workload({
            name: "{{ .Release.Name }}-kube-state-metrics",
            labels: labels("kube-state-metrics"),
            image: "registry.k8s.io/kube-state-metrics/kube-state-metrics",
            ports: { http: 8080 },
            resources: "kube-state-metrics.resources",
            when: ".Values.kubeStateMetrics.enabled",
        }),
        service({
            name: "{{ .Release.Name }}-kube-state-metrics",
            labels: labels("kube-state-metrics"),
            ports: { http: 8080 },
            when: ".Values.kubeStateMetrics.enabled",
        }),
        workload({
            kind: "DaemonSet",
            name: "{{ .Release.Name }}-prometheus-node-exporter",
            labels: labels("prometheus-node-exporter"),
            image: "quay.io/prometheus/node-exporter",
            ports: { "http-metrics": 9100 },
            privileged: true,
            resources: "prometheus-node-exporter.resources",
            pod: { tolerations: "prometheus-node-exporter.tolerations" },
            when: ".Values.nodeExporter.enabled",
        }),
        service({
            name: "{{ .Release.Name }}-prometheus-node-exporter",
            labels: labels("prometheus-node-exporter"),
            ports: { "http-metrics": 9100 },
            when: ".Values.nodeExporter.enabled",
        }),
    ],
};

export const charts: StandIns = {
    "kube-prometheus-stack": kubePrometheusStack,
    "prometheus-operator-crds": {
        values: { crds: { annotations: {} } },
        crds: [{ subchart: "crds", projects: ["prometheus-operator"], condition: "crds.enabled", as: "template" }],
        objects: [],
    },
};
