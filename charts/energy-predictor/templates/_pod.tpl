{{/* Pod Security "restricted", for the pod and for its container. */}}
{{- define "energy.podSecurity" -}}
automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "energy.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* A probe: its path and its numbers. */}}
{{- define "energy.probe" -}}
httpGet: {path: {{ .path }}, port: http}
{{- range $key, $value := .numbers }}
{{ $key }}: {{ $value }}
{{- end }}
{{- end }}

{{/* The one specification of the serving pod. */}}
{{- define "energy.pod" -}}
{{- $shutdown := .Values.shutdown -}}
{{ include "energy.podSecurity" . }}
# The sleep of preStop, the drain, and five seconds to end in.
terminationGracePeriodSeconds: {{ add $shutdown.preStopSleepSeconds $shutdown.drainSeconds 5 }}
containers:
  - name: kserve-container
    image: {{ include "energy.image" . | quote }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    ports:
      # KServe's Service has the first as its port 80, and any other under its own number. By "grpc"
      # in its name the Service says that it is HTTP/2 without TLS.
      - {name: http, containerPort: 8080, protocol: TCP}
      - {name: grpc, containerPort: 8081, protocol: TCP}
    env:
      - {name: WORKERS, value: {{ .Values.workers | quote }}}
      - {name: LOG_LEVEL, value: {{ .Values.logLevel | quote }}}
      - {name: DRAIN_SECONDS, value: {{ $shutdown.drainSeconds | quote }}}
    resources:
      {{- toYaml .Values.resources | nindent 6 }}
    startupProbe:
      {{- include "energy.probe" (dict "path" "/v2/health/ready" "numbers" .Values.probes.startup) | nindent 6 }}
    readinessProbe:
      {{- include "energy.probe" (dict "path" "/v2/health/ready" "numbers" .Values.probes.readiness) | nindent 6 }}
    livenessProbe:
      {{- include "energy.probe" (dict "path" "/v2/health/live" "numbers" .Values.probes.liveness) | nindent 6 }}
    lifecycle:
      # While the endpoints are being told, requests still arrive, and are still answered.
      preStop: {sleep: {seconds: {{ $shutdown.preStopSleepSeconds }}}}
    {{- include "energy.containerSecurity" . | nindent 4 }}
{{- end }}
