{{/* The labels that every object carries. None changes with the chart's version: KServe hands an
     InferenceService's labels on to its pods, and a changed one restarts them all. */}}
{{- define "energy.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* What KServe calls the Deployment and the Service of the InferenceService. */}}
{{- define "energy.predictor" -}}
{{ .Release.Name }}-predictor
{{- end }}

{{- define "energy.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
