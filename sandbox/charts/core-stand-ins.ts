/** Stand-ins of the charts that both clusters stand on: Cilium, Argo CD and the Prometheus stack. As in ./stand-ins. */
import {
    CONTAINER_SECURITY,
    full,
    labels,
    POD_SECURITY,
    service,
    type ChartObject,
    type StandIn,
    value,
    workload,
} from "./generator";

const NAMESPACE = "{{ .Release.Namespace }}";
const ON = { enabled: true };

/** An object of the release's namespace. */
function own(apiVersion: string, kind: string, name: string, body: object, when?: string): ChartObject {
    const object = { apiVersion, kind, metadata: { name, namespace: NAMESPACE }, ...body };
    return when === undefined ? { object } : { when, object };
}

function clusterWide(apiVersion: string, kind: string, name: string, body: object, when: string): ChartObject {
    return { when, object: { apiVersion, kind, metadata: { name }, ...body } };
}

const ingress = ".Values.ingressController.enabled";

const ciliumLabels = (app: string) => ({ "k8s-app": app });

const hubblePart = (part: "relay" | "ui", image: string, port: string): readonly ChartObject[] => [
    ...workload({
        name: `hubble-${part}`,
        labels: ciliumLabels(`hubble-${part}`),
        image,
        ports: { http: 8081 },
        replicas: `hubble.${part}.replicas`,
        when: `.Values.hubble.${part}.enabled`,
    }),
    service({
        name: `hubble-${part}`,
        labels: ciliumLabels(`hubble-${part}`),
        ports: { [port]: [80, "http"] },
        when: `.Values.hubble.${part}.enabled`,
    }),
];

const cilium: StandIn = {
    values: {
        tolerations: [{ operator: "Exists" }],
        resources: {},
        envoy: { tolerations: [{ operator: "Exists" }], resources: {} },
        operator: { replicas: 2, resources: {}, tolerations: [{ operator: "Exists" }] },
        ingressController: {
            enabled: false,
            default: false,
            service: {
                name: "cilium-ingress",
                type: "LoadBalancer",
                annotations: {},
                externalTrafficPolicy: "Cluster",
            },
        },
        kubeProxyReplacement: "false",
        gatewayAPI: {
            enabled: false,
            enableAlpn: false,
            enableAppProtocol: false,
            gatewayClass: { create: "auto" },
        },
        bgpControlPlane: { enabled: false },
        tls: { secretsNamespace: { create: true, name: "cilium-secrets" } },
        hubble: {
            enabled: true,
            peerService: { targetPort: 4244 },
            metrics: { port: 9965 },
            relay: { enabled: false, replicas: 1 },
            ui: { enabled: false, replicas: 1 },
        },
    },
    objects: [
        clusterWide(
            "v1",
            "Namespace",
            "{{ .Values.tls.secretsNamespace.name }}",
            {},
            ".Values.tls.secretsNamespace.create",
        ),
        own("v1", "ConfigMap", "cilium-config", {
            data: {
                "kube-proxy-replacement": "{{ .Values.kubeProxyReplacement }}",
                "enable-gateway-api": "{{ .Values.gatewayAPI.enabled }}",
                "enable-gateway-api-alpn": "{{ .Values.gatewayAPI.enableAlpn }}",
                "enable-gateway-api-app-protocol":
                    "{{ or .Values.gatewayAPI.enableAppProtocol .Values.gatewayAPI.enableAlpn }}",
                "enable-bgp-control-plane": "{{ .Values.bgpControlPlane.enabled }}",
            },
        }),
        workload({
            kind: "DaemonSet",
            name: "cilium",
            labels: ciliumLabels("cilium"),
            image: "quay.io/cilium/cilium",
            privileged: true,
            resources: "resources",
            pod: { tolerations: "tolerations" },
        }),
        workload({
            kind: "DaemonSet",
            name: "cilium-envoy",
            labels: ciliumLabels("cilium-envoy"),
            image: "quay.io/cilium/cilium-envoy",
            privileged: true,
            resources: "envoy.resources",
            pod: { tolerations: "envoy.tolerations" },
        }),
        workload({
            name: "cilium-operator",
            labels: { "io.cilium/app": "operator", name: "cilium-operator" },
            image: "quay.io/cilium/operator-generic",
            replicas: "operator.replicas",
            resources: "operator.resources",
            pod: { tolerations: "operator.tolerations" },
        }),
        clusterWide(
            "networking.k8s.io/v1",
            "IngressClass",
            "cilium",
            { spec: { controller: "cilium.io/ingress-controller" } },
            ingress,
        ),
        // The shared load balancer. No selector: the agents answer for it, and the slice keeps it from being empty.
        {
            when: ingress,
            object: {
                apiVersion: "v1",
                kind: "Service",
                metadata: {
                    name: "{{ .Values.ingressController.service.name }}",
                    namespace: NAMESPACE,
                    labels: { "cilium.io/ingress": "true" },
                    annotations: value("ingressController.service.annotations"),
                },
                spec: {
                    type: "{{ .Values.ingressController.service.type }}",
                    externalTrafficPolicy: "{{ .Values.ingressController.service.externalTrafficPolicy }}",
                    ports: [
                        { name: "http", port: 80 },
                        { name: "https", port: 443 },
                    ],
                },
            },
        },
        {
            when: ingress,
            object: {
                apiVersion: "discovery.k8s.io/v1",
                kind: "EndpointSlice",
                metadata: {
                    name: "{{ .Values.ingressController.service.name }}",
                    namespace: NAMESPACE,
                    labels: { "kubernetes.io/service-name": "{{ .Values.ingressController.service.name }}" },
                },
                addressType: "IPv4",
                endpoints: [{ addresses: ["192.192.192.192"], conditions: { ready: true } }],
                ports: [{ port: 9999 }],
            },
        },
        clusterWide(
            "gateway.networking.k8s.io/v1",
            "GatewayClass",
            "cilium",
            { spec: { controllerName: "io.cilium/gateway-controller" } },
            "and .Values.gatewayAPI.enabled (or (eq (.Values.gatewayAPI.gatewayClass.create | toString) `true`) " +
                "(and (eq (.Values.gatewayAPI.gatewayClass.create | toString) `auto`) (.Capabilities.APIVersions.Has `gateway.networking.k8s.io/v1/GatewayClass`)))",
        ),
        service({
            name: "hubble-peer",
            labels: ciliumLabels("cilium"),
            ports: { "peer-service": [443, value("hubble.peerService.targetPort")] },
            when: ".Values.hubble.enabled",
        }),
        service({
            name: "hubble-metrics",
            labels: ciliumLabels("cilium"),
            marks: { "k8s-app": "hubble" },
            clusterIP: "None",
            ports: { "hubble-metrics": [value("hubble.metrics.port"), "hubble-metrics"] },
            when: ".Values.hubble.enabled",
        }),
        hubblePart("relay", "quay.io/cilium/hubble-relay", ""),
        hubblePart("ui", "quay.io/cilium/hubble-ui", "http"),
    ],
};

interface ArgoPart {
    readonly name: string;
    readonly key: string;
    readonly kind?: "Deployment" | "StatefulSet";
    readonly image?: string;
    /** Account its pods run as; default one of its own. */
    readonly account?: string;
    readonly ports: Readonly<Record<string, number>>;
    readonly service?: Readonly<Record<string, readonly [port: number, target: string]>>;
    readonly when?: string;
}

const argoPart = ({
    name,
    key,
    kind = "Deployment",
    image,
    account,
    ports,
    service: served,
    when,
}: ArgoPart): ChartObject[] => {
    const of = { name: `${full}-${name}`, labels: labels(`argocd-${name}`), ...(when === undefined ? {} : { when }) };
    const pods = workload({
        ...of,
        ...{ kind, ports, image: image ?? "quay.io/argoproj/argocd", resources: `${key}.resources` },
        ...(account === undefined ? {} : { account }),
    });
    const accounts = account === undefined ? [] : ["ServiceAccount"];
    return [
        ...pods.filter(({ object }) => !accounts.includes((object as { kind: string }).kind)),
        ...(served === undefined ? [] : [service({ ...of, ports: served })]),
    ];
};

const settings = (name: string, key: string): ChartObject => ({
    object: {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name, namespace: NAMESPACE },
        data: { "settings.json": value(`(.Values.configs.${key} | toJson)`) },
    },
});

const argoCd: StandIn = {
    values: {
        nameOverride: "argocd",
        crds: { install: true, keep: true },
        global: { domain: "argocd.example.com" },
        configs: { cm: {}, params: {}, rbac: {} },
        controller: { resources: {} },
        server: { resources: {} },
        repoServer: { resources: {} },
        applicationSet: { resources: {} },
        redis: { enabled: true, resources: {} },
        redisSecretInit: { enabled: true, resources: {} },
        dex: { enabled: true, resources: {} },
        notifications: { enabled: true, resources: {} },
    },
    crds: [
        {
            subchart: "crds",
            projects: ["argo-cd"],
            condition: "crds.install",
            as: "template",
            keep: "$.Values.keep",
        },
    ],
    objects: [
        settings("argocd-cm", "cm"),
        settings("argocd-cmd-params-cm", "params"),
        settings("argocd-rbac-cm", "rbac"),
        // server.secretkey is Argo CD's own to fill in; a chart that made one would make another on every upgrade.
        own("v1", "Secret", "argocd-secret", { type: "Opaque" }),
        argoPart({ name: "application-controller", key: "controller", kind: "StatefulSet", ports: { metrics: 8082 } }),
        argoPart({
            name: "server",
            key: "server",
            ports: { server: 8080, metrics: 8083 },
            service: { http: [80, "server"], https: [443, "server"] },
        }),
        argoPart({
            name: "repo-server",
            key: "repoServer",
            ports: { "repo-server": 8081 },
            service: { "tcp-repo-server": [8081, "repo-server"] },
        }),
        argoPart({
            name: "applicationset-controller",
            key: "applicationSet",
            ports: { webhook: 7000 },
            service: { "http-webhook": [7000, "webhook"] },
        }),
        argoPart({
            name: "redis",
            key: "redis",
            image: "ecr-public.aws.com/docker/library/redis",
            account: "default",
            ports: { redis: 6379 },
            service: { redis: [6379, "redis"] },
            when: ".Values.redis.enabled",
        }),
        argoPart({
            name: "dex-server",
            key: "dex",
            image: "ghcr.io/dexidp/dex",
            ports: { http: 5556, grpc: 5557 },
            service: { http: [5556, "http"], grpc: [5557, "grpc"] },
            when: ".Values.dex.enabled",
        }),
        argoPart({
            name: "notifications-controller",
            key: "notifications",
            ports: { metrics: 9001 },
            when: ".Values.notifications.enabled",
        }),
        {
            when: ".Values.redisSecretInit.enabled",
            object: {
                apiVersion: "batch/v1",
                kind: "Job",
                metadata: {
                    name: `${full}-redis-secret-init`,
                    namespace: NAMESPACE,
                    annotations: {
                        "helm.sh/hook": "pre-install,pre-upgrade",
                        "helm.sh/hook-delete-policy": "before-hook-creation",
                    },
                },
                spec: {
                    ttlSecondsAfterFinished: 60,
                    template: {
                        spec: {
                            restartPolicy: "OnFailure",
                            securityContext: POD_SECURITY,
                            containers: [
                                {
                                    name: "secret-init",
                                    image: "quay.io/argoproj/argocd:{{ .Chart.Version }}",
                                    securityContext: CONTAINER_SECURITY,
                                    resources: value("(.Values.redisSecretInit.resources | default dict)"),
                                },
                            ],
                        },
                    },
                },
            },
        },
    ],
};

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
        own("v1", "ServiceAccount", `${full}-prometheus`, {}, ".Values.prometheus.enabled"),
        own(
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
        own("v1", "ServiceAccount", `${full}-alertmanager`, {}, ".Values.alertmanager.enabled"),
        own(
            "v1",
            "Secret",
            `alertmanager-${full}-alertmanager`,
            { stringData: { "alertmanager.yaml": value("(.Values.alertmanager.config | toJson)") } },
            ".Values.alertmanager.enabled",
        ),
        own(
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

export const CORE_STAND_INS: Readonly<Record<string, StandIn>> = {
    cilium,
    "argo-cd": argoCd,
    "kube-prometheus-stack": kubePrometheusStack,
    "prometheus-operator-crds": {
        values: { crds: { annotations: {} } },
        crds: [{ subchart: "crds", projects: ["prometheus-operator"], condition: "crds.enabled", as: "template" }],
        objects: [],
    },
};
