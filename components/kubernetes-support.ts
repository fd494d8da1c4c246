/**
 * Which Kubernetes the projects behind charts support, where they say so. A pair that they only test works as a rule,
 * and is not their concern when it does not.
 */
import { charts, type Chart } from "./charts";

export interface KubernetesSupport {
    readonly chart: Chart;
    /** Chart versions that this holds for: what they start with. Looked up anew when the chart moves on. */
    readonly since: string;
    /** The project's own version, as its table has it. */
    readonly release: string;
    /** First and last minor version. */
    readonly supported: readonly [first: number, last: number];
    /** Minor versions that are tested and not supported. */
    readonly tested: readonly number[];
    readonly source: string;
}

export const kubernetesSupport: readonly KubernetesSupport[] = [
    {
        chart: charts.cloudNativePg,
        since: "0.29.",
        release: "CloudNativePG 1.30",
        supported: [34, 36],
        tested: [33, 37],
        source: "https://cloudnative-pg.io/docs/1.30/supported_releases/",
    },
    {
        chart: charts.envoyGateway,
        since: "v1.9.",
        release: "Envoy Gateway 1.9",
        supported: [33, 36],
        tested: [],
        source: "https://gateway.envoyproxy.io/news/releases/matrix/",
    },
    {
        chart: charts.descheduler,
        since: "0.36.",
        release: "descheduler 0.36",
        // Its table has the one whose client it is built with; below it, what each release is tested against: the last three.
        supported: [36, 36],
        tested: [34, 35],
        source: "https://github.com/kubernetes-sigs/descheduler#compatibility-matrix",
    },
];

/**
 * Minor releases of Kubernetes 1 that a cluster may be of. Before the first, API servers refuse the definitions of Gateway
 * API, whose rules call isIP, and Helm Linkerd's charts (`kubeVersion` in their Chart.yaml); no chart here was tried on what
 * comes after the last.
 */
export const KUBERNETES_MINORS = { first: 31, last: 37 } as const;

export interface SupportFinding {
    readonly chart: string;
    readonly release: string;
    readonly kubernetes: string;
    readonly verdict: string;
    readonly source: string;
}

/**
 * Pairs that nobody supports, of the charts of a stack and the Kubernetes that its nodes run.
 * @param versions chart name to version
 * @param kubernetes e.g. v1.33.0
 */
export function unsupportedPairs(versions: ReadonlyMap<string, string>, kubernetes: string): SupportFinding[] {
    const minor = Number(/^v?1\.(\d+)\./.exec(kubernetes)?.[1]);
    return kubernetesSupport.flatMap(({ chart, since, release, supported: [first, last], tested, source }) => {
        const version = versions.get(chart.name);
        if (version === undefined || (version.startsWith(since) && minor >= first && minor <= last)) return [];
        const range = `supported: 1.${first}${first === last ? "" : ` to 1.${last}`}`;
        const verdict = !version.startsWith(since)
            ? `chart ${version} was not looked up; components/kubernetes-support.ts`
            : `${tested.includes(minor) ? "tested, not supported" : "neither supported nor tested"} (${range})`;
        return [{ chart: chart.name, release, kubernetes, verdict, source }];
    });
}
