import type * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { byDigest, chartImages } from "../chart-images";
import { charts } from "../charts";
import { helmRelease } from "../cluster/helm-release";
import { RELOAD_ANNOTATIONS } from "../cluster/reloader";
import type { SecretStore } from "../secrets/secret-store";
import { chartResources } from "./resources";
import { MONITORING_S3, type Bucket } from "./s3";

export interface LokiArgs {
    namespace: pulumi.Input<string>;
    /** Where chunks are kept: in a bucket, or beside everything else on the volume, of that size. */
    kept: Bucket | { readonly storage: string };
    storageClass: pulumi.Input<string>;
    secrets: SecretStore;
}

/** Service for pushes and queries, named by the chart. */
export const LOKI = { service: "loki", port: 3100 } as const;

/** Logs: one process, its chunks in a bucket or on its volume. https://grafana.com/docs/loki/latest/setup/install/helm/ */
export class Loki extends pulumi.ComponentResource {
    readonly release: k8s.helm.v3.Release;

    constructor(name: string, args: LokiArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:monitoring:Loki", name, {}, opts);
        const credentials =
            "bucket" in args.kept
                ? args.secrets.deliver(
                      name,
                      {
                          name: "loki-s3",
                          namespace: args.namespace,
                          data: {
                              S3_ACCESS_KEY_ID: MONITORING_S3.accessKeyId,
                              S3_SECRET_ACCESS_KEY: MONITORING_S3.secretAccessKey,
                          },
                      },
                      { parent: this },
                  )
                : undefined;
        this.release = helmRelease(
            name,
            charts.loki,
            {
                name: "loki",
                namespace: args.namespace,
                timeout: 600,
                values: lokiValues(args, credentials),
            },
            { parent: this },
        );
        this.registerOutputs({});
    }
}

/** Values for the chart in components/charts.ts. */
export function lokiValues(
    { kept, storageClass }: Pick<LokiArgs, "kept" | "storageClass">,
    credentials: pulumi.Input<string> | undefined,
) {
    const store = "bucket" in kept ? "s3" : "filesystem";
    return {
        deploymentMode: "Monolithic",
        loki: {
            image: byDigest(chartImages.loki),
            auth_enabled: false,
            commonConfig: { replication_factor: 1 },
            storage: "bucket" in kept ? inBucket(kept) : { type: "filesystem" },
            schemaConfig: {
                configs: [
                    {
                        from: "2024-04-01",
                        store: "tsdb",
                        object_store: store,
                        schema: "v13",
                        index: { prefix: "index_", period: "24h" },
                    },
                ],
            },
            limits_config: { retention_period: "744h" },
            compactor: { retention_enabled: true, delete_request_store: store },
            analytics: { reporting_enabled: false },
        },
        // The chart counts these beside the one process, and refuses both.
        read: { replicas: 0 },
        write: { replicas: 0 },
        backend: { replicas: 0 },
        singleBinary: {
            replicas: 1,
            annotations: RELOAD_ANNOTATIONS,
            ...(credentials === undefined ? {} : { extraEnvFrom: [{ secretRef: { name: credentials } }] }),
            persistence: { storageClass, size: "bucket" in kept ? "20Gi" : kept.storage },
            resources: chartResources("512Mi", "2Gi", "100m"),
        },
        sidecar: { rules: { enabled: false }, resources: chartResources("64Mi", "128Mi") },
        // One replica needs no gateway before it, and a household's queries no cache.
        gateway: { enabled: false },
        chunksCache: { enabled: false },
        resultsCache: { enabled: false },
        lokiCanary: { enabled: false },
        test: { enabled: false },
        monitoring: { serviceMonitor: { enabled: true } },
    };
}

const inBucket = ({ bucket, endpoint }: Bucket) => ({
    type: "s3",
    bucketNames: { chunks: bucket, ruler: bucket },
    s3: {
        endpoint,
        ...(endpoint.startsWith("http:") ? { insecure: true } : {}),
        // The AWS client in Loki sends nothing without one; MinIO's own name for where it is.
        region: "us-east-1",
        // Filled in by Loki from its environment.
        accessKeyId: "${S3_ACCESS_KEY_ID}",
        secretAccessKey: "${S3_SECRET_ACCESS_KEY}",
        s3ForcePathStyle: true,
    },
});
