/** Exporters for devices of the household, as workloads with a monitor. */
import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { images } from "../images";
import { GRAPHITE_HOST } from "./graphite-host";
import type { Platform } from "../platform";
import { Workload } from "../workload";

export interface AwairArgs {
    namespace: string;
    /** Room that the sensor is in. */
    room: string;
    /** Address of the sensor, with its local API switched on. */
    address: string;
}

/** Air quality of one room. https://github.com/rtrox/prometheus-awair-exporter */
export function awairExporter(platform: Platform, args: AwairArgs, opts: pulumi.ComponentResourceOptions): Workload {
    const name = `awair-${args.room}`;
    const workload = new Workload(
        name,
        {
            namespace: args.namespace,
            group: "infra",
            image: images.awairExporter,
            ports: { http: 8080 },
            env: { AWAIR_HOSTNAME: args.address },
            health: { http: "/healthz" },
            cpu: "10m",
            memory: { request: "16Mi", limit: "64Mi" },
            security: { user: 10001 },
        },
        platform,
        opts,
    );
    monitor(name, "http", platform, args.namespace, workload);
    return workload;
}

export interface GraphiteArgs {
    namespace: string;
    /** Address of its own, for senders outside the cluster. */
    address: string;
}

/** Takes what TrueNAS sends in Graphite's line format. https://github.com/prometheus/graphite_exporter */
export function graphiteExporter(
    platform: Platform,
    args: GraphiteArgs,
    opts: pulumi.ComponentResourceOptions,
): Workload {
    const name = "graphite-exporter";
    const workload = new Workload(
        name,
        {
            namespace: args.namespace,
            group: "infra",
            image: images.graphiteExporter,
            args: ["--graphite.listen-address=:2003", "--web.listen-address=:9108"],
            ports: { graphite: 2003, metrics: 9108 },
            expose: { host: GRAPHITE_HOST, access: "dedicated", address: args.address },
            health: { tcp: true, port: "metrics" },
            cpu: "10m",
            memory: { request: "32Mi", limit: "256Mi" },
            security: { user: 65534 },
        },
        platform,
        opts,
    );
    monitor(name, "metrics", platform, args.namespace, workload);
    return workload;
}

function monitor(name: string, port: string, platform: Platform, namespace: string, workload: Workload): void {
    new k8s.apiextensions.CustomResource(
        name,
        {
            apiVersion: "monitoring.coreos.com/v1",
            kind: "ServiceMonitor",
            metadata: { name, namespace: platform.namespaces.name(namespace) },
            spec: {
                selector: { matchLabels: { "app.kubernetes.io/name": name } },
                endpoints: [{ port, interval: "1m" }],
            },
        },
        { parent: workload },
    );
}
