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

{{/* What only the serving pods carry beside them; KServe says so of its pods too. */}}
{{- define "energy.podSelector" -}}
{{ include "energy.selector" . }}
component: predictor
{{- end }}

{{/* What KServe calls the Deployment and the Service of the InferenceService; ours are called so too. */}}
{{- define "energy.predictor" -}}
{{ .Release.Name }}-predictor
{{- end }}

{{- define "energy.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}
