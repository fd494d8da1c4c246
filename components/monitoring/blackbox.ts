import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { byDigest, chartImages } from "../chart-images";
import { charts } from "../charts";
import { helmRelease } from "../cluster/helm-release";
import { chartResources } from "./resources";

export interface BlackboxArgs {
    namespace: pulumi.Input<string>;
    /** HTTP(S) URLs that must answer, by name. */
    probes: Readonly<Record<string, string>>;
}

/** Named as the chart, so that its objects are named so too. */
const NAME = "prometheus-blackbox-exporter";

/** Looks at services as a client does. https://github.com/prometheus/blackbox_exporter */
export class Blackbox extends pulumi.ComponentResource {
    constructor(name: string, args: BlackboxArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:monitoring:Blackbox", name, {}, opts);
        const release = helmRelease(
            name,
            charts.blackboxExporter,
            {
                name: NAME,
                namespace: args.namespace,
                values: blackboxValues(),
            },
            { parent: this },
        );
        for (const [target, url] of Object.entries(args.probes)) {
            new k8s.apiextensions.CustomResource(
                `${name}-${target}`,
                {
                    apiVersion: "monitoring.coreos.com/v1",
                    kind: "Probe",
                    metadata: { name: target, namespace: args.namespace },
                    spec: {
                        jobName: target,
                        module: "http_2xx",
                        prober: { url: `${NAME}:9115` },
                        targets: { staticConfig: { static: [url] } },
                    },
                },
                { parent: this, dependsOn: release },
            );
        }
        this.registerOutputs({});
    }
}

/** Values for the chart in components/charts.ts. */
export function blackboxValues() {
    return {
        image: byDigest(chartImages.blackboxExporter),
        serviceMonitor: { selfMonitor: { enabled: true } },
        resources: chartResources("16Mi", "64Mi", "10m"),
    };
}
