import * as pulumi from "@pulumi/pulumi";
import { charts } from "../charts";
import { helmRelease } from "./helm-release";

/**
 * Metrics for `kubectl top` and autoscalers; https://kubernetes-sigs.github.io/metrics-server/
 *
 * It serves an API through the API server's own (an APIService). To delete a namespace Kubernetes asks every API what is
 * in it, so while this one does not answer, no namespace of the cluster ends. Hence it depends on all of them: a
 * destroy removes it first, well or sick.
 */
export class MetricsServer extends pulumi.ComponentResource {
    constructor(name: string, _args: Record<string, never>, opts: pulumi.ComponentResourceOptions) {
        super("homelab:cluster:MetricsServer", name, {}, opts);
        helmRelease(
            name,
            charts.metricsServer,
            {
                name: "metrics-server",
                namespace: "kube-system",
                values: metricsServerValues(),
            },
            { parent: this },
        );
        this.registerOutputs({});
    }
}

/** Values for the chart in components/charts.ts. */
export function metricsServerValues() {
    return {
        // Talos' kubelets have certificates that nobody signed, unless rotation and an approver are set up.
        args: ["--kubelet-insecure-tls"],
        metrics: { enabled: true },
        serviceMonitor: { enabled: true },
        resources: { requests: { cpu: "100m", memory: "200Mi" }, limits: { memory: "400Mi" } },
    };
}
