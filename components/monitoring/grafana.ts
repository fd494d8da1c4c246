import * as pulumi from "@pulumi/pulumi";
import { bySha, chartImages } from "../chart-images";
import { charts } from "../charts";
import { valueAfter } from "../cluster/cluster-command";
import { helmRelease } from "../cluster/helm-release";
import type { Platform } from "../platform";
import { LOKI } from "./loki";
import { chartResources } from "./resources";
import { THANOS_QUERY } from "./thanos";

export interface GrafanaArgs {
    namespace: pulumi.Input<string>;
    /** Host label. */
    host: string;
    /** Where metrics are asked for: Thanos, where the cluster has it, else Prometheus. */
    metrics: "thanos" | "prometheus";
    /** Whether there are logs in Loki. */
    logs: boolean;
}

/** Values in the secret store. */
export const GRAFANA_SECRETS = {
    "admin-user": "grafana.adminUser",
    "admin-password": "grafana.adminPassword",
} as const;

/** Grafana on its own: data sources and dashboards from the cluster's objects, nothing on a disk. */
export class Grafana extends pulumi.ComponentResource {
    constructor(name: string, args: GrafanaArgs, platform: Platform, opts: pulumi.ComponentResourceOptions) {
        super("homelab:monitoring:Grafana", name, {}, opts);
        const { namespace } = args;
        const admin = platform.secrets.deliver(
            name,
            { name: "grafana-admin", namespace, data: GRAFANA_SECRETS },
            { parent: this },
        );
        const release = helmRelease(
            name,
            charts.grafana,
            {
                name: "grafana",
                namespace,
                timeout: 600,
                values: grafanaValues({
                    ...args,
                    adminSecret: admin,
                    rootUrl: platform.edge.url(args.host),
                    annotations: platform.reloadAnnotations ?? {},
                }),
            },
            { parent: this },
        );
        platform.edge.expose(
            name,
            { host: args.host, access: "local" },
            {
                workload: "grafana",
                namespace: valueAfter(release, namespace),
                service: "grafana",
                port: 80,
            },
            { parent: this, dependsOn: release },
        );
        this.registerOutputs({});
    }
}

interface GrafanaValuesArgs extends Pick<GrafanaArgs, "metrics" | "logs"> {
    adminSecret: pulumi.Input<string>;
    rootUrl: string;
    annotations: Readonly<Record<string, string>>;
}

/** Values for the chart in components/charts.ts. */
export function grafanaValues({ adminSecret, rootUrl, annotations, metrics, logs }: GrafanaValuesArgs) {
    return {
        image: bySha(chartImages.grafana),
        annotations,
        admin: { existingSecret: adminSecret, userKey: "admin-user", passwordKey: "admin-password" },
        "grafana.ini": {
            server: { root_url: rootUrl },
            analytics: { check_for_updates: false, reporting_enabled: false },
        },
        datasources: {
            "datasources.yaml": {
                apiVersion: 1,
                datasources: [
                    {
                        name: "Prometheus",
                        uid: "prometheus",
                        type: "prometheus",
                        url:
                            metrics === "thanos"
                                ? `http://${THANOS_QUERY.service}:${THANOS_QUERY.port}`
                                : "http://kube-prometheus-stack-prometheus:9090",
                        isDefault: true,
                        jsonData: {
                            prometheusType: metrics === "thanos" ? "Thanos" : "Prometheus",
                            timeInterval: "1m",
                        },
                    },
                    ...(logs
                        ? [{ name: "Loki", uid: "loki", type: "loki", url: `http://${LOKI.service}:${LOKI.port}` }]
                        : []),
                    {
                        name: "Alertmanager",
                        uid: "alertmanager",
                        type: "alertmanager",
                        url: "http://kube-prometheus-stack-alertmanager:9093",
                        jsonData: { implementation: "prometheus" },
                    },
                ],
            },
        },
        sidecar: {
            image: bySha(chartImages.grafanaSidecar),
            dashboards: { enabled: true, searchNamespace: "ALL" },
            resources: chartResources("64Mi", "256Mi"),
        },
        serviceMonitor: { enabled: true },
        // It keeps its search index and dashboards of every namespace in memory.
        resources: chartResources("256Mi", "1Gi"),
        // The chart's test pod is of no use outside `helm test`.
        testFramework: { enabled: false },
    };
}
