/**
 * Charts that the sandbox installs where the published ones are not at hand. They make the Deployments, Services,
 * ServiceAccounts, CRDs and classes that the program or another chart refers to, with upstream's names, labels and
 * values. ServiceMonitors, RBAC, probes and security settings are left out: no container of a sandbox runs.
 */
import { CORE_STAND_INS } from "./core-stand-ins";
import {
    type ChartObject,
    CONTAINER_SECURITY,
    full,
    POD_SECURITY,
    labels,
    service,
    type StandIn,
    value,
    workload,
    type WorkloadOf,
} from "./generator";

const PLACEMENT = { nodeSelector: "nodeSelector", tolerations: "tolerations", affinity: "affinity" };
const UNPLACED = { nodeSelector: {}, tolerations: [], affinity: {} };

/** A workload and the service of the same name in front of it. */
function served(
    of: WorkloadOf,
    ports: Readonly<Record<string, number | string | readonly [port: number | string, target: number | string]>>,
    more: { readonly annotations?: Readonly<Record<string, string>>; readonly type?: string } = {},
): ChartObject[] {
    const when = of.when === undefined ? {} : { when: of.when };
    return [...workload(of), service({ name: of.name, labels: of.labels, ports, ...when, ...more })];
}

const linkerdLabels = (component: string) => ({
    "linkerd.io/control-plane-component": component,
    "linkerd.io/control-plane-ns": "{{ .Release.Namespace }}",
});

/** A Deployment of Linkerd's control plane. */
function linkerdPart(component: string, secrets: readonly string[]): ChartObject[] {
    return workload({
        name: `linkerd-${component}`,
        labels: linkerdLabels(component),
        image: "cr.l5d.io/linkerd/controller",
        replicas: "controllerReplicas",
        secrets,
    });
}

function linkerdService(name: string, component: string, ports: Readonly<Record<string, readonly [number, number]>>) {
    return service({ name, labels: linkerdLabels(component), ports });
}

/** A webhook whose authority cert-manager writes. */
function webhookFor(name: string, serviceName: string, injectCaFrom: string): ChartObject {
    return {
        object: {
            apiVersion: "admissionregistration.k8s.io/v1",
            kind: "MutatingWebhookConfiguration",
            metadata: { name, annotations: { "cert-manager.io/inject-ca-from": `{{ .Values.${injectCaFrom} }}` } },
            webhooks: [
                {
                    name: `${serviceName}.linkerd.io`,
                    admissionReviewVersions: ["v1"],
                    clientConfig: { service: { name: serviceName, namespace: "{{ .Release.Namespace }}", path: "/" } },
                    failurePolicy: "Ignore",
                    rules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"] }],
                    sideEffects: "None",
                },
            ],
        },
    };
}

/** A Job that Helm runs before or after the rest. */
function hook(name: string, phase: string, image: string, when?: string): ChartObject {
    const container = { name: "job", image, securityContext: CONTAINER_SECURITY };
    return {
        ...(when !== undefined && { when }),
        object: {
            apiVersion: "batch/v1",
            kind: "Job",
            metadata: {
                name,
                namespace: "{{ .Release.Namespace }}",
                annotations: {
                    "helm.sh/hook": phase,
                    "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
                },
            },
            spec: {
                template: {
                    spec: { restartPolicy: "OnFailure", securityContext: POD_SECURITY, containers: [container] },
                },
            },
        },
    };
}

function configMap(name: string, data: object | string, when?: string): ChartObject {
    return {
        ...(when !== undefined && { when }),
        object: {
            apiVersion: "v1",
            kind: "ConfigMap",
            metadata: { name, namespace: "{{ .Release.Namespace }}" },
            data,
        },
    };
}

const certManagerLabels = (part: string, component: string) => ({ app: part, ...labels(part, component) });

const thanosPart = (key: string, name: string, kind: "Deployment" | "StatefulSet"): readonly ChartObject[] =>
    served(
        {
            kind,
            name: `${full}-${name}`,
            labels: labels("thanos", name),
            image: "quay.io/thanos/thanos",
            ports: { grpc: 10901, http: 10902 },
            when: `.Values.${key}.enabled`,
            resources: `${key}.resources`,
            ...(key !== "compact" && { replicas: `${key}.replicas` }),
            ...(kind === "StatefulSet" && {
                storage: { values: `${key}.persistence`, classKey: "storageClass", mode: "ReadWriteOnce" },
            }),
        },
        {
            ...(["query", "storeGateway", "rule"].includes(key) && {
                grpc: [value(`${key}.service.grpcPort`), "grpc"] as const,
            }),
            http: [value(`${key}.service.httpPort`), "http"],
        },
    );

const thanosVolume = { enabled: false, storageClass: "standard", size: "8Gi" };

const lokiCache = (key: string, name: string): readonly ChartObject[] =>
    served(
        {
            kind: "StatefulSet",
            name: `${full}-${name}`,
            labels: labels("loki", `memcached-${name}`),
            image: "docker.io/memcached",
            ports: { client: 11211 },
            replicas: `${key}.replicas`,
            resources: `${key}.resources`,
            when: `.Values.${key}.enabled`,
        },
        { "memcached-client": [11211, "client"] },
    );

const GATEWAY_LABELS = { app: "{{ .Release.Name }}", istio: "{{ .Release.Name | trimPrefix `istio-` }}" };

const HAPROXY_ARGS =
    "(concat (list (printf `--configmap=%s/%s` .Release.Namespace (include `fullname` .)) (printf `--ingress-class=%s` .Values.controller.ingressClass)) " +
    "(ternary (list (printf `--publish-service=$(POD_NAMESPACE)/%s` (include `fullname` .))) list .Values.controller.publishService.enabled) " +
    "(list (printf `--default-ssl-certificate=%s` (get .Values.controller.extraArgs `default-ssl-certificate`))))";

/** A class for each of several, or the one that the values themselves describe. */
const LOCAL_PATH_CLASSES = `{{- $provisioner := .Values.storageClass.provisionerName | default (printf "cluster.local/%s" (include "fullname" .)) }}
{{- $classes := .Values.storageClassConfigs | default (dict .Values.storageClass.name .Values) }}
{{- range $name, $config := $classes }}
{{- with $config.storageClass }}
{{- if .create }}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: {{ $name }}
  annotations: {{ merge (dict "storageclass.kubernetes.io/is-default-class" (toString .defaultClass) "defaultVolumeType" .defaultVolumeType) (.annotations | default dict) | toJson }}
provisioner: {{ $provisioner }}
volumeBindingMode: {{ .volumeBindingMode }}
reclaimPolicy: {{ .reclaimPolicy }}
allowVolumeExpansion: true
{{- with .allowedTopologies }}
allowedTopologies: {{ toJson . }}
{{- end }}
{{- if .pathPattern }}
parameters:
  pathPattern: {{ .pathPattern | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
`;

export const STAND_INS: Readonly<Record<string, StandIn>> = {
    ...CORE_STAND_INS,
    "cert-manager": {
        values: {
            crds: { enabled: false, keep: true },
            replicaCount: 1,
            resources: {},
            cainjector: { enabled: true, replicaCount: 1, resources: {} },
            webhook: { replicaCount: 1, resources: {} },
            startupapicheck: { enabled: true },
            config: {},
        },
        crds: [
            {
                subchart: "crds",
                projects: ["cert-manager"],
                condition: "crds.enabled",
                as: "template",
                keep: "$.Values.keep",
            },
        ],
        objects: [
            served(
                {
                    name: full,
                    labels: certManagerLabels("cert-manager", "controller"),
                    image: "quay.io/jetstack/cert-manager-controller",
                    args: "(ternary (list) (list `--config=/var/cert-manager/config/config.yaml`) (empty .Values.config))",
                    ports: { "http-metrics": 9402 },
                    replicas: "replicaCount",
                    resources: "resources",
                },
                { "http-metrics": 9402 },
            ),
            configMap(full, { "config.yaml": value("(.Values.config | toYaml)") }, ".Values.config"),
            workload({
                name: `${full}-cainjector`,
                labels: certManagerLabels("cainjector", "cainjector"),
                image: "quay.io/jetstack/cert-manager-cainjector",
                replicas: "cainjector.replicaCount",
                resources: "cainjector.resources",
                when: ".Values.cainjector.enabled",
            }),
            served(
                {
                    name: `${full}-webhook`,
                    labels: certManagerLabels("webhook", "webhook"),
                    image: "quay.io/jetstack/cert-manager-webhook",
                    ports: { https: 10250, "http-metrics": 9402 },
                    replicas: "webhook.replicaCount",
                    resources: "webhook.resources",
                },
                { https: 443, metrics: [9402, "http-metrics"] },
            ),
            hook(
                `${full}-startupapicheck`,
                "post-install",
                "quay.io/jetstack/cert-manager-startupapicheck",
                ".Values.startupapicheck.enabled",
            ),
        ],
    },
    coredns: {
        values: {
            replicaCount: 1,
            resources: { limits: { cpu: "100m", memory: "128Mi" }, requests: { cpu: "100m", memory: "128Mi" } },
            service: { clusterIP: "", name: "" },
            k8sAppLabelOverride: "",
            ...UNPLACED,
        },
        objects: [
            workload({
                name: full,
                account: "default",
                labels: {
                    ...labels("coredns"),
                    "k8s-app": "{{ .Values.k8sAppLabelOverride | default .Chart.Name }}",
                },
                image: "docker.io/coredns/coredns",
                ports: { "udp-53": 53, "tcp-53": 53 },
                replicas: "replicaCount",
                resources: "resources",
                pod: PLACEMENT,
            }).filter(({ object }) => (object as { kind: string }).kind !== "ServiceAccount"),
            configMap(full, { Corefile: ".:53 {}\n" }),
        ],
        // UDP and TCP on one number: a list of ports by name and protocol.
        text: `apiVersion: v1
kind: Service
metadata:
  name: {{ .Values.service.name | default (include "fullname" .) }}
  namespace: {{ .Release.Namespace }}
  labels:
    app.kubernetes.io/name: coredns
    app.kubernetes.io/instance: {{ .Release.Name }}
    k8s-app: {{ .Values.k8sAppLabelOverride | default .Chart.Name }}
    kubernetes.io/cluster-service: "true"
spec:
  {{- with .Values.service.clusterIP }}
  clusterIP: {{ . }}
  {{- end }}
  selector:
    app.kubernetes.io/name: coredns
    app.kubernetes.io/instance: {{ .Release.Name }}
    k8s-app: {{ .Values.k8sAppLabelOverride | default .Chart.Name }}
  ports:
    - { name: udp-53, port: 53, protocol: UDP, targetPort: 53 }
    - { name: tcp-53, port: 53, protocol: TCP, targetPort: 53 }
`,
    },
    "flux-operator": {
        values: { installCRDs: true, resources: {}, web: { enabled: true } },
        crds: [{ subchart: "crds", projects: ["flux-operator"], condition: "installCRDs", as: "template", keep: true }],
        objects: [
            served(
                {
                    name: full,
                    labels: labels("flux-operator"),
                    image: "ghcr.io/controlplaneio-fluxcd/flux-operator",
                    ports: { "http-metrics": 8080, "http-web": 9080 },
                    resources: "resources",
                },
                { http: [8080, "http-metrics"], "http-web": 9080 },
            ),
        ],
    },
    "cloudnative-pg": {
        values: {
            crds: { create: true },
            replicaCount: 1,
            resources: {},
            service: { name: "cnpg-webhook-service", port: 443 },
            config: { name: "cnpg-controller-manager-config", data: {} },
            monitoringQueriesConfigMap: { name: "cnpg-default-monitoring" },
            ...UNPLACED,
        },
        crds: [
            { subchart: "crds", projects: ["cloudnative-pg"], condition: "crds.create", as: "template", keep: true },
        ],
        objects: [
            workload({
                name: full,
                labels: labels("cloudnative-pg"),
                image: "ghcr.io/cloudnative-pg/cloudnative-pg",
                ports: { metrics: 8080, "webhook-server": 9443 },
                replicas: "replicaCount",
                resources: "resources",
                pod: PLACEMENT,
            }),
            service({
                name: "{{ .Values.service.name }}",
                labels: labels("cloudnative-pg"),
                ports: { "webhook-server": value("service.port") },
            }),
            configMap("{{ .Values.config.name }}", value("config.data") as unknown as object),
            configMap("{{ .Values.monitoringQueriesConfigMap.name }}", { queries: "" }),
        ],
    },
    "plugin-barman-cloud": {
        values: {
            crds: { create: true },
            replicaCount: 1,
            resources: {},
            service: { name: "barman-cloud", port: 9090 },
            certificate: {
                createClientCertificate: true,
                createServerCertificate: true,
                issuerName: "selfsigned-issuer",
            },
            ...UNPLACED,
        },
        crds: [
            {
                subchart: "crds",
                projects: ["plugin-barman-cloud"],
                condition: "crds.create",
                as: "template",
                keep: true,
            },
        ],
        objects: [
            workload({
                name: full,
                labels: labels("plugin-barman-cloud"),
                image: "ghcr.io/cloudnative-pg/plugin-barman-cloud",
                ports: { grpc: 9090 },
                replicas: "replicaCount",
                resources: "resources",
                pod: PLACEMENT,
            }),
            service({
                name: "{{ .Values.service.name }}",
                labels: labels("plugin-barman-cloud"),
                marks: { "cnpg.io/pluginName": "barman-cloud.cloudnative-pg.io" },
                annotations: {
                    "cnpg.io/pluginClientSecret": "barman-cloud-client-tls",
                    "cnpg.io/pluginServerSecret": "barman-cloud-server-tls",
                    "cnpg.io/pluginPort": "{{ .Values.service.port }}",
                },
                ports: { "": [value("service.port"), 9090] },
            }),
            {
                object: {
                    apiVersion: "cert-manager.io/v1",
                    kind: "Issuer",
                    metadata: {
                        name: `${full}-{{ .Values.certificate.issuerName }}`,
                        namespace: "{{ .Release.Namespace }}",
                    },
                    spec: { selfSigned: {} },
                },
            },
            ...["Client", "Server"].map((side) => ({
                when: `.Values.certificate.create${side}Certificate`,
                object: {
                    apiVersion: "cert-manager.io/v1",
                    kind: "Certificate",
                    metadata: {
                        name: `barman-cloud-${side.toLowerCase()}`,
                        namespace: "{{ .Release.Namespace }}",
                    },
                    spec: {
                        commonName: "{{ .Values.service.name }}",
                        dnsNames: ["{{ .Values.service.name }}"],
                        secretName: `barman-cloud-${side.toLowerCase()}-tls`,
                        issuerRef: {
                            group: "cert-manager.io",
                            kind: "Issuer",
                            name: `${full}-{{ .Values.certificate.issuerName }}`,
                        },
                    },
                },
            })),
        ],
    },
    "rook-ceph": {
        values: {
            crds: { enabled: true },
            csi: { installCsiOperator: true },
            resources: {},
            nodeSelector: {},
            tolerations: [],
        },
        crds: [
            { subchart: "crds", projects: ["rook"], condition: "crds.enabled", as: "template", keep: true },
            {
                subchart: "csi-crds",
                projects: ["ceph-csi-operator"],
                condition: "csi.installCsiOperator",
                as: "template",
            },
        ],
        objects: [
            workload({
                name: "rook-ceph-operator",
                account: "rook-ceph-system",
                labels: { app: "rook-ceph-operator" },
                image: "docker.io/rook/ceph",
                resources: "resources",
                pod: { nodeSelector: "nodeSelector", tolerations: "tolerations" },
            }),
            configMap("rook-ceph-operator-config", { ROOK_LOG_LEVEL: "INFO" }),
            configMap("rook-csi-operator-image-set-configmap", { plugin: "quay.io/cephcsi/cephcsi" }),
            workload({
                name: "ceph-csi-controller-manager",
                labels: { "control-plane": "ceph-csi-op-controller-manager", ...labels("ceph-csi") },
                image: "quay.io/cephcsi/ceph-csi-operator",
                when: ".Values.csi.installCsiOperator",
            }),
        ],
    },
    "rook-ceph-cluster": {
        values: {
            operatorNamespace: "rook-ceph",
            clusterName: null,
            csiDriverNamePrefix: null,
            configOverride: null,
            toolbox: { enabled: false, labels: {}, resources: {}, tolerations: [], affinity: {} },
            monitoring: { enabled: false, createPrometheusRules: false },
            cephImage: { repository: "quay.io/ceph/ceph", tag: "v20.2.4", allowUnsupported: false },
            cephClusterSpec: { dataDirHostPath: "/var/lib/rook", mon: { count: 3 }, mgr: { count: 2 } },
            cephBlockPools: [
                {
                    name: "ceph-blockpool",
                    spec: { failureDomain: "host", replicated: { size: 3 } },
                    storageClass: { enabled: true, name: "ceph-block", isDefault: true },
                },
            ],
            cephFileSystems: [
                {
                    name: "ceph-filesystem",
                    spec: {
                        metadataPool: { replicated: { size: 3 } },
                        dataPools: [{ failureDomain: "host", replicated: { size: 3 }, name: "data0" }],
                        metadataServer: { activeCount: 1, activeStandby: true },
                    },
                    storageClass: { enabled: true, name: "ceph-filesystem" },
                },
            ],
            cephObjectStores: [
                {
                    name: "ceph-objectstore",
                    spec: {
                        metadataPool: { failureDomain: "host", replicated: { size: 3 } },
                        dataPool: { failureDomain: "host", replicated: { size: 3 } },
                        gateway: { port: 80, instances: 1 },
                    },
                    storageClass: { enabled: true, name: "ceph-bucket" },
                },
            ],
            cephBlockPoolsVolumeSnapshotClass: { enabled: false, name: "ceph-block", deletionPolicy: "Delete" },
        },
        objects: [
            workload({
                name: "rook-ceph-tools",
                account: "rook-ceph-tools",
                labels: { app: "rook-ceph-tools" },
                image: "quay.io/ceph/ceph",
                resources: "toolbox.resources",
                pod: { tolerations: "toolbox.tolerations", affinity: "toolbox.affinity" },
                when: ".Values.toolbox.enabled",
            }),
            configMap("rook-config-override", { config: value("configOverride") }, ".Values.configOverride"),
        ],
        // The classes are hooks with a policy of their own, as upstream's: they outlive the release.
        text: `{{- $driver := .Values.csiDriverNamePrefix | default .Values.operatorNamespace }}
{{- $ns := .Release.Namespace }}
---
apiVersion: ceph.rook.io/v1
kind: CephCluster
metadata:
  name: {{ .Values.clusterName | default $ns }}
  namespace: {{ $ns }}
spec:
  monitoring:
    enabled: {{ .Values.monitoring.enabled }}
  cephVersion:
    image: "{{ .Values.cephImage.repository }}:{{ .Values.cephImage.tag }}"
    allowUnsupported: {{ .Values.cephImage.allowUnsupported }}
  {{- toYaml .Values.cephClusterSpec | nindent 2 }}
{{- range $kind, $list := dict "CephBlockPool" .Values.cephBlockPools "CephFilesystem" .Values.cephFileSystems "CephObjectStore" .Values.cephObjectStores }}
{{- range $item := $list }}
---
apiVersion: ceph.rook.io/v1
kind: {{ $kind }}
metadata:
  name: {{ $item.name }}
  namespace: {{ $ns }}
spec:
  {{- toYaml $item.spec | nindent 2 }}
{{- $class := $item.storageClass | default dict }}
{{- if $class.enabled }}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: {{ $class.name }}
  {{- with $class.labels }}
  labels:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  annotations:
    helm.sh/hook: post-install,pre-upgrade
    helm.sh/hook-delete-policy: before-hook-creation
    helm.sh/resource-policy: keep
    storageclass.kubernetes.io/is-default-class: {{ $class.isDefault | default false | quote }}
    {{- with $class.annotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- if eq $kind "CephBlockPool" }}
provisioner: {{ $driver }}.rbd.csi.ceph.com
parameters:
  pool: {{ $item.name }}
  clusterID: {{ $ns }}
  {{- with $class.parameters }}
  {{- tpl (toYaml .) $ | nindent 2 }}
  {{- end }}
{{- else if eq $kind "CephFilesystem" }}
provisioner: {{ $driver }}.cephfs.csi.ceph.com
parameters:
  fsName: {{ $item.name }}
  clusterID: {{ $ns }}
{{- else }}
provisioner: {{ $driver }}.ceph.rook.io/bucket
parameters:
  objectStoreName: {{ $item.name }}
  objectStoreNamespace: {{ $ns }}
{{- end }}
reclaimPolicy: {{ $class.reclaimPolicy | default "Delete" }}
allowVolumeExpansion: {{ $class.allowVolumeExpansion | default true }}
volumeBindingMode: {{ $class.volumeBindingMode | default "Immediate" }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.cephBlockPoolsVolumeSnapshotClass }}
{{- if .enabled }}
---
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshotClass
metadata:
  name: {{ .name }}
  annotations:
    snapshot.storage.kubernetes.io/is-default-class: {{ .isDefault | default false | quote }}
driver: {{ $driver }}.rbd.csi.ceph.com
parameters:
  clusterID: {{ $ns }}
  csi.storage.k8s.io/snapshotter-secret-name: rook-csi-rbd-provisioner
  csi.storage.k8s.io/snapshotter-secret-namespace: {{ $ns }}
deletionPolicy: {{ .deletionPolicy | default "Delete" }}
{{- end }}
{{- end }}
{{- if .Values.monitoring.createPrometheusRules }}
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: prometheus-ceph-rules
  namespace: {{ .Values.monitoring.rulesNamespaceOverride | default $ns }}
spec:
  groups: []
{{- end }}
`,
    },
    "ceph-csi-drivers": {
        values: {
            operatorConfig: {
                name: "ceph-csi-operator-config",
                namespace: "",
                create: true,
                driverSpecDefaults: { imageSet: { name: "" } },
            },
            drivers: {
                rbd: { name: "rbd.csi.ceph.com", enabled: false },
                cephfs: { name: "cephfs.csi.ceph.com", enabled: true },
                nfs: { name: "nfs.csi.ceph.com", enabled: false },
                nvmeof: { name: "nvmeof.csi.ceph.com", enabled: false },
            },
        },
        objects: [],
        text: `{{- with .Values.operatorConfig }}
{{- if .create }}
---
apiVersion: csi.ceph.io/v1
kind: OperatorConfig
metadata:
  name: {{ .name }}
  namespace: {{ .namespace | default $.Release.Namespace }}
spec:
  driverSpecDefaults:
    {{- toYaml (.driverSpecDefaults | default dict) | nindent 4 }}
{{- end }}
{{- end }}
{{- range .Values.drivers }}
{{- if .enabled }}
---
apiVersion: csi.ceph.io/v1
kind: Driver
metadata:
  name: {{ .name }}
  namespace: {{ $.Release.Namespace }}
spec:
  {{- toYaml (omit . "name" "enabled" "encryption" "imageSet" "serviceAccounts") | nindent 2 }}
{{- end }}
{{- end }}
`,
    },
    "localpv-provisioner": {
        values: {
            localpv: {
                name: "localpv-provisioner",
                enabled: true,
                basePath: "/var/openebs/local",
                replicas: 1,
                resources: null,
                ...UNPLACED,
            },
            hostpathClass: {
                name: "openebs-hostpath",
                enabled: true,
                reclaimPolicy: "Delete",
                isDefaultClass: false,
                basePath: "",
            },
        },
        objects: [
            workload({
                name: full,
                labels: {
                    app: "localpv-provisioner",
                    release: "{{ .Release.Name }}",
                    component: "{{ .Values.localpv.name }}",
                },
                image: "openebs/provisioner-localpv",
                privileged: true,
                replicas: "localpv.replicas",
                resources: "localpv.resources",
                pod: {
                    nodeSelector: "localpv.nodeSelector",
                    tolerations: "localpv.tolerations",
                    affinity: "localpv.affinity",
                },
                when: ".Values.localpv.enabled",
            }),
            {
                when: ".Values.hostpathClass.enabled",
                object: {
                    apiVersion: "storage.k8s.io/v1",
                    kind: "StorageClass",
                    metadata: {
                        name: "{{ .Values.hostpathClass.name }}",
                        annotations: {
                            "openebs.io/cas-type": "local",
                            "cas.openebs.io/config":
                                "- name: StorageType\n  value: hostpath\n- name: BasePath\n  value: {{ .Values.hostpathClass.basePath | default .Values.localpv.basePath }}\n",
                            "storageclass.kubernetes.io/is-default-class": "{{ .Values.hostpathClass.isDefaultClass }}",
                        },
                    },
                    provisioner: "openebs.io/local",
                    volumeBindingMode: "WaitForFirstConsumer",
                    reclaimPolicy: "{{ .Values.hostpathClass.reclaimPolicy }}",
                },
            },
        ],
    },
    longhorn: {
        values: {
            global: { nodeSelector: {}, tolerations: [] },
            persistence: { createStorageClass: true, defaultClass: true },
            csi: {},
            defaultSettings: { priorityClass: "longhorn-critical" },
            defaultBackupStore: {},
            longhornManager: { priorityClass: "longhorn-critical", resources: null },
            longhornUI: { replicas: 2 },
            metrics: { serviceMonitor: { enabled: false } },
        },
        // Without a switch upstream, too: they go with the release.
        crds: [{ subchart: "crds", projects: ["longhorn"], condition: "crds.enabled", as: "template" }],
        objects: [
            {
                object: {
                    apiVersion: "scheduling.k8s.io/v1",
                    kind: "PriorityClass",
                    metadata: { name: "longhorn-critical" },
                    globalDefault: false,
                    preemptionPolicy: "PreemptLowerPriority",
                    value: 1000000000,
                },
            },
            workload({
                kind: "DaemonSet",
                name: "longhorn-manager",
                account: "longhorn-service-account",
                labels: { app: "longhorn-manager" },
                image: "longhornio/longhorn-manager",
                privileged: true,
                ports: { manager: 9500, "admission-wh": 9502, "recov-backend": 9503 },
                resources: "longhornManager.resources",
                pod: {
                    nodeSelector: "global.nodeSelector",
                    tolerations: "global.tolerations",
                    priorityClassName: "longhornManager.priorityClass",
                },
            }),
            workload({
                name: "longhorn-driver-deployer",
                labels: { app: "longhorn-driver-deployer" },
                image: "longhornio/longhorn-manager",
                privileged: true,
                pod: { nodeSelector: "global.nodeSelector", tolerations: "global.tolerations" },
            }),
            workload({
                name: "longhorn-ui",
                account: "longhorn-ui-service-account",
                labels: { app: "longhorn-ui" },
                image: "longhornio/longhorn-ui",
                privileged: true,
                ports: { http: 8000 },
                replicas: "longhornUI.replicas",
                pod: { nodeSelector: "global.nodeSelector", tolerations: "global.tolerations" },
            }),
            service({ name: "longhorn-frontend", labels: { app: "longhorn-ui" }, ports: { http: 80 } }),
            service({ name: "longhorn-backend", labels: { app: "longhorn-manager" }, ports: { manager: 9500 } }),
            service({
                name: "longhorn-admission-webhook",
                labels: { "longhorn.io/admission-webhook": "longhorn-admission-webhook" },
                ports: { "admission-webhook": [9502, "admission-wh"] },
            }),
            configMap("longhorn-default-resource", { "default-resource.yaml": "" }),
            // The one hook that tells Longhorn to empty itself: it fails without the confirmation in its settings.
            {
                object: {
                    apiVersion: "batch/v1",
                    kind: "Job",
                    metadata: {
                        name: "longhorn-uninstall",
                        namespace: "{{ .Release.Namespace }}",
                        annotations: {
                            "helm.sh/hook": "pre-delete",
                            "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
                        },
                    },
                    spec: {
                        activeDeadlineSeconds: 900,
                        backoffLimit: 1,
                        template: {
                            metadata: { name: "longhorn-uninstall", labels: labels("longhorn") },
                            spec: {
                                restartPolicy: "Never",
                                serviceAccountName: "longhorn-service-account",
                                nodeSelector: value("global.nodeSelector"),
                                tolerations: value("global.tolerations"),
                                containers: [
                                    {
                                        name: "longhorn-uninstall",
                                        image: "longhornio/longhorn-manager:v{{ .Chart.Version }}",
                                        command: ["longhorn-manager", "uninstall", "--force"],
                                    },
                                ],
                            },
                        },
                    },
                },
            },
        ],
        text: `---
apiVersion: v1
kind: ConfigMap
metadata:
  name: longhorn-default-setting
  namespace: {{ .Release.Namespace }}
data:
  default-setting.yaml: |-
{{- range $key, $set := .Values.defaultSettings }}
{{- if not (kindIs "invalid" $set) }}
    {{ $key | kebabcase }}: {{ $set | toString | quote }}
{{- end }}
{{- end }}
{{- if .Values.persistence.createStorageClass }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: longhorn-storageclass
  namespace: {{ .Release.Namespace }}
data:
  storageclass.yaml: ""
{{- end }}
`,
    },
    volsync: {
        values: { manageCRDs: true, replicaCount: 1, resources: {}, ...UNPLACED },
        crds: [{ subchart: "crds", projects: ["volsync"], condition: "manageCRDs", as: "template", keep: true }],
        objects: [
            workload({
                name: full,
                labels: { "control-plane": "{{ include `fullname` . }}-controller", ...labels("volsync") },
                image: "quay.io/backube/volsync",
                ports: { https: 8443 },
                replicas: "replicaCount",
                resources: "resources",
                pod: PLACEMENT,
            }),
            service({ name: `${full}-metrics`, labels: labels("volsync"), ports: { https: 8443 } }),
        ],
    },
    velero: {
        values: {
            resources: {},
            deployNodeAgent: false,
            nodeAgent: { resources: {}, disableHostPath: false, extraArgs: [] },
            initContainers: null,
            upgradeCRDs: true,
            metrics: { enabled: true },
        },
        objects: [
            {
                // A rendered chart without it would install where its definitions are missing, too.
                when: ".Values.upgradeCRDs",
                ...hook(
                    "{{ include `fullname` . }}-upgrade-crds",
                    "pre-install,pre-upgrade,pre-rollback",
                    "docker.io/velero/velero",
                ),
            },
            ...workload({
                name: "velero",
                account: "velero-server",
                labels: { name: "velero", ...labels("velero") },
                image: "docker.io/velero/velero",
                ports: { "http-monitoring": 8085 },
                resources: "resources",
                pod: {
                    initContainers: "initContainers",
                    // Plugins are copied from init containers into the first.
                    volumes:
                        "(list (dict `name` `plugins` `emptyDir` (dict)) (dict `name` `scratch` `emptyDir` (dict)))",
                },
            }),
            ...workload({
                kind: "DaemonSet",
                name: "node-agent",
                labels: { name: "node-agent" },
                image: "docker.io/velero/velero",
                args: "nodeAgent.extraArgs",
                ports: { "http-monitoring": 8085 },
                resources: "nodeAgent.resources",
                when: ".Values.deployNodeAgent",
            }),
            service({
                name: full,
                labels: { name: "velero", ...labels("velero") },
                ports: { "http-monitoring": 8085 },
                when: ".Values.metrics.enabled",
            }),
        ],
    },
    base: {
        values: {},
        objects: [
            {
                object: {
                    apiVersion: "v1",
                    kind: "ServiceAccount",
                    metadata: { name: "istio-reader-service-account", namespace: "{{ .Release.Namespace }}" },
                },
            },
        ],
    },
    istiod: {
        values: { replicaCount: 1, env: {} },
        objects: [
            workload({
                name: "istiod",
                labels: { app: "istiod", istio: "pilot" },
                image: "registry.istio.io/release/pilot",
                ports: { "http-debug": 8080, "grpc-xds": 15010, "tls-xds": 15012, "https-webhooks": 15017 },
                replicas: "replicaCount",
                env: "env",
                resources: "resources",
            }),
            service({
                name: "istiod",
                labels: { app: "istiod", istio: "pilot" },
                ports: {
                    "grpc-xds": 15010,
                    "https-dns": [15012, "tls-xds"],
                    "https-webhook": [443, "https-webhooks"],
                    "http-monitoring": [15014, 15014],
                },
            }),
        ],
    },
    gateway: {
        values: {
            replicaCount: 1,
            service: {
                type: "LoadBalancer",
                ports: [
                    { name: "status-port", port: 15021, protocol: "TCP", targetPort: 15021 },
                    { name: "http2", port: 80, protocol: "TCP", targetPort: 80 },
                    { name: "https", port: 443, protocol: "TCP", targetPort: 443 },
                ],
            },
            resources: {},
        },
        objects: [
            workload({
                name: "{{ .Release.Name }}",
                labels: GATEWAY_LABELS,
                // Filled in by istiod, in a pod of a real cluster.
                image: "auto",
                ports: { "http-envoy-prom": 15090 },
                replicas: "replicaCount",
                resources: "resources",
            }),
            {
                object: {
                    apiVersion: "v1",
                    kind: "Service",
                    metadata: { name: "{{ .Release.Name }}", namespace: "{{ .Release.Namespace }}" },
                    spec: {
                        type: "{{ .Values.service.type }}",
                        selector: GATEWAY_LABELS,
                        ports: value("service.ports"),
                    },
                },
            },
        ],
    },
    "haproxy-ingress": {
        values: {
            controller: {
                ingressClass: "haproxy",
                ingressClassResource: { enabled: false, default: false },
                replicaCount: 1,
                extraArgs: {},
                config: {},
                resources: {},
                publishService: { enabled: false },
                service: { type: "LoadBalancer", annotations: {}, externalTrafficPolicy: "Local" },
            },
        },
        objects: [
            workload({
                name: full,
                labels: labels("haproxy-ingress"),
                image: "quay.io/jcmoraisjr/haproxy-ingress",
                args: HAPROXY_ARGS,
                ports: { http: 80, https: 443 },
                replicas: "controller.replicaCount",
                resources: "controller.resources",
            }),
            {
                object: {
                    apiVersion: "v1",
                    kind: "Service",
                    metadata: {
                        name: full,
                        namespace: "{{ .Release.Namespace }}",
                        annotations: value("controller.service.annotations"),
                    },
                    spec: {
                        type: "{{ .Values.controller.service.type }}",
                        externalTrafficPolicy: "{{ .Values.controller.service.externalTrafficPolicy }}",
                        selector: labels("haproxy-ingress"),
                        ports: [
                            { name: "http-80", port: 80, protocol: "TCP", targetPort: "http" },
                            { name: "https-443", port: 443, protocol: "TCP", targetPort: "https" },
                        ],
                    },
                },
            },
            configMap(full, value("controller.config")),
            {
                when: ".Values.controller.ingressClassResource.enabled",
                object: {
                    apiVersion: "networking.k8s.io/v1",
                    kind: "IngressClass",
                    metadata: {
                        name: "{{ .Values.controller.ingressClass }}",
                        annotations: {
                            "ingressclass.kubernetes.io/is-default-class":
                                "{{ .Values.controller.ingressClassResource.default }}",
                        },
                    },
                    spec: { controller: "haproxy-ingress.github.io/controller" },
                },
            },
        ],
    },
    "linkerd-crds": {
        // The real chart has no switch for its own; this one is of the Gateway API's.
        values: {},
        crds: [{ subchart: "crds", projects: ["linkerd"], condition: "never-switched-off", as: "template" }],
        objects: [],
    },
    "linkerd2-cni": {
        values: { resources: {}, repairController: { enabled: false } },
        objects: [
            ...workload({
                kind: "DaemonSet",
                name: "linkerd-cni",
                labels: { "k8s-app": "linkerd-cni" },
                image: "cr.l5d.io/linkerd/cni-plugin",
                // It writes into directories of the machine.
                privileged: true,
            }),
        ],
    },
    "linkerd-control-plane": {
        values: {
            controllerReplicas: 1,
            cniEnabled: false,
            identity: { externalCA: false, issuer: { scheme: "linkerd.io/tls" } },
            proxyInjector: { injectCaFrom: "", externalSecret: false },
        },
        objects: [
            linkerdPart("identity", ["linkerd-identity-issuer"]),
            linkerdPart("destination", ["linkerd-sp-validator-k8s-tls", "linkerd-policy-validator-k8s-tls"]),
            linkerdPart("proxy-injector", ["linkerd-proxy-injector-k8s-tls"]),
            linkerdService("linkerd-identity", "identity", { grpc: [8080, 8080] }),
            linkerdService("linkerd-dst", "destination", { grpc: [8086, 8086] }),
            linkerdService("linkerd-policy", "destination", { grpc: [8090, 8090] }),
            linkerdService("linkerd-sp-validator", "destination", { "sp-validator": [443, 8443] }),
            linkerdService("linkerd-policy-validator", "destination", { "policy-https": [443, 9443] }),
            linkerdService("linkerd-proxy-injector", "proxy-injector", { "proxy-injector": [443, 8443] }),
            webhookFor("linkerd-proxy-injector-webhook-config", "linkerd-proxy-injector", "proxyInjector.injectCaFrom"),
        ],
        text:
            "{{- if not .Values.cniEnabled }}{{ fail `the stand-in for Linkerd has no proxy-init: cniEnabled must be true` }}{{ end }}\n" +
            "{{- if or (not .Values.identity.externalCA) (ne .Values.identity.issuer.scheme `kubernetes.io/tls`) (not .Values.proxyInjector.externalSecret) }}{{ fail `Please provide the identity trust anchors` }}{{ end }}\n",
    },
    "linkerd-viz": {
        values: { tap: { injectCaFrom: "" }, tapInjector: { injectCaFrom: "" } },
        objects: [
            ...["metrics-api", "prometheus", "tap", "tap-injector", "web"].flatMap((component) =>
                workload({
                    name: component,
                    labels: { "linkerd.io/extension": "viz", component },
                    image: `cr.l5d.io/linkerd/${component}`,
                }),
            ),
            service({
                name: "web",
                labels: { "linkerd.io/extension": "viz", component: "web" },
                ports: { http: [8084, 8084], admin: [9994, 9994] },
            }),
            webhookFor("linkerd-tap-injector-webhook-config", "tap-injector", "tapInjector.injectCaFrom"),
            // What says to the API server that it serves a group stays away: nobody answers, and no namespace could be deleted.
        ],
    },
    "trust-manager": {
        values: { crds: { enabled: true, keep: true }, replicaCount: 1, resources: {} },
        crds: [
            {
                subchart: "crds",
                projects: ["trust-manager"],
                condition: "crds.enabled",
                as: "template",
                keep: "$.Values.keep",
            },
        ],
        objects: [
            workload({
                name: "trust-manager",
                labels: {
                    "app.kubernetes.io/name": "trust-manager",
                    "app.kubernetes.io/instance": "{{ .Release.Name }}",
                },
                image: "quay.io/jetstack/trust-manager",
                replicas: "replicaCount",
                resources: "resources",
                secrets: ["trust-manager-tls"],
            }),
        ],
    },
    descheduler: {
        values: { schedule: "*/2 * * * *", deschedulerPolicy: {}, resources: {} },
        objects: [
            {
                object: {
                    apiVersion: "v1",
                    kind: "ConfigMap",
                    metadata: { name: "descheduler", namespace: "{{ .Release.Namespace }}" },
                    data: { "policy.yaml": value("(.Values.deschedulerPolicy | toJson)") },
                },
            },
            {
                object: {
                    apiVersion: "batch/v1",
                    kind: "CronJob",
                    metadata: { name: "descheduler", namespace: "{{ .Release.Namespace }}" },
                    spec: {
                        schedule: value("schedule"),
                        concurrencyPolicy: "Forbid",
                        jobTemplate: {
                            spec: {
                                template: {
                                    spec: {
                                        restartPolicy: "Never",
                                        securityContext: POD_SECURITY,
                                        containers: [
                                            {
                                                name: "descheduler",
                                                image: "registry.k8s.io/descheduler/descheduler:v{{ .Chart.Version }}",
                                                securityContext: CONTAINER_SECURITY,
                                                resources: value("resources"),
                                            },
                                        ],
                                    },
                                },
                            },
                        },
                    },
                },
            },
        ],
    },
    metallb: {
        values: {
            crds: { enabled: true },
            controller: { resources: {} },
            speaker: { resources: {} },
            // The charts' default is a BGP daemon of its own on every node, in a subchart that is not here.
            frrk8s: { enabled: true },
        },
        crds: [{ subchart: "crds", projects: ["metallb"], condition: "crds.enabled", as: "template" }],
        objects: [
            workload({
                name: `${full}-controller`,
                labels: labels("metallb", "controller"),
                image: "quay.io/metallb/controller",
                ports: { metricshttps: 9120, "webhook-server": 9443 },
                resources: "controller.resources",
                secrets: ["metallb-webhook-cert"],
            }),
            workload({
                kind: "DaemonSet",
                name: `${full}-speaker`,
                labels: labels("metallb", "speaker"),
                image: "quay.io/metallb/speaker",
                ports: { metricshttps: 9120 },
                resources: "speaker.resources",
                // On the host's network, with raw sockets.
                privileged: true,
            }),
            service({
                name: "metallb-webhook-service",
                labels: labels("metallb", "controller"),
                ports: { "": [443, 9443] },
            }),
            {
                object: {
                    apiVersion: "v1",
                    kind: "Secret",
                    metadata: { name: "metallb-webhook-cert", namespace: "{{ .Release.Namespace }}" },
                },
            },
            {
                object: {
                    apiVersion: "admissionregistration.k8s.io/v1",
                    kind: "ValidatingWebhookConfiguration",
                    metadata: { name: "metallb-webhook-configuration" },
                    webhooks: ["ipaddresspool", "l2advertisement"].map((kind) => ({
                        admissionReviewVersions: ["v1"],
                        clientConfig: {
                            service: {
                                name: "metallb-webhook-service",
                                namespace: "{{ .Release.Namespace }}",
                                path: `/validate-metallb-io-v1beta1-${kind}`,
                            },
                        },
                        failurePolicy: "Fail",
                        name: `${kind}validationwebhook.metallb.io`,
                        rules: [
                            {
                                apiGroups: ["metallb.io"],
                                apiVersions: ["v1beta1"],
                                operations: ["CREATE", "UPDATE"],
                                resources: [`${kind}s`],
                            },
                        ],
                        sideEffects: "None",
                    })),
                },
            },
        ],
        text: "{{- if .Values.frrk8s.enabled }}{{ fail `the stand-in for MetalLB has no FRR: frrk8s.enabled must be false` }}{{ end }}\n",
    },
    "local-path-provisioner": {
        values: {
            replicaCount: 1,
            nodePathMap: [{ node: "DEFAULT_PATH_FOR_NON_LISTED_NODES", paths: ["/opt/local-path-provisioner"] }],
            storageClass: {
                create: true,
                defaultClass: false,
                defaultVolumeType: "hostPath",
                name: "local-path",
                reclaimPolicy: "Delete",
                volumeBindingMode: "WaitForFirstConsumer",
            },
            configmap: { name: "local-path-config" },
            resources: {},
            ...UNPLACED,
        },
        objects: [
            workload({
                name: full,
                labels: labels("local-path-provisioner"),
                image: "docker.io/rancher/local-path-provisioner",
                ports: { health: 8080 },
                replicas: "replicaCount",
                resources: "resources",
                pod: PLACEMENT,
            }),
            configMap("{{ .Values.configmap.name }}", {
                "config.json": value(
                    "(dict `nodePathMap` .Values.nodePathMap `storageClassConfigs` (.Values.storageClassConfigs | default dict) | toJson)",
                ),
            }),
        ],
        text: LOCAL_PATH_CLASSES,
    },
    "bitwarden-sdk-server": {
        values: {
            replicaCount: 1,
            // The chart calls itself so whatever the release is called.
            fullnameOverride: "bitwarden-sdk-server",
            image: { tls: { enabled: true, secretName: "bitwarden-tls-certs" } },
            service: { type: "ClusterIP", port: 9998 },
            resources: {},
        },
        objects: [
            served(
                {
                    name: full,
                    labels: labels("bitwarden-sdk-server"),
                    image: "ghcr.io/external-secrets/bitwarden-sdk-server",
                    ports: { http: value("service.port") },
                    replicas: "replicaCount",
                    resources: "resources",
                    secrets: ["{{ .Values.image.tls.secretName }}"],
                },
                { http: value("service.port") },
                { type: "{{ .Values.service.type }}" },
            ),
        ],
    },
    vault: {
        values: {
            server: {
                ha: { replicas: 3 },
                resources: {},
                dataStorage: { enabled: true, size: "10Gi", storageClass: null },
                volumes: null,
                extraContainers: null,
            },
            serverTelemetry: { serviceMonitor: { enabled: false }, prometheusRules: { enabled: false } },
        },
        objects: [
            workload({
                kind: "StatefulSet",
                name: full,
                labels: { ...labels("vault"), component: "server" },
                image: "hashicorp/vault",
                ports: { https: 8200, "https-internal": 8201 },
                replicas: "server.ha.replicas",
                resources: "server.resources",
                pod: { volumes: "server.volumes" },
                storage: { values: "server.dataStorage", classKey: "storageClass", mode: "ReadWriteOnce" },
            }),
            ...["", "-active", "-standby", "-internal"].map((suffix) =>
                service({
                    name: `${full}${suffix}`,
                    labels: { ...labels("vault"), component: "server" },
                    ...(suffix === "-internal" && { clusterIP: "None" }),
                    ports: { https: 8200, "https-internal": 8201 },
                }),
            ),
        ],
    },
    "external-secrets": {
        values: {
            installCRDs: true,
            replicaCount: 1,
            resources: {},
            webhook: { create: true, replicaCount: 1, resources: {} },
            certController: { create: true, replicaCount: 1, resources: {} },
            ...UNPLACED,
        },
        crds: [{ subchart: "crds", projects: ["external-secrets"], condition: "installCRDs", as: "template" }],
        objects: [
            workload({
                name: full,
                labels: labels("external-secrets"),
                image: "ghcr.io/external-secrets/external-secrets",
                ports: { metrics: 8080 },
                replicas: "replicaCount",
                resources: "resources",
                pod: PLACEMENT,
            }),
            served(
                {
                    name: `${full}-webhook`,
                    labels: labels("external-secrets-webhook"),
                    image: "ghcr.io/external-secrets/external-secrets",
                    ports: { webhook: 10250 },
                    replicas: "webhook.replicaCount",
                    resources: "webhook.resources",
                    when: ".Values.webhook.create",
                },
                { webhook: 443 },
            ),
            workload({
                name: `${full}-cert-controller`,
                labels: labels("external-secrets-cert-controller"),
                image: "ghcr.io/external-secrets/external-secrets",
                replicas: "certController.replicaCount",
                resources: "certController.resources",
                when: ".Values.certController.create",
            }),
        ],
    },
    "external-dns": {
        values: {
            interval: "1m",
            triggerLoopOnEvent: false,
            sources: ["service", "ingress"],
            policy: "upsert-only",
            registry: "txt",
            txtOwnerId: null,
            txtPrefix: null,
            domainFilters: [],
            provider: { name: "aws" },
            extraArgs: {},
            resources: {},
            ...UNPLACED,
        },
        objects: [
            served(
                {
                    name: full,
                    labels: labels("external-dns"),
                    image: "registry.k8s.io/external-dns/external-dns",
                    ports: { http: 7979 },
                    args: "(include `args` . | fromJsonArray)",
                    resources: "resources",
                    pod: PLACEMENT,
                },
                { http: 7979 },
            ),
        ],
        text: `{{- define "args" -}}
{{- $v := .Values -}}
{{- $args := list (print "--interval=" $v.interval) (print "--policy=" $v.policy) (print "--registry=" $v.registry) -}}
{{- if $v.triggerLoopOnEvent }}{{ $args = append $args "--events" }}{{ end -}}
{{- range $v.sources }}{{ $args = append $args (print "--source=" .) }}{{ end -}}
{{- with $v.txtOwnerId }}{{ $args = append $args (print "--txt-owner-id=" .) }}{{ end -}}
{{- with $v.txtPrefix }}{{ $args = append $args (print "--txt-prefix=" .) }}{{ end -}}
{{- range $v.domainFilters }}{{ $args = append $args (print "--domain-filter=" .) }}{{ end -}}
{{- $args = append $args (print "--provider=" (ternary $v.provider (get ($v.provider | default dict) "name") (kindIs "string" $v.provider))) -}}
{{- if kindIs "slice" $v.extraArgs }}{{ $args = concat $args $v.extraArgs }}
{{- else }}
{{- range $flag, $text := $v.extraArgs }}
{{- range (ternary $text (list $text) (kindIs "slice" $text)) }}{{ $args = append $args (ternary (print "--" $flag "=" .) (print "--" $flag) (not (empty .))) }}{{ end -}}
{{- end }}
{{- end -}}
{{ $args | toJson }}
{{- end }}
`,
    },
    "gateway-helm": {
        values: {
            crds: { enabled: true },
            deployment: { replicas: 1, envoyGateway: { resources: {} } },
            config: {
                envoyGateway: { gateway: { controllerName: "gateway.envoyproxy.io/gatewayclass-controller" } },
            },
        },
        crds: [
            {
                subchart: "crds",
                projects: ["gateway-api", "envoy-gateway"],
                condition: "crds.enabled",
                as: "folder",
            },
        ],
        objects: [
            served(
                {
                    name: "envoy-gateway",
                    labels: { "control-plane": "envoy-gateway", ...labels("gateway-helm") },
                    image: "docker.io/envoyproxy/gateway",
                    ports: { grpc: 18000, ratelimit: 18001, wasm: 18002, metrics: 19001 },
                    replicas: "deployment.replicas",
                    resources: "deployment.envoyGateway.resources",
                },
                { grpc: 18000, ratelimit: 18001, wasm: 18002, metrics: 19001 },
            ),
            configMap("envoy-gateway-config", {
                "envoy-gateway.yaml": value("(.Values.config.envoyGateway | toJson)"),
            }),
            hook(`${full}-certgen`, "pre-install,pre-upgrade", "docker.io/envoyproxy/gateway"),
        ],
    },
    "metrics-server": {
        values: { replicas: 1, resources: {}, containerPort: 10250, service: { port: 443 }, ...UNPLACED },
        // Nothing answers behind its APIService here, as behind that of a sick one in life: while it is there, no
        // namespace can be deleted.
        objects: [
            {
                object: {
                    apiVersion: "apiregistration.k8s.io/v1",
                    kind: "APIService",
                    metadata: { name: "v1beta1.metrics.k8s.io", labels: labels("metrics-server") },
                    spec: {
                        group: "metrics.k8s.io",
                        version: "v1beta1",
                        groupPriorityMinimum: 100,
                        versionPriority: 100,
                        insecureSkipTLSVerify: true,
                        service: {
                            name: full,
                            namespace: "{{ .Release.Namespace }}",
                            port: value("service.port"),
                        },
                    },
                },
            },
            served(
                {
                    name: full,
                    labels: labels("metrics-server"),
                    image: "registry.k8s.io/metrics-server/metrics-server",
                    ports: { https: value("containerPort") },
                    replicas: "replicas",
                    resources: "resources",
                    pod: PLACEMENT,
                },
                { https: value("service.port") },
            ),
        ],
    },
    reloader: {
        values: { reloader: { deployment: { replicas: 1, resources: {} } } },
        objects: [
            workload({
                name: "{{ .Values.fullnameOverride | default (printf `%s-reloader` .Release.Name) }}",
                labels: {
                    app: "{{ .Values.fullnameOverride | default (printf `%s-reloader` .Release.Name) }}",
                    ...labels("reloader"),
                },
                image: "ghcr.io/stakater/reloader",
                ports: { http: 9090 },
                replicas: "reloader.deployment.replicas",
                resources: "reloader.deployment.resources",
            }),
        ],
    },
    "nvidia-device-plugin": {
        values: {
            runtimeClassName: null,
            config: { map: {}, default: "" },
            migStrategy: null,
            deviceListStrategy: null,
            resources: {},
            nodeSelector: {},
            tolerations: [{ key: "nvidia.com/gpu", operator: "Exists", effect: "NoSchedule" }],
            // Labels that node feature discovery sets, or by hand.
            affinity: {
                nodeAffinity: {
                    requiredDuringSchedulingIgnoredDuringExecution: {
                        nodeSelectorTerms: [
                            ["feature.node.kubernetes.io/pci-10de.present", "true"],
                            ["feature.node.kubernetes.io/cpu-model.vendor_id", "NVIDIA"],
                            ["nvidia.com/gpu.present", "true"],
                        ].map(([key, label]) => ({ matchExpressions: [{ key, operator: "In", values: [label] }] })),
                    },
                },
            },
        },
        objects: [
            workload({
                kind: "DaemonSet",
                name: full,
                account: `${full}-service-account`,
                labels: labels("nvidia-device-plugin"),
                image: "nvcr.io/nvidia/k8s-device-plugin",
                privileged: true,
                resources: "resources",
                pod: {
                    ...PLACEMENT,
                    runtimeClassName: "runtimeClassName",
                    volumes:
                        "(ternary list (list (dict `name` `available-configs` `configMap` (dict `name` (printf `%s-configs` (include `fullname` .))))) (empty .Values.config.map))",
                },
            }),
            {
                when: ".Values.config.map",
                object: {
                    apiVersion: "v1",
                    kind: "ConfigMap",
                    metadata: { name: `${full}-configs`, namespace: "{{ .Release.Namespace }}" },
                    data: value("config.map"),
                },
            },
        ],
    },
    "amd-gpu": {
        values: {
            nfd: { enabled: false },
            labeller: { enabled: false },
            dp: { resources: {} },
            tolerations: [{ key: "CriticalAddonsOnly", operator: "Exists" }],
            node_selector_enabled: false,
            node_selector: {
                "feature.node.kubernetes.io/pci-0300_1002.present": "true",
                "kubernetes.io/arch": "amd64",
            },
        },
        objects: workload({
            kind: "DaemonSet",
            name: "amd-gpu-device-plugin-daemonset",
            account: "default",
            labels: { name: "amd-gpu-dp-ds" },
            image: "docker.io/rocm/k8s-device-plugin",
            privileged: true,
            resources: "dp.resources",
            pod: {
                tolerations: "tolerations",
                nodeSelector: "(ternary .Values.node_selector dict .Values.node_selector_enabled)",
            },
        }).filter(({ object }) => (object as { kind: string }).kind !== "ServiceAccount"),
    },
    "node-feature-discovery": {
        values: {
            master: { resources: {} },
            worker: { resources: {}, nodeSelector: {} },
            gc: { resources: {} },
            postDeleteCleanup: true,
        },
        objects: [
            workload({
                name: `${full}-master`,
                account: full,
                labels: { ...labels("node-feature-discovery"), role: "master" },
                image: "registry.k8s.io/nfd/node-feature-discovery",
                ports: { http: 8080 },
                resources: "master.resources",
            }),
            workload({
                kind: "DaemonSet",
                name: `${full}-worker`,
                labels: { ...labels("node-feature-discovery"), role: "worker" },
                image: "registry.k8s.io/nfd/node-feature-discovery",
                privileged: true,
                resources: "worker.resources",
                pod: { nodeSelector: "worker.nodeSelector" },
            }),
            workload({
                name: `${full}-gc`,
                labels: { ...labels("node-feature-discovery"), role: "gc" },
                image: "registry.k8s.io/nfd/node-feature-discovery",
                resources: "gc.resources",
            }),
            hook(
                `${full}-prune`,
                "post-delete",
                "registry.k8s.io/nfd/node-feature-discovery",
                ".Values.postDeleteCleanup",
            ),
        ],
    },
    "intel-device-plugins-operator": {
        values: { manager: { devices: {} }, resources: {}, nodeSelector: {}, tolerations: [] },
        objects: [
            workload({
                name: "inteldeviceplugins-controller-manager",
                account: "default",
                labels: { "control-plane": "controller-manager" },
                image: "docker.io/intel/intel-deviceplugin-operator",
                ports: { "webhook-server": 9443 },
                resources: "resources",
                pod: { nodeSelector: "nodeSelector", tolerations: "tolerations" },
            }).filter(({ object }) => (object as { kind: string }).kind !== "ServiceAccount"),
            service({
                name: "inteldeviceplugins-webhook-service",
                labels: { "control-plane": "controller-manager" },
                ports: { "": [443, 9443] },
            }),
            {
                object: {
                    apiVersion: "cert-manager.io/v1",
                    kind: "Certificate",
                    metadata: { name: "inteldeviceplugins-serving-cert", namespace: "{{ .Release.Namespace }}" },
                    spec: {
                        dnsNames: ["inteldeviceplugins-webhook-service.{{ .Release.Namespace }}.svc"],
                        issuerRef: { kind: "Issuer", name: "inteldeviceplugins-selfsigned-issuer" },
                        secretName: "webhook-server-cert",
                    },
                },
            },
            {
                object: {
                    apiVersion: "cert-manager.io/v1",
                    kind: "Issuer",
                    metadata: { name: "inteldeviceplugins-selfsigned-issuer", namespace: "{{ .Release.Namespace }}" },
                    spec: { selfSigned: {} },
                },
            },
        ],
    },
    "intel-device-plugins-gpu": {
        values: {
            name: "gpudeviceplugin-sample",
            sharedDevNum: 1,
            logLevel: 2,
            enableMonitoring: true,
            nodeSelector: { "intel.feature.node.kubernetes.io/gpu": "true" },
        },
        objects: [
            {
                object: {
                    apiVersion: "deviceplugin.intel.com/v1",
                    kind: "GpuDevicePlugin",
                    metadata: { name: "{{ .Values.name }}" },
                    spec: {
                        image: "intel/intel-gpu-plugin:{{ .Chart.Version }}",
                        logLevel: value("logLevel"),
                        sharedDevNum: value("sharedDevNum"),
                        enableMonitoring: value("enableMonitoring"),
                        nodeSelector: value("nodeSelector"),
                    },
                },
            },
            {
                object: {
                    apiVersion: "nfd.k8s-sigs.io/v1alpha1",
                    kind: "NodeFeatureRule",
                    metadata: { name: "intel-dp-gpu-device" },
                    spec: {
                        rules: [
                            {
                                name: "intel.gpu",
                                labels: { "intel.feature.node.kubernetes.io/gpu": "true" },
                                matchFeatures: [
                                    {
                                        feature: "pci.device",
                                        matchExpressions: {
                                            vendor: { op: "In", value: ["8086"] },
                                            class: { op: "In", value: ["0300", "0380"] },
                                        },
                                    },
                                ],
                            },
                        ],
                    },
                },
            },
        ],
    },
    authentik: {
        values: {
            authentik: { enabled: true, existingSecret: { secretName: "" } },
            blueprints: { configMaps: [], secrets: [] },
            server: {
                enabled: true,
                name: "server",
                replicas: 1,
                resources: {},
                containerPorts: { http: 9000, https: 9443, metrics: 9300 },
                service: { type: "ClusterIP", servicePortHttp: 80, servicePortHttps: 443 },
                metrics: { enabled: false, service: { servicePort: 9300 } },
            },
            worker: { enabled: true, name: "worker", replicas: 1, resources: {} },
            serviceAccount: { create: true },
            postgresql: { enabled: false },
        },
        objects: [
            served(
                {
                    name: `${full}-server`,
                    labels: labels("authentik", "server"),
                    image: "ghcr.io/goauthentik/server",
                    ports: {
                        http: value("server.containerPorts.http"),
                        https: value("server.containerPorts.https"),
                    },
                    replicas: "server.replicas",
                    resources: "server.resources",
                    when: ".Values.server.enabled",
                },
                {
                    http: [value("server.service.servicePortHttp"), "http"],
                    https: [value("server.service.servicePortHttps"), "https"],
                },
                { type: "{{ .Values.server.service.type }}" },
            ),
            workload({
                name: `${full}-worker`,
                labels: labels("authentik", "worker"),
                image: "ghcr.io/goauthentik/server",
                replicas: "worker.replicas",
                resources: "worker.resources",
                when: ".Values.worker.enabled",
            }),
        ],
    },
    grafana: {
        values: {
            replicas: 1,
            resources: {},
            service: { portName: "service", type: "ClusterIP", port: 80, targetPort: 3000, annotations: {} },
            persistence: { enabled: false, accessModes: ["ReadWriteOnce"], size: "10Gi" },
            ...UNPLACED,
        },
        objects: [
            served(
                {
                    name: full,
                    labels: labels("grafana"),
                    image: "docker.io/grafana/grafana",
                    ports: { grafana: 3000 },
                    replicas: "replicas",
                    resources: "resources",
                    pod: PLACEMENT,
                },
                { "{{ .Values.service.portName }}": [value("service.port"), value("service.targetPort")] },
                {
                    type: "{{ .Values.service.type }}",
                    annotations: value("service.annotations") as unknown as Record<string, string>,
                },
            ),
            {
                when: "and .Values.persistence.enabled (not .Values.persistence.existingClaim)",
                object: {
                    apiVersion: "v1",
                    kind: "PersistentVolumeClaim",
                    metadata: { name: full, namespace: "{{ .Release.Namespace }}" },
                    spec: {
                        accessModes: value("persistence.accessModes"),
                        storageClassName: value("persistence.storageClassName"),
                        resources: { requests: { storage: "{{ .Values.persistence.size }}" } },
                    },
                },
            },
        ],
    },
    loki: {
        values: {
            deploymentMode: "Monolithic",
            singleBinary: {
                replicas: 0,
                resources: {},
                persistence: { enabled: true, size: "10Gi", storageClass: null },
            },
            gateway: { enabled: true, replicas: 1, resources: {}, service: { port: 80 } },
            lokiCanary: { enabled: true, resources: {} },
            chunksCache: { enabled: true, replicas: 1, resources: null },
            resultsCache: { enabled: true, replicas: 1, resources: null },
        },
        objects: [
            served(
                {
                    kind: "StatefulSet",
                    name: full,
                    labels: labels("loki", "single-binary"),
                    image: "docker.io/grafana/loki",
                    ports: { "http-metrics": 3100, grpc: 9095, "http-memberlist": 7946 },
                    replicas: "singleBinary.replicas",
                    resources: "singleBinary.resources",
                    storage: { values: "singleBinary.persistence", classKey: "storageClass", mode: "ReadWriteOnce" },
                },
                { "http-metrics": 3100, grpc: 9095 },
            ),
            ...["headless", "memberlist"].map((suffix) =>
                service({
                    name: `${full}-${suffix}`,
                    labels: labels("loki", "single-binary"),
                    clusterIP: "None",
                    ports: suffix === "headless" ? { "http-metrics": 3100 } : { tcp: [7946, "http-memberlist"] },
                }),
            ),
            served(
                {
                    name: `${full}-gateway`,
                    labels: labels("loki", "gateway"),
                    image: "docker.io/nginxinc/nginx-unprivileged",
                    ports: { http: 8080 },
                    replicas: "gateway.replicas",
                    resources: "gateway.resources",
                    when: ".Values.gateway.enabled",
                },
                { http: value("gateway.service.port") },
            ),
            served(
                {
                    kind: "DaemonSet",
                    name: `${full}-canary`,
                    labels: labels("loki", "canary"),
                    image: "docker.io/grafana/loki-canary",
                    ports: { "http-metrics": 3500 },
                    resources: "lokiCanary.resources",
                    when: ".Values.lokiCanary.enabled",
                },
                { "http-metrics": 3500 },
            ),
            lokiCache("chunksCache", "chunks-cache"),
            lokiCache("resultsCache", "results-cache"),
        ],
    },
    alloy: {
        values: {
            crds: { create: true },
            alloy: {
                resources: {},
                configMap: { create: true, content: "", name: null },
                listenPort: 12345,
                clustering: { enabled: false },
            },
            controller: { type: "daemonset", replicas: 1, ...UNPLACED },
            service: { enabled: true },
        },
        crds: [{ subchart: "crds", projects: ["alloy"], condition: "crds.create", as: "folder" }],
        objects: [
            ...(["DaemonSet", "Deployment", "StatefulSet"] as const).map((kind) =>
                workload({
                    kind,
                    name: full,
                    labels: labels("alloy"),
                    image: "docker.io/grafana/alloy",
                    ports: { "http-metrics": value("alloy.listenPort") },
                    resources: "alloy.resources",
                    pod: {
                        nodeSelector: "controller.nodeSelector",
                        tolerations: "controller.tolerations",
                        affinity: "controller.affinity",
                    },
                    ...(kind !== "DaemonSet" && { replicas: "controller.replicas" }),
                    when: `eq .Values.controller.type \`${kind.toLowerCase()}\``,
                }),
            ),
            service({
                name: full,
                labels: labels("alloy"),
                ports: { "http-metrics": value("alloy.listenPort") },
                when: ".Values.service.enabled",
            }),
            configMap(
                "{{ .Values.alloy.configMap.name | default (include `fullname` .) }}",
                { "config.alloy": value("alloy.configMap.content") },
                ".Values.alloy.configMap.create",
            ),
        ],
    },
    thanos: {
        values: {
            objstoreConfig: { create: true, name: null, key: "config", value: "type: FILESYSTEM\n" },
            query: {
                enabled: true,
                replicas: 1,
                resources: {},
                service: { grpcPort: 10901, httpPort: 10902 },
            },
            queryFrontend: { enabled: false, replicas: 1, resources: {}, service: { httpPort: 10902 } },
            storeGateway: {
                enabled: true,
                replicas: 1,
                resources: {},
                service: { grpcPort: 10901, httpPort: 10902 },
                persistence: thanosVolume,
            },
            compact: { enabled: false, resources: {}, service: { httpPort: 10902 }, persistence: thanosVolume },
            rule: {
                enabled: false,
                replicas: 1,
                resources: {},
                service: { grpcPort: 10901, httpPort: 10902 },
                persistence: thanosVolume,
            },
        },
        objects: [
            {
                when: ".Values.objstoreConfig.create",
                object: {
                    apiVersion: "v1",
                    kind: "Secret",
                    metadata: {
                        name: "{{ .Values.objstoreConfig.name | default (printf `%s-objstore-config` (include `fullname` .)) }}",
                        namespace: "{{ .Release.Namespace }}",
                    },
                    stringData: {
                        "{{ .Values.objstoreConfig.key }}": value("(.Values.objstoreConfig.value | toJson)"),
                    },
                },
            },
            thanosPart("query", "query", "Deployment"),
            thanosPart("queryFrontend", "query-frontend", "Deployment"),
            thanosPart("storeGateway", "store-gateway", "StatefulSet"),
            thanosPart("compact", "compact", "StatefulSet"),
            thanosPart("rule", "rule", "StatefulSet"),
        ],
    },
    "prometheus-blackbox-exporter": {
        values: {
            replicas: 1,
            resources: {},
            config: { modules: {} },
            containerPort: 9115,
            service: { port: 9115 },
            ...UNPLACED,
        },
        objects: [
            served(
                {
                    name: full,
                    labels: labels("prometheus-blackbox-exporter"),
                    image: "quay.io/prometheus/blackbox-exporter",
                    ports: { http: value("containerPort") },
                    replicas: "replicas",
                    resources: "resources",
                    pod: PLACEMENT,
                },
                { http: value("service.port") },
            ),
            configMap(full, { "blackbox.yaml": value("(.Values.config | toJson)") }),
        ],
    },
};
