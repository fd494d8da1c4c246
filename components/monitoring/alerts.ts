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
            expr: "time() - max(barman_cloud_cloudnative_pg_io_last_available_backup_timestamp) > 129600",
            for: "1h",
            severity: "critical",
            summary: "The last base backup of PostgreSQL is more than 36 hours old",
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

function prometheusRule({ alert, expr, for: pending, severity, summary }: Rule) {
    return { alert, expr, for: pending, labels: { severity }, annotations: { summary } };
}
