import * as pulumi from "@pulumi/pulumi";
import { charts } from "../charts";
import { deliveredChart } from "../cluster/delivered-chart";
import type { AppDelivery } from "../gitops/delivery";

export interface DeschedulerArgs {
    namespace: pulumi.Input<string>;
    /** IANA name. */
    timezone: string;
    /** Cron expression, five fields. */
    schedule: string;
    /** Absent: Pulumi delivers it. */
    delivery?: AppDelivery | undefined;
}

export const DESCHEDULER_NAMESPACE = "scheduling";

/**
 * The CronJob `descheduler`: evicts pods that the scheduler would put elsewhere today, by the eviction API, which keeps
 * disruption budgets. One job at a time, of ten minutes at most, and what failed stays for two jobs and a day at most (seed
 * 004, Snapshot caveats). The chart has no word for how often a job is tried again: Kubernetes' own limit holds.
 * https://sigs.k8s.io/descheduler
 */
export class Descheduler extends pulumi.ComponentResource {
    constructor(name: string, args: DeschedulerArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:scheduling:Descheduler", name, {}, opts);
        deliveredChart(this, name, charts.descheduler, {
            release: "descheduler",
            namespace: { name: DESCHEDULER_NAMESPACE, made: args.namespace },
            values: deschedulerValues(args),
            delivery: args.delivery,
        });
        this.registerOutputs({});
    }
}

/** Values for the chart in components/charts.ts. */
export function deschedulerValues({ schedule, timezone }: Pick<DeschedulerArgs, "schedule" | "timezone">) {
    return {
        kind: "CronJob",
        schedule,
        timeZone: timezone,
        successfulJobsHistoryLimit: 1,
        failedJobsHistoryLimit: 2,
        ttlSecondsAfterFinished: 86400,
        activeDeadlineSeconds: 600,
        startingDeadlineSeconds: 3600,
        // The chart's own would hold half a core for a job that looks at a list.
        resources: { requests: { cpu: "50m", memory: "64Mi" }, limits: { memory: "256Mi" } },
        // What must run is more important than moving it.
        priorityClassName: "",
        podSecurityContext: { seccompProfile: { type: "RuntimeDefault" } },
        deschedulerPolicy: {
            maxNoOfPodsToEvictPerNode: 5,
            profiles: [
                {
                    name: "default",
                    pluginConfig: [
                        {
                            name: "DefaultEvictor",
                            args: {
                                nodeFit: true,
                                minReplicas: 2,
                                // DaemonSets, local storage and system-critical pods are protected by themselves.
                                podProtections: { extraEnabled: ["PodsWithPVC"] },
                                // An operator places these itself.
                                labelSelector: { matchExpressions: [{ key: "app", operator: "NotIn", values: CEPH }] },
                            },
                        },
                        { name: "RemoveDuplicates", args: { namespaces: { exclude: ["kube-system", "rook-ceph"] } } },
                        {
                            name: "RemovePodsViolatingNodeAffinity",
                            args: { nodeAffinityType: ["requiredDuringSchedulingIgnoredDuringExecution"] },
                        },
                        // One that is enabled and has no entry here ends the whole run: pkg/framework/profile/profile.go.
                        { name: "RemovePodsViolatingNodeTaints" },
                        { name: "RemovePodsViolatingTopologySpreadConstraint" },
                    ],
                    plugins: {
                        balance: { enabled: ["RemoveDuplicates", "RemovePodsViolatingTopologySpreadConstraint"] },
                        deschedule: {
                            enabled: ["RemovePodsViolatingNodeTaints", "RemovePodsViolatingNodeAffinity"],
                        },
                    },
                },
            ],
        },
    };
}

/** Daemons of Rook's Ceph, by their label. */
const CEPH = ["rook-ceph-mon", "rook-ceph-osd", "rook-ceph-mgr", "rook-ceph-mds", "rook-ceph-rgw"];
