import type * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { charts } from "../charts";
import { clusterCommand, valueAfter } from "../cluster/cluster-command";
import { contentHash } from "../cluster/content-hash";
import { helmRelease } from "../cluster/helm-release";
import { RELOAD_ANNOTATIONS } from "../cluster/reloader";
import type { Platform } from "../platform";
import { PROMETHEUS_IMAGES, SELECT_EVERYWHERE } from "./prometheus-stack";
import { alertmanagerConfiguration, alertReceivers, type Receiver } from "./receivers";
import { chartResources } from "./resources";
import { MONITORING_S3, type Bucket } from "./s3";

export interface PrometheusArgs {
    namespace: string;
    /** Name of the cluster in metrics that leave it. */
    cluster: string;
    /** How long metrics stay on the volume, e.g. 14d; Thanos keeps them for longer. */
    retention: string;
    /** Size of Prometheus' volume. */
    storage: string;
    storageClass: pulumi.Input<string>;
    /** Where Thanos' sidecar uploads finished blocks to; absent: there is no Thanos. */
    bucket?: Bucket | undefined;
    /** Whom Alertmanager tells; empty: nobody. */
    receivers: readonly Receiver[];
    /** Host labels. */
    hosts: { readonly prometheus: string; readonly alertmanager: string };
}

/** Secret with the object store's configuration, for the sidecar and for Thanos' own components. */
export const THANOS_OBJECT_STORE = { name: "thanos-objectstore", key: "objstore.yml" } as const;

/** Headless Service of the sidecars, named by the chart. */
export const THANOS_SIDECARS = "kube-prometheus-stack-thanos-discovery";

/** kube-prometheus-stack without Grafana, which is a deployment of its own. CRDs are a layer below. */
export class Prometheus extends pulumi.ComponentResource {
    readonly release: k8s.helm.v3.Release;
    /** Name of the Secret of `THANOS_OBJECT_STORE`. */
    readonly objectStore: pulumi.Output<string> | undefined;

    constructor(name: string, args: PrometheusArgs, platform: Platform, opts: pulumi.ComponentResourceOptions) {
        super("homelab:monitoring:Prometheus", name, {}, opts);
        const child = { parent: this };
        const namespace = platform.namespaces.name(args.namespace);
        const { bucket } = args;
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
        const told = alertReceivers(
            `${name}-receivers`,
            { namespace, receivers: args.receivers, secrets: platform.secrets },
            child,
        );
        const values = prometheusValues(args, this.objectStore, told);
        this.release = helmRelease(
            name,
            charts.kubePrometheusStack,
            {
                name: "kube-prometheus-stack",
                namespace,
                timeout: 600,
                values,
            },
            child,
        );
        // Helm sees the objects, not what the operator makes of them: a volume that cannot be made shows here.
        clusterCommand(
            `${name}-ready`,
            platform.cluster,
            {
                create: `kubectl --namespace ${args.namespace} wait prometheus,alertmanager --all --for=condition=Available --timeout=600s`,
                triggers: [charts.kubePrometheusStack.version, contentHash(values)],
            },
            { parent: this, dependsOn: this.release },
        );
        const released = valueAfter(this.release, args.namespace);
        const afterRelease = { parent: this, dependsOn: this.release };
        for (const [service, port] of [
            ["prometheus", 9090],
            ["alertmanager", 9093],
        ] as const) {
            platform.edge.expose(
                `${name}-${service}`,
                { host: args.hosts[service], access: "local" },
                { workload: service, namespace: released, service: `kube-prometheus-stack-${service}`, port },
                afterRelease,
            );
        }
        this.registerOutputs({});
    }
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

/** Values for the chart in components/charts.ts; seed 002, Monitoring and Alerting. */
export function prometheusValues(
    args: PrometheusArgs,
    objectStore: pulumi.Input<string> | undefined,
    alertReceivers?: pulumi.Input<string>,
) {
    return {
        crds: { enabled: false },
        // Talos has them listen on the node's loopback only; Cilium replaces kube-proxy.
        kubeControllerManager: { enabled: false },
        kubeScheduler: { enabled: false },
        kubeEtcd: { enabled: false },
        kubeProxy: { enabled: false },
        prometheusOperator: {
            ...PROMETHEUS_IMAGES.operator,
            resources: chartResources("64Mi", "256Mi"),
            prometheusConfigReloader: {
                ...PROMETHEUS_IMAGES.configReloader,
                resources: chartResources("32Mi", "64Mi", "10m"),
            },
            admissionWebhooks: { patch: { resources: chartResources("16Mi", "64Mi", "10m") } },
        },
        prometheus: {
            prometheusSpec: {
                ...SELECT_EVERYWHERE,
                ...PROMETHEUS_IMAGES.prometheus,
                retention: args.retention,
                scrapeInterval: "1m",
                walCompression: true,
                // The sidecar reads the object store's key when it starts.
                podMetadata: { annotations: RELOAD_ANNOTATIONS },
                externalLabels: { cluster: args.cluster },
                replicaExternalLabelName: "replica",
                resources: { requests: { cpu: "100m" }, limits: { memory: "2Gi" } },
                storageSpec: claim(args.storageClass, args.storage),
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
        alertmanager: {
            enabled: true,
            // The chart's own routes, which hold without receivers, send everything to the receiver "null".
            config: { global: { resolve_timeout: "5m" } },
            // No limits: seed 002, "Resource Quotas and Limits".
            alertmanagerSpec: {
                ...PROMETHEUS_IMAGES.alertmanager,
                storage: claim(args.storageClass, "1Gi"),
                ...alertmanagerConfiguration(alertReceivers),
            },
        },
        // Its dashboards are for the Grafana beside it.
        grafana: { enabled: false, forceDeployDashboards: true },
        "kube-state-metrics": { ...PROMETHEUS_IMAGES.kubeStateMetrics, resources: chartResources("64Mi", "512Mi") },
        "prometheus-node-exporter": { ...PROMETHEUS_IMAGES.nodeExporter, resources: chartResources("32Mi", "128Mi") },
    };
}
