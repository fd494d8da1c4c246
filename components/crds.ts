/**
 * CustomResourceDefinitions that come before any chart: project, version and where upstream publishes them. Helm
 * never upgrades what stands in a chart's crds/ folder, so they are a layer of their own.
 */
export interface CrdBundle {
    /** Project, as the sandbox's directory of CRDs spells it. */
    readonly project: string;
    readonly version: string;
    /** Files as upstream publishes them at that version; `kubectl apply --filename` takes each. */
    readonly urls: readonly string[];
    /** Every CRD in them, `plural.group`. */
    readonly names: readonly string[];
    /** What else is in them, `kind/name`. */
    readonly others?: readonly string[];
}

const raw = (repository: string, ref: string, directory: string, names: readonly string[]) =>
    names.map((name) => `https://raw.githubusercontent.com/${repository}/${ref}/${directory}/${name}`);

const envoyGatewayKinds = [
    "backends",
    "backendtrafficpolicies",
    "clienttrafficpolicies",
    "envoyextensionpolicies",
    "envoypatchpolicies",
    "envoyproxies",
    "httproutefilters",
    "securitypolicies",
];

const snapshotKinds = [
    ["groupsnapshot.storage.k8s.io", "volumegroupsnapshotclasses"],
    ["groupsnapshot.storage.k8s.io", "volumegroupsnapshotcontents"],
    ["groupsnapshot.storage.k8s.io", "volumegroupsnapshots"],
    ["snapshot.storage.k8s.io", "volumesnapshotclasses"],
    ["snapshot.storage.k8s.io", "volumesnapshotcontents"],
    ["snapshot.storage.k8s.io", "volumesnapshots"],
] as const;

export const crds = {
    gatewayApi: {
        project: "gateway-api",
        version: "1.6.1",
        urls: ["https://github.com/kubernetes-sigs/gateway-api/releases/download/v1.6.1/standard-install.yaml"],
        names: [
            "backendtlspolicies",
            "gatewayclasses",
            "gateways",
            "grpcroutes",
            "httproutes",
            "listenersets",
            "referencegrants",
            "tcproutes",
            "tlsroutes",
            "udproutes",
        ].map((plural) => `${plural}.gateway.networking.k8s.io`),
        // Refuses an experimental or older CRD in place of these.
        others: ["validatingadmissionpolicy", "validatingadmissionpolicybinding"].map(
            (kind) => `${kind}/safe-upgrades.gateway.networking.k8s.io`,
        ),
    },
    externalDns: {
        project: "external-dns",
        version: "0.21.0",
        urls: raw("kubernetes-sigs/external-dns", "v0.21.0", "config/crd/standard", [
            "dnsendpoints.externaldns.k8s.io.yaml",
        ]),
        names: ["dnsendpoints.externaldns.k8s.io"],
    },
    keda: {
        project: "keda",
        version: "2.20.2",
        urls: ["https://github.com/kedacore/keda/releases/download/v2.20.2/keda-2.20.2-crds.yaml"],
        names: [
            "cloudeventsources.eventing.keda.sh",
            "clustercloudeventsources.eventing.keda.sh",
            "clustertriggerauthentications.keda.sh",
            "scaledjobs.keda.sh",
            "scaledobjects.keda.sh",
            "triggerauthentications.keda.sh",
        ],
    },
    prometheus: {
        project: "prometheus-operator",
        version: "0.93.0",
        urls: [
            "https://github.com/prometheus-operator/prometheus-operator/releases/download/v0.93.0/stripped-down-crds.yaml",
        ],
        names: [
            "alertmanagerconfigs",
            "alertmanagers",
            "podmonitors",
            "probes",
            "prometheusagents",
            "prometheuses",
            "prometheusrules",
            "scrapeconfigs",
            "servicemonitors",
            "thanosrulers",
        ].map((plural) => `${plural}.monitoring.coreos.com`),
    },
    externalSecrets: {
        project: "external-secrets",
        version: "2.9.0",
        urls: raw("external-secrets/external-secrets", "v2.9.0", "deploy/crds", ["bundle.yaml"]),
        names: [
            ...[
                "clusterexternalsecrets",
                "clusterpushsecrets",
                "clustersecretstores",
                "externalsecrets",
                "pushsecrets",
                "secretstores",
            ].map((plural) => `${plural}.external-secrets.io`),
            ...[
                "acraccesstokens",
                "beyondtrustworkloadcredentialsdynamicsecrets",
                "cloudsmithaccesstokens",
                "clustergenerators",
                "ecrauthorizationtokens",
                "fakes",
                "gcraccesstokens",
                "generatorstates",
                "githubaccesstokens",
                "gitlabdeploytokens",
                "grafanas",
                "mfas",
                "passwords",
                "quayaccesstokens",
                "sshkeys",
                "stssessiontokens",
                "uuids",
                "vaultdynamicsecrets",
                "webhooks",
            ].map((plural) => `${plural}.generators.external-secrets.io`),
        ],
    },
    envoyGateway: {
        project: "envoy-gateway",
        version: "1.9.0",
        // From the chart's crds/ folder, whose copy of the Gateway API is the experimental channel and stays out.
        urls: raw(
            "envoyproxy/gateway",
            "v1.9.0",
            "charts/gateway-helm/charts/crds/crds/generated",
            envoyGatewayKinds.map((plural) => `gateway.envoyproxy.io_${plural}.yaml`),
        ),
        names: envoyGatewayKinds.map((plural) => `${plural}.gateway.envoyproxy.io`),
    },
    snapshots: {
        project: "external-snapshotter",
        version: "8.6.0",
        urls: raw(
            "kubernetes-csi/external-snapshotter",
            "v8.6.0",
            "client/config/crd",
            snapshotKinds.map(([group, plural]) => `${group}_${plural}.yaml`),
        ),
        names: snapshotKinds.map(([group, plural]) => `${plural}.${group}`),
    },
} as const satisfies Record<string, CrdBundle>;
