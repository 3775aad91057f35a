"""With KServe or without: the same pods, selected and reached by the same names."""

from typing import Any

import pytest

from tests.chart.helm import Objects, Render

PROFILES = {
    "defaults": (),
    "secured": (
        "auth.apiKeys.secretName=keys",
        "auth.jwt.jwksConfigMapName=jwks",
        "auth.jwt.issuer=https://idp.example",
        "auth.jwt.audience=energy",
        "tls.secretName=tls",
        "tls.clientCA.configMapName=clients",
        "rateLimit.requestsPerSecond=50",
    ),
    "of the plant": (
        "bundle.source=persistentVolumeClaim",
        "bundle.name=models",
        "bundle.path=energy/best",
        "bundle.publicKey.configMapName=trusted",
        "nodeSelector.disk=ssd",
        "tolerations[0].operator=Exists",
        "priorityClassName=high",
        "image.pullSecrets[0]=registry",
        "env[0].name=OTEL_SERVICE_NAME",
        "env[0].value=energy",
        "volumes[0].name=scratch",
        "volumes[0].emptyDir.sizeLimit=1Mi",
        "volumeMounts[0].name=scratch",
        "volumeMounts[0].mountPath=/tmp",
        "podLabels.team=power",
        "podAnnotations.note=ours",
        "scrapeAnnotations.enabled=false",
        "podMonitor.enabled=true",
        "alerts.enabled=true",
    ),
}


@pytest.fixture(params=PROFILES, scope="module")
def both(request: pytest.FixtureRequest, render: Render) -> tuple[Objects, Objects]:
    sets = PROFILES[request.param]
    return render(*sets), render("kserve.enabled=false", *sets)


def specs(both: tuple[Objects, Objects]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what KServe is asked for, and the Deployment."""
    return both[0]["InferenceService"]["spec"]["predictor"], both[1]["Deployment"]["spec"]


def test_both_have_one_pod_specification(both: tuple[Objects, Objects]) -> None:
    asked, deployment = specs(both)
    beside = {"deploymentStrategy", "labels", "annotations"}
    assert {key: asked[key] for key in asked.keys() - beside} == deployment["template"]["spec"]
    assert asked["deploymentStrategy"] == deployment["strategy"]


def test_both_give_pods_the_same_labels_and_annotations(both: tuple[Objects, Objects]) -> None:
    asked, deployment = specs(both)
    made = deployment["template"]["metadata"]
    ours = both[0]["InferenceService"]["metadata"]["labels"] | asked.get("labels", {})
    assert made["labels"] == {**ours, "component": "predictor"}
    # Of its own Deployment the API server says whether it is the newest.
    asked["annotations"].pop("checksum/pod")
    assert made.get("annotations", {}) == asked["annotations"]


def test_what_selects_pods_finds_those_of_both(both: tuple[Objects, Objects]) -> None:
    _, deployment = specs(both)
    selected = deployment["selector"]["matchLabels"]
    assert selected.items() <= deployment["template"]["metadata"]["labels"].items()
    assert both[1]["Service"]["spec"]["selector"] == selected
    for objects in both:
        budget = objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]
        assert budget == selected
        assert not selected.items() <= objects["Pod"]["metadata"]["labels"].items()


def test_the_rest_is_the_same(both: tuple[Objects, Objects]) -> None:
    kserve, plain = both
    assert kserve.keys() - plain.keys() == {"InferenceService"}
    assert plain.keys() - kserve.keys() == {"Deployment", "Service"}
    for kind in kserve.keys() & plain.keys():
        assert kserve[kind] == plain[kind]


def test_the_service_is_as_kserve_makes_it(render: Render) -> None:
    service = render("kserve.enabled=false")["Service"]
    assert service["metadata"]["name"] == "energy-predictor"
    http, grpc = service["spec"]["ports"]
    assert (http["name"], http["port"], http["targetPort"]) == ("http", 80, "http")
    assert (grpc["name"], grpc["port"], grpc["targetPort"]) == ("grpc", 8081, "grpc")
    assert grpc["appProtocol"] == "kubernetes.io/h2c"


def test_an_autoscaler_and_nobody_else_says_how_many_pods_there_are(render: Render) -> None:
    """Else each upgrade would take back what the autoscaler has decided."""
    keda = ("autoscaling.enabled=false", "keda.enabled=true", "keda.prometheusAddress=http://p")
    for sets in ((), keda):
        isvc, deployment = (
            render(*sets)["InferenceService"],
            render("kserve.enabled=false", *sets)["Deployment"],
        )
        assert "minReplicas" not in isvc["spec"]["predictor"]
        assert isvc["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] == "external"
        assert "replicas" not in deployment["spec"]


def test_without_an_autoscaler_the_number_is_kept(render: Render) -> None:
    sets = ("autoscaling.enabled=false", "replicas=3")
    isvc = render(*sets)["InferenceService"]
    assert isvc["spec"]["predictor"]["minReplicas"] == 3
    assert isvc["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] == "none"
    objects = render("kserve.enabled=false", *sets)
    assert objects["Deployment"]["spec"]["replicas"] == 3
    assert "HorizontalPodAutoscaler" not in objects


def test_kserves_logger_and_batcher_are_passed_on(render: Render) -> None:
    sets = ("kserve.logger.mode=all", "kserve.logger.url=http://sink", "kserve.batcher.timeout=60")
    asked = render(*sets)["InferenceService"]["spec"]["predictor"]
    assert asked["logger"] == {"mode": "all", "url": "http://sink"}
    assert asked["batcher"] == {"timeout": 60}
