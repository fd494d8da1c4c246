/** Alerts on Velero's backups, for whichever Prometheus reads them. Metrics: pkg/metrics/metrics.go of Velero 1.18. */
import type * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { hoursOf, type BackupLocation } from "../backup/velero-locations";
import { ruleGroup, type Rule } from "./alerts";

export function veleroAlerts(
    name: string,
    locations: readonly BackupLocation[],
    namespace: pulumi.Input<string>,
    opts: pulumi.CustomResourceOptions,
): k8s.apiextensions.CustomResource {
    return ruleGroup(
        name,
        { name: "velero", rules: veleroRules(locations), labels: { layer: "backup" } },
        namespace,
        opts,
    );
}

/** The rules; a backup is old when two in a row are missing. */
export function veleroRules(locations: readonly Pick<BackupLocation, "name" | "every">[]): readonly Rule[] {
    return [
        {
            alert: "VeleroAbsent",
            expr: 'absent(up{job="velero"} == 1)',
            for: "15m",
            severity: "critical",
            summary: "Velero is gone: no volume is backed up",
        },
        {
            alert: "VeleroLocationUnavailable",
            expr: "velero_backup_location_status_gauge == 0",
            for: "15m",
            severity: "critical",
            summary:
                "Velero cannot use its location {{ $labels.backup_location_name }}: kubectl -n velero describe backupstoragelocation {{ $labels.backup_location_name }}",
        },
        ...locations.flatMap(({ name, every }): Rule[] => {
            const hours = 2 * hoursOf(every) + 1;
            const ofLocation = `schedule=~".+-${name}", schedule!~"cluster-objects-.+"`;
            const lately = (metric: string) => `increase(${metric}{${ofLocation}}[${hoursOf(every)}h])`;
            return [
                {
                    // Not by velero_backup_last_status: each look at a Schedule sets that to good (InitSchedule).
                    alert: "VeleroBackupFailed",
                    expr: ["failure", "partial_failure", "validation_failure"]
                        .map((kind) => lately(`velero_backup_${kind}_total`))
                        .join(" + ")
                        .concat(" > 0"),
                    for: "5m",
                    severity: "warning",
                    summary:
                        "A backup by {{ $labels.schedule }} failed, or is partial, and a restore takes none that is",
                },
                {
                    // The time comes from the backups, which outlive their schedule; the attempts go with it.
                    alert: "VeleroBackupOld",
                    expr: `time() - max by (schedule) (velero_backup_last_successful_timestamp{${ofLocation}}) > ${hours * 3600} and on (schedule) velero_backup_attempt_total`,
                    for: "30m",
                    severity: "critical",
                    summary: `{{ $labels.schedule }} has had no good backup for more than ${hours} hours`,
                },
                {
                    // One that never succeeded has no time, which the rule above takes for good news.
                    alert: "VeleroNeverBackedUp",
                    expr: `max by (schedule) (velero_backup_attempt_total{${ofLocation}}) unless on (schedule) (velero_backup_last_successful_timestamp{${ofLocation}} > 0)`,
                    for: `${hours}h`,
                    severity: "critical",
                    summary: "{{ $labels.schedule }} has not backed up anything yet",
                },
            ];
        }),
        {
            alert: "VeleroObjectsBackupOld",
            expr: 'time() - max by (schedule) (velero_backup_last_successful_timestamp{schedule=~"cluster-objects-.+"}) > 176400',
            for: "1h",
            severity: "warning",
            summary: "{{ $labels.schedule }} has had no good backup for more than 49 hours",
        },
    ];
}
