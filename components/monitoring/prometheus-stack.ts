import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { byDigest, bySha, chartImages } from "../chart-images";
import { charts } from "../charts";
import { clusterCommand, valueAfter } from "../cluster/cluster-command";
import { contentHash } from "../cluster/content-hash";
import { helmRelease } from "../cluster/helm-release";
import { RELOAD_ANNOTATIONS } from "../cluster/reloader";
import type { Platform } from "../platform";
import { ciliumMonitors } from "./cilium-monitors";
import { inhibitRulesOfChart } from "./inhibitions";
import { alertmanagerConfiguration, alertReceivers, type Receiver } from "./receivers";
import { chartResources } from "./resources";
import { MONITORING_S3, type Bucket } from "./s3";

export interface PrometheusStackArgs {
    namespace: pulumi.Input<string>;
    /** How long metrics are kept on the volume, e.g. 15d. */
    retention: string;
    /** Size of Prometheus' volume; scratch, metrics do not outlive the cluster. */
    storage: string;
    /** Class of the volumes; default: the platform's for scratch. */
    storageClass?: pulumi.Input<string>;
    /** Whom Alertmanager tells; empty: nobody. */
    receivers: readonly Receiver[];
    /** What the seeds give a single machine (001), or a cluster of several (002). Default: a machine. */
    size?: "machine" | "cluster";
    /**
     * True where the operator's CRDs are a layer below; else they come with this, and with them the monitors of Cilium,
     * which was there first. Default: false.
     */
    crdsBelow?: boolean;
    /** Host label of the chart's own Grafana; absent: Grafana is a component of its own. */
    host?: string;
    /** Host labels; absent: they are reached inside the cluster alone. */
    hosts?: { readonly prometheus: string; readonly alertmanager: string };
    /** Where Thanos' sidecar uploads finished blocks to; absent: there is no Thanos. */
    bucket?: Bucket | undefined;
    /** True: what tells of a node's network silences what stands on that node, and alerts of pods say on which node they are. */
    networkFirst?: boolean;
}

/** Secret with the object store's configuration, for the sidecar and for Thanos' own components. */
export const THANOS_OBJECT_STORE = { name: "thanos-objectstore", key: "objstore.yml" } as const;

/** Headless Service of the sidecars, named by the chart. */
export const THANOS_SIDECARS = "kube-prometheus-stack-thanos-discovery";

/** kube-prometheus-stack: Prometheus, Alertmanager, and Grafana where it is not one of its own. */
export class PrometheusStack extends pulumi.ComponentResource {
    readonly release: k8s.helm.v3.Release;
    /** What brings the kinds of Prometheus' operator; undefined: they came before. */
    readonly kinds: k8s.helm.v3.Release | undefined;
    /** Name of the Secret of `THANOS_OBJECT_STORE`. */
    readonly objectStore: pulumi.Output<string> | undefined;

    constructor(
        name: string,
        args: PrometheusStackArgs,
        platform: Platform,
        opts: pulumi.ComponentResourceOptions = {},
    ) {
        super(
            "homelab:monitoring:PrometheusStack",
            name,
            {},
            // Of a component for clusters that this one took the place of.
            pulumi.mergeOptions(pulumi.mergeOptions(platform.opts, opts), {
                aliases: [{ type: "homelab:monitoring:Prometheus" }],
            }),
        );
        const child = { parent: this };
        const { namespace, host, bucket } = args;

        this.kinds = args.crdsBelow
            ? undefined
            : helmRelease(
                  `${name}-crds`,
                  charts.prometheusOperatorCrds,
                  { name: "prometheus-operator-crds", namespace },
                  child,
              );
        const afterCrds = { parent: this, ...(this.kinds === undefined ? {} : { dependsOn: this.kinds }) };
        const adminSecret = host === undefined ? undefined : grafanaAdmin(name, namespace, child);
        this.objectStore =
            bucket &&
            platform.secrets.deliver(
                `${name}-objectstore`,
                {
                    name: THANOS_OBJECT_STORE.name,
                    namespace,
                    data: {},
                    templates: { [THANOS_OBJECT_STORE.key]: (secret) => objectStoreConfig(bucket, secret) },
                },
                child,
            );
        const values = prometheusStackValues({
            ...args,
            size: args.size ?? "machine",
            cluster: platform.cluster.name,
            storageClass: args.storageClass ?? platform.storage.scratchClass,
            grafana:
                host === undefined || adminSecret === undefined
                    ? undefined
                    : { adminSecret, rootUrl: platform.edge.url(host, "local") },
            objectStore: this.objectStore,
            alertReceivers: alertReceivers(
                `${name}-receivers`,
                {
                    namespace,
                    receivers: args.receivers,
                    secrets: platform.secrets,
                    networkFirst: args.networkFirst ?? false,
                },
                afterCrds,
            ),
        });
        this.release = helmRelease(
            name,
            charts.kubePrometheusStack,
            { name: "kube-prometheus-stack", namespace, timeout: 600, values },
            afterCrds,
        );
        // Helm sees the objects, not what the operator makes of them: a volume that cannot be made shows here.
        clusterCommand(
            `${name}-ready`,
            platform.cluster,
            {
                create: pulumi.interpolate`kubectl --namespace ${namespace} wait prometheus,alertmanager --all --for=condition=Available --timeout=600s`,
                triggers: [charts.kubePrometheusStack.version, contentHash(values)],
            },
            { parent: this, dependsOn: this.release },
        );
        if (this.kinds !== undefined) ciliumMonitors(name, namespace, afterCrds);
        const released = valueAfter(this.release, namespace);
        // Neither of the two asks for anything itself.
        const auth = platform.identity === undefined ? "none" : "forward";
        for (const [workload, label, port, login] of [
            ["grafana", host, 80, "own"],
            ["prometheus", args.hosts?.prometheus, 9090, auth],
            ["alertmanager", args.hosts?.alertmanager, 9093, auth],
        ] as const) {
            if (label === undefined) continue;
            platform.edge.expose(
                `${name}-${workload}`,
                { host: label, access: "local", auth: login },
                { workload, namespace: released, service: `kube-prometheus-stack-${workload}`, port },
                { parent: this, dependsOn: this.release },
            );
        }
        this.registerOutputs({});
    }
}

/** A password of the cluster's own; name of its Secret. */
function grafanaAdmin(
    name: string,
    namespace: pulumi.Input<string>,
    child: pulumi.CustomResourceOptions,
): pulumi.Output<string> {
    const password = new random.RandomPassword(`${name}-grafana-admin`, { length: 32, special: false }, child).result;
    return new k8s.core.v1.Secret(
        `${name}-grafana-admin`,
        {
            metadata: { name: "grafana-admin", namespace },
            type: "Opaque",
            stringData: { "admin-user": "admin", "admin-password": password },
        },
        child,
    ).metadata.name;
}

/** https://thanos.io/tip/thanos/storage.md/#s3 */
function objectStoreConfig({ endpoint, bucket }: Bucket, secret: (ref: string) => string): string {
    const url = new URL(endpoint);
    return [
        "type: S3",
        "config:",
        `  bucket: ${bucket}`,
        // Host and port: the scheme is the `insecure` below.
        `  endpoint: ${url.host}`,
        `  insecure: ${url.protocol === "http:"}`,
        `  access_key: "${secret(MONITORING_S3.accessKeyId)}"`,
        `  secret_key: "${secret(MONITORING_S3.secretAccessKey)}"`,
        "",
    ].join("\n");
}

const claim = (storageClassName: pulumi.Input<string>, storage: string) => ({
    volumeClaimTemplate: {
        spec: { storageClassName, accessModes: ["ReadWriteOnce"], resources: { requests: { storage } } },
    },
});

/** Monitors and rules from every namespace and chart, not only those with the release's label. */
const SELECT_EVERYWHERE = {
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

/** What each size changes: seed 001, Monitoring; seed 002, Monitoring and Alerting, Resource Quotas and Limits. */
const SIZES = {
    machine: {
        operator: {
            prometheusConfigReloader: PROMETHEUS_IMAGES.configReloader,
            resources: chartResources("64Mi", "256Mi"),
        },
        prometheus: { resources: chartResources("1Gi", "3Gi") },
        alertmanager: {},
        alertmanagerSpec: () => ({ resources: chartResources("32Mi", "128Mi") }),
        kubeStateMetrics: chartResources("32Mi", "256Mi"),
        nodeExporter: chartResources("16Mi", "64Mi"),
    },
    cluster: {
        operator: {
            resources: chartResources("64Mi", "256Mi"),
            prometheusConfigReloader: {
                ...PROMETHEUS_IMAGES.configReloader,
                resources: chartResources("32Mi", "64Mi", "10m"),
            },
            admissionWebhooks: { patch: { resources: chartResources("16Mi", "64Mi", "10m") } },
        },
        prometheus: {
            scrapeInterval: "1m",
            walCompression: true,
            // The sidecar reads the object store's key when it starts.
            podMetadata: { annotations: RELOAD_ANNOTATIONS },
            replicaExternalLabelName: "replica",
            resources: { requests: { cpu: "100m" }, limits: { memory: "2Gi" } },
        },
        alertmanager: { config: { global: { resolve_timeout: "5m" } } },
        // No limits, by the seed.
        alertmanagerSpec: (storageClass: pulumi.Input<string>) => ({ storage: claim(storageClass, "1Gi") }),
        kubeStateMetrics: chartResources("64Mi", "512Mi"),
        nodeExporter: chartResources("32Mi", "128Mi"),
    },
} as const;

interface PrometheusStackValuesArgs extends Pick<PrometheusStackArgs, "retention" | "storage" | "networkFirst"> {
    size: keyof typeof SIZES;
    /** Name of the cluster in metrics that leave it. */
    cluster: string;
    storageClass: pulumi.Input<string>;
    grafana?: { readonly adminSecret: pulumi.Input<string>; readonly rootUrl: string } | undefined;
    /** Secret of `THANOS_OBJECT_STORE`. */
    objectStore?: pulumi.Input<string> | undefined;
    /** Name of the AlertmanagerConfig, where there are receivers. */
    alertReceivers?: pulumi.Input<string> | undefined;
}

/** Values for the chart in components/charts.ts. */
export function prometheusStackValues(args: PrometheusStackValuesArgs) {
    const { storageClass, objectStore } = args;
    const size = SIZES[args.size];
    return {
        crds: { enabled: false },
        // k3s runs these inside its own process, Talos has them listen on loopback alone; Cilium replaces kube-proxy.
        kubeControllerManager: { enabled: false },
        kubeScheduler: { enabled: false },
        kubeEtcd: { enabled: false },
        kubeProxy: { enabled: false },
        // Those of the group node-pods take their place, which say on which node.
        ...(args.networkFirst === true
            ? { defaultRules: { disabled: { KubePodCrashLooping: true, KubePodNotReady: true } } }
            : {}),
        prometheusOperator: { ...PROMETHEUS_IMAGES.operator, ...size.operator },
        prometheus: {
            prometheusSpec: {
                ...SELECT_EVERYWHERE,
                ...PROMETHEUS_IMAGES.prometheus,
                retention: args.retention,
                ...size.prometheus,
                ...(args.size === "cluster" ? { externalLabels: { cluster: args.cluster } } : {}),
                storageSpec: claim(storageClass, args.storage),
                ...(objectStore === undefined
                    ? {}
                    : {
                          thanos: {
                              objectStorageConfig: {
                                  existingSecret: { name: objectStore, key: THANOS_OBJECT_STORE.key },
                              },
                              resources: chartResources("64Mi", "512Mi"),
                          },
                      }),
            },
            ...(objectStore === undefined
                ? {}
                : { thanosService: { enabled: true }, thanosServiceMonitor: { enabled: true } }),
        },
        // The chart's own routes, which hold without receivers, send everything to the receiver "null".
        alertmanager: {
            enabled: true,
            ...size.alertmanager,
            ...(args.networkFirst === true
                ? {
                      config: {
                          ...("config" in size.alertmanager ? size.alertmanager.config : {}),
                          inhibit_rules: inhibitRulesOfChart(true),
                      },
                  }
                : {}),
            alertmanagerSpec: {
                ...PROMETHEUS_IMAGES.alertmanager,
                ...size.alertmanagerSpec(storageClass),
                ...alertmanagerConfiguration(args.alertReceivers),
            },
        },
        // The dashboards are for whatever Grafana there is.
        grafana:
            args.grafana === undefined ? { enabled: false, forceDeployDashboards: true } : ownGrafana(args.grafana),
        "kube-state-metrics": { ...PROMETHEUS_IMAGES.kubeStateMetrics, resources: size.kubeStateMetrics },
        "prometheus-node-exporter": { ...PROMETHEUS_IMAGES.nodeExporter, resources: size.nodeExporter },
    };
}

function ownGrafana({ adminSecret, rootUrl }: NonNullable<PrometheusStackValuesArgs["grafana"]>) {
    return {
        enabled: true,
        image: bySha(chartImages.grafana),
        annotations: RELOAD_ANNOTATIONS,
        defaultDashboardsEnabled: true,
        admin: { existingSecret: adminSecret, userKey: "admin-user", passwordKey: "admin-password" },
        "grafana.ini": { server: { root_url: rootUrl } },
        // Cilium's chart leaves its dashboards, Hubble's among them, in kube-system.
        sidecar: {
            image: bySha(chartImages.grafanaSidecar),
            dashboards: { enabled: true, searchNamespace: "ALL" },
            resources: chartResources("64Mi", "256Mi"),
        },
        resources: chartResources("128Mi", "512Mi"),
        // The chart's test pod is of no use outside `helm test`.
        testFramework: { enabled: false },
    };
}
