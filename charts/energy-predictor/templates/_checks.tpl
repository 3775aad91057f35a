{{/* Values that contradict each other, each refused by a sentence that names both. */}}
{{- define "energy.checks" -}}
{{- $v := .Values -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" .Release.Name) }}
{{- fail (printf "the release is named %q, but KServe's names are lower-case letters, digits and dashes, a letter first" .Release.Name) }}
{{- end }}

{{- if and $v.kserve.enabled (gt (len .Release.Name) 48) }}
{{- fail (printf "the release's name has %d characters, but with kserve.enabled it may have 48: KServe labels its pods with isvc.NAME-predictor, and a label has 63" (len .Release.Name)) }}
{{- end }}

{{- range $key, $labels := dict "labels" $v.labels "podLabels" $v.podLabels "podMonitor.labels" $v.podMonitor.labels "serviceMonitor.labels" $v.serviceMonitor.labels "alerts.labels" $v.alerts.labels "dashboards.labels" $v.dashboards.labels }}
{{- range list "app" "component" "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/managed-by" }}
{{- if hasKey $labels . }}
{{- fail (printf "%s has %s, by which the chart's own selectors find the pods: name it otherwise" $key .) }}
{{- end }}
{{- end }}
{{- range $name, $_ := $labels }}
{{- if and (ne $key "labels") (hasKey $v.labels $name) }}
{{- fail (printf "labels and %s both have %s" $key $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- range list "serving.kserve.io/deploymentMode" "serving.kserve.io/autoscalerClass" }}
{{- if hasKey $v.kserve.annotations . }}
{{- fail (printf "kserve.annotations has %s, which the chart sets by autoscaling.enabled and keda.enabled" .) }}
{{- end }}
{{- end }}

{{- if ne (int $v.kserve.canaryTrafficPercent) 100 }}
{{- fail "kserve.canaryTrafficPercent is not 100, but KServe splits no traffic in the mode Standard, which kserve.enabled is for: install a second release, and split by a route of your own" }}
{{- end }}
{{- if not $v.kserve.enabled }}
{{- range $key := list "logger" "batcher" "annotations" }}
{{- if get $v.kserve $key }}
{{- fail (printf "kserve.%s is set, but kserve.enabled is false" $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $v.explainer.enabled (not $v.kserve.enabled) }}
{{- fail "explainer.enabled is true, but kserve.enabled is false: only KServe has explainers; without one the predictor itself answers :explain" }}
{{- end }}
{{- range $key := list "ingress" "httpRoute" }}
{{- if and (get $v $key).enabled $v.kserve.enabled }}
{{- fail (printf "%s.enabled and kserve.enabled are both true: KServe makes the route of an InferenceService" $key) }}
{{- end }}
{{- end }}
{{- if and $v.ingress.enabled (not $v.ingress.hosts) }}
{{- fail "ingress.enabled is true, but ingress.hosts, which it is for, is empty" }}
{{- end }}
{{- if and $v.httpRoute.enabled (not $v.httpRoute.parentRefs) }}
{{- fail "httpRoute.enabled is true, but httpRoute.parentRefs, its Gateways, is empty" }}
{{- end }}

{{- with $v.autoscaling }}
{{- if and .enabled $v.keda.enabled }}
{{- fail "autoscaling.enabled and keda.enabled are both true: KEDA makes an autoscaler of its own" }}
{{- end }}
{{- if and .enabled (lt (int .maxReplicas) (int .minReplicas)) }}
{{- fail "autoscaling.maxReplicas is below autoscaling.minReplicas" }}
{{- end }}
{{- $name := .name | default $.Release.Name }}
{{- if and .enabled $v.kserve.enabled (or (hasSuffix "-predictor" $name) (and $v.explainer.enabled (hasSuffix "-explainer" $name))) }}
{{- fail (printf "autoscaling.name is %q, by default the release's, but with kserve.enabled KServe deletes autoscalers that are named as its Deployments are, with -predictor or -explainer at the end" $name) }}
{{- end }}
{{- end }}
{{- if and $v.keda.enabled (lt (int $v.keda.maxReplicas) (int $v.keda.minReplicas)) }}
{{- fail "keda.maxReplicas is below keda.minReplicas" }}
{{- end }}
{{- if and $v.keda.enabled (not $v.keda.prometheusAddress) }}
{{- fail "keda.enabled is true, but keda.prometheusAddress, where KEDA asks for the requests in flight, is empty" }}
{{- end }}
{{- $least := int (ternary $v.autoscaling.minReplicas (ternary $v.keda.minReplicas $v.replicas $v.keda.enabled) $v.autoscaling.enabled) }}
{{- with $v.podDisruptionBudget }}
{{- if .enabled }}
{{- if eq (empty (toString .minAvailable)) (empty (toString .maxUnavailable)) }}
{{- fail "podDisruptionBudget.minAvailable and podDisruptionBudget.maxUnavailable: set one of them, and the other to \"\"" }}
{{- end }}
{{- if or (regexMatch "^0+%?$" (toString .maxUnavailable)) (eq (toString .minAvailable) "100%") }}
{{- fail "podDisruptionBudget.maxUnavailable is 0 or podDisruptionBudget.minAvailable 100%: no node could ever be drained" }}
{{- end }}
{{- if ne (toString .minAvailable) "" }}
{{- if and (not (kindIs "string" .minAvailable)) (ge (int .minAvailable) $least) }}
{{- fail (printf "podDisruptionBudget.minAvailable is %d, but there may be only %d pods by autoscaling.minReplicas, keda.minReplicas or replicas: no node could ever be drained" (int .minAvailable) $least) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- with $v.shutdown }}
{{- $needed := add .preStopSleepSeconds .drainSeconds 5 }}
{{- if and .gracePeriodSeconds (lt (int .gracePeriodSeconds) (int $needed)) }}
{{- fail (printf "shutdown.gracePeriodSeconds is %d, but shutdown.preStopSleepSeconds and shutdown.drainSeconds take %d with 5 to end in" (int .gracePeriodSeconds) $needed) }}
{{- end }}
{{- end }}
{{- if and (regexMatch "^0+%?$" (toString $v.rollout.maxUnavailable)) (regexMatch "^0+%?$" (toString $v.rollout.maxSurge)) }}
{{- fail "rollout.maxUnavailable and rollout.maxSurge are both 0: no pod could be replaced" }}
{{- end }}

{{- with $v.bundle }}
{{- $isNamed := has .source (list "persistentVolumeClaim" "configMap" "secret") }}
{{- if and $isNamed (not .name) }}
{{- fail (printf "bundle.source is %s, but bundle.name, which says which, is empty" .source) }}
{{- end }}
{{- if and .name (not $isNamed) }}
{{- fail (printf "bundle.name is %q, but bundle.source is %s, which has no name" .name .source) }}
{{- end }}
{{- if and .path (ne .source "persistentVolumeClaim") }}
{{- fail (printf "bundle.path is %q, but bundle.source is %s: only a persistentVolumeClaim has folders" .path .source) }}
{{- end }}
{{- if ne (eq .source "storageUri") (ne .storageUri "") }}
{{- fail (printf "bundle.source is %s, and bundle.storageUri is %q: set both for KServe's storage initializer, or neither" .source .storageUri) }}
{{- end }}
{{- if and .storageUri (not $v.kserve.enabled) }}
{{- fail "bundle.storageUri is read by KServe's storage initializer, but kserve.enabled is false" }}
{{- end }}
{{- if and .fallbackToEmbedded (eq .source "image") }}
{{- fail "bundle.fallbackToEmbedded is true, but bundle.source is image: that is the embedded one" }}
{{- end }}
{{- end }}

{{- with $v.auth.jwt }}
{{- if and .jwksUrl .jwksConfigMapName }}
{{- fail "auth.jwt.jwksUrl and auth.jwt.jwksConfigMapName are both set" }}
{{- end }}
{{- $isOn := or .jwksUrl .jwksConfigMapName }}
{{- if or (ne (not $isOn) (not .issuer)) (ne (not $isOn) (not .audience)) }}
{{- fail "auth.jwt.issuer, auth.jwt.audience and one of auth.jwt.jwksUrl and auth.jwt.jwksConfigMapName need each other" }}
{{- end }}
{{- end }}
{{- range $key, $isOn := dict "auth.jwt.jwksUrl" $v.auth.jwt.jwksUrl "bundle.storageUri" $v.bundle.storageUri "kserve.logger" $v.kserve.logger }}
{{- if and $isOn $v.networkPolicy.enabled (not $v.networkPolicy.egress) }}
{{- fail (printf "%s is set and networkPolicy.enabled is true, but networkPolicy.egress, by which pods would get there, is empty" $key) }}
{{- end }}
{{- end }}
{{- range $key := list "ingress" "httpRoute" }}
{{- if and (get $v $key).enabled $v.tls.clientCA.configMapName }}
{{- fail (printf "%s.enabled and tls.clientCA.configMapName are both set: no certificate of a client gets through a route" $key) }}
{{- end }}
{{- end }}
{{- if and $v.tls.clientCA.configMapName (not $v.tls.secretName) }}
{{- fail "tls.clientCA.configMapName is set, but tls.secretName is empty" }}
{{- end }}
{{- if and $v.tls.secretName $v.kserve.enabled }}
{{- range $key := list "logger" "batcher" }}
{{- if get $v.kserve $key }}
{{- fail (printf "kserve.%s and tls.secretName are both set: KServe's agent, which does it, speaks no TLS to the server" $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $v.rateLimit.burst (not (float64 $v.rateLimit.requestsPerSecond)) }}
{{- fail "rateLimit.burst is set, but rateLimit.requestsPerSecond is 0" }}
{{- end }}
{{- if and $v.capture.claimName (not $v.capture.enabled) }}
{{- fail "capture.claimName is set, but capture.enabled is false" }}
{{- end }}

{{- if and $v.podMonitor.enabled $v.serviceMonitor.enabled }}
{{- fail "podMonitor.enabled and serviceMonitor.enabled are both true: everything would be counted twice" }}
{{- end }}
{{- if and $v.alerts.enabled (not (or $v.podMonitor.enabled $v.serviceMonitor.enabled)) }}
{{- fail "alerts.enabled is true, but podMonitor.enabled and serviceMonitor.enabled, by which what is scraped has the release's name as its job, are both false" }}
{{- end }}
{{- $isGuarded := or $v.auth.apiKeys.secretName $v.auth.jwt.issuer }}
{{- $credentials := $v.clientCredentials }}
{{- range $key := list "podMonitor" "serviceMonitor" }}
{{- if (get $v $key).enabled }}
{{- if and $isGuarded (not $credentials.secretName) }}
{{- fail (printf "%s.enabled is true and auth is on, but clientCredentials.secretName, which Prometheus would send, is empty" $key) }}
{{- end }}
{{- if and $v.tls.clientCA.configMapName (not $credentials.certificateSecretName) }}
{{- fail (printf "%s.enabled is true and tls.clientCA asks for certificates, but clientCredentials.certificateSecretName, which Prometheus would send, is empty" $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $v.scrapeAnnotations.enabled (or $isGuarded $v.tls.clientCA.configMapName) }}
{{- fail "scrapeAnnotations.enabled is true, but annotations can name no credentials, which auth or tls.clientCA asks for: use podMonitor.enabled" }}
{{- end }}
{{- if and (not $v.serviceAccount.create) $v.serviceAccount.annotations }}
{{- fail "serviceAccount.annotations is set, but serviceAccount.create is false" }}
{{- end }}

{{- include "energy.batchChecks" . }}

{{- $own := keys (include "energy.settings" (dict "root" . "component" "predictor") | fromYaml) }}
{{- range $v.env }}
{{- if has .name (concat $own (list "BUNDLE" "PORT" "GRPC_PORT" "LISTEN_HOST" "STORAGE_URI")) }}
{{- fail (printf "env has %s, which the chart or the image sets: use its value" .name) }}
{{- end }}
{{- end }}

{{- $needs := list }}
{{- if $v.kserve.enabled }}{{ $needs = append $needs (list "kserve.enabled" "serving.kserve.io/v1beta1" "KServe") }}{{ end }}
{{- if $v.podMonitor.enabled }}{{ $needs = append $needs (list "podMonitor.enabled" "monitoring.coreos.com/v1" "the Prometheus operator") }}{{ end }}
{{- if $v.serviceMonitor.enabled }}{{ $needs = append $needs (list "serviceMonitor.enabled" "monitoring.coreos.com/v1" "the Prometheus operator") }}{{ end }}
{{- if $v.alerts.enabled }}{{ $needs = append $needs (list "alerts.enabled" "monitoring.coreos.com/v1" "the Prometheus operator") }}{{ end }}
{{- if $v.keda.enabled }}{{ $needs = append $needs (list "keda.enabled" "keda.sh/v1alpha1" "KEDA") }}{{ end }}
{{- if $v.httpRoute.enabled }}{{ $needs = append $needs (list "httpRoute.enabled" "gateway.networking.k8s.io/v1" "the Gateway API") }}{{ end }}
{{- range $needs }}
{{- /* Every API server has the first; `helm template`, which asks none, has not. */}}
{{- if and ($.Capabilities.APIVersions.Has "apiregistration.k8s.io/v1") (not ($.Capabilities.APIVersions.Has (index . 1))) }}
{{- fail (printf "%s is true, but the cluster has no %s: install %s first, or set it to false" (index . 0) (index . 1) (index . 2)) }}
{{- end }}
{{- end }}
{{- end }}
