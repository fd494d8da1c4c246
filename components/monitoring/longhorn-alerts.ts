/** Alerts of Longhorn. A node's network says the same first, so they carry the layer by which another alert holds them back. */
import type * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { ruleGroup, type Rule } from "./alerts";

export function longhornAlerts(
    name: string,
    namespace: pulumi.Input<string>,
    opts: pulumi.CustomResourceOptions,
): k8s.apiextensions.CustomResource {
    return ruleGroup(name, { name: "longhorn", rules: LONGHORN_RULES, labels: { layer: "storage" } }, namespace, opts);
}

/** https://longhorn.io/docs/1.12.1/monitoring/metrics/: of each volume a series a state, 1 for the one that it is in. */
export const LONGHORN_RULES: readonly Rule[] = [
    {
        alert: "LonghornVolumeFaulted",
        expr: 'longhorn_volume_robustness{state="faulted"} == 1',
        for: "2m",
        severity: "critical",
        summary:
            "The volume of {{ $labels.pvc_namespace }}/{{ $labels.pvc }} has no replica left that works: its app is down",
    },
    {
        alert: "LonghornVolumeDegraded",
        expr: 'longhorn_volume_robustness{state="degraded"} == 1',
        for: "30m",
        severity: "warning",
        summary:
            "The volume of {{ $labels.pvc_namespace }}/{{ $labels.pvc }} has fewer replicas than it should for half an hour",
    },
    {
        // Each manager tells of its own node alone: of one that is away there is nothing.
        alert: "LonghornNodeDown",
        expr: 'max(longhorn_node_count_total) - count(longhorn_node_status{condition="ready"} == 1) > 0',
        for: "5m",
        severity: "critical",
        summary: "Longhorn misses {{ $value }} of its nodes",
    },
    {
        alert: "LonghornDiskNotReady",
        expr: 'longhorn_disk_status{condition="ready"} == 0',
        for: "5m",
        severity: "critical",
        summary:
            "Disk {{ $labels.disk }} of {{ $labels.node }} is not ready, as one that is not mounted: {{ $labels.condition_reason }}",
    },
    {
        // At a tenth Longhorn itself puts nothing more there.
        alert: "LonghornDiskAlmostFull",
        expr: "longhorn_disk_usage_bytes / longhorn_disk_capacity_bytes > 0.85",
        for: "15m",
        severity: "warning",
        summary: "Disk {{ $labels.disk }} of {{ $labels.node }} is {{ $value | humanizePercentage }} full",
    },
    {
        // Without the manager there are no metrics, which the rules above take for good news.
        alert: "LonghornAbsent",
        expr: 'absent(up{job="longhorn-backend"} == 1)',
        for: "15m",
        severity: "critical",
        summary: "Longhorn's manager is gone: nobody watches its volumes",
    },
];
