import {
    service,
    value,
    workload,
    inNamespace,
    clusterWide,
    type ChartObject,
    type StandIn,
    type StandIns,
} from "../../charts/generator";

const ingress = ".Values.ingressController.enabled";

const ciliumLabels = (app: string) => ({ "k8s-app": app });

const hubblePart = (part: "relay" | "ui", image: string, port: string): readonly ChartObject[] => [
    ...workload({
        name: `hubble-${part}`,
        labels: ciliumLabels(`hubble-${part}`),
        image,
        ports: { http: 8081 },
        replicas: `hubble.${part}.replicas`,
        when: `.Values.hubble.${part}.enabled`,
    }),
    service({
        name: `hubble-${part}`,
        labels: ciliumLabels(`hubble-${part}`),
        ports: { [port]: [80, "http"] },
        when: `.Values.hubble.${part}.enabled`,
    }),
];

const cilium: StandIn = {
    values: {
        tolerations: [{ operator: "Exists" }],
        resources: {},
        envoy: { tolerations: [{ operator: "Exists" }], resources: {} },
        operator: { replicas: 2, resources: {}, tolerations: [{ operator: "Exists" }] },
        ingressController: {
            enabled: false,
            default: false,
            service: {
                name: "cilium-ingress",
                type: "LoadBalancer",
                annotations: {},
                externalTrafficPolicy: "Cluster",
            },
        },
        kubeProxyReplacement: "false",
        gatewayAPI: {
            enabled: false,
            enableAlpn: false,
            enableAppProtocol: false,
            gatewayClass: { create: "auto" },
        },
        bgpControlPlane: { enabled: false },
        tls: { secretsNamespace: { create: true, name: "cilium-secrets" } },
        hubble: {
            enabled: true,
            peerService: { targetPort: 4244 },
            metrics: { port: 9965 },
            relay: { enabled: false, replicas: 1 },
            ui: { enabled: false, replicas: 1 },
        },
    },
    objects: [
        clusterWide(
            "v1",
            "Namespace",
            "{{ .Values.tls.secretsNamespace.name }}",
            {},
            ".Values.tls.secretsNamespace.create",
        ),
        inNamespace("v1", "ConfigMap", "cilium-config", {
            data: {
                "kube-proxy-replacement": "{{ .Values.kubeProxyReplacement }}",
                "enable-gateway-api": "{{ .Values.gatewayAPI.enabled }}",
                "enable-gateway-api-alpn": "{{ .Values.gatewayAPI.enableAlpn }}",
                "enable-gateway-api-app-protocol":
                    "{{ or .Values.gatewayAPI.enableAppProtocol .Values.gatewayAPI.enableAlpn }}",
                "enable-bgp-control-plane": "{{ .Values.bgpControlPlane.enabled }}",
            },
        }),
        workload({
            kind: "DaemonSet",
            name: "cilium",
            labels: ciliumLabels("cilium"),
            image: "quay.io/cilium/cilium",
            privileged: true,
            resources: "resources",
            pod: { tolerations: "tolerations" },
        }),
        workload({
            kind: "DaemonSet",
            name: "cilium-envoy",
            labels: ciliumLabels("cilium-envoy"),
            image: "quay.io/cilium/cilium-envoy",
            privileged: true,
            resources: "envoy.resources",
            pod: { tolerations: "envoy.tolerations" },
        }),
        workload({
            name: "cilium-operator",
            labels: { "io.cilium/app": "operator", name: "cilium-operator" },
            image: "quay.io/cilium/operator-generic",
            replicas: "operator.replicas",
            resources: "operator.resources",
            pod: { tolerations: "operator.tolerations" },
        }),
        clusterWide(
            "networking.k8s.io/v1",
            "IngressClass",
            "cilium",
            { spec: { controller: "cilium.io/ingress-controller" } },
            ingress,
        ),
        // The shared load balancer. No selector: the agents answer for it, and the slice keeps it from being empty.
        {
            when: ingress,
            object: {
                apiVersion: "v1",
                kind: "Service",
                metadata: {
                    name: "{{ .Values.ingressController.service.name }}",
                    namespace: "{{ .Release.Namespace }}",
                    labels: { "cilium.io/ingress": "true" },
                    annotations: value("ingressController.service.annotations"),
                },
                spec: {
                    type: "{{ .Values.ingressController.service.type }}",
                    externalTrafficPolicy: "{{ .Values.ingressController.service.externalTrafficPolicy }}",
                    ports: [
                        { name: "http", port: 80 },
                        { name: "https", port: 443 },
                    ],
                },
            },
        },
        {
            when: ingress,
            object: {
                apiVersion: "discovery.k8s.io/v1",
                kind: "EndpointSlice",
                metadata: {
                    name: "{{ .Values.ingressController.service.name }}",
                    namespace: "{{ .Release.Namespace }}",
                    labels: { "kubernetes.io/service-name": "{{ .Values.ingressController.service.name }}" },
                },
                addressType: "IPv4",
                endpoints: [{ addresses: ["192.192.192.192"], conditions: { ready: true } }],
                ports: [{ port: 9999 }],
            },
        },
        clusterWide(
            "gateway.networking.k8s.io/v1",
            "GatewayClass",
            "cilium",
            { spec: { controllerName: "io.cilium/gateway-controller" } },
            "and .Values.gatewayAPI.enabled (or (eq (.Values.gatewayAPI.gatewayClass.create | toString) `true`) " +
                "(and (eq (.Values.gatewayAPI.gatewayClass.create | toString) `auto`) (.Capabilities.APIVersions.Has `gateway.networking.k8s.io/v1/GatewayClass`)))",
        ),
        service({
            name: "hubble-peer",
            labels: ciliumLabels("cilium"),
            ports: { "peer-service": [443, value("hubble.peerService.targetPort")] },
            when: ".Values.hubble.enabled",
        }),
        service({
            name: "hubble-metrics",
            labels: ciliumLabels("cilium"),
            marks: { "k8s-app": "hubble" },
            clusterIP: "None",
            ports: { "hubble-metrics": [value("hubble.metrics.port"), "hubble-metrics"] },
            when: ".Values.hubble.enabled",
        }),
        hubblePart("relay", "quay.io/cilium/hubble-relay", ""),
        hubblePart("ui", "quay.io/cilium/hubble-ui", "http"),
    ],
};

export const charts: StandIns = { cilium };
