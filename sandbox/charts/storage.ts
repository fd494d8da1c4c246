import { configMap, full, labels, PLACEMENT, type StandIns, UNPLACED, value, workload } from "./generator";

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

export const storageCharts: StandIns = {
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
};
