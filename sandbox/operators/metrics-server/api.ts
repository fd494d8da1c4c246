import type { AggregatedApi } from "../../cluster/egress";

const VERSION = "metrics.k8s.io/v1beta1";

/** What it lists, by the last word of the path. */
const LISTS: Readonly<Record<string, string>> = { nodes: "NodeMetricsList", pods: "PodMetricsList" };

const resource = (name: string, kind: string, namespaced: boolean) => ({
    name,
    singularName: "",
    namespaced,
    kind,
    verbs: ["get", "list"],
});

/** Its kinds, and no measurement, as it has at its start: no kubelet runs here that could be asked. */
export const metricsApi: AggregatedApi = (path) => {
    const root = `/apis/${VERSION}`;
    if (path === root)
        return {
            kind: "APIResourceList",
            apiVersion: "v1",
            groupVersion: VERSION,
            resources: [resource("nodes", "NodeMetrics", false), resource("pods", "PodMetrics", true)],
        };
    const kind = path.startsWith(`${root}/`) ? LISTS[path.split("/").at(-1) ?? ""] : undefined;
    return kind === undefined ? undefined : { kind, apiVersion: VERSION, metadata: {}, items: [] };
};
