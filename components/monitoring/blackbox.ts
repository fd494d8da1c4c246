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
    /** `host:port` of servers outside the cluster that must take a connection, by name. */
    servers?: Readonly<Record<string, string>>;
}

/** Named as the chart, so that its objects are named so too. */
const NAME = "prometheus-blackbox-exporter";

/** Looks at services as a client does. https://github.com/prometheus/blackbox_exporter */
export class Blackbox extends pulumi.ComponentResource {
    constructor(name: string, args: BlackboxArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:monitoring:Blackbox", name, {}, opts);
        const { servers = {} } = args;
        const release = helmRelease(
            name,
            charts.blackboxExporter,
            {
                name: NAME,
                namespace: args.namespace,
                values: blackboxValues(servers),
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
        for (const [server, target] of Object.entries(servers)) {
            new k8s.apiextensions.CustomResource(
                `${name}-server-${server}`,
                {
                    apiVersion: "monitoring.coreos.com/v1",
                    kind: "Probe",
                    metadata: { name: `server-${server}`, namespace: args.namespace },
                    spec: {
                        jobName: `server-${server}`,
                        module: TCP,
                        prober: { url: `${NAME}:9115` },
                        targets: { staticConfig: { static: [target], labels: { server } } },
                        // A group of alerts of its own, which is quicker than that for every probe.
                        metricRelabelings: [
                            {
                                sourceLabels: ["__name__"],
                                regex: "(probe_success|probe_duration_seconds)",
                                targetLabel: "__name__",
                                replacement: "server_$1",
                            },
                        ],
                    },
                },
                { parent: this, dependsOn: release },
            );
        }
        this.registerOutputs({});
    }
}

const TCP = "tcp_connect";

/** Values for the chart in components/charts.ts. */
export function blackboxValues(servers: Readonly<Record<string, string>> = {}) {
    return {
        // Beside the chart's own http_2xx.
        ...(Object.keys(servers).length === 0
            ? {}
            : {
                  config: {
                      modules: { [TCP]: { prober: "tcp", timeout: "5s", tcp: { preferred_ip_protocol: "ip4" } } },
                  },
              }),
        image: byDigest(chartImages.blackboxExporter),
        serviceMonitor: { selfMonitor: { enabled: true } },
        resources: chartResources("16Mi", "64Mi", "10m"),
    };
}
