/**
 * Digests of images that charts name, for the charts that have a value for one. A chart's value is a digest alone: its tag stays
 * the chart's own, so each digest is good for the version of the chart whose tag it was read for, and a test asks for new ones
 * when that version goes up.
 */
import type { charts } from "./charts";

export interface ChartImage {
    /** Versions of the charts that make this very tag. */
    readonly readFor: Partial<Readonly<Record<keyof typeof charts, string>>>;
    /** Registry, repository and tag as the charts make them. */
    readonly image: string;
    /** `sha256:` digest of the multi-platform index. */
    readonly digest: string;
}

// Where each digest is stated is said beside it: a public repository, the file and the commit.
export const chartImages = {
    // All five of cert-manager: kaycee1771/verda-platform-takehome, versions.lock.yaml at ac58095f and UMC-PRODUCT/umc-product-infra,
    // argocd/applications/platform/cert-manager.yaml at c0630e38 agree.
    certManagerController: {
        readFor: { certManager: "v1.21.1" },
        image: "quay.io/jetstack/cert-manager-controller:v1.21.1",
        digest: "sha256:416a2d76870d996460e62bd7f521bf14fa017be9e3e904aab92163a331fcb61a",
    },
    certManagerWebhook: {
        readFor: { certManager: "v1.21.1" },
        image: "quay.io/jetstack/cert-manager-webhook:v1.21.1",
        digest: "sha256:d8b3961b51c8c7320633f8208dc46bf88aa13804d0f7cbe48a096b2c523cee42",
    },
    certManagerCainjector: {
        readFor: { certManager: "v1.21.1" },
        image: "quay.io/jetstack/cert-manager-cainjector:v1.21.1",
        digest: "sha256:ccf6b919ec0500745a47a910118f834f9636d0aac1ff221245cd2557ed8c7c98",
    },
    certManagerAcmesolver: {
        readFor: { certManager: "v1.21.1" },
        image: "quay.io/jetstack/cert-manager-acmesolver:v1.21.1",
        digest: "sha256:dbc7cc1354f603918e7c5af7f55a0a620537394452c93a565bde75c6f48e8837",
    },
    certManagerStartupapicheck: {
        readFor: { certManager: "v1.21.1" },
        image: "quay.io/jetstack/cert-manager-startupapicheck:v1.21.1",
        digest: "sha256:d8ab6416e6e7303a86fa0a8daa82c94a8001f21c9d78eb2e7db20534e5d07ae8",
    },
    // The next five: Stuhlmuller/homelab, docs/knowledge-base/operations/monitoring-upgrade-candidates.md at c56ac31d (the
    // index, with that of amd64 beside it) and max-vie/shell, tar/manifests/watch-supply.json at 8874e12e agree.
    prometheusOperator: {
        readFor: { kubePrometheusStack: "88.5.3" },
        image: "quay.io/prometheus-operator/prometheus-operator:v0.93.1",
        digest: "sha256:e52bb28fd41c98dd407c7a8cba8bdcfe7eabd7447e250afaf1fe7bb816dedbff",
    },
    prometheusConfigReloader: {
        readFor: { kubePrometheusStack: "88.5.3" },
        image: "quay.io/prometheus-operator/prometheus-config-reloader:v0.93.1",
        digest: "sha256:428f088fe6fe07ab138bda92113664b04848a1dc408e4d3680a60ecdb55d1a65",
    },
    prometheus: {
        readFor: { kubePrometheusStack: "88.5.3" },
        image: "quay.io/prometheus/prometheus:v3.14.0-distroless",
        digest: "sha256:50c707e96da5ade383cb1707790576480485e93de06aa60ad8802cb5f744bd0a",
    },
    alertmanager: {
        readFor: { kubePrometheusStack: "88.5.3" },
        image: "quay.io/prometheus/alertmanager:v0.34.0",
        digest: "sha256:690c7b525f4367aa91f73e2f91c632206d32e97c6384bdbf2fb7a861b420340d",
    },
    kubeStateMetrics: {
        readFor: { kubePrometheusStack: "88.5.3" },
        image: "registry.k8s.io/kube-state-metrics/kube-state-metrics:v2.20.0",
        digest: "sha256:42cfe3723a5f058171c627537fb57a3ea0f26e4380fa18555a95cb1a1b4cfc5b",
    },
    // max-vie/shell, tar/manifests/watch-supply.json at 8874e12e and kaycee1771/verda-platform-takehome,
    // platform/management/monitoring/image-lock.yaml at 0ea99c73 agree.
    nodeExporter: {
        readFor: { kubePrometheusStack: "88.5.3" },
        image: "quay.io/prometheus/node-exporter:v1.12.1-distroless",
        digest: "sha256:8c9bac11973b94b59be88d6e11fee4429aa743c8846cdc75d65b18db33f6a106",
    },
    // grafana/loki, production/docker/docker-compose.yaml and MicroTodoSuite/microservice-app-gitops,
    // infrastructure/grafana/vendor/v13.2.0/README.md at b8db497a agree.
    grafana: {
        readFor: { grafana: "12.11.1", kubePrometheusStack: "88.5.3" },
        image: "docker.io/grafana/grafana:13.2.0",
        digest: "sha256:3fd54ae1214669f8355f065ec9f6445d5279a3d77095ab048ca045685272429b",
    },
    // kaycee1771/verda-platform-takehome, platform/management/monitoring/image-lock.yaml at 0ea99c73, the only one found; its other
    // entries are those that several files agree on.
    grafanaSidecar: {
        readFor: { grafana: "12.11.1", kubePrometheusStack: "88.5.3" },
        image: "quay.io/kiwigrid/k8s-sidecar:2.10.1",
        digest: "sha256:7eac5c4fed714a18d038fc9fea57d8744d113367935dac0ea4eb6a87cef704a3",
    },
    // randomcoww/homelab, bucket_ops/prometheus.tf at 22ccdaad.
    thanos: {
        readFor: { thanos: "1.24.1", kubePrometheusStack: "88.5.3" },
        image: "quay.io/thanos/thanos:v0.42.4",
        digest: "sha256:b567818fe608067eb0f1d7c2c4fe361e7ad83c8a256234c97685f1d0bf670cc8",
    },
    // Both: MicroTodoSuite/microservice-app-gitops, infrastructure/loki/vendor/v3.7.6/README.md at 02e9a026. Others name amd64's own.
    loki: {
        readFor: { loki: "18.11.0" },
        image: "docker.io/grafana/loki:3.7.6",
        digest: "sha256:efd47c67f9bac88ca29bcf8cb997d9ab29d1848bd0aff579282295542a745952",
    },
    alloy: {
        readFor: { alloy: "1.11.1" },
        image: "docker.io/grafana/alloy:v1.18.1",
        digest: "sha256:0f4434c92b3e6cdac38bb129b344e1790c246f7b6e2eaffcc16a5fa363240e33",
    },
    // ArthemisDesign/APITOKEN2.0, observability/compose.yaml at 1dcb334a.
    blackboxExporter: {
        readFor: { blackboxExporter: "11.17.2" },
        image: "quay.io/prometheus/blackbox-exporter:v0.28.0",
        digest: "sha256:e753ff9f3fc458d02cca5eddab5a77e1c175eee484a8925ac7d524f04366c2fc",
    },
    // UMC-PRODUCT/umc-product-infra, argocd/applications/platform/reloader.yaml at 9aa04ac9, with this version of the chart.
    reloader: {
        readFor: { reloader: "2.2.16" },
        image: "ghcr.io/stakater/reloader:v1.4.21",
        digest: "sha256:b253579350a835082cdad8d8736671cedaa0f8309437c894bd1bf1c2f0e0d45e",
    },
    // kaycee1771/verda-platform-takehome, platform/management/velero/values.yaml at 39825d3b, with this version of the chart.
    velero: {
        readFor: { velero: "12.1.0" },
        image: "docker.io/velero/velero:v1.18.1",
        digest: "sha256:11459094b1b21ec7c817b08f8067d9e89380835547915cac9c4132ff05b55b90",
    },
    // quwisky/trinity-push-gateway, apps/push-gateway/provider-e2e/compose.authentik.yml at 2dbedbb4.
    authentik: {
        readFor: { authentik: "2026.8.0" },
        image: "ghcr.io/goauthentik/server:2026.8.0",
        digest: "sha256:7421753cfea67e89a6d295a1f0173ccea3866b33768c88dad90453b151cdcfd5",
    },
} as const satisfies Record<string, ChartImage>;

/** What of an image is a chart's value, where that is the digest as it is. */
export function byDigest({ digest }: ChartImage): { digest: string } {
    return { digest };
}

/** The same for charts that call it `sha` and put `sha256:` before it themselves. */
export function bySha({ digest }: ChartImage): { sha: string } {
    return { sha: digest.replace("sha256:", "") };
}
