/** Exporters for devices of the household, as workloads with a monitor. */
import * as k8s from "@pulumi/kubernetes";
import { images } from "../images";
import { graphiteMapping } from "./graphite-mapping";
import type { Platform } from "../platform";
import { Workload, type WorkloadArgs } from "../workload";

/** What the declaration of an exporter says of its workload. */
type ExporterArgs = Pick<WorkloadArgs, "namespace" | "group" | "ports" | "expose" | "cpu" | "memory">;

/** Air quality: an exporter for each room's sensor, by the sensor's address. */
export function awairExporters(platform: Platform, rooms: Readonly<Record<string, string>>, args: ExporterArgs): void {
    for (const [room, address] of Object.entries(rooms)) awairExporter(platform, room, address, args);
}

function awairExporter(platform: Platform, room: string, address: string, args: ExporterArgs): void {
    const name = `awair-${room}`;
    const workload = new Workload(
        name,
        {
            ...args,
            image: images.awairExporter,
            env: { AWAIR_HOSTNAME: address },
            health: { http: "/healthz" },
            security: { user: 10001 },
        },
        platform,
    );
    monitor(name, "http", platform, args.namespace, workload);
}

const MAPPING = "/etc/graphite-exporter/mapping.yaml";

/** Takes what TrueNAS sends in Graphite's line format. https://github.com/prometheus/graphite_exporter */
export function graphiteExporter(platform: Platform, args: ExporterArgs): Workload {
    const name = "graphite-exporter";
    const workload = new Workload(
        name,
        {
            ...args,
            image: images.graphiteExporter,
            args: [
                "--graphite.listen-address=:2003",
                `--graphite.mapping-config=${MAPPING}`,
                "--web.listen-address=:9108",
            ],
            files: { [MAPPING]: graphiteMapping() },
            health: { tcp: true, port: "metrics" },
            security: { user: 65534 },
        },
        platform,
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
        {
            parent: workload,
            ...(platform.monitorKinds === undefined ? {} : { dependsOn: platform.monitorKinds }),
        },
    );
}
