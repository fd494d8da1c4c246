import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";

export interface AlertsArgs {
    /** Namespace of the rules. */
    namespace: pulumi.Input<string>;
    /** Groups of rules for what the cluster has. */
    groups: readonly (keyof typeof RULES)[];
    /** Flux, whose errors go to Alertmanager; absent: there is none. */
    flux?: {
        /** Its own namespace. */
        readonly namespace: pulumi.Output<string>;
        /** Namespaces made here in which Flux may have apps, by name; those of Flux' own tree bring theirs along. */
        readonly sharedNamespaces: Readonly<Record<string, pulumi.Output<string>>>;
    };
}

export interface Rule {
    readonly alert: string;
    readonly expr: string;
    readonly for: string;
    readonly severity: "critical" | "warning";
    /**
     * What it tells of: a node's network, or what stands on it. With a label `node`, the first silences the others of that node
     * (components/monitoring/inhibitions.ts).
     */
    readonly layer?: "network" | "storage" | "pods";
    readonly summary: string;
}

/** Kinds of Flux whose errors are worth a message. */
const FLUX_KINDS = ["GitRepository", "OCIRepository", "HelmRepository", "HelmChart", "HelmRelease", "Kustomization"];

/** Alert rules for what the household would miss last and need first: backups, databases, delivery. */
export class Alerts extends pulumi.ComponentResource {
    constructor(name: string, args: AlertsArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:monitoring:Alerts", name, {}, opts);
        const child = { parent: this };
        for (const group of args.groups) alertRules(`${name}-${group}`, group, args.namespace, child);
        if (args.flux !== undefined) fluxAlert(`${name}-flux`, args.flux.namespace, args.namespace, child);
        // An alert hears the objects of its own namespace only.
        for (const [shared, namespace] of Object.entries(args.flux?.sharedNamespaces ?? {})) {
            fluxAlert(`${name}-flux-${shared}`, namespace, args.namespace, child);
        }
        this.registerOutputs({});
    }
}

/** A group of rules as an object, which Prometheus reads wherever it is. */
export function alertRules(
    name: string,
    group: keyof typeof RULES,
    namespace: pulumi.Input<string>,
    child: pulumi.CustomResourceOptions,
): k8s.apiextensions.CustomResource {
    return ruleGroup(name, { name: group, rules: RULES[group] }, namespace, child);
}

/** The same for rules that a component makes by its own settings. */
export function ruleGroup(
    name: string,
    group: {
        readonly name: string;
        readonly rules: readonly Rule[];
        /** Of each alert, beside its severity. */
        readonly labels?: Readonly<Record<string, string>>;
    },
    namespace: pulumi.Input<string>,
    opts: pulumi.CustomResourceOptions,
): k8s.apiextensions.CustomResource {
    const rules = group.rules
        .map(prometheusRule)
        .map((rule) => ({ ...rule, labels: { ...rule.labels, ...group.labels } }));
    return new k8s.apiextensions.CustomResource(
        name,
        {
            apiVersion: "monitoring.coreos.com/v1",
            kind: "PrometheusRule",
            metadata: { name: group.name, namespace },
            spec: { groups: [{ name: group.name, rules }] },
        },
        opts,
    );
}

/** Errors of Flux in one namespace, to Alertmanager: the seed's component `flux/alerts`. */
function fluxAlert(
    name: string,
    namespace: pulumi.Input<string>,
    alertmanager: pulumi.Input<string>,
    child: pulumi.CustomResourceOptions,
): void {
    const provider = new k8s.apiextensions.CustomResource(
        `${name}-provider`,
        {
            apiVersion: "notification.toolkit.fluxcd.io/v1beta3",
            kind: "Provider",
            metadata: { name: "alertmanager", namespace },
            spec: {
                type: "alertmanager",
                address: pulumi.interpolate`http://kube-prometheus-stack-alertmanager.${alertmanager}.svc.cluster.local:9093/api/v2/alerts/`,
            },
        },
        child,
    );
    new k8s.apiextensions.CustomResource(
        `${name}-alert`,
        {
            apiVersion: "notification.toolkit.fluxcd.io/v1beta3",
            kind: "Alert",
            metadata: { name: "alertmanager", namespace },
            spec: {
                providerRef: { name: provider.metadata.name },
                eventSeverity: "error",
                eventSources: FLUX_KINDS.map((kind) => ({ kind, name: "*" })),
                // A source that is slow for a moment comes back by itself.
                exclusionList: ["error.*lookup github\\.com", "dial.*tcp.*timeout", "waiting.*socket"],
            },
        },
        child,
    );
}

/**
 * Rules by group. Metrics: VolSync "Metrics", CloudNativePG "Monitoring", flux-operator "Prometheus metrics", blackbox
 * exporter "Prometheus Configuration".
 */
export const RULES = {
    volsync: [
        {
            alert: "VolSyncComponentAbsent",
            expr: 'absent(up{job="volsync-metrics"} == 1)',
            for: "15m",
            severity: "critical",
            summary: "VolSync is gone: no volume is backed up",
        },
        {
            alert: "VolSyncVolumeOutOfSync",
            expr: "volsync_volume_out_of_sync == 1",
            for: "15m",
            severity: "critical",
            summary: "{{ $labels.obj_namespace }}/{{ $labels.obj_name }} has not been backed up when it was due",
        },
        {
            alert: "VolSyncMissedIntervals",
            expr: "increase(volsync_missed_intervals_total[1d]) > 3",
            for: "15m",
            severity: "warning",
            summary: "{{ $labels.obj_namespace }}/{{ $labels.obj_name }} misses its backups again and again",
        },
    ],
    "cloudnative-pg": [
        {
            alert: "CloudNativePgInstanceDown",
            expr: "cnpg_collector_up == 0",
            for: "5m",
            severity: "critical",
            summary: "PostgreSQL instance {{ $labels.pod }} is down",
        },
        {
            alert: "CloudNativePgReplicationLag",
            expr: "cnpg_pg_replication_lag > 300",
            for: "5m",
            severity: "warning",
            summary: "PostgreSQL replica {{ $labels.pod }} is {{ $value }} seconds behind",
        },
        {
            alert: "CloudNativePgWalArchiveFailing",
            expr: "increase(cnpg_pg_stat_archiver_failed_count[15m]) > 0",
            for: "15m",
            severity: "critical",
            summary: "PostgreSQL cannot write its WAL to the object store: point-in-time recovery ends here",
        },
        {
            alert: "CloudNativePgBackupOld",
            // Each server has a job of its own; the newest of all would speak for one that has none.
            expr: "time() - max by (job) (barman_cloud_cloudnative_pg_io_last_available_backup_timestamp) > 129600",
            for: "1h",
            severity: "critical",
            summary: "The last base backup of PostgreSQL ({{ $labels.job }}) is more than 36 hours old",
        },
    ],
    // By kube-state-metrics: "CronJob Metrics", "Job Metrics".
    kopia: [
        {
            // Failed jobs are kept for their logs: one that a good run has followed is no news.
            alert: "KopiaBackupFailed",
            expr: 'max by (namespace) (kube_job_status_start_time{namespace="kopia", job_name=~"kopia-[0-9]+"} and on (job_name) (kube_job_status_failed{namespace="kopia"} > 0)) > on (namespace) max by (namespace) (kube_cronjob_status_last_successful_time{namespace="kopia", cronjob="kopia"})',
            for: "1m",
            severity: "critical",
            summary: "A backup by Kopia failed; the log of its job in namespace kopia says which volumes it left out",
        },
        {
            alert: "KopiaBackupOld",
            expr: 'time() - kube_cronjob_status_last_successful_time{namespace="kopia", cronjob="kopia"} > 129600',
            for: "1h",
            severity: "critical",
            summary: "The last backup by Kopia without a fault is more than 36 hours old",
        },
        {
            // One that never succeeded has no time, which the rule above takes for good news.
            alert: "KopiaNeverBackedUp",
            expr: 'kube_cronjob_info{namespace="kopia", cronjob="kopia"} unless on (namespace, cronjob) kube_cronjob_status_last_successful_time',
            for: "36h",
            severity: "critical",
            summary: "Kopia has not backed up anything yet",
        },
    ],
    probes: [
        {
            alert: "ProbeFailing",
            expr: "probe_success == 0",
            for: "15m",
            severity: "critical",
            summary: "{{ $labels.instance }} does not answer as it should",
        },
        {
            // Without the exporter there is no probe_success at all, which the rule above takes for good news.
            alert: "ProbesAbsent",
            expr: 'absent(up{job="prometheus-blackbox-exporter"} == 1)',
            for: "15m",
            severity: "warning",
            summary: "The blackbox exporter is gone: nothing is probed",
        },
        {
            alert: "ProbeCertificateExpires",
            expr: "probe_ssl_earliest_cert_expiry - time() < 7 * 86400",
            for: "1h",
            severity: "warning",
            summary: "The certificate of {{ $labels.instance }} ends in {{ $value | humanizeDuration }}",
        },
    ],
    // Of components/monitoring/node-probe.ts; `from` looks at `node`. Machines that are not in the cluster are nobody's worry.
    "node-network": [
        {
            alert: "NodeNetworkUnreachable",
            // Most of the others: one that sees nobody has a fault of its own, which the next two tell.
            expr: 'avg by (node) (node_probe_success{via=~"icmp|pods"}) < 0.5 and on (node) kube_node_info',
            for: "2m",
            severity: "critical",
            layer: "network",
            summary: "Node {{ $labels.node }} cannot be reached by most other nodes: docs/node-network.md",
        },
        {
            alert: "NodeNetworkIsolated",
            // It is asked, and reaches nobody; or it cannot even be asked.
            expr: '(max by (node) (label_replace(node_probe_success{via=~"icmp|pods"}, "node", "$1", "from", "(.+)")) == 0 or max by (node) (label_replace(up{job="node-probe"}, "node", "$1", "from", "(.+)")) == 0) and on (node) kube_node_info',
            for: "2m",
            severity: "critical",
            layer: "network",
            summary:
                "Node {{ $labels.node }} reaches no other node, or its pods cannot be reached: docs/node-network.md",
        },
        {
            alert: "NodeDnsFailing",
            expr: 'node_probe_success{via="dns"} == 0 and on (node) kube_node_info',
            for: "5m",
            severity: "critical",
            layer: "network",
            summary: "Pods on node {{ $labels.node }} get no answer from the cluster's DNS: docs/node-network.md",
        },
        {
            alert: "NodeNetworkPathBroken",
            expr: 'node_probe_success{via=~"icmp|pods"} == 0 and on (node) kube_node_info',
            for: "10m",
            severity: "warning",
            summary:
                "Node {{ $labels.from }} does not reach {{ $labels.node }} (by {{ $labels.via }}): docs/node-network.md",
        },
        {
            alert: "NodeProbesAbsent",
            expr: 'absent(up{job="node-probe"} == 1)',
            for: "10m",
            severity: "warning",
            summary: "No node's network is looked at: the probes are gone",
        },
    ],
    // The chart's own two do not say on which node, so that no cause there could silence them: these take their place.
    "node-pods": [
        {
            alert: "PodCrashLooping",
            expr: 'max_over_time(kube_pod_container_status_waiting_reason{reason="CrashLoopBackOff"}[5m]) * on (namespace, pod) group_left (node) max by (namespace, pod, node) (kube_pod_info) >= 1',
            for: "15m",
            severity: "warning",
            layer: "pods",
            summary: "{{ $labels.namespace }}/{{ $labels.pod }} on {{ $labels.node }} crashes again and again",
        },
        {
            alert: "PodNotReady",
            expr: 'sum by (namespace, pod, node) (max by (namespace, pod) (kube_pod_status_phase{phase=~"Pending|Unknown"} == 1 or (kube_pod_status_phase{phase="Running"} == 1 and on (namespace, pod) kube_pod_status_ready{condition="true"} == 0)) * on (namespace, pod) group_left (node) max by (namespace, pod, node) (kube_pod_info{created_by_kind!="Job"})) > 0',
            for: "15m",
            severity: "warning",
            layer: "pods",
            summary:
                "{{ $labels.namespace }}/{{ $labels.pod }} on {{ $labels.node }} has not been ready for a quarter of an hour",
        },
    ],
    // https://longhorn.io/docs/1.12.1/monitoring/metrics/; the component itself brings them.
    longhorn: [
        {
            alert: "LonghornNodeNotReady",
            // Each manager tells of its own node alone: one that is away tells nothing at all.
            expr: 'max by (node) (max_over_time(longhorn_node_status{condition="ready"}[1d])) unless on (node) (max by (node) (longhorn_node_status{condition="ready"}) == 1) and on (node) kube_node_info',
            for: "5m",
            severity: "critical",
            layer: "storage",
            summary: "Longhorn on node {{ $labels.node }} is not ready, or says nothing",
        },
        {
            alert: "LonghornVolumeFaulted",
            // One of its four states has 1, that which holds.
            expr: 'longhorn_volume_robustness{state="faulted"} == 1',
            for: "2m",
            severity: "critical",
            layer: "storage",
            summary:
                "The volume of {{ $labels.pvc_namespace }}/{{ $labels.pvc }} (node {{ $labels.node }}) has no good replica",
        },
        {
            alert: "LonghornVolumeDegraded",
            expr: 'longhorn_volume_robustness{state="degraded"} == 1',
            for: "30m",
            severity: "warning",
            layer: "storage",
            summary:
                "The volume of {{ $labels.pvc_namespace }}/{{ $labels.pvc }} (node {{ $labels.node }}) has fewer replicas than it should",
        },
        {
            alert: "LonghornDiskNotReady",
            expr: 'longhorn_disk_status{condition="ready"} == 0',
            for: "5m",
            severity: "critical",
            layer: "storage",
            summary:
                "Disk {{ $labels.disk }} of {{ $labels.node }} is not ready, as one that is not mounted: {{ $labels.condition_reason }}",
        },
        {
            alert: "LonghornDiskAlmostFull",
            // At 90 % Longhorn itself puts nothing more there.
            expr: "longhorn_disk_usage_bytes / longhorn_disk_capacity_bytes > 0.85",
            for: "15m",
            severity: "warning",
            layer: "storage",
            summary: "Disk {{ $labels.disk }} of {{ $labels.node }} is {{ $value | humanizePercentage }} full",
        },
        {
            alert: "LonghornAbsent",
            // Without a manager there are no metrics, which the rules above take for good news. Of no node, so nothing silences it.
            expr: 'absent(up{job="longhorn-backend"} == 1)',
            for: "15m",
            severity: "critical",
            summary: "Longhorn's managers are gone: nobody watches its volumes",
        },
    ],
    // Machines outside the cluster that it stands on: components/monitoring/blackbox.ts
    servers: [
        {
            alert: "ServerUnreachable",
            expr: "server_probe_success == 0",
            for: "3m",
            severity: "critical",
            layer: "network",
            summary:
                "{{ $labels.server }} ({{ $labels.instance }}) does not answer: whatever is kept there stands still",
        },
        {
            alert: "ServerProbesAbsent",
            expr: "absent(server_probe_success)",
            for: "15m",
            severity: "warning",
            summary: "Nobody looks whether the servers of the house answer",
        },
    ],
    flux: [
        {
            alert: "FluxInstanceNotReady",
            expr: 'flux_instance_info{ready!="True"} == 1',
            for: "10m",
            severity: "critical",
            summary: "Flux itself is not ready: {{ $labels.reason }}",
        },
        {
            alert: "FluxResourceNotReady",
            expr: 'flux_resource_info{ready="False", suspended!="True"} == 1',
            for: "15m",
            severity: "warning",
            summary:
                "{{ $labels.kind }} {{ $labels.exported_namespace }}/{{ $labels.name }} does not reconcile: {{ $labels.reason }}",
        },
    ],
} as const satisfies Readonly<Record<string, readonly Rule[]>>;

function prometheusRule({ alert, expr, for: pending, severity, layer, summary }: Rule) {
    const labels = { severity, ...(layer === undefined ? {} : { layer }) };
    return { alert, expr, for: pending, labels, annotations: { summary } };
}
