{{- define "fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 26 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}{{ .Release.Name | trunc 26 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name $name | trunc 26 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "namespace" -}}
{{ .Values.namespaceOverride | default .Release.Namespace }}
{{- end }}

{{- /* Name of a custom resource: dict root, suffix. */ -}}
{{- define "crname" -}}
{{ include "fullname" .root }}{{ if not .root.Values.cleanPrometheusOperatorObjectNames }}-{{ .suffix }}{{ end }}
{{- end }}

{{- define "labels" -}}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: kube-prometheus-stack
chart: {{ .Chart.Name }}-{{ .Chart.Version }}
release: {{ .Release.Name }}
heritage: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "operator" -}}
{{ .Values.prometheusOperator.fullnameOverride | default (printf "%s-operator" (include "fullname" .)) }}
{{- end }}

{{- define "subchart" -}}
{{ (index .root.Values .chart).fullnameOverride | default (printf "%s-%s" .root.Release.Name .chart) }}
{{- end }}

{{- define "image" -}}
{{ with .registry }}{{ . }}/{{ end }}{{ .repository }}:{{ .tag }}
{{- end }}

{{- /* dict root, name, app, selector, ports, and the service's values. */ -}}
{{- define "service" -}}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  namespace: {{ .namespace | default (include "namespace" .root) }}
  labels:
    app: {{ .app }}
    app.kubernetes.io/name: {{ .app }}
    {{- include "labels" .root | nindent 4 }}
    {{- with .values.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .values.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ .values.type | default "ClusterIP" }}
  {{- if .headless }}
  clusterIP: None
  {{- end }}
  {{- with .values.loadBalancerIP }}
  loadBalancerIP: {{ . }}
  {{- end }}
  {{- with .selector }}
  selector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    {{- toYaml .ports | nindent 4 }}
{{- end }}

{{- /* dict root, name, app, port, matchLabels, namespace. */ -}}
{{- define "monitor" -}}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ .name }}
  namespace: {{ include "namespace" .root }}
  labels:
    app: {{ .app }}
    {{- include "labels" .root | nindent 4 }}
spec:
  {{- with .namespace }}
  namespaceSelector:
    matchNames: [{{ . }}]
  {{- end }}
  selector:
    matchLabels:
      {{- toYaml .matchLabels | nindent 6 }}
  endpoints:
    - port: {{ .port }}
{{- end }}

{{- /* dict root, name, values (ingress), service, port. */ -}}
{{- define "ingress" -}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ .name }}
  namespace: {{ include "namespace" .root }}
  labels:
    {{- include "labels" .root | nindent 4 }}
  {{- with .values.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with .values.ingressClassName }}
  ingressClassName: {{ . }}
  {{- end }}
  {{- with .values.tls }}
  tls:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    {{- range $host := .values.hosts }}
    - host: {{ $host }}
      http:
        paths:
          {{- range $.values.paths | default (list ($.values.path | default "/")) }}
          - path: {{ . }}
            pathType: Prefix
            backend: { service: { name: {{ $.service }}, port: { number: {{ $.port }} } } }
          {{- end }}
    {{- end }}
{{- end }}
