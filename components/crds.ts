/**
 * CustomResourceDefinitions that come before any chart: project, version and where upstream publishes them. Helm
 * never upgrades what stands in a chart's crds/ folder, so they are a layer of their own.
 */
import { crdFiles, type PinnedFiles } from "./crd-files";

export interface CrdBundle {
    /** Project, as the sandbox's directory of CRDs spells it. */
    readonly project: string;
    readonly version: string;
    /** What stands before the version in the release's tag; absent: `v`. */
    readonly tagPrefix?: "";
    /** `owner/name` at GitHub. */
    readonly repository: string;
    /** Folder in the repository; with a kustomization.yaml in it, that says how the files are read. */
    readonly directory: string;
    /** Files in the folder; their commit and checksums stand in components/crd-files.ts. */
    readonly files: readonly string[];
    /** Every CRD in them, `plural.group`. */
    readonly names: readonly string[];
    /** What else is in them, `kind/name`. */
    readonly others?: readonly string[];
}

/** Address of the folder of a bundle, at the commit of its release. */
export function crdFolder({ repository, directory }: CrdBundle, commit: string): string {
    return `https://raw.githubusercontent.com/${repository}/${commit}/${directory}`;
}

/** Commit and checksums of a bundle. Throws where they are of another release than the bundle. */
export function pinnedFiles({ project, version, files }: CrdBundle): PinnedFiles {
    const pinned = crdFiles[project];
    if (pinned?.version !== version || files.some((file) => pinned.files[file] === undefined)) {
        throw new Error(
            `components/crd-files.ts has ${project} ${pinned?.version ?? "not at all"}, components/crds.ts wants ${version}: run  npm run crds`,
        );
    }
    return pinned;
}

const gatewayKinds = [
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
];

const kedaKinds = [
    ["eventing.keda.sh", "cloudeventsources"],
    ["eventing.keda.sh", "clustercloudeventsources"],
    ["keda.sh", "clustertriggerauthentications"],
    ["keda.sh", "scaledjobs"],
    ["keda.sh", "scaledobjects"],
    ["keda.sh", "triggerauthentications"],
] as const;

const prometheusKinds = [
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
];

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

const veleroKinds = [
    ["v1", "backuprepositories"],
    ["v1", "backups"],
    ["v1", "backupstoragelocations"],
    ["v1", "deletebackuprequests"],
    ["v1", "downloadrequests"],
    ["v1", "podvolumebackups"],
    ["v1", "podvolumerestores"],
    ["v1", "restores"],
    ["v1", "schedules"],
    ["v1", "serverstatusrequests"],
    ["v1", "volumesnapshotlocations"],
    ["v2alpha1", "datadownloads"],
    ["v2alpha1", "datauploads"],
] as const;

export const crds = {
    gatewayApi: {
        project: "gateway-api",
        version: "1.6.1",
        repository: "kubernetes-sigs/gateway-api",
        directory: "config/crd/standard",
        files: [...gatewayKinds, "vap_safeupgrades"].map((part) => `gateway.networking.k8s.io_${part}.yaml`),
        names: gatewayKinds.map((plural) => `${plural}.gateway.networking.k8s.io`),
        // Refuses an experimental or older CRD in place of these.
        others: ["validatingadmissionpolicy", "validatingadmissionpolicybinding"].map(
            (kind) => `${kind}/safe-upgrades.gateway.networking.k8s.io`,
        ),
    },
    externalDns: {
        project: "external-dns",
        version: "0.21.0",
        repository: "kubernetes-sigs/external-dns",
        directory: "config/crd/standard",
        files: ["dnsendpoints.externaldns.k8s.io.yaml"],
        names: ["dnsendpoints.externaldns.k8s.io"],
    },
    keda: {
        project: "keda",
        version: "2.20.2",
        repository: "kedacore/keda",
        // The definitions as they are generated are refused by the API server; the project's patches mend them.
        directory: "config/crd",
        files: [
            "kustomization.yaml",
            "patches/scaledjob_patch.yaml",
            "patches/scaledobject_patch.yaml",
            ...kedaKinds.map(([group, plural]) => `bases/${group}_${plural}.yaml`),
        ],
        names: kedaKinds.map(([group, plural]) => `${plural}.${group}`),
    },
    prometheus: {
        project: "prometheus-operator",
        version: "0.93.0",
        repository: "prometheus-operator/prometheus-operator",
        directory: "example/prometheus-operator-crd",
        files: prometheusKinds.map((plural) => `monitoring.coreos.com_${plural}.yaml`),
        names: prometheusKinds.map((plural) => `${plural}.monitoring.coreos.com`),
    },
    externalSecrets: {
        project: "external-secrets",
        version: "2.9.0",
        repository: "external-secrets/external-secrets",
        directory: "deploy/crds",
        files: ["bundle.yaml"],
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
        repository: "envoyproxy/gateway",
        // From the chart's crds/ folder, whose copy of the Gateway API is the experimental channel and stays out.
        directory: "charts/gateway-helm/charts/crds/crds/generated",
        files: envoyGatewayKinds.map((plural) => `gateway.envoyproxy.io_${plural}.yaml`),
        names: envoyGatewayKinds.map((plural) => `${plural}.gateway.envoyproxy.io`),
    },
    istio: {
        project: "istio",
        version: "1.30.3",
        repository: "istio/istio",
        tagPrefix: "",
        directory: "manifests/charts/base/files",
        files: ["crd-all.gen.yaml"],
        names: [
            ...["trafficextensions", "wasmplugins"].map((plural) => `${plural}.extensions.istio.io`),
            ...[
                "destinationrules",
                "envoyfilters",
                "gateways",
                "proxyconfigs",
                "serviceentries",
                "sidecars",
                "virtualservices",
                "workloadentries",
                "workloadgroups",
            ].map((plural) => `${plural}.networking.istio.io`),
            ...["authorizationpolicies", "peerauthentications", "requestauthentications"].map(
                (plural) => `${plural}.security.istio.io`,
            ),
            "telemetries.telemetry.istio.io",
        ],
    },
    snapshots: {
        project: "external-snapshotter",
        version: "8.6.0",
        repository: "kubernetes-csi/external-snapshotter",
        directory: "client/config/crd",
        files: snapshotKinds.map(([group, plural]) => `${group}_${plural}.yaml`),
        names: snapshotKinds.map(([group, plural]) => `${plural}.${group}`),
    },
    velero: {
        project: "velero",
        version: "1.18.1",
        repository: "velero-io/velero",
        directory: "config/crd",
        files: veleroKinds.map(([version, plural]) => `${version}/bases/velero.io_${plural}.yaml`),
        names: veleroKinds.map(([, plural]) => `${plural}.velero.io`),
    },
    redisEnterprise: {
        project: "redis-enterprise",
        version: "8.0.20-23",
        repository: "RedisLabs/redis-enterprise-k8s-docs",
        directory: "crds",
        files: ["rec", "redb", "reaadb", "rerc"].map((kind) => `${kind}_crd.yaml`),
        names: [
            "redisenterpriseactiveactivedatabases",
            "redisenterpriseclusters",
            "redisenterprisedatabases",
            "redisenterpriseremoteclusters",
        ].map((plural) => `${plural}.app.redislabs.com`),
    },
    nodeFeatureDiscovery: {
        project: "node-feature-discovery",
        version: "0.19.0",
        repository: "kubernetes-sigs/node-feature-discovery",
        directory: "deployment/base/nfd-crds",
        files: ["nfd-api-crds.yaml"],
        names: ["nodefeaturegroups", "nodefeaturerules", "nodefeatures"].map((plural) => `${plural}.nfd.k8s-sigs.io`),
    },
    intelDevicePlugins: {
        project: "intel-device-plugins",
        version: "0.36.0",
        repository: "intel/intel-device-plugins-for-kubernetes",
        directory: "deployments/operator/crd/bases",
        // Of GPUs only: the operator watches the kinds that its chart is told of.
        files: ["deviceplugin.intel.com_gpudeviceplugins.yaml"],
        names: ["gpudeviceplugins.deviceplugin.intel.com"],
    },
} as const satisfies Record<string, CrdBundle>;
