import { address, app, webApp } from "../app";
import { graphiteExporter as exporter } from "../../components/monitoring/exporters";

/** Takes what TrueNAS sends in Graphite's line format. https://github.com/prometheus/graphite_exporter */
export const graphiteExporter = app({
    name: "graphite-exporter",
    title: "metrics that other machines send in Graphite's format",
    namespace: "observability",
    group: "infra",
    config: webApp({ host: "graphite", memory: "256Mi" }, { address }),
    ports: { graphite: 2003, metrics: 9108 },
    // Senders outside the cluster speak TCP, which no ingress routes.
    reach: "dedicated",
    speaks: "tcp",
    auth: { own: false, forward: "machines send to it, by no HTTP", preferred: "none" },
    monitored: true,
    requests: { cpu: "10m", memory: "32Mi" },
    podSecurity: "restricted",
    build: (platform, _config, { main }) => exporter(platform, main),
});
