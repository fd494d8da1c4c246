import { configMap, labels, type StandIns, value, workload } from "../../charts/generator";

export const charts: StandIns = {
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
};
