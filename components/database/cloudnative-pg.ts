import type * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { charts } from "../charts";
import { helmRelease } from "../cluster/helm-release";
import { podSecurityNamespace } from "../cluster/namespaces";

/**
 * The CloudNativePG operator and its Barman Cloud plugin, which took over from the operator's own object-store backups
 * (deprecated since 1.26). The plugin's certificates come from cert-manager: pass it in `dependsOn`.
 * https://cloudnative-pg.io/docs/1.30/
 */
export class CloudNativePg extends pulumi.ComponentResource {
    readonly release: k8s.helm.v3.Release;
    readonly plugin: k8s.helm.v3.Release;

    constructor(name: string, _args: Record<string, never>, opts: pulumi.ComponentResourceOptions) {
        super("homelab:database:CloudNativePg", name, {}, opts);
        const namespace = podSecurityNamespace("cnpg-system", "restricted", { parent: this }).metadata.name;
        this.release = helmRelease(
            name,
            charts.cloudNativePg,
            {
                name: "cloudnative-pg",
                namespace,
                values: cloudNativePgValues(),
            },
            { parent: this },
        );
        this.plugin = helmRelease(
            `${name}-barman-cloud`,
            charts.barmanCloudPlugin,
            {
                name: "plugin-barman-cloud",
                namespace,
                values: barmanCloudValues(),
            },
            // It registers itself with the operator, in whose namespace it must be.
            { parent: this, dependsOn: this.release },
        );
        this.registerOutputs({});
    }
}

/** Values for the chart in components/charts.ts. */
export function cloudNativePgValues() {
    return {
        crds: { create: true },
        monitoring: { podMonitorEnabled: true },
        resources: { requests: { cpu: "50m", memory: "128Mi" }, limits: { memory: "512Mi" } },
    };
}

/** Values for the chart in components/charts.ts. */
export function barmanCloudValues() {
    return {
        crds: { create: true },
        resources: { requests: { cpu: "10m", memory: "64Mi" }, limits: { memory: "256Mi" } },
    };
}
