/** Host label of the exporter that takes Graphite metrics. */
export const GRAPHITE_HOST = "graphite";
