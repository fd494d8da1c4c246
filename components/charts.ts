/** Every Helm chart of the project: repository and exact version. Kept by Renovate; nothing else names a version. */
import type * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";

export interface Chart {
    /** Chart name in its repository. */
    readonly name: string;
    /** Repository: an https URL that `helm repo add` would take, or the oci:// path above the chart. */
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
    certManager: { name: "cert-manager", repository: "oci://quay.io/jetstack/charts", version: "v1.21.1" },
    coreDns: { name: "coredns", repository: "oci://ghcr.io/coredns/charts", version: "1.45.2" },
    fluxOperator: {
        name: "flux-operator",
        repository: "oci://ghcr.io/controlplaneio-fluxcd/charts",
        version: "0.49.0",
    },
    cloudNativePg: {
        name: "cloudnative-pg",
        repository: "https://cloudnative-pg.github.io/charts",
        version: "0.29.0",
    },
    barmanCloudPlugin: {
        name: "plugin-barman-cloud",
        repository: "https://cloudnative-pg.github.io/charts",
        version: "0.7.0",
    },
    rookCeph: { name: "rook-ceph", repository: "https://charts.rook.io/release", version: "v1.20.6" },
    rookCephCluster: { name: "rook-ceph-cluster", repository: "https://charts.rook.io/release", version: "v1.20.6" },
    cephCsiDrivers: {
        name: "ceph-csi-drivers",
        repository: "https://ceph.github.io/ceph-csi-operator",
        version: "1.0.4",
    },
    localPvProvisioner: {
        name: "localpv-provisioner",
        repository: "https://openebs.github.io/dynamic-localpv-provisioner",
        version: "4.0.0",
    },
    // Pushed by the project's own workflow at each release: .github/workflows/helm-release.yml
    localPathProvisioner: {
        name: "local-path-provisioner",
        repository: "oci://ghcr.io/rancher/local-path-provisioner/charts",
        version: "0.0.37",
    },
    // Seed 003 has 1.6.2, which knew Kubernetes up to 1.29 and gets no mends any more: docs/longhorn.md, Version.
    longhorn: { name: "longhorn", repository: "https://charts.longhorn.io", version: "1.12.1" },
    volSync: { name: "volsync", repository: "https://backube.github.io/helm-charts/", version: "0.16.0" },
    velero: { name: "velero", repository: "https://vmware-tanzu.github.io/helm-charts", version: "12.1.0" },
    externalSecrets: {
        name: "external-secrets",
        repository: "https://charts.external-secrets.io",
        version: "2.9.0",
    },
    // Of the operator's chart it is a part, too; the two must be of versions that go together.
    bitwardenSdkServer: {
        name: "bitwarden-sdk-server",
        repository: "oci://ghcr.io/external-secrets/charts",
        version: "v0.6.0",
    },
    vault: { name: "vault", repository: "https://helm.releases.hashicorp.com", version: "0.34.1" },
    externalDns: {
        name: "external-dns",
        repository: "https://kubernetes-sigs.github.io/external-dns/",
        version: "1.21.1",
    },
    envoyGateway: { name: "gateway-helm", repository: "oci://docker.io/envoyproxy", version: "v1.9.0" },
    istioBase: { name: "base", repository: "https://istio-release.storage.googleapis.com/charts", version: "1.30.3" },
    istiod: { name: "istiod", repository: "https://istio-release.storage.googleapis.com/charts", version: "1.30.3" },
    metalLb: { name: "metallb", repository: "https://metallb.github.io/metallb", version: "0.16.1" },
    haproxyIngress: {
        name: "haproxy-ingress",
        repository: "https://haproxy-ingress.github.io/charts",
        version: "0.16.1",
    },
    istioGateway: {
        name: "gateway",
        repository: "https://istio-release.storage.googleapis.com/charts",
        version: "1.30.3",
    },
    linkerdCrds: { name: "linkerd-crds", repository: "https://helm.linkerd.io/edge", version: "2026.8.3" },
    linkerdCni: { name: "linkerd2-cni", repository: "https://helm.linkerd.io/edge", version: "2026.8.3" },
    linkerdControlPlane: {
        name: "linkerd-control-plane",
        repository: "https://helm.linkerd.io/edge",
        version: "2026.8.3",
    },
    linkerdViz: { name: "linkerd-viz", repository: "https://helm.linkerd.io/edge", version: "2026.8.3" },
    trustManager: { name: "trust-manager", repository: "oci://quay.io/jetstack/charts", version: "v0.24.0" },
    descheduler: {
        name: "descheduler",
        repository: "https://kubernetes-sigs.github.io/descheduler/",
        version: "0.36.0",
    },
    metricsServer: {
        name: "metrics-server",
        repository: "https://kubernetes-sigs.github.io/metrics-server/",
        version: "3.13.1",
    },
    reloader: { name: "reloader", repository: "https://stakater.github.io/stakater-charts", version: "2.2.16" },
    nvidiaDevicePlugin: {
        name: "nvidia-device-plugin",
        repository: "https://nvidia.github.io/k8s-device-plugin",
        version: "0.20.0",
    },
    nodeFeatureDiscovery: {
        name: "node-feature-discovery",
        repository: "https://kubernetes-sigs.github.io/node-feature-discovery/charts",
        version: "0.19.0",
    },
    intelDevicePluginsOperator: {
        name: "intel-device-plugins-operator",
        repository: "https://intel.github.io/helm-charts",
        version: "0.36.0",
    },
    intelDevicePluginsGpu: {
        name: "intel-device-plugins-gpu",
        repository: "https://intel.github.io/helm-charts",
        version: "0.36.0",
    },
    amdGpu: { name: "amd-gpu", repository: "https://rocm.github.io/k8s-device-plugin/", version: "0.21.0" },
    authentik: { name: "authentik", repository: "https://charts.goauthentik.io", version: "2026.8.0" },
    grafana: { name: "grafana", repository: "oci://ghcr.io/grafana-community/helm-charts", version: "12.11.1" },
    loki: { name: "loki", repository: "oci://ghcr.io/grafana-community/helm-charts", version: "18.11.0" },
    alloy: { name: "alloy", repository: "https://grafana.github.io/helm-charts", version: "1.11.1" },
    thanos: { name: "thanos", repository: "oci://ghcr.io/stevehipwell/helm-charts", version: "1.24.1" },
    blackboxExporter: {
        name: "prometheus-blackbox-exporter",
        repository: "https://prometheus-community.github.io/helm-charts",
        version: "11.17.2",
    },
} as const satisfies Record<string, Chart>;

/** The part of a Release's arguments that says which chart. */
export function chartArgs(
    chart: Chart,
): Pick<k8s.helm.v3.ReleaseArgs, "version" | "repositoryOpts"> & { chart: pulumi.Input<string> } {
    return chart.repository.startsWith("oci://")
        ? { chart: `${chart.repository}/${chart.name}`, version: chart.version }
        : { chart: chart.name, version: chart.version, repositoryOpts: { repo: chart.repository } };
}
