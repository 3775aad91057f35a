import re
import subprocess
import sys
from typing import Any

import pytest

from predictor.serving.settings import NAMES
from tests.chart.helm import Objects, Render, helm, template
from tests.paths import CHART, ROOT

DIGEST = f"sha256:{'0' * 64}"
SERVING = {
    "app.kubernetes.io/name": "energy-predictor",
    "app.kubernetes.io/instance": "energy",
    "component": "predictor",
}


@pytest.fixture(scope="module")
def objects(render: Render) -> Objects:
    return render("podMonitor.enabled=true")


@pytest.fixture(scope="module")
def predictor(objects: Objects) -> dict[str, Any]:
    spec: dict[str, Any] = objects["InferenceService"]["spec"]["predictor"]
    return spec


@pytest.fixture(scope="module")
def container(predictor: dict[str, Any]) -> dict[str, Any]:
    [container] = predictor["containers"]
    assert container["name"] == "kserve-container"
    return dict(container)


def test_helm_finds_nothing_to_complain_of() -> None:
    result = helm("lint", "--strict", str(CHART))
    assert result.returncode == 0, result.stdout


def test_by_default_there_are_the_pods_and_what_keeps_them(
    render: Render,
) -> None:
    beside = {"HorizontalPodAutoscaler", "PodDisruptionBudget", "ServiceAccount", "Pod"}
    assert set(render()) == {"InferenceService", *beside}
    assert set(render("kserve.enabled=false")) == {"Deployment", "Service", *beside}


def test_the_inference_service_is_in_standard_mode_with_an_autoscaler_of_the_charts(
    objects: Objects,
) -> None:
    metadata = objects["InferenceService"]["metadata"]
    assert metadata["name"] == "energy"
    assert metadata["annotations"] == {
        "serving.kserve.io/deploymentMode": "Standard",
        "serving.kserve.io/autoscalerClass": "external",
    }


def test_no_label_of_the_inference_service_changes_with_the_chart(objects: Objects) -> None:
    labels = objects["InferenceService"]["metadata"]["labels"]
    assert set(labels) == {
        "app.kubernetes.io/name",
        "app.kubernetes.io/instance",
        "app.kubernetes.io/managed-by",
    }


def test_a_pod_may_take_two_cpus_and_two_gibibytes(container: dict[str, Any]) -> None:
    limits = container["resources"]["limits"]
    assert (limits["cpu"], limits["memory"]) == ("2", "2Gi")


def test_startup_readiness_and_liveness_are_asked_over_http(container: dict[str, Any]) -> None:
    paths = {
        probe: container[f"{probe}Probe"]["httpGet"]
        for probe in ("startup", "readiness", "liveness")
    }
    assert paths == {
        "startup": {"path": "/v2/health/ready", "port": "http"},
        "readiness": {"path": "/v2/health/ready", "port": "http"},
        "liveness": {"path": "/v2/health/live", "port": "http"},
    }


def test_http_is_the_first_port_and_the_name_of_the_second_says_grpc(
    container: dict[str, Any],
) -> None:
    assert container["ports"] == [
        {"name": "http", "containerPort": 8080, "protocol": "TCP"},
        {"name": "grpc", "containerPort": 8081, "protocol": "TCP"},
    ]


def test_the_image_listens_on_the_ports_of_the_pod(container: dict[str, Any]) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    ports = [str(port["containerPort"]) for port in container["ports"]]
    assert re.findall(r"^EXPOSE (.*)", dockerfile, re.MULTILINE) == [" ".join(ports)]
    assert re.findall(r" (?:GRPC_)?PORT=(\d+)", dockerfile) == ports
    assert not {entry["name"] for entry in container["env"]} & {"PORT", "GRPC_PORT"}


def test_a_pod_has_a_worker_for_each_cpu_of_its_limit_unless_their_number_is_named(
    container: dict[str, Any], render: Render
) -> None:
    assert {"name": "WORKERS", "value": "0"} in container["env"]
    [other] = render("workers=3")["InferenceService"]["spec"]["predictor"]["containers"]
    assert {"name": "WORKERS", "value": "3"} in other["env"]


def test_every_setting_that_the_chart_makes_is_one_that_there_is(container: dict[str, Any]) -> None:
    assert {entry["name"] for entry in container["env"]} <= set(NAMES)


def test_a_rollout_never_takes_a_pod_away_before_another_is_ready(
    predictor: dict[str, Any],
) -> None:
    assert predictor["deploymentStrategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
    }


def test_the_grace_period_covers_the_sleep_and_the_drain(render: Render) -> None:
    objects = render("shutdown.preStopSleepSeconds=7", "shutdown.drainSeconds=50")
    predictor = objects["InferenceService"]["spec"]["predictor"]
    [container] = predictor["containers"]
    assert predictor["terminationGracePeriodSeconds"] == 7 + 50 + 5
    assert container["lifecycle"] == {"preStop": {"sleep": {"seconds": 7}}}
    assert {"name": "DRAIN_SECONDS", "value": "50"} in container["env"]


def test_every_pod_is_restricted(objects: Objects, predictor: dict[str, Any]) -> None:
    for pod in (predictor, objects["Pod"]["spec"]):
        [container] = pod["containers"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] >= 10_000
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_the_autoscaler_aims_at_what_kserve_makes_and_has_a_name_that_kserve_leaves_alone(
    objects: Objects,
) -> None:
    autoscaler = objects["HorizontalPodAutoscaler"]
    target = autoscaler["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", "energy-predictor")
    assert autoscaler["metadata"]["name"] != target["name"]


def test_the_autoscaler_is_quick_up_and_slow_down(objects: Objects) -> None:
    behavior = objects["HorizontalPodAutoscaler"]["spec"]["behavior"]
    assert behavior["scaleUp"]["stabilizationWindowSeconds"] == 0
    assert behavior["scaleDown"]["stabilizationWindowSeconds"] == 300


def test_a_pod_monitor_selects_the_pods_that_kserve_makes(objects: Objects) -> None:
    spec = objects["PodMonitor"]["spec"]
    assert spec["selector"]["matchLabels"] == SERVING
    [endpoint] = spec["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("http", "/metrics")


@pytest.mark.parametrize("key", ["podMonitor", "serviceMonitor"])
@pytest.mark.parametrize("kserve", ["true", "false"])
def test_what_is_scraped_has_the_release_as_its_job(render: Render, key: str, kserve: str) -> None:
    """KServe gives its pods and its Service the labels of the InferenceService."""
    objects = render(f"{key}.enabled=true", f"kserve.enabled={kserve}")
    label = objects[f"{key[0].upper()}{key[1:]}"]["spec"]["jobLabel"]
    labelled = [objects["InferenceService"]] if kserve == "true" else [objects["Service"]]
    if kserve == "false":
        labelled.append(objects["Deployment"]["spec"]["template"])
    assert {found["metadata"]["labels"][label] for found in labelled} == {"energy"}


def test_a_pod_monitor_takes_the_labels_that_prometheus_selects_by(render: Render) -> None:
    objects = render("podMonitor.enabled=true", "podMonitor.labels.release=prometheus")
    assert objects["PodMonitor"]["metadata"]["labels"]["release"] == "prometheus"


def test_the_image_is_the_charts_unless_another_tag_is_named(render: Render) -> None:
    for sets, image in (
        ((), "energy-predictor:0.1.0"),
        (("image.repository=r.example/e", "image.tag=v7"), "r.example/e:v7"),
        (("image.tag=v7", f"image.digest={DIGEST}"), f"energy-predictor@{DIGEST}"),
    ):
        [container] = render(*sets)["InferenceService"]["spec"]["predictor"]["containers"]
        assert container["image"] == image


def test_the_readme_has_every_value() -> None:
    command = [sys.executable, str(CHART.parent / "readme"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_rendering_is_a_pure_function() -> None:
    first, second = template(), template()
    assert first.returncode == 0
    assert first.stdout == second.stdout


@pytest.mark.parametrize("folder", ["manifests", "stack"])
def test_what_is_rendered_is_what_the_chart_renders(folder: str) -> None:
    result = subprocess.run(
        [ROOT / folder / "render", "--check"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("name", ["1abc", "my.release", "a" * 49])
def test_a_release_that_kserve_could_not_name_is_refused(name: str) -> None:
    result = template(release=name)
    assert result.returncode != 0
    assert re.search(rf'the release is named "{name}"|name has 49 characters', result.stderr)


def test_names_that_look_like_numbers_are_names() -> None:
    sets = ("serviceAccount.name=1e3", "tls.secretName=123", "priorityClassName=true")
    rendered = subprocess.run(
        ["helm", "template", "energy", str(CHART)]
        + [option for value in sets for option in ("--set-string", value)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for shown in ('serviceAccountName: "1e3"', 'secretName: "123"', 'priorityClassName: "true"'):
        assert shown in rendered


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("replica=3", "additional properties 'replica' not allowed"),
        ("image.digest=sha256:1", "does not match pattern"),
        ("bundle.source=cloud", "value must be one of"),
        ("bundle.path=../secrets", "does not match pattern"),
        ("auth.jwt.jwksUrl=file:///etc/keys", "does not match pattern"),
        ("rollout.maxSurge=half", "does not match pattern"),
        ("image.name=x", "additional properties 'name' not allowed"),
        ("image.pullPolicy=Sometimes", "value must be one of 'Always', 'IfNotPresent', 'Never'"),
        ("autoscaling.minReplicas=two", "got string, want integer"),
        ("autoscaling.minReplicas=0", "minimum: got 0, want 1"),
        ("podMonitor.interval=15", "got number, want string"),
        ("resources.limits.memory=2gb", "does not match pattern"),
        ("resources.requests.cpu=0", "exclusiveMinimum"),
        ("resources.requests.cpu=-1", "exclusiveMinimum"),
        ("workers=two", "got string, want integer"),
        ("workers=-1", "minimum: got -1, want 0"),
        ("workers=1025", "maximum: got 1,025, want 1,024"),
        ("shutdown.preStopSleepSeconds=0", "minimum: got 0, want 1"),
        ("slo.availability=99.9", "does not match pattern"),
        ("slo.latency=1", "exclusiveMaximum"),
        ("slo.minFailed=0", "minimum: got 0, want 1"),
        ("drift.window=4w", "does not match pattern"),
        ("drift.step=6m", "does not match pattern"),
        ("drift.threshold=-1", "minimum: got -1, want 0"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(option: str, message: str) -> None:
    result = template(option)
    assert result.returncode != 0
    assert message in result.stderr
