{{- define "namespace" -}}
{{ .Values.namespaceOverride | default .Release.Namespace }}
{{- end }}

{{- define "labels" -}}
app.kubernetes.io/part-of: cilium
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "dashboard" -}}
{{- $v := .values -}}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .name }}
  namespace: {{ $v.namespace | default (include "namespace" .root) }}
  labels:
    {{- include "labels" .root | nindent 4 }}
    {{- with $v.label }}
    {{ . }}: {{ $v.labelValue | default "1" | quote }}
    {{- end }}
  {{- with $v.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
data:
  {{ .name }}.json: {{ dict "title" .title "uid" .name "panels" list | toJson | quote }}
{{ end }}
