/** Metrics, logs, dashboards and alerts of a cluster with a stack of its own for each: schema, hosts, buckets, building. */
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { crds } from "../components/crds";
import type { FluxSync } from "../components/gitops/flux";
import { Alerts } from "../components/monitoring/alerts";
import { Alloy } from "../components/monitoring/alloy";
import { Blackbox } from "../components/monitoring/blackbox";
import { GRAFANA, Grafana, GRAFANA_SECRETS } from "../components/monitoring/grafana";
import { Loki } from "../components/monitoring/loki";
import { NodeProbe, type ProbedNode } from "../components/monitoring/node-probe";
import { PrometheusStack } from "../components/monitoring/prometheus-stack";
import { receiverRefs } from "../components/monitoring/receivers";
import { MONITORING_S3 } from "../components/monitoring/s3";
import { Thanos } from "../components/monitoring/thanos";
import { clusterDnsAddress } from "../components/network/coredns";
import type { Platform } from "../components/platform";
import { duration, homeS3, hostLabel, hostPort, label, probeUrl, volumeSize } from "../config/fields";
import { receivers } from "../config/receivers";
import { bucketClaims, type Claim } from "../config/rules";
import { operatorPage, type AuthentikParts } from "./authentik";
import type { Lab } from "./lab";
import type { OtherVolume } from "./longhorn";
import type { Part } from "./platform-parts";

/** Namespace of everything that watches. */
export const OBSERVABILITY = "observability";

export const observability = z.strictObject({
    retention: duration.default("14d"),
    storage: volumeSize.default("55Gi"),
    /** Whom Alertmanager tells; docs/alerts.md */
    receivers: receivers.default([]),
    /** Bucket for Thanos; absent: metrics are kept for `retention`. */
    thanos: homeS3.optional(),
    /** Where Loki keeps logs: a bucket, or a volume of that size; absent: logs are not collected. */
    loki: z
        .union([homeS3, z.strictObject({ storage: volumeSize })], {
            error: "endpoint and bucket of an S3 server, or storage, the size of a volume such as 50Gi",
        })
        .optional(),
    /** Size of a volume for what people make in Grafana; absent: nothing of it is kept. */
    grafanaStorage: volumeSize.optional(),
    /** True: every node's network is looked at from every other one. docs/node-network.md */
    nodeProbe: z.boolean({ error: "true or false" }).default(false),
    grafanaHost: hostLabel.default("grafana"),
    prometheusHost: hostLabel.default("prometheus"),
    alertmanagerHost: hostLabel.default("alertmanager"),
    hubbleHost: hostLabel.default("hubble"),
    /** HTTP endpoints that the blackbox exporter probes, by name. */
    probes: z.record(label, probeUrl).default({}),
    /** Servers outside the cluster that must take a connection, as host:port, by name. */
    servers: z.record(label, hostPort).default({}),
});

export type ObservabilityConfig = z.output<typeof observability>;

/** Host labels with their places. */
const observabilityHosts = (config: ObservabilityConfig): Claim[] =>
    (["grafanaHost", "prometheusHost", "alertmanagerHost", "hubbleHost"] as const).map((key) => [
        `monitoring.${key}`,
        config[key],
    ]);

const bucketsOf = ({ thanos, loki }: ObservabilityConfig) => ({
    "monitoring.thanos": thanos,
    "monitoring.loki": inBucket(loki),
});

/** Volumes of its own. */
const observabilityVolumes = ({ storage, grafanaStorage, loki }: ObservabilityConfig): OtherVolume[] => [
    { path: "monitoring.storage", size: storage },
    ...(grafanaStorage === undefined ? [] : [{ path: "monitoring.grafanaStorage", size: grafanaStorage }]),
    ...(loki !== undefined && "storage" in loki ? [{ path: "monitoring.loki.storage", size: loki.storage }] : []),
];

/** The bucket of logs, where they are in one. */
const inBucket = (loki: ObservabilityConfig["loki"]) => (loki !== undefined && "bucket" in loki ? loki : undefined);

/** Values of the secret store that it reads. */
function observabilitySecrets({ thanos, loki, receivers: told }: ObservabilityConfig): string[] {
    const buckets = thanos === undefined && inBucket(loki) === undefined ? [] : Object.values(MONITORING_S3);
    return [...Object.values(GRAFANA_SECRETS), ...buckets, ...receiverRefs(told)];
}

/** What of it an identity provider signs people in for: Grafana everybody, the rest those who operate the cluster. */
export const observabilityClients = ({
    grafanaHost,
    prometheusHost,
    alertmanagerHost,
}: ObservabilityConfig): AuthentikParts["clients"] => {
    const upstream = (service: string, port: number) =>
        `http://kube-prometheus-stack-${service}.${OBSERVABILITY}.svc.cluster.local:${port}`;
    return [
        { ...GRAFANA, title: "Grafana", host: grafanaHost },
        operatorPage({
            name: "prometheus",
            title: "Prometheus",
            host: prometheusHost,
            upstream: upstream("prometheus", 9090),
        }),
        operatorPage({
            name: "alertmanager",
            title: "Alertmanager",
            host: alertmanagerHost,
            upstream: upstream("alertmanager", 9093),
        }),
    ];
};

/** What a person should know who named nobody. */
export const receiverNotes = ({ receivers: told }: Pick<ObservabilityConfig, "receivers">): string[] =>
    told.length > 0
        ? []
        : [
              "Alerts are seen on Alertmanager's page alone: monitoring.receivers names nobody whom it tells (docs/alerts.md)",
          ];

/** What watches, as a part of the platform. */
export const observabilityPart: Part<{ readonly monitoring: ObservabilityConfig }> = {
    hosts: ({ monitoring }) => observabilityHosts(monitoring),
    buckets: ({ monitoring }) => bucketClaims(bucketsOf(monitoring)),
    volumes: ({ monitoring }) => observabilityVolumes(monitoring),
    secrets: ({ monitoring }) => ({ [OBSERVABILITY]: observabilitySecrets(monitoring) }),
    definitions: () => [crds.prometheus],
    // node-exporter reads the host.
    namespaces: () => ({ [OBSERVABILITY]: "privileged" }),
    notes: ({ monitoring }) => receiverNotes(monitoring),
};

type AlertGroups = ConstructorParameters<typeof Alerts>[1]["groups"];

/** Groups of alerts for what the cluster has. `backups`: of what takes them, where there is a group for it. */
export const alertGroups = (
    { postgres, gitops }: { readonly postgres?: unknown; readonly gitops?: unknown },
    backups: AlertGroups = [],
): AlertGroups => [
    ...backups,
    ...(postgres === undefined ? [] : (["cloudnative-pg"] as const)),
    "probes",
    ...(gitops === undefined ? [] : (["flux"] as const)),
];

export interface Watched {
    readonly storageClass: pulumi.Output<string>;
    readonly groups: AlertGroups;
    /** `own`: Grafana has accounts of its own, also where there is an identity provider. */
    readonly grafanaLogin?: "identity" | "own";
    readonly flux?: { readonly sync: FluxSync; readonly sharedNamespaces: readonly string[] } | undefined;
    /** Whom the node probe is about; without them there is none. */
    readonly nodes?: readonly ProbedNode[];
    /** Servers that the cluster stands on, besides those of the configuration. */
    readonly servers?: Readonly<Record<string, string>>;
}

/** Builds it. */
export function watch(lab: Lab, config: ObservabilityConfig, platform: Platform, watched: Watched): void {
    const namespace = platform.namespaces.name(OBSERVABILITY);
    const { opts } = platform;
    const { storageClass, flux } = watched;
    const probed = config.nodeProbe ? (watched.nodes ?? []) : [];
    const networkFirst = probed.length > 0;
    const servers = { ...watched.servers, ...config.servers };
    const prometheus = lab.stage(
        "metrics",
        new PrometheusStack(
            "prometheus",
            {
                namespace,
                size: "cluster",
                crdsBelow: true,
                retention: config.retention,
                storage: config.storage,
                storageClass,
                bucket: config.thanos,
                receivers: config.receivers,
                hosts: { prometheus: config.prometheusHost, alertmanager: config.alertmanagerHost },
                ...(networkFirst ? { networkFirst } : {}),
            },
            platform,
            opts,
        ),
    );
    const { objectStore } = prometheus;
    if (objectStore !== undefined) {
        new Thanos("thanos", { namespace, objectStore, storageClass }, opts);
    }
    if (config.loki !== undefined) {
        const { secrets } = platform;
        const loki = new Loki("loki", { namespace, kept: config.loki, storageClass, secrets }, opts);
        new Alloy("alloy", { namespace }, pulumi.mergeOptions(opts, { dependsOn: loki }));
    }
    const { identity: _identity, ...withoutIdentity } = platform;
    new Grafana(
        "grafana",
        {
            namespace,
            host: config.grafanaHost,
            metrics: objectStore === undefined ? "prometheus" : "thanos",
            logs: config.loki !== undefined,
            ...(config.grafanaStorage === undefined ? {} : { volume: { storageClass, size: config.grafanaStorage } }),
        },
        watched.grafanaLogin === "own" ? withoutIdentity : platform,
        opts,
    );
    new Blackbox("blackbox", { namespace, probes: config.probes, servers }, opts);
    if (networkFirst) {
        const dnsAddress = clusterDnsAddress(platform.cluster.serviceCidr);
        new NodeProbe("node-probe", { namespace, nodes: probed, dnsAddress }, opts);
    }
    new Alerts(
        "alerts",
        {
            namespace,
            groups: [
                ...watched.groups,
                ...(networkFirst ? (["node-network", "node-pods"] as const) : []),
                ...(Object.keys(servers).length > 0 ? (["servers"] as const) : []),
            ],
            ...(flux === undefined
                ? {}
                : {
                      flux: {
                          namespace: flux.sync.namespace,
                          sharedNamespaces: Object.fromEntries(
                              flux.sharedNamespaces.map((shared) => [shared, platform.namespaces.name(shared)]),
                          ),
                      },
                  }),
        },
        pulumi.mergeOptions(opts, { dependsOn: [...(flux === undefined ? [] : [flux.sync]), prometheus] }),
    );
}
