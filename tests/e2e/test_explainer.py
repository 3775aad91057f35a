"""KServe's explainer component: what KServe makes of it, and who answers what."""

import json
from collections.abc import Iterator

import httpx
import pytest

from predictor.bundle import Manifest
from tests.e2e.cluster import RELEASE, Namespace, Object, wait_for
from tests.e2e.conftest import new_namespace
from tests.e2e.serving import PREDICT, manifest_of

EXPLAIN = "/v1/models/energy:explain"
EXPLAINER = f"{RELEASE}-explainer"
VALUES = {
    "explainer.enabled": "true",
    "autoscaling.minReplicas": "1",
    "autoscaling.maxReplicas": "1",
}


@pytest.fixture(scope="module")
def explained(image: str) -> Iterator[Namespace]:
    """Yield a namespace with a predictor and an explainer, both ready."""
    with new_namespace() as namespace:
        namespace.install(image, VALUES)
        wait_for(lambda: _is_newest(namespace), "KServe to make the explainer's Deployment")
        namespace.kubectl("rollout", "status", f"deployment/{EXPLAINER}", "--timeout=120s")
        yield namespace


@pytest.fixture(scope="module")
def manifest(explained: Namespace) -> Manifest:
    return manifest_of(explained)


@pytest.fixture(scope="module")
def explainer(explained: Namespace) -> Iterator[httpx.Client]:
    with (
        explained.port_forward(80, EXPLAINER) as address,
        httpx.Client(base_url=f"http://{address}") as client,
    ):
        yield client


def _is_newest(namespace: Namespace) -> bool:
    found = namespace.kubectl("get", "deployment", EXPLAINER, "--ignore-not-found", "--output=json")
    if not found:
        return False
    asked = namespace.get("inferenceservice", RELEASE)["spec"]["explainer"]["annotations"]
    annotations = json.loads(found)["spec"]["template"]["metadata"]["annotations"]
    return bool(annotations["checksum/pod"] == asked["checksum/pod"])


def _conditions(namespace: Namespace) -> dict[str, str]:
    status: Object = namespace.get("inferenceservice", RELEASE).get("status", {})
    return {found["type"]: found["status"] for found in status.get("conditions", [])}


def test_the_explainer_explains_what_the_predictor_predicts(
    explained: Namespace, explainer: httpx.Client, manifest: Manifest
) -> None:
    body = {"instances": manifest.golden.rows}
    answer = explainer.post(EXPLAIN, json=body)
    assert answer.status_code == 200, answer.text
    explanations = answer.json()["explanations"]
    with explained.port_forward(80) as address:
        predictions = httpx.post(f"http://{address}{PREDICT}", json=body).json()["predictions"]
    assert [one["prediction"] for one in explanations] == pytest.approx(predictions, abs=1e-9)
    for one in explanations:
        physics = one["physics"]
        parts = [
            one["base"],
            physics["contribution"],
            one["bounds"],
            *one["contributions"].values(),
        ]
        assert sum(parts) == pytest.approx(one["prediction"], abs=1e-6)
        assert sum(physics["shares"].values()) == pytest.approx(physics["contribution"], abs=1e-6)


def test_the_predictor_leaves_explaining_to_it(explained: Namespace, manifest: Manifest) -> None:
    with explained.port_forward(80) as address:
        answer = httpx.post(f"http://{address}{EXPLAIN}", json={"instances": manifest.golden.rows})
    assert answer.status_code == 404
    assert "EXPLAIN" in answer.json()["error"]


def test_kserve_counts_both_as_ready(explained: Namespace) -> None:
    wait_for(
        lambda: _conditions(explained).get("ExplainerReady") == "True",
        "KServe to see that the explainer is ready",
    )
    assert _conditions(explained)["PredictorReady"] == "True"


def test_kserve_holds_the_number_of_its_pods_and_scales_none(explained: Namespace) -> None:
    explained.upgrade_only(_image_of(explained), {**VALUES, "explainer.replicas": "2"})
    wait_for(
        lambda: explained.get("deployment", EXPLAINER)["status"].get("readyReplicas") == 2,
        "KServe to start a second pod",
    )
    autoscalers = explained.get("horizontalpodautoscaler")["items"]
    assert [found["metadata"]["name"] for found in autoscalers] == [RELEASE]


def test_the_arguments_that_kserve_adds_reach_no_server(explained: Namespace) -> None:
    """Which would end at the first that it does not know."""
    spec = explained.get("deployment", EXPLAINER)["spec"]["template"]["spec"]
    [container] = spec["containers"]
    assert "--predictor_host" in container["args"]
    running = explained.kubectl("exec", f"deployment/{EXPLAINER}", "--", "cat", "/proc/1/cmdline")
    assert running.split("\0")[:4] == ["python", "-m", "predictor", "serve"]
    assert "--predictor_host" not in running


def _image_of(namespace: Namespace) -> str:
    spec = namespace.get("deployment", EXPLAINER)["spec"]["template"]["spec"]
    found: str = spec["containers"][0]["image"]
    return found
