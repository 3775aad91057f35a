{{/* The Job's name: of a Job almost nothing may be changed, so another Job has another name. */}}
{{- define "energy.batch" -}}
{{ .Release.Name }}-batch-{{ include "energy.batchSpec" . | sha256sum | trunc 8 }}
{{- end }}

{{/* What of the Job may not be changed: its shards, what becomes of failures, and its pods. */}}
{{- define "energy.batchSpec" -}}
{{- $v := .Values -}}
completionMode: Indexed
completions: {{ $v.batch.shards }}
backoffLimitPerIndex: {{ $v.batch.backoffLimitPerIndex }}
maxFailedIndexes: {{ $v.batch.maxFailedIndexes }}
# A node that is drained, or a pod that is preempted, is no failure of the shard.
podFailurePolicy:
  rules:
    - action: Ignore
      onPodConditions: [{type: DisruptionTarget, status: "True"}]
template:
  metadata:
    labels:
      {{- include "energy.labels" . | nindent 6 }}
      component: batch
      {{- with $v.podLabels }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- with $v.podAnnotations }}
    annotations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
  spec:
    {{- include "energy.batchPod" . | nindent 4 }}
{{- end }}

{{/* The pod that scores a shard, which Kubernetes names to it by JOB_COMPLETION_INDEX. */}}
{{- define "energy.batchPod" -}}
{{- $v := .Values -}}
{{- $mounts := include "energy.bundleMounts" . | fromYamlArray -}}
{{- $settings := include "energy.settings" (dict "root" . "component" "batch") | fromYaml -}}
{{ include "energy.identity" . }}
{{- with $v.batch.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- include "energy.placement" (dict "root" . "keys" (list "nodeSelector" "affinity" "tolerations")) }}
restartPolicy: Never
containers:
  - name: score
    image: {{ include "energy.image" (dict "root" . "image" $v.batch.image) | quote }}
    imagePullPolicy: {{ $v.image.pullPolicy }}
    args:
      - score
      - {{ $v.batch.input | quote }}
      - {{ $v.batch.output | quote }}
      - --bundle={{ $settings.BUNDLE | default "/bundle" }}
      - --shards={{ $v.batch.shards }}
      {{- range $v.batch.options }}
      - {{ . | quote }}
      {{- end }}
    {{- with $v.batch.env }}
    env:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    resources:
      {{- toYaml $v.batch.resources | nindent 6 }}
    securityContext:
      {{- toYaml $v.containerSecurityContext | nindent 6 }}
    volumeMounts:
      # What goes to an object store waits here until it is whole.
      - {name: scratch, mountPath: /tmp}
      {{- range $mounts }}
      - {name: {{ .name }}, mountPath: {{ .at }}, readOnly: true}
      {{- end }}
      {{- with $v.batch.volumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
volumes:
  - {name: scratch, emptyDir: {}}
  {{- range $mounts }}
  - name: {{ .name }}
    {{- toYaml .volume | nindent 4 }}
  {{- end }}
  {{- with $v.batch.volumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Values of the Job that contradict each other, or others. */}}
{{- define "energy.batchChecks" -}}
{{- $v := .Values -}}
{{- if $v.batch.enabled }}
{{- range $key, $what := dict "input" "what is scored" "output" "where the scores go" }}
{{- $where := get $v.batch $key }}
{{- if not $where }}
{{- fail (printf "batch.enabled is true, but batch.%s, %s, is empty" $key $what) }}
{{- end }}
{{- $isUrl := contains "://" $where }}
{{- if not (or $isUrl $v.batch.volumeMounts) }}
{{- fail (printf "batch.%s is %q, a file, but batch.volumeMounts, under one of which it would be, is empty" $key $where) }}
{{- end }}
{{- if and $isUrl $v.networkPolicy.enabled (not $v.networkPolicy.egress) }}
{{- fail (printf "batch.%s is a URL and networkPolicy.enabled is true, but networkPolicy.egress, by which pods would get there, is empty" $key) }}
{{- end }}
{{- end }}
{{- range $key := list "parallelism" "maxFailedIndexes" }}
{{- if gt (int (get $v.batch $key)) (int $v.batch.shards) }}
{{- fail (printf "batch.%s is %d, but batch.shards is %d" $key (int (get $v.batch $key)) (int $v.batch.shards)) }}
{{- end }}
{{- end }}
{{- if eq $v.bundle.source "storageUri" }}
{{- fail "batch.enabled is true and bundle.source is storageUri, but KServe's storage initializer fetches a bundle for KServe's own pods alone" }}
{{- end }}
{{- if $v.bundle.fallbackToEmbedded }}
{{- fail "batch.enabled and bundle.fallbackToEmbedded are both true: it would be chance by which bundle a file is scored" }}
{{- end }}
{{- if $v.bundle.publicKey.configMapName }}
{{- fail "batch.enabled is true and bundle.publicKey.configMapName is set, but `predictor score` asks a bundle for no signature: score by a release without it" }}
{{- end }}
{{- range $v.batch.env }}
{{- if eq .name "JOB_COMPLETION_INDEX" }}
{{- fail "batch.env has JOB_COMPLETION_INDEX, which Kubernetes sets by batch.shards" }}
{{- end }}
{{- end }}
{{- /* A pod's host name is the Job's name and the shard's number, and has 63 characters at most. */}}
{{- $name := printf "%s-%d" (include "energy.batch" .) (sub $v.batch.shards 1) }}
{{- if gt (len $name) 63 }}
{{- fail (printf "the release's name has %d characters, but with batch.enabled it may have %d: Kubernetes names pods %s, and a name has 63" (len .Release.Name) (sub (add 63 (len .Release.Name)) (len $name)) $name) }}
{{- end }}
{{- end }}
{{- end }}
