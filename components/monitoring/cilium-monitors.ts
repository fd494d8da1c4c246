import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";

/**
 * Metrics that Cilium's chart exposes on Services of kube-system. For clusters where the pod network comes before the
 * CRD of monitors; elsewhere the chart brings its own.
 */
const CILIUM_METRICS = [
    { name: "hubble", selector: { "k8s-app": "hubble" }, port: "hubble-metrics" },
    { name: "cilium-operator", selector: { "io.cilium/app": "operator" }, port: "metrics" },
] as const;

/** Has Prometheus scrape Hubble, Cilium's operator and its agents. */
export function ciliumMonitors(
    name: string,
    namespace: pulumi.Input<string>,
    opts: pulumi.CustomResourceOptions,
): void {
    for (const target of CILIUM_METRICS) {
        new k8s.apiextensions.CustomResource(
            `${name}-${target.name}`,
            {
                apiVersion: "monitoring.coreos.com/v1",
                kind: "ServiceMonitor",
                metadata: { name: target.name, namespace },
                spec: {
                    namespaceSelector: { matchNames: ["kube-system"] },
                    selector: { matchLabels: target.selector },
                    endpoints: [{ port: target.port, interval: "30s", honorLabels: true }],
                },
            },
            opts,
        );
    }
    // Agents have no Service of their own.
    new k8s.apiextensions.CustomResource(
        `${name}-cilium-agent`,
        {
            apiVersion: "monitoring.coreos.com/v1",
            kind: "PodMonitor",
            metadata: { name: "cilium-agent", namespace },
            spec: {
                namespaceSelector: { matchNames: ["kube-system"] },
                selector: { matchLabels: { "k8s-app": "cilium" } },
                podMetricsEndpoints: [{ port: "prometheus", interval: "30s" }],
            },
        },
        opts,
    );
}
