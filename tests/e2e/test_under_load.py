"""200 requests a second without a second try, while pods come and go.

What KServe's own defaults lose in the same is in docs/cluster.md.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.fire import soak
from predictor import bundle
from predictor.bundle import Bundle
from tests.e2e.cluster import DEPLOYMENT, RELEASE, Namespace, Object, Values, run, wait_for
from tests.e2e.conftest import new_namespace
from tests.e2e.killer import killing
from tests.e2e.under_load import Outcome, load

REQUESTS = 10_000
Say = Callable[[str, Outcome], None]


@pytest.fixture(scope="module")
def values(rendering: dict[str, str]) -> dict[str, str]:
    return {"workers": "1", "autoscaling.maxReplicas": "2", **rendering}


@pytest.fixture(scope="module")
def busy(image: str, values: Values) -> Iterator[Namespace]:
    """Yield a namespace whose two pods are ready."""
    with new_namespace() as namespace:
        namespace.install(image, values)
        wait_for(lambda: len(ready(namespace)) == 2, "the autoscaler to start its second pod")
        yield namespace


@pytest.fixture(scope="module")
def served(busy: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Return the bundle of the image."""
    folder = tmp_path_factory.mktemp("image") / "bundle"
    busy.kubectl("cp", f"{busy.pods()[0]['metadata']['name']}:bundle", str(folder))
    return bundle.read(folder)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Return what shows figures also when the test passes."""

    def shown(what: str, outcome: Outcome) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{what}: {outcome}")

    return shown


def ready(namespace: Namespace) -> list[Object]:
    """Return the serving pods that take requests."""
    return [pod for pod in namespace.pods() if condition(pod, "Ready")]


def condition(pod: Object, kind: str) -> bool:
    found = {one["type"]: one["status"] for one in pod["status"].get("conditions", [])}
    return found.get(kind) == "True"


def names(pods: list[Object]) -> set[str]:
    return {pod["metadata"]["name"] for pod in pods}


def versions(namespace: Namespace) -> set[str]:
    """Return which versions the pods serve."""
    path = f"/api/v1/namespaces/{namespace.name}/pods"
    pods = names(namespace.pods())
    found = [run("kubectl", "get", "--raw", f"{path}/{pod}:8080/proxy/models") for pod in pods]
    return {json.loads(one)["models"][0]["model_version"] for one in found}


def mount(namespace: Namespace, name: str, folder: Path) -> None:
    """Put a bundle's folder into a ConfigMap, in place of what is in it."""
    named = (bundle.MANIFEST, bundle.MODEL, bundle.EXPLANATION)
    files = [f"--from-file={folder / file}" for file in named if (folder / file).exists()]
    made = namespace.kubectl(
        "create", "configmap", name, *files, "--dry-run=client", "--output=json"
    )
    namespace.kubectl("apply", "--server-side", "--filename=-", stdin=made)


def of_config_map(name: str) -> dict[str, str]:
    return {"bundle.source": "configMap", "bundle.name": name}


def test_nothing_is_lost_while_new_values_and_a_new_bundle_are_rolled_out(
    busy: Namespace, image: str, values: Values, served: Bundle, tmp_path: Path, say: Say
) -> None:
    other = soak.renamed(served)
    soak.put(other, tmp_path / "other")
    mount(busy, "other", tmp_path / "other")
    with load(busy, image, served.manifest, REQUESTS) as outcome:
        busy.upgrade(image, {**values, "logLevel": "WARNING"})
        busy.upgrade(image, {**values, **of_config_map("other")})
    say("two rolling updates", outcome)
    assert versions(busy) == {other.manifest.version}
    assert outcome.sent >= REQUESTS
    assert outcome.failed == []


@pytest.mark.usefixtures("thorough")
def test_nothing_is_lost_while_a_mounted_bundle_is_replaced(
    busy: Namespace, image: str, values: Values, served: Bundle, tmp_path: Path, say: Say
) -> None:
    soak.put(served, tmp_path / "first")
    other = soak.renamed(served)
    soak.put(other, tmp_path / "other")
    mount(busy, "mounted", tmp_path / "first")
    busy.upgrade(image, {**values, **of_config_map("mounted")})
    assert versions(busy) == {served.manifest.version}
    before = names(busy.pods())
    with load(busy, image, served.manifest, 1) as outcome:
        mount(busy, "mounted", tmp_path / "other")
        wait_for(lambda: versions(busy) == {other.manifest.version}, "the kubelet to change it")
    say("a new bundle in the mounted folder", outcome)
    assert outcome.failed == []
    assert names(busy.pods()) == before


@pytest.mark.usefixtures("thorough")
def test_nothing_is_lost_while_every_pod_is_deleted_in_turn(
    busy: Namespace, image: str, served: Bundle, say: Say
) -> None:
    before = names(busy.pods())
    with load(busy, image, served.manifest, REQUESTS) as outcome:
        for name in sorted(before):
            busy.kubectl("delete", f"pod/{name}")
            busy.rolled_out()
    say("every pod deleted in turn", outcome)
    assert not before & names(busy.pods())
    assert outcome.sent >= REQUESTS
    assert outcome.failed == []


@pytest.mark.usefixtures("thorough")
def test_a_killed_pod_loses_what_is_sent_to_it_until_the_cluster_knows(
    busy: Namespace, image: str, served: Bundle, say: Say
) -> None:
    """SIGKILL tells nobody: connections to the pod are refused until the endpoints are changed."""
    pod = ready(busy)[0]
    with (
        killing(image, pod["spec"]["nodeName"]) as kill,
        load(busy, image, served.manifest, 4_000) as outcome,
    ):
        kill(pod)
        wait_for(lambda: restarts(busy, pod) == 1, "the kubelet to start the container again")
        wait_for(lambda: len(ready(busy)) == 2, "the pod to be ready again")
    say("SIGKILL of a pod", outcome)
    assert outcome.failed
    first, last = outcome.failed[0][0], outcome.failed[-1][0]
    assert last - first < 10
    assert len(outcome.failed) < outcome.sent / 20


def restarts(namespace: Namespace, pod: Object) -> int:
    found = namespace.get("pod", pod["metadata"]["name"])["status"]["containerStatuses"]
    return sum(status["restartCount"] for status in found)


@pytest.mark.usefixtures("thorough")
def test_a_bad_release_takes_no_request_and_is_rolled_back(
    busy: Namespace, image: str, values: Values, served: Bundle, tmp_path: Path, say: Say
) -> None:
    """Its pods end with a sentence of why, and never become ready; those before go on."""
    soak.put(served, tmp_path / "bad")
    model = tmp_path / "bad" / bundle.MODEL
    model.write_bytes(model.read_bytes()[:-1])
    mount(busy, "bad", tmp_path / "bad")
    before, version = names(ready(busy)), versions(busy)
    with load(busy, image, served.manifest, 4_000) as outcome:
        busy.upgrade_only(image, {**values, **of_config_map("bad")})
        wait_for(lambda: "is damaged" in said(busy), "a pod to say why it ends")
        assert names(ready(busy)) == before
        busy.helm("rollback", RELEASE)
        wait_for(lambda: names(busy.pods()) == before, "the bad pods to be gone")
        busy.rolled_out()
    say("a bad release, and its rollback", outcome)
    assert versions(busy) == version
    assert outcome.failed == []


def said(namespace: Namespace) -> str:
    """Return the last words of the containers that have ended."""
    words = ""
    for pod in namespace.pods():
        for status in pod["status"].get("containerStatuses", []):
            if status["restartCount"] or "terminated" in status["state"]:
                name = pod["metadata"]["name"]
                words += namespace.kubectl("logs", name, "--tail=5", "--ignore-errors")
    return words


@pytest.mark.usefixtures("thorough")
def test_the_budget_lets_one_pod_go_and_no_second(
    busy: Namespace, image: str, served: Bundle, say: Say
) -> None:
    first, second = sorted(names(ready(busy)))
    with load(busy, image, served.manifest, 2_000) as outcome:
        assert evict(busy, first) == ""
        assert "Cannot evict pod as it would violate the pod's disruption budget" in evict(
            busy, second
        )
        wait_for(lambda: len(ready(busy)) == 2, "the evicted pod to be replaced")
    say("an eviction", outcome)
    assert outcome.failed == []


def evict(namespace: Namespace, pod: str) -> str:
    """Ask for an eviction as `kubectl drain` does, and return why it is refused, if it is."""
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": namespace.name},
    }
    path = f"/api/v1/namespaces/{namespace.name}/pods/{pod}/eviction"
    result = subprocess.run(
        ["kubectl", "create", "--raw", path, "--filename=-"],
        input=json.dumps(eviction),
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stderr if result.returncode else ""


@pytest.mark.usefixtures("thorough")
def test_the_autoscaler_follows_the_load_and_no_upgrade_takes_that_back(
    busy: Namespace, image: str, values: Values, served: Bundle, say: Say
) -> None:
    quick = {
        **values,
        "resources.requests.cpu": "40m",
        "autoscaling.maxReplicas": "4",
        "autoscaling.behavior.scaleDown.stabilizationWindowSeconds": "30",
        "autoscaling.behavior.scaleDown.policies[0].type": "Percent",
        "autoscaling.behavior.scaleDown.policies[0].value": "100",
        "autoscaling.behavior.scaleDown.policies[0].periodSeconds": "15",
    }
    busy.upgrade(image, quick)
    seen = [wanted(busy)]

    def reaches(count: int) -> bool:
        seen.append(wanted(busy))
        return seen[-1] == count and len(ready(busy)) == count

    with load(busy, image, served.manifest, 1, rate=400) as outcome:
        wait_for(lambda: reaches(4), "the autoscaler to start two more pods")
        busy.upgrade(image, {**quick, "logLevel": "WARNING"})
        assert wanted(busy) == 4
    wait_for(lambda: reaches(2), "the autoscaler to take them back")
    say("from two pods to four, an upgrade, and back to two", outcome)
    assert outcome.failed == []
    highest = len(seen) - 1 - seen[::-1].index(4)
    assert seen == sorted(seen[: highest + 1]) + sorted(seen[highest + 1 :], reverse=True)


def wanted(namespace: Namespace) -> int:
    replicas: int = namespace.get("deployment", DEPLOYMENT)["spec"]["replicas"]
    return replicas
