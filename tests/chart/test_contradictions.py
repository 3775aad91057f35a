"""Values that contradict each other are refused by a sentence that names both."""

import pytest

from tests.chart.helm import template

KEDA = "keda.enabled=true keda.prometheusAddress=http://p autoscaling.enabled=false"
INGRESS = "kserve.enabled=false ingress.enabled=true ingress.hosts={a.example}"
STORE = "batch.enabled=true batch.input=s3://b/c batch.output=s3://b/d"
JWT = ("auth.jwt.issuer=i", "auth.jwt.audience=a", "auth.jwt.jwksUrl=https://idp.example/keys")


@pytest.mark.parametrize(
    ("sets", "named"),
    [
        ("kserve.canaryTrafficPercent=10", ("kserve.canaryTrafficPercent", "kserve.enabled")),
        ("kserve.enabled=false kserve.logger.mode=all", ("kserve.logger", "kserve.enabled")),
        ("kserve.enabled=false kserve.batcher.maxBatchSize=8", ("kserve.batcher", "false")),
        ("ingress.enabled=true", ("ingress.enabled", "kserve.enabled")),
        ("httpRoute.enabled=true", ("httpRoute.enabled", "kserve.enabled")),
        ("kserve.enabled=false ingress.enabled=true", ("ingress.enabled", "ingress.hosts")),
        (
            "kserve.enabled=false httpRoute.enabled=true",
            ("httpRoute.enabled", "httpRoute.parentRefs"),
        ),
        (
            "keda.enabled=true keda.prometheusAddress=http://p",
            ("autoscaling.enabled", "keda.enabled"),
        ),
        (
            "keda.enabled=true autoscaling.enabled=false",
            ("keda.enabled", "keda.prometheusAddress"),
        ),
        (
            f"{KEDA} keda.minReplicas=7",
            ("keda.maxReplicas", "keda.minReplicas"),
        ),
        ("autoscaling.maxReplicas=1", ("autoscaling.maxReplicas", "autoscaling.minReplicas")),
        ("autoscaling.name=a-predictor", ("autoscaling.name", "kserve.enabled")),
        (
            "explainer.enabled=true autoscaling.name=a-explainer",
            ("autoscaling.name", "kserve.enabled", "-explainer"),
        ),
        (
            "explainer.enabled=true kserve.enabled=false",
            ("explainer.enabled", "kserve.enabled", ":explain"),
        ),
        (
            "explainer.enabled=true env[0].name=EXPLAIN env[0].value=true",
            ("env has EXPLAIN", "its value"),
        ),
        ("batch.enabled=true batch.output=s3://b/c", ("batch.enabled", "batch.input")),
        ("batch.enabled=true batch.input=s3://b/c", ("batch.enabled", "batch.output")),
        (f"{STORE} batch.output=/mnt/a.csv", ("batch.output", "/mnt/a.csv", "batch.volumeMounts")),
        (f"{STORE} batch.parallelism=5", ("batch.parallelism is 5", "batch.shards is 4")),
        (f"{STORE} batch.maxFailedIndexes=5", ("batch.maxFailedIndexes is 5", "batch.shards")),
        (
            f"{STORE} bundle.source=storageUri bundle.storageUri=s3://b/c",
            ("batch.enabled", "bundle.source is storageUri"),
        ),
        (
            f"{STORE} bundle.source=secret bundle.name=b bundle.fallbackToEmbedded=true",
            ("batch.enabled", "bundle.fallbackToEmbedded"),
        ),
        (
            f"{STORE} bundle.publicKey.configMapName=k",
            ("batch.enabled", "bundle.publicKey.configMapName"),
        ),
        (
            f"{STORE} batch.env[0].name=JOB_COMPLETION_INDEX batch.env[0].value=0",
            ("batch.env has JOB_COMPLETION_INDEX", "batch.shards"),
        ),
        (
            f"{STORE} networkPolicy.enabled=true",
            ("batch.input", "networkPolicy.enabled", "networkPolicy.egress"),
        ),
        ("podDisruptionBudget.minAvailable=1", ("minAvailable", "podDisruptionBudget.max")),
        ("podDisruptionBudget.maxUnavailable=", ("minAvailable", "podDisruptionBudget.max")),
        (
            "podDisruptionBudget.minAvailable=2 podDisruptionBudget.maxUnavailable=",
            ("podDisruptionBudget.minAvailable is 2", "autoscaling.minReplicas"),
        ),
        (
            "shutdown.gracePeriodSeconds=29",
            ("gracePeriodSeconds is 29", "shutdown.preStopSleepSeconds", "shutdown.drainSeconds"),
        ),
        ("rollout.maxSurge=0", ("rollout.maxUnavailable", "rollout.maxSurge")),
        ("rollout.maxSurge=0%", ("rollout.maxUnavailable", "rollout.maxSurge")),
        ("bundle.source=configMap", ("bundle.source is configMap", "bundle.name")),
        ("bundle.name=b", ("bundle.name", "bundle.source is image")),
        (
            "bundle.source=secret bundle.name=b bundle.path=c",
            ("bundle.path", "bundle.source is secret"),
        ),
        ("bundle.source=storageUri", ("bundle.source", "bundle.storageUri")),
        ("bundle.storageUri=s3://b/c", ("bundle.source is image", "bundle.storageUri")),
        (
            "kserve.enabled=false bundle.source=storageUri bundle.storageUri=s3://b/c",
            ("bundle.storageUri", "kserve.enabled"),
        ),
        ("bundle.fallbackToEmbedded=true", ("bundle.fallbackToEmbedded", "bundle.source")),
        ("auth.jwt.issuer=i", ("auth.jwt.issuer", "auth.jwt.audience", "auth.jwt.jwksUrl")),
        (f"{JWT[0]} {JWT[2]}", ("auth.jwt.issuer", "auth.jwt.audience")),
        (
            " ".join((*JWT, "auth.jwt.jwksConfigMapName=k")),
            ("auth.jwt.jwksUrl", "auth.jwt.jwksConfigMapName"),
        ),
        ("tls.clientCA.configMapName=c", ("tls.clientCA.configMapName", "tls.secretName")),
        ("tls.secretName=t kserve.logger.mode=all", ("kserve.logger", "tls.secretName")),
        ("rateLimit.burst=3", ("rateLimit.burst", "rateLimit.requestsPerSecond")),
        ("capture.claimName=c", ("capture.claimName", "capture.enabled")),
        (
            "podMonitor.enabled=true serviceMonitor.enabled=true",
            ("podMonitor.enabled", "serviceMonitor.enabled"),
        ),
        ("alerts.enabled=true", ("alerts.enabled", "podMonitor.enabled", "serviceMonitor.enabled")),
        (
            "alerts.enabled=true scrapeAnnotations.enabled=true",
            ("alerts.enabled", "podMonitor.enabled", "job"),
        ),
        (
            "podMonitor.enabled=true auth.apiKeys.secretName=k",
            ("podMonitor.enabled", "clientCredentials.secretName"),
        ),
        (
            "serviceMonitor.enabled=true tls.secretName=t tls.clientCA.configMapName=c",
            ("serviceMonitor.enabled", "clientCredentials.certificateSecretName"),
        ),
        (
            "scrapeAnnotations.enabled=true auth.apiKeys.secretName=k",
            ("scrapeAnnotations.enabled", "auth"),
        ),
        (
            "serviceAccount.create=false serviceAccount.annotations.role=r",
            ("serviceAccount.annotations", "serviceAccount.create"),
        ),
        ("env[0].name=WORKERS env[0].value=3", ("env has WORKERS", "its value")),
        ("env[0].name=PORT env[0].value=1", ("env has PORT", "its value")),
        ("labels.component=other", ("labels has component", "selectors")),
        ("alerts.labels.component=rules", ("alerts.labels has component", "selectors")),
        ("podLabels.app=other", ("podLabels has app", "selectors")),
        ("labels.team=a podLabels.team=b", ("labels and podLabels", "team")),
        (
            r"kserve.annotations.serving\.kserve\.io/autoscalerClass=hpa",
            ("kserve.annotations", "autoscaling.enabled"),
        ),
        ("podDisruptionBudget.maxUnavailable=0%", ("maxUnavailable is 0", "drained")),
        (
            "podDisruptionBudget.maxUnavailable= podDisruptionBudget.minAvailable=100%",
            ("minAvailable 100%", "drained"),
        ),
        (
            " ".join((*JWT, "networkPolicy.enabled=true")),
            ("auth.jwt.jwksUrl", "networkPolicy.egress"),
        ),
        (
            f"{INGRESS} tls.secretName=t tls.clientCA.configMapName=c",
            ("ingress.enabled", "tls.clientCA.configMapName"),
        ),
    ],
)
def test_values_that_contradict_each_other_are_refused(sets: str, named: tuple[str, ...]) -> None:
    result = template(*sets.split())
    assert result.returncode != 0
    for name in named:
        assert name in result.stderr


@pytest.mark.parametrize(
    "sets",
    [
        "podDisruptionBudget.minAvailable=50% podDisruptionBudget.maxUnavailable=",
        "podDisruptionBudget.minAvailable=1 podDisruptionBudget.maxUnavailable=",
        "shutdown.gracePeriodSeconds=30",
        "podDisruptionBudget.enabled=false podDisruptionBudget.maxUnavailable=",
        "autoscaling.enabled=false autoscaling.minReplicas=7",
        "rollout.maxSurge=0 rollout.maxUnavailable=1",
        "autoscaling.enabled=false autoscaling.name=a-predictor",
        "autoscaling.name=a-explainer",
        "env[0].name=EXPLAIN env[0].value=false",
        f"{STORE} batch.parallelism=4 batch.maxFailedIndexes=4",
        "kserve.enabled=false autoscaling.name=a-predictor",
        "alerts.enabled=true podMonitor.enabled=true",
        "alerts.enabled=true serviceMonitor.enabled=true",
        "env[0].name=OTEL_EXPORTER_OTLP_ENDPOINT env[0].value=http://collector:4318",
    ],
)
def test_values_that_go_together_are_taken(sets: str) -> None:
    result = template(*sets.split())
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("sets", "api", "what"),
    [
        ("", "serving.kserve.io/v1beta1", "KServe"),
        ("podMonitor.enabled=true", "monitoring.coreos.com/v1", "the Prometheus operator"),
        (
            "alerts.enabled=true podMonitor.enabled=true",
            "monitoring.coreos.com/v1",
            "the Prometheus operator",
        ),
        ("serviceMonitor.enabled=true", "monitoring.coreos.com/v1", "the Prometheus operator"),
        (
            "keda.enabled=true keda.prometheusAddress=http://p autoscaling.enabled=false",
            "keda.sh/v1alpha1",
            "KEDA",
        ),
        (
            "httpRoute.enabled=true httpRoute.parentRefs[0].name=g",
            "gateway.networking.k8s.io/v1",
            "the Gateway API",
        ),
    ],
)
def test_a_cluster_that_lacks_a_type_is_told_what_to_install(
    sets: str, api: str, what: str
) -> None:
    """Every cluster has the type by which a template knows that it is rendered for one."""
    values = [*sets.split(), *([] if not sets else ["kserve.enabled=false"])]
    lacking = template(*values, apis=["apiregistration.k8s.io/v1"])
    assert lacking.returncode != 0
    assert f"the cluster has no {api}: install {what} first" in lacking.stderr
    for apis in (["apiregistration.k8s.io/v1", api], []):
        assert template(*values, apis=apis).returncode == 0
