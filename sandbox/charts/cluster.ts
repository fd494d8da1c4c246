import {
    configMap,
    CONTAINER_SECURITY,
    full,
    labels,
    PLACEMENT,
    POD_SECURITY,
    type StandIns,
    UNPLACED,
    value,
    workload,
} from "./generator";

export const clusterCharts: StandIns = {
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
};
