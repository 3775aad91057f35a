{{/* The labels that every object carries. None changes with the chart's version: KServe hands an
     InferenceService's labels on to its pods, and a changed one restarts them all. */}}
{{- define "energy.labels" -}}
{{ include "energy.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "energy.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* What only the predictor's pods carry beside them; KServe says so of its pods too. */}}
{{- define "energy.podSelector" -}}
{{ include "energy.selector" . }}
component: predictor
{{- end }}

{{/* Selects all that serves, be it scraped by its pods or by its Services. */}}
{{- define "energy.servers" -}}
matchLabels:
{{- if .Values.explainer.enabled }}
  {{- include "energy.selector" . | nindent 2 }}
matchExpressions:
  - {key: component, operator: In, values: [predictor, explainer]}
{{- else }}
  {{- include "energy.podSelector" . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What KServe calls the Deployment and the Service of the InferenceService; ours are called so too. */}}
{{- define "energy.predictor" -}}
{{ .Release.Name }}-predictor
{{- end }}

{{/* The batch image has the release's tag too, unless it is given another. */}}
{{- define "energy.image" -}}
{{- with .image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.root.Values.image.tag | default $.root.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}
