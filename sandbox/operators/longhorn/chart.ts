import { labels, service, value, workload, configMap, type StandIns } from "../../charts/generator";

export const charts: StandIns = {
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
};
