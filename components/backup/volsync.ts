import type * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { charts } from "../charts";
import { atEveryUp, clusterCommand } from "../cluster/cluster-command";
import { helmRelease } from "../cluster/helm-release";
import { podSecurityNamespace } from "../cluster/namespaces";
import type { Cluster } from "../platform";
import { TAKE_TRIGGERS_BACK } from "./triggers";

export interface VolSyncArgs {
    cluster: Pick<Cluster, "kubeconfig">;
}

/** The VolSync operator and its CRDs: backups of volumes, and volumes that are made from a backup. */
export class VolSync extends pulumi.ComponentResource {
    readonly release: k8s.helm.v3.Release;

    constructor(name: string, args: VolSyncArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:backup:VolSync", name, {}, opts);
        // Movers run beside the volumes they move; only the operator lives here.
        const namespace = podSecurityNamespace("volsync-system", "restricted", { parent: this });
        // Made before the release so that it is deleted after it: the chart keeps its CRDs when it goes.
        const cleanup = clusterCommand(
            `${name}-crd-cleanup`,
            args.cluster,
            {
                create: "kubectl get --raw /version > /dev/null",
                delete:
                    "kubectl delete crd --ignore-not-found --wait --timeout=120s " +
                    "replicationsources.volsync.backube replicationdestinations.volsync.backube",
            },
            { parent: this, dependsOn: namespace },
        );
        this.release = helmRelease(
            name,
            charts.volSync,
            {
                name: "volsync",
                namespace: namespace.metadata.name,
                timeout: 300,
                values: volSyncValues(),
            },
            { parent: this, dependsOn: cleanup },
        );
        atEveryUp(args.cluster, TAKE_TRIGGERS_BACK, { parent: this, dependsOn: [this.release] });
        this.registerOutputs({});
    }
}

/** Values of chart volsync 0.16, https://github.com/backube/volsync/tree/v0.16.0/helm/volsync */
export function volSyncValues() {
    return {
        manageCRDs: true,
        // The chart's ServiceMonitor sends no token, and without one the metrics are refused.
        metrics: { disableAuth: true },
        resources: { requests: { cpu: "100m", memory: "64Mi" }, limits: { memory: "1Gi" } },
    };
}
