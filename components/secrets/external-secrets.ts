import type * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { charts } from "../charts";
import { helmRelease } from "../cluster/helm-release";
import { podSecurityNamespace } from "../cluster/namespaces";

/** The External Secrets operator. Its CRDs are a layer below; https://external-secrets.io/latest/ */
export class ExternalSecrets extends pulumi.ComponentResource {
    readonly namespace: pulumi.Output<string>;
    readonly release: k8s.helm.v3.Release;

    constructor(name: string, _args: Record<string, never>, opts: pulumi.ComponentResourceOptions) {
        super("homelab:secrets:ExternalSecrets", name, {}, opts);
        this.namespace = podSecurityNamespace("external-secrets", "restricted", { parent: this }).metadata.name;
        this.release = helmRelease(
            name,
            charts.externalSecrets,
            {
                name: "external-secrets",
                namespace: this.namespace,
                timeout: 600,
                values: externalSecretsValues(),
            },
            { parent: this },
        );
        this.registerOutputs({});
    }
}

const resources = (request: string, limit: string) => ({
    requests: { cpu: "10m", memory: request },
    limits: { memory: limit },
});

/** Values for the chart in components/charts.ts. */
export function externalSecretsValues() {
    return {
        installCRDs: false,
        leaderElect: true,
        resources: resources("64Mi", "256Mi"),
        serviceMonitor: { enabled: true },
        webhook: { resources: resources("32Mi", "128Mi") },
        certController: { resources: resources("64Mi", "256Mi") },
    };
}
