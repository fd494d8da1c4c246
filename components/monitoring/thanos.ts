import * as pulumi from "@pulumi/pulumi";
import { byDigest, chartImages } from "../chart-images";
import { charts } from "../charts";
import { helmRelease } from "../cluster/helm-release";
import { RELOAD_ANNOTATIONS } from "../cluster/reloader";
import { THANOS_OBJECT_STORE, THANOS_SIDECARS } from "./prometheus-stack";
import { chartResources } from "./resources";

export interface ThanosArgs {
    namespace: pulumi.Input<string>;
    /** Secret of `THANOS_OBJECT_STORE`. */
    objectStore: pulumi.Input<string>;
    storageClass: pulumi.Input<string>;
}

/** Service that answers queries over all time, named by the chart. */
export const THANOS_QUERY = { service: "thanos-query", port: 10902 } as const;

/** Metrics beyond Prometheus' retention: queries over sidecars and bucket, and the compactor that prunes the bucket. */
export class Thanos extends pulumi.ComponentResource {
    constructor(name: string, args: ThanosArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:monitoring:Thanos", name, {}, opts);
        helmRelease(
            name,
            charts.thanos,
            {
                name: "thanos",
                namespace: args.namespace,
                timeout: 600,
                values: thanosValues({
                    ...args,
                    sidecars: pulumi.interpolate`dnssrv+_grpc._tcp.${THANOS_SIDECARS}.${args.namespace}.svc.cluster.local`,
                }),
            },
            { parent: this },
        );
        this.registerOutputs({});
    }
}

/** Values for the chart in components/charts.ts. */
export function thanosValues({
    sidecars,
    objectStore,
    storageClass,
}: Omit<ThanosArgs, "namespace"> & {
    /** Where the sidecars are asked, as Thanos spells a look-up in DNS. */
    sidecars: pulumi.Input<string>;
}) {
    // The chart annotates pods and not their controllers; Reloader looks at both.
    const podAnnotations = RELOAD_ANNOTATIONS;
    const persistence = { enabled: true, storageClass, size: "20Gi", retainDeleted: false };
    return {
        image: byDigest(chartImages.thanos),
        objstoreConfig: { create: false, name: objectStore, key: THANOS_OBJECT_STORE.key },
        serviceMonitor: { enabled: true },
        additionalEndpoints: [sidecars],
        additionalReplicaLabels: ["replica"],
        query: {
            replicas: 2,
            // Between the queriers and what they ask.
            extraArgs: ["--grpc-compression=snappy"],
            resources: chartResources("64Mi", "1Gi"),
        },
        storeGateway: { podAnnotations, persistence, resources: chartResources("128Mi", "2Gi") },
        compact: {
            enabled: true,
            podAnnotations,
            persistence,
            resources: chartResources("128Mi", "2Gi"),
            extraArgs: [
                "--retention.resolution-raw=90d",
                "--retention.resolution-5m=1y",
                "--retention.resolution-1h=5y",
            ],
        },
    };
}
