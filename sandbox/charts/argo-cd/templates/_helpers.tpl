{{- define "fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride }}
{{- else if contains .Values.nameOverride .Release.Name }}{{ .Release.Name }}
{{- else }}{{ .Release.Name }}-{{ .Values.nameOverride }}
{{- end }}
{{- end }}

{{- define "namespace" -}}
{{ .Values.namespaceOverride | default .Release.Namespace }}
{{- end }}

{{- define "selector" -}}
app.kubernetes.io/name: {{ .root.Values.nameOverride }}-{{ .component }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{- define "labels" -}}
{{ include "selector" . }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/part-of: argocd
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- /* A component: service account and workload. dict root, values, kind, ports, and what its pods have besides: init, volumes, mounts. */ -}}
{{- define "component" -}}
{{- $v := .values }}
{{- $component := $v.name }}
{{- $name := printf "%s-%s" (include "fullname" .root) $component }}
{{- $image := dict "repository" ($v.image.repository | default .root.Values.global.image.repository) "tag" ($v.image.tag | default .root.Values.global.image.tag | default .root.Chart.AppVersion) }}
{{- $context := dict "root" .root "component" $component }}
{{- if $v.serviceAccount.create }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $name }}
  namespace: {{ include "namespace" .root }}
  labels:
    {{- include "labels" $context | nindent 4 }}
  {{- with $v.serviceAccount.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
---
apiVersion: apps/v1
kind: {{ .kind }}
metadata:
  name: {{ $name }}
  namespace: {{ include "namespace" .root }}
  labels:
    {{- include "labels" $context | nindent 4 }}
spec:
  replicas: {{ dig "replicas" 1 $v }}
  {{- if eq .kind "StatefulSet" }}
  serviceName: {{ $name }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "selector" $context | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "labels" $context | nindent 8 }}
        {{- with merge (deepCopy $v.podLabels) .root.Values.global.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        checksum/cm: {{ .root.Values.configs.cm | toJson | sha256sum }}
        {{- with merge (deepCopy $v.podAnnotations) .root.Values.global.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ $name }}
      automountServiceAccountToken: {{ $v.automountServiceAccountToken }}
      nodeSelector:
        {{- $v.nodeSelector | default .root.Values.global.nodeSelector | toYaml | nindent 8 }}
      {{- with $v.tolerations | default .root.Values.global.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with concat (.init | default list) (dig "initContainers" list $v) }}
      initContainers:
        {{- tpl (toYaml .) $.root | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ $component }}
          image: "{{ $image.repository }}:{{ $image.tag }}"
          {{- with $v.extraArgs }}
          args:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- with concat .root.Values.global.env (dig "env" list $v) (dig "extraEnv" list $v) }}
          env:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- with concat (dig "envFrom" list $v) (dig "extraEnvFrom" list $v) }}
          envFrom:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- with .ports }}
          ports:
            {{- range $port, $number := . }}
            - { name: {{ $port }}, containerPort: {{ $number }} }
            {{- end }}
          {{- end }}
          resources:
            {{- toYaml $v.resources | nindent 12 }}
          {{- with concat (.mounts | default list) (dig "volumeMounts" list $v) (dig "extraVolumeMounts" list $v) }}
          volumeMounts:
            {{- toYaml . | nindent 12 }}
          {{- end }}
        {{- with dig "extraContainers" list $v }}
        {{- tpl (toYaml .) $.root | nindent 8 }}
        {{- end }}
      {{- with concat (.volumes | default list) (dig "volumes" list $v) (dig "extraVolumes" list $v) }}
      volumes:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- if $v.metrics.enabled }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}-metrics
  namespace: {{ include "namespace" .root }}
  labels:
    {{- include "labels" $context | nindent 4 }}
    {{- with dig "metrics" "service" "labels" dict $v }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  selector:
    {{- include "selector" $context | nindent 4 }}
  ports:
    - { name: http-metrics, port: {{ dig "metrics" "service" "servicePort" 8082 $v }}, targetPort: metrics }
{{- if dig "metrics" "serviceMonitor" "enabled" false $v }}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ $name }}
  namespace: {{ include "namespace" .root }}
  labels:
    {{- include "labels" $context | nindent 4 }}
    {{- with dig "metrics" "serviceMonitor" "additionalLabels" dict $v }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  selector:
    matchLabels:
      {{- include "selector" $context | nindent 6 }}
  endpoints:
    - { port: http-metrics, path: /metrics, interval: {{ dig "metrics" "serviceMonitor" "interval" "30s" $v | quote }} }
{{- end }}
{{- end }}
{{- end }}

{{- /* A Service in front of a component. dict root, values, ports (list). */ -}}
{{- define "service" -}}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ include "fullname" .root }}-{{ .values.name }}
  namespace: {{ include "namespace" .root }}
  labels:
    {{- include "labels" (dict "root" .root "component" .values.name) | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ .type | default "ClusterIP" }}
  {{- with .loadBalancerIP }}
  loadBalancerIP: {{ . }}
  {{- end }}
  selector:
    {{- include "selector" (dict "root" .root "component" .values.name) | nindent 4 }}
  ports:
    {{- toYaml .ports | nindent 4 }}
{{- end }}
