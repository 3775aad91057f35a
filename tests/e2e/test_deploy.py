"""`predictor deploy` and `predictor status`, and what they say of pods that do not start."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from predictor.deployment import deploy, status
from predictor.errors import DeploymentError
from tests.e2e.cluster import DEPLOYMENT, RELEASE, Namespace, wait_for
from tests.paths import ROOT

# A node of a laptop has room for it beside other tests, and its pods end soon.
SMALL = {
    "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"cpu": "1"}},
    "autoscaling": {"minReplicas": 1, "maxReplicas": 1},
    "shutdown": {"preStopSleepSeconds": 1, "drainSeconds": 1},
}
QUOTA = """
apiVersion: v1
kind: ResourceQuota
metadata: {name: none}
spec: {hard: {pods: "0"}}
"""


class Command:
    """`predictor` in a shell, in one namespace, with the image under test and small pods."""

    def __init__(self, namespace: Namespace, image: str, values: str) -> None:
        self.namespace, self._values = namespace, values
        repository, tag = image.rsplit(":", 1)
        self._image = [f"--set=image.repository={repository}", f"--set=image.tag={tag}"]

    def deploy(self, *options: str) -> subprocess.CompletedProcess[str]:
        return self._run("deploy", RELEASE, f"--values={self._values}", *self._image, *options)

    def status(self, *options: str) -> subprocess.CompletedProcess[str]:
        return self._run("status", RELEASE, *options)

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "predictor", *arguments]
        return subprocess.run(
            [*command, f"--namespace={self.namespace.name}"],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )


@pytest.fixture
def command(
    empty_namespace: Namespace, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Command]:
    values = tmp_path_factory.mktemp("values") / "small.yaml"
    values.write_text(json.dumps(SMALL))
    yield Command(empty_namespace, image, str(values))
    empty_namespace.helm("uninstall", RELEASE, "--ignore-not-found")


@pytest.mark.parametrize("mode", ["kserve.enabled=true", "kserve.enabled=false"])
def test_a_release_is_installed_and_updated_when_deploy_ends(command: Command, mode: str) -> None:
    first = command.deploy("--set", mode)
    assert first.returncode == 0, first.stderr
    assert f"helm installed {RELEASE} in {command.namespace.name}" in first.stderr
    assert "1 of 1 pods is new, 1 is available" in first.stderr
    assert f"http://{DEPLOYMENT}.{command.namespace.name}.svc" in first.stdout
    assert _log_levels(command.namespace) == {"INFO"}

    second = command.deploy("--set", mode, "--set", "logLevel=WARNING")
    assert second.returncode == 0, second.stderr
    assert "revision 2" in second.stderr
    assert _log_levels(command.namespace) == {"WARNING"}

    shown = command.status()
    assert shown.returncode == 0, shown.stderr
    assert re.search(rf"{DEPLOYMENT}-\S+ +yes +0 +\d+\w +new", shown.stdout)
    found = json.loads(command.status("--json").stdout)
    assert found["is_complete"]
    assert found["helm"]["revision"] == 2
    assert [pod["is_new"] for pod in found["pods"] if pod["is_ready"]] == [True]


def test_deploy_waits_for_as_many_pods_as_the_autoscaler_starts(
    empty_namespace: Namespace, image: str
) -> None:
    repository, tag = image.rsplit(":", 1)
    said: list[str] = []
    two = SMALL | {
        "image": {"repository": repository, "tag": tag},
        "autoscaling": {"minReplicas": 2, "maxReplicas": 2},
    }
    found = deploy(RELEASE, namespace=empty_namespace.name, values=two, progress=said.append)
    assert said[-1] == "2 of 2 pods are new, 2 are available"
    assert [pod.is_ready for pod in found.pods] == [True, True]
    assert found.autoscaler
    assert (found.autoscaler.least, found.autoscaler.most) == (2, 2)


def test_an_image_that_is_not_there_is_named_while_the_old_pod_answers(command: Command) -> None:
    assert command.deploy().returncode == 0
    failed = command.deploy("--set", "image.tag=no-such-tag")
    assert failed.returncode == 1
    assert "is in ImagePullBackOff" in failed.stderr
    assert "no-such-tag" in failed.stderr
    back = f"1 of its pods answers meanwhile; go back with: helm rollback {RELEASE}"
    assert back in failed.stderr
    shown = command.status()
    assert shown.returncode == 1
    assert "not complete: 1 of 1 pods is new, 1 is available, 1 old is left" in shown.stdout
    assert re.search(rf"{DEPLOYMENT}-\S+ +yes .* old ", shown.stdout)
    command.namespace.helm("rollback", RELEASE)
    wait_for(lambda: command.status().returncode == 0, "the release before to be complete")


def test_a_pod_that_crashes_is_quoted(command: Command) -> None:
    garbage = ("--from-literal=bundle.json={}", "--from-literal=model.onnx=none")
    command.namespace.kubectl("create", "configmap", "garbage", *garbage)
    failed = command.deploy("--set", "bundle.source=configMap,bundle.name=garbage")
    assert failed.returncode == 1
    assert "container kserve-container is in CrashLoopBackOff" in failed.stderr
    assert "ended with exit code 1 (Error)" in failed.stderr
    log = failed.stderr.split("the last lines of the log of kserve-container:\n")[1]
    assert "/mnt/bundle" in log
    assert "BackOff: " in failed.stderr


def test_what_kserve_cannot_make_is_told_though_the_old_deployment_is_complete(
    command: Command,
) -> None:
    assert command.deploy().returncode == 0
    failed = command.deploy("--set", "podLabels.team=no label")
    assert failed.returncode == 1
    assert "KServe cannot make the Deployment: " in failed.stderr
    assert 'Invalid value: "no label"' in failed.stderr
    command.namespace.kubectl("rollout", "status", f"deployment/{DEPLOYMENT}")  # all is well by it
    assert command.status().returncode == 1


def test_a_volume_that_is_not_there_is_named_at_the_deadline(command: Command) -> None:
    failed = command.deploy("--set", "bundle.source=configMap,bundle.name=nowhere", "--timeout=8")
    assert failed.returncode == 1
    assert "after 8 s 1 of 1 pods is new, 0 are available" in failed.stderr
    assert 'configmap "nowhere" not found' in failed.stderr.splitlines()[-1]


def test_a_quota_that_lets_no_pod_be_made_is_named(command: Command) -> None:
    command.namespace.kubectl("apply", "--filename=-", stdin=QUOTA)
    failed = command.deploy()
    assert failed.returncode == 1
    assert "no pod can be made" in failed.stderr
    assert "exceeded quota: none" in failed.stderr


def test_what_helm_refuses_is_said_as_helm_says_it(command: Command) -> None:
    failed = command.deploy("--set", "bundle.source=configMap")
    assert failed.returncode == 1
    assert (
        "bundle.source is configMap, but bundle.name, which says which, is empty" in failed.stderr
    )


def test_a_release_that_is_not_there_has_no_status(empty_namespace: Namespace) -> None:
    expected = f"there is no release {RELEASE} in the namespace {empty_namespace.name}"
    with pytest.raises(DeploymentError, match=expected):
        status(RELEASE, namespace=empty_namespace.name)


def _log_levels(namespace: Namespace) -> set[str]:
    """Return what the pods that are not ending have as their log level."""
    levels = set()
    for pod in namespace.get("pods", "--selector=component=predictor")["items"]:
        if "deletionTimestamp" not in pod["metadata"]:
            [container] = pod["spec"]["containers"]
            levels |= {env["value"] for env in container["env"] if env["name"] == "LOG_LEVEL"}
    return levels
