import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { WorkloadHost } from "./platform";
import { beginParts, marks, workloadPod, type PodArgs } from "./pod";

export interface ScheduledWorkloadArgs extends PodArgs {
    /** Cron expression in the household's time zone, e.g. "0 5 * * *" or "@daily". */
    schedule: string;
}

/** A CronJob with everything around it: runs to its end at set times, one at a time. */
export class ScheduledWorkload extends pulumi.ComponentResource {
    constructor(
        name: string,
        args: ScheduledWorkloadArgs,
        platform: WorkloadHost,
        opts: pulumi.ComponentResourceOptions = {},
    ) {
        super("homelab:apps:ScheduledWorkload", name, {}, pulumi.mergeOptions(platform.opts, opts));
        const { options, settled } = beginParts(this, name, args.namespace, platform);
        const pod = workloadPod(name, args, {}, { restartPolicy: "Never" }, platform, options);
        const job =
            options.objects &&
            new k8s.batch.v1.CronJob(
                name,
                {
                    metadata: {
                        name,
                        namespace: pod.namespace,
                        ...marks(pod),
                    },
                    spec: {
                        schedule: args.schedule,
                        timeZone: platform.cluster.timezone,
                        concurrencyPolicy: "Forbid",
                        successfulJobsHistoryLimit: 1,
                        failedJobsHistoryLimit: 2,
                        jobTemplate: {
                            spec: { backoffLimit: 0, ttlSecondsAfterFinished: 86400, template: pod.template },
                        },
                    },
                },
                options.objects,
            );
        settled([...pod.objects, job?.urn]);
        this.registerOutputs({});
    }
}
