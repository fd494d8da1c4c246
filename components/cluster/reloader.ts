import * as pulumi from "@pulumi/pulumi";
import { byDigest, chartImages } from "../chart-images";
import { charts } from "../charts";
import type { AppDelivery } from "../gitops/delivery";
import { deliveredChart } from "./delivered-chart";

export interface ReloaderArgs {
    /** Where it runs; `made`: its name once it is there. */
    namespace: { readonly name: string; readonly made: pulumi.Input<string> };
    /** Whether the kind PodMonitor is there before Reloader is. Default true. */
    podMonitor?: boolean;
    /** Absent: Pulumi delivers it. */
    delivery?: AppDelivery | undefined;
}

/** Asks Reloader to restart a controller when a Secret or ConfigMap that its pods read has changed. */
export const RELOAD_ANNOTATIONS = { "reloader.stakater.com/auto": "true" } as const;

/** Restarts annotated controllers after a rotated secret; https://docs.stakater.com/reloader/ */
export class Reloader extends pulumi.ComponentResource {
    constructor(name: string, args: ReloaderArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:cluster:Reloader", name, {}, opts);
        deliveredChart(this, name, charts.reloader, {
            release: "reloader",
            namespace: args.namespace,
            values: reloaderValues(args.podMonitor),
            delivery: args.delivery,
        });
        this.registerOutputs({});
    }
}

/** Values for the chart in components/charts.ts. */
export function reloaderValues(podMonitor = true) {
    return {
        fullnameOverride: "reloader",
        image: byDigest(chartImages.reloader),
        reloader: {
            readOnlyRootFileSystem: true,
            // Annotations in place of an environment variable: Pulumi must not see its Deployments changed.
            reloadStrategy: "annotations",
            podMonitor: { enabled: podMonitor },
            deployment: {
                // Every Secret and ConfigMap of the cluster is in its cache, Helm's histories included.
                resources: { requests: { cpu: "10m", memory: "64Mi" }, limits: { memory: "512Mi" } },
                containerSecurityContext: {
                    allowPrivilegeEscalation: false,
                    readOnlyRootFilesystem: true,
                    capabilities: { drop: ["ALL"] },
                },
            },
        },
    };
}
