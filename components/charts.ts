/** Every Helm chart of the project: repository and exact version. Kept by Renovate; nothing else names a version. */
import type * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";

export interface Chart {
    /** Chart name in its repository. */
    readonly name: string;
    /** Repository URL (https) that `helm repo add` would take. */
    readonly repository: string;
    /** Exact chart version. */
    readonly version: string;
}

export const charts = {
    cilium: {
        name: "cilium",
        repository: "https://helm.cilium.io/",
        version: "1.20.0",
    },
    argoCd: {
        name: "argo-cd",
        repository: "https://argoproj.github.io/argo-helm",
        version: "10.1.1",
    },
    prometheusOperatorCrds: {
        name: "prometheus-operator-crds",
        repository: "https://prometheus-community.github.io/helm-charts",
        version: "31.0.1",
    },
    kubePrometheusStack: {
        name: "kube-prometheus-stack",
        repository: "https://prometheus-community.github.io/helm-charts",
        version: "88.5.3",
    },
} as const satisfies Record<string, Chart>;

/** The part of a Release's arguments that says which chart. */
export function chartArgs(
    chart: Chart,
): Pick<k8s.helm.v3.ReleaseArgs, "version" | "repositoryOpts"> & { chart: pulumi.Input<string> } {
    return { chart: chart.name, version: chart.version, repositoryOpts: { repo: chart.repository } };
}
