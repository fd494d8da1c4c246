/**
 * Where charts and custom resources take the limits of the containers that they make: the pods themselves are not in a
 * plan. Paths in the values of each chart of components/charts.ts, from its values.yaml and templates.
 *
 * A path below something with `enabled: false` asks for nothing. One that ends in `?` is off unless something above it has
 * `enabled: true`.
 */
export const chartContainers: Readonly<Record<string, readonly string[]>> = {
    alloy: ["alloy.resources", "configReloader.resources"],
    "argo-cd": [
        "controller.resources",
        "server.resources",
        "repoServer.resources",
        "redis.resources",
        "redisSecretInit.resources",
        "applicationSet.resources",
        "dex.resources",
        "notifications.resources",
        "redis-ha.redis.resources?",
    ],
    "amd-gpu": ["dp.resources", "lbl.resources?"],
    authentik: ["server.resources", "worker.resources", "geoip.resources?"],
    "ceph-csi-drivers": ["operatorConfig.driverSpecDefaults.controllerPlugin.resources"],
    "cert-manager": ["resources", "webhook.resources", "cainjector.resources", "startupapicheck.resources"],
    cilium: [
        "resources",
        "initResources",
        "operator.resources",
        "envoy.resources",
        "hubble.relay.resources?",
        "hubble.ui.backend.resources?",
        "hubble.ui.frontend.resources?",
    ],
    "cloudnative-pg": ["resources"],
    coredns: ["resources", "autoscaler.resources?"],
    "external-dns": ["resources"],
    // Istio's: definitions only; its control plane; a gateway.
    base: [],
    istiod: ["resources"],
    gateway: ["resources"],
    "bitwarden-sdk-server": ["resources"],
    "external-secrets": ["resources", "webhook.resources", "certController.resources"],
    "flux-operator": ["resources"],
    "gateway-helm": ["deployment.envoyGateway.resources", "certgen.job.resources"],
    grafana: ["resources", "sidecar.resources", "initChownData.resources?", "testFramework.resources"],
    // The plugin is the operator's to run, and that gives it its limits.
    "haproxy-ingress": [
        "controller.resources",
        "controller.haproxy.resources?",
        "controller.logs.resources?",
        "defaultBackend.resources?",
    ],
    "intel-device-plugins-gpu": [],
    "intel-device-plugins-operator": ["resources"],
    descheduler: ["resources"],
    "linkerd-crds": [],
    "linkerd2-cni": ["resources", "repairController.resources?"],
    "linkerd-control-plane": [
        "destinationResources",
        "identityResources",
        "proxyInjectorResources",
        "spValidatorResources",
        "policyController.resources",
        "proxy.resources",
    ],
    "linkerd-viz": [
        "metricsAPI.resources",
        "tap.resources",
        "tapInjector.resources",
        "dashboard.resources",
        "prometheus.resources",
    ],
    "trust-manager": ["resources"],
    "local-path-provisioner": ["resources", "helperPod.resources"],
    metallb: ["controller.resources", "speaker.resources", "speaker.frr.resources?"],
    "kube-prometheus-stack": [
        "prometheus.prometheusSpec.resources",
        "prometheusOperator.resources",
        "prometheusOperator.prometheusConfigReloader.resources",
        "prometheusOperator.admissionWebhooks.patch.resources",
        "alertmanager.alertmanagerSpec.resources",
        "kube-state-metrics.resources",
        "prometheus-node-exporter.resources",
        "grafana.resources",
        "grafana.sidecar.resources",
    ],
    "localpv-provisioner": ["localpv.resources"],
    // Of the UI, the driver and its deployer the chart leaves no say; engines and replicas are the manager's to run.
    longhorn: ["longhornManager.resources"],
    loki: [
        "singleBinary.resources",
        "sidecar.resources",
        "gateway.resources",
        "lokiCanary.resources",
        "chunksCache.resources",
        "resultsCache.resources",
        "memcachedExporter.resources?",
    ],
    "metrics-server": ["resources", "addonResizer.resources?"],
    "node-feature-discovery": ["master.resources", "worker.resources", "gc.resources", "topologyUpdater.resources?"],
    "nvidia-device-plugin": ["resources"],
    "plugin-barman-cloud": ["resources"],
    "prometheus-blackbox-exporter": ["resources", "configReloader.resources?"],
    // Definitions only.
    "prometheus-operator-crds": [],
    reloader: ["reloader.deployment.resources"],
    "rook-ceph": ["resources"],
    "rook-ceph-cluster": ["cephClusterSpec.resources", "toolbox.resources?"],
    thanos: [
        "compact.resources",
        "query.resources",
        "storeGateway.resources",
        "queryFrontend.resources?",
        "rule.resources?",
    ],
    vault: ["server.resources"],
    velero: ["resources", "nodeAgent.resources"],
    volsync: ["resources"],
};

/** The same for custom resources, by group and kind. */
export const objectContainers: Readonly<Record<string, readonly string[]>> = {
    "barmancloud.cnpg.io/ObjectStore": ["spec.instanceSidecarConfiguration.resources"],
    "gateway.envoyproxy.io/EnvoyProxy": ["spec.provider.kubernetes.envoyDeployment.container.resources"],
    "postgresql.cnpg.io/Cluster": ["spec.resources"],
    "volsync.backube/ReplicationDestination": ["spec.restic.moverResources"],
    "volsync.backube/ReplicationSource": ["spec.restic.moverResources"],
};
