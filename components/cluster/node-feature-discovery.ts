import type * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { charts } from "../charts";
import { helmRelease } from "./helm-release";
import { podSecurityNamespace } from "./namespaces";

/**
 * Node feature discovery: looks at each machine's hardware and labels its node by the rules it finds. Its CRDs come with
 * the CRD layer. When the release goes, a job of the chart takes the labels off the nodes again.
 */
export class NodeFeatureDiscovery extends pulumi.ComponentResource {
    readonly release: k8s.helm.v3.Release;

    constructor(name: string, _args: Record<string, never>, opts: pulumi.ComponentResourceOptions) {
        super("homelab:cluster:NodeFeatureDiscovery", name, {}, opts);
        // Its workers read the host's /sys, /boot and /etc.
        const namespace = podSecurityNamespace("nfd", "privileged", { parent: this });
        this.release = helmRelease(
            name,
            charts.nodeFeatureDiscovery,
            {
                name: "node-feature-discovery",
                namespace: namespace.metadata.name,
                timeout: 300,
                skipCrds: true,
                values: nodeFeatureDiscoveryValues(),
            },
            { parent: this },
        );
        this.registerOutputs({});
    }
}

/** Values for the chart in components/charts.ts, https://kubernetes-sigs.github.io/node-feature-discovery/v0.19/deployment/helm */
export function nodeFeatureDiscoveryValues() {
    const resources = { requests: { cpu: "10m", memory: "64Mi" }, limits: { memory: "256Mi" } };
    return { master: { resources }, worker: { resources }, gc: { resources } };
}
