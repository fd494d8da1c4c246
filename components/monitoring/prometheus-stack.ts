import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { byDigest, bySha, chartImages } from "../chart-images";
import { charts } from "../charts";
import { RELOAD_ANNOTATIONS } from "../cluster/reloader";
import { clusterCommand, valueAfter } from "../cluster/cluster-command";
import { contentHash } from "../cluster/content-hash";
import { helmRelease } from "../cluster/helm-release";
import type { Platform } from "../platform";
import { ciliumMonitors } from "./cilium-monitors";
import { alertmanagerConfiguration, alertReceivers, type Receiver } from "./receivers";

export interface PrometheusStackArgs {
    namespace: string;
    /** Host label of Grafana. */
    host: string;
    /** How long metrics are kept, e.g. 15d. */
    retention: string;
    /** Size of Prometheus' volume; scratch, metrics do not outlive the cluster. */
    storage: string;
    /** Whom Alertmanager tells; empty: nobody. */
    receivers: readonly Receiver[];
}

/** kube-prometheus-stack: Prometheus, Alertmanager, Grafana as a local host. CRDs are a layer below. */
export class PrometheusStack extends pulumi.ComponentResource {
    constructor(
        name: string,
        args: PrometheusStackArgs,
        platform: Platform,
        opts: pulumi.ComponentResourceOptions = {},
    ) {
        super("homelab:monitoring:PrometheusStack", name, {}, pulumi.mergeOptions(platform.opts, opts));
        const child = { parent: this };
        const namespace = platform.namespaces.name(args.namespace);

        const crds = helmRelease(
            `${name}-crds`,
            charts.prometheusOperatorCrds,
            { name: "prometheus-operator-crds", namespace },
            child,
        );
        const password = new random.RandomPassword(`${name}-grafana-admin`, { length: 32, special: false }, child)
            .result;
        const admin = new k8s.core.v1.Secret(
            `${name}-grafana-admin`,
            {
                metadata: { name: "grafana-admin", namespace },
                type: "Opaque",
                stringData: { "admin-user": "admin", "admin-password": password },
            },
            child,
        );
        const told = alertReceivers(
            `${name}-receivers`,
            { namespace, receivers: args.receivers, secrets: platform.secrets },
            { parent: this, dependsOn: crds },
        );
        const values = prometheusStackValues({
            ...args,
            storageClass: platform.storage.scratchClass,
            adminSecret: admin.metadata.name,
            rootUrl: platform.edge.url(args.host),
            ...(told === undefined ? {} : { alertReceivers: told }),
        });
        const release = helmRelease(
            name,
            charts.kubePrometheusStack,
            {
                name: "kube-prometheus-stack",
                namespace,
                timeout: 600,
                values,
            },
            { parent: this, dependsOn: crds },
        );
        // Helm sees the objects, not what the operator makes of them: a volume that cannot be made shows here.
        clusterCommand(
            `${name}-ready`,
            platform.cluster,
            {
                create: `kubectl --namespace ${args.namespace} wait prometheus,alertmanager --all --for=condition=Available --timeout=600s`,
                triggers: [charts.kubePrometheusStack.version, contentHash(values)],
            },
            { parent: this, dependsOn: release },
        );
        ciliumMonitors(name, namespace, { parent: this, dependsOn: crds });
        platform.edge.expose(
            `${name}-grafana`,
            { host: args.host, access: "local" },
            {
                workload: "grafana",
                namespace: valueAfter(release, args.namespace),
                service: "kube-prometheus-stack-grafana",
                port: 80,
            },
            { parent: this, dependsOn: release },
        );
        this.registerOutputs({});
    }
}

/** Monitors and rules from every namespace and chart, not only those with the release's label. */
export const SELECT_EVERYWHERE = {
    serviceMonitorSelectorNilUsesHelmValues: false,
    podMonitorSelectorNilUsesHelmValues: false,
    ruleSelectorNilUsesHelmValues: false,
    probeSelectorNilUsesHelmValues: false,
    scrapeConfigSelectorNilUsesHelmValues: false,
} as const;

/** By digest what the chart has a value for. Its webhook's certificate is made by an image without a known one. */
export const PROMETHEUS_IMAGES = {
    operator: {
        image: bySha(chartImages.prometheusOperator),
        thanosImage: bySha(chartImages.thanos),
    },
    configReloader: { image: bySha(chartImages.prometheusConfigReloader) },
    prometheus: { image: bySha(chartImages.prometheus) },
    alertmanager: { image: bySha(chartImages.alertmanager) },
    // Called sha, and a digest.
    kubeStateMetrics: { image: { sha: chartImages.kubeStateMetrics.digest } },
    nodeExporter: { image: byDigest(chartImages.nodeExporter) },
} as const;

interface PrometheusStackValuesArgs extends Omit<PrometheusStackArgs, "namespace" | "host" | "receivers"> {
    /** Name of the AlertmanagerConfig, where there are receivers. */
    alertReceivers?: pulumi.Input<string>;
    storageClass: pulumi.Input<string>;
    adminSecret: pulumi.Input<string>;
    rootUrl: string;
}

/** Values for the chart in components/charts.ts; seed 001, Monitoring. */
export function prometheusStackValues(args: PrometheusStackValuesArgs) {
    const resources = (request: string, limit: string) => ({
        requests: { cpu: "25m", memory: request },
        limits: { memory: limit },
    });
    return {
        crds: { enabled: false },
        // k3s runs these inside its own process and binds them to loopback; Cilium replaces kube-proxy.
        kubeControllerManager: { enabled: false },
        kubeScheduler: { enabled: false },
        kubeEtcd: { enabled: false },
        kubeProxy: { enabled: false },
        prometheusOperator: {
            ...PROMETHEUS_IMAGES.operator,
            prometheusConfigReloader: PROMETHEUS_IMAGES.configReloader,
            resources: resources("64Mi", "256Mi"),
        },
        prometheus: {
            prometheusSpec: {
                ...SELECT_EVERYWHERE,
                ...PROMETHEUS_IMAGES.prometheus,
                retention: args.retention,
                resources: resources("1Gi", "3Gi"),
                storageSpec: {
                    volumeClaimTemplate: {
                        spec: {
                            storageClassName: args.storageClass,
                            accessModes: ["ReadWriteOnce"],
                            resources: { requests: { storage: args.storage } },
                        },
                    },
                },
            },
        },
        // The chart's own configuration, which holds without receivers, sends everything to the receiver "null".
        alertmanager: {
            enabled: true,
            alertmanagerSpec: {
                ...PROMETHEUS_IMAGES.alertmanager,
                resources: resources("32Mi", "128Mi"),
                ...alertmanagerConfiguration(args.alertReceivers),
            },
        },
        grafana: {
            enabled: true,
            image: bySha(chartImages.grafana),
            annotations: RELOAD_ANNOTATIONS,
            defaultDashboardsEnabled: true,
            admin: { existingSecret: args.adminSecret, userKey: "admin-user", passwordKey: "admin-password" },
            "grafana.ini": { server: { root_url: args.rootUrl } },
            // Cilium's chart leaves its dashboards, Hubble's among them, in kube-system.
            sidecar: {
                image: bySha(chartImages.grafanaSidecar),
                dashboards: { enabled: true, searchNamespace: "ALL" },
                resources: resources("64Mi", "256Mi"),
            },
            resources: resources("128Mi", "512Mi"),
            // The chart's test pod is of no use outside `helm test`.
            testFramework: { enabled: false },
        },
        "kube-state-metrics": { ...PROMETHEUS_IMAGES.kubeStateMetrics, resources: resources("32Mi", "256Mi") },
        "prometheus-node-exporter": { ...PROMETHEUS_IMAGES.nodeExporter, resources: resources("16Mi", "64Mi") },
    };
}
