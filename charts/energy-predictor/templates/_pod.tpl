{{/* A probe: its path and its numbers. */}}
{{- define "energy.probe" -}}
httpGet: {path: {{ .path }}, port: http{{ if .isTls }}, scheme: HTTPS{{ end }}}
{{- range $key, $value := .numbers }}
{{ $key }}: {{ $value }}
{{- end }}
{{- end }}

{{/* The server's settings. */}}
{{- define "energy.settings" -}}
{{- $v := .Values -}}
WORKERS: {{ $v.workers | quote }}
LOG_LEVEL: {{ $v.logLevel | quote }}
LOG_FORMAT: {{ $v.logFormat | quote }}
ACCESS_LOG: {{ $v.accessLog | quote }}
DRAIN_SECONDS: {{ $v.shutdown.drainSeconds | quote }}
RELOAD_SECONDS: {{ $v.bundle.reloadSeconds | quote }}
{{- if ne $v.bundle.source "image" }}
BUNDLE: {{ ternary "/mnt/models" (clean (printf "/mnt/bundle/%s" $v.bundle.path)) (eq $v.bundle.source "storageUri") }}
FALLBACK_TO_EMBEDDED: {{ $v.bundle.fallbackToEmbedded | quote }}
{{- end }}
{{- with $v.bundle.storageUri }}
STORAGE_URI: {{ . | quote }}
{{- end }}
{{- if $v.bundle.publicKey.configMapName }}
REQUIRE_SIGNATURE: /etc/predictor/public-key/{{ $v.bundle.publicKey.key }}
{{- end }}
{{- if $v.auth.apiKeys.secretName }}
API_KEYS_FILE: /etc/predictor/api-keys/{{ $v.auth.apiKeys.key }}
{{- end }}
{{- with $v.auth.jwt }}
{{- if .issuer }}
JWT_JWKS: {{ .jwksUrl | default (printf "/etc/predictor/jwks/%s" .jwksKey) | quote }}
JWT_ISSUER: {{ .issuer | quote }}
JWT_AUDIENCE: {{ .audience | quote }}
{{- end }}
{{- end }}
{{- if $v.tls.secretName }}
TLS_CERT_FILE: /etc/predictor/tls/tls.crt
TLS_KEY_FILE: /etc/predictor/tls/tls.key
{{- end }}
{{- if $v.tls.clientCA.configMapName }}
TLS_CLIENT_CA_FILE: /etc/predictor/client-ca/{{ $v.tls.clientCA.key }}
{{- end }}
{{- if float64 $v.rateLimit.requestsPerSecond }}
RATE_LIMIT: {{ $v.rateLimit.requestsPerSecond | quote }}
RATE_BURST: {{ int64 $v.rateLimit.burst | quote }}
{{- end }}
{{- if $v.ui.enabled }}
UI: "true"
{{- end }}
{{- if $v.capture.enabled }}
CAPTURE_FOLDER: /var/lib/predictor/capture
CAPTURE_RATIO: {{ $v.capture.ratio | quote }}
CAPTURE_BYTES: {{ int64 $v.capture.bytes | quote }}
{{- end }}
{{- end }}

{{/* The volumes, each with where it is mounted: never by subPath, for the kubelet would not update it. */}}
{{- define "energy.mounts" -}}
{{- $v := .Values -}}
{{- if eq $v.bundle.source "persistentVolumeClaim" }}
- {name: bundle, at: /mnt/bundle, volume: {persistentVolumeClaim: {claimName: {{ $v.bundle.name | quote }}, readOnly: true}}}
{{- else if eq $v.bundle.source "configMap" }}
- {name: bundle, at: /mnt/bundle, volume: {configMap: {name: {{ $v.bundle.name | quote }}, optional: {{ $v.bundle.fallbackToEmbedded }}}}}
{{- else if eq $v.bundle.source "secret" }}
- {name: bundle, at: /mnt/bundle, volume: {secret: {secretName: {{ $v.bundle.name | quote }}, optional: {{ $v.bundle.fallbackToEmbedded }}}}}
{{- end }}
{{- with $v.bundle.publicKey.configMapName }}
- {name: public-key, at: /etc/predictor/public-key, volume: {configMap: {name: {{ . | quote }}}}}
{{- end }}
{{- with $v.auth.apiKeys.secretName }}
- {name: api-keys, at: /etc/predictor/api-keys, volume: {secret: {secretName: {{ . | quote }}}}}
{{- end }}
{{- with $v.auth.jwt.jwksConfigMapName }}
- {name: jwks, at: /etc/predictor/jwks, volume: {configMap: {name: {{ . | quote }}}}}
{{- end }}
{{- with $v.tls.secretName }}
- {name: tls, at: /etc/predictor/tls, volume: {secret: {secretName: {{ . | quote }}}}}
{{- end }}
{{- with $v.tls.clientCA.configMapName }}
- {name: client-ca, at: /etc/predictor/client-ca, volume: {configMap: {name: {{ . | quote }}}}}
{{- end }}
{{- with $v.capture }}
{{- if .claimName }}
- {name: capture, at: /var/lib/predictor/capture, isWritten: true, volume: {persistentVolumeClaim: {claimName: {{ .claimName | quote }}}}}
{{- else if .enabled }}
# With room for what a file system adds: a kubelet evicts a pod that is over it.
- {name: capture, at: /var/lib/predictor/capture, isWritten: true, volume: {emptyDir: {sizeLimit: "{{ add .bytes 4194304 }}"}}}
{{- end }}
{{- end }}
{{- end }}

{{/* The one specification of the serving pod. */}}
{{- define "energy.pod" -}}
{{- $v := .Values -}}
{{- $isTls := ne $v.tls.secretName "" -}}
{{- $mounts := include "energy.mounts" . | fromYamlArray -}}
serviceAccountName: {{ include "energy.serviceAccount" . | quote }}
automountServiceAccountToken: false
securityContext:
  {{- toYaml $v.podSecurityContext | nindent 2 }}
{{- with $v.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
# The sleep of preStop, the drain, and five seconds to end in.
terminationGracePeriodSeconds: {{ $v.shutdown.gracePeriodSeconds | default (add $v.shutdown.preStopSleepSeconds $v.shutdown.drainSeconds 5) }}
{{- with $v.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- range $key := list "nodeSelector" "affinity" "tolerations" }}
{{- with get $v $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with $v.topologySpread }}
{{- if .enabled }}
topologySpreadConstraints:
  {{- range .topologyKeys }}
  - topologyKey: {{ . | quote }}
    maxSkew: {{ $v.topologySpread.maxSkew }}
    whenUnsatisfiable: {{ $v.topologySpread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "energy.podSelector" $ | nindent 8 }}
    # The pods of one version among themselves, or a rollout would leave them crooked.
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- end }}
containers:
  - name: kserve-container
    image: {{ include "energy.image" . | quote }}
    imagePullPolicy: {{ $v.image.pullPolicy }}
    ports:
      # KServe's Service has the first as its port 80, and any other under its own number. By "grpc"
      # in its name the Service says that it is HTTP/2 without TLS.
      - {name: http, containerPort: 8080, protocol: TCP}
      - {name: grpc, containerPort: 8081, protocol: TCP}
    env:
      {{- range $name, $value := include "energy.settings" . | fromYaml }}
      - {name: {{ $name }}, value: {{ $value | quote }}}
      {{- end }}
      {{- with $v.env }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    resources:
      {{- toYaml $v.resources | nindent 6 }}
    startupProbe:
      {{- include "energy.probe" (dict "path" "/v2/health/ready" "numbers" $v.probes.startup "isTls" $isTls) | nindent 6 }}
    readinessProbe:
      {{- include "energy.probe" (dict "path" "/v2/health/ready" "numbers" $v.probes.readiness "isTls" $isTls) | nindent 6 }}
    livenessProbe:
      {{- include "energy.probe" (dict "path" "/v2/health/live" "numbers" $v.probes.liveness "isTls" $isTls) | nindent 6 }}
    lifecycle:
      # While the endpoints are being told, requests still arrive, and are still answered.
      preStop: {sleep: {seconds: {{ $v.shutdown.preStopSleepSeconds }}}}
    securityContext:
      {{- toYaml $v.containerSecurityContext | nindent 6 }}
    {{- if or $mounts $v.volumeMounts }}
    volumeMounts:
      {{- range $mounts }}
      - {name: {{ .name }}, mountPath: {{ .at }}, readOnly: {{ not .isWritten }}}
      {{- end }}
      {{- with $v.volumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- end }}
{{- if or $mounts $v.volumes }}
volumes:
  {{- range $mounts }}
  - name: {{ .name }}
    {{- toYaml .volume | nindent 4 }}
  {{- end }}
  {{- with $v.volumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "energy.serviceAccount" -}}
{{- with .Values.serviceAccount -}}
{{ .name | default (ternary $.Release.Name "default" .create) }}
{{- end }}
{{- end }}

{{/* The annotations of the serving pods. By the checksum of all that KServe makes them of one can tell
     whether its Deployment is of the InferenceService as it is now; no field of either says so. */}}
{{- define "energy.podAnnotations" -}}
{{- $v := .Values }}
{{- $own := dict }}
{{- if $v.kserve.enabled }}
{{- $made := list (include "energy.pod" .) $v.scrapeAnnotations $v.podLabels $v.podAnnotations $v.labels $v.kserve (or $v.autoscaling.enabled $v.keda.enabled) }}
{{- $own = dict "checksum/pod" (toJson $made | sha256sum) }}
{{- end }}
{{- if .Values.scrapeAnnotations.enabled }}
{{- $scheme := ternary "https" "http" (ne .Values.tls.secretName "") }}
{{- $own = merge $own (dict "prometheus.io/scrape" "true" "prometheus.io/port" "8080" "prometheus.io/path" "/metrics" "prometheus.io/scheme" $scheme) }}
{{- end }}
{{- toYaml (merge (dict) .Values.podAnnotations $own) }}
{{- end }}

{{/* How Prometheus scrapes a pod, by a PodMonitor or a ServiceMonitor. */}}
{{- define "energy.endpoint" -}}
{{- $v := .root.Values -}}
- port: http
  path: /metrics
  interval: {{ .interval }}
  {{- if $v.tls.secretName }}
  scheme: https
  tlsConfig:
    serverName: {{ include "energy.predictor" .root }}.{{ .root.Release.Namespace }}.svc
    ca: {secret: {name: {{ $v.tls.secretName | quote }}, key: {{ $v.tls.caKey | quote }}}}
    {{- with $v.clientCredentials.certificateSecretName }}
    cert: {secret: {name: {{ . | quote }}, key: tls.crt}}
    keySecret: {name: {{ . | quote }}, key: tls.key}
    {{- end }}
  {{- end }}
  {{- with $v.clientCredentials }}
  {{- if .secretName }}
  authorization: {credentials: {name: {{ .secretName | quote }}, key: {{ .key | quote }}}}
  {{- end }}
  {{- end }}
{{- end }}
