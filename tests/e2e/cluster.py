"""The cluster that KUBECONFIG names, by kubectl and helm."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.paths import CHART

RELEASE = "energy"
DEPLOYMENT = f"{RELEASE}-predictor"
SERVICE = f"{RELEASE}-predictor"
# A new PodMonitor may take the kubelet a minute and the config reloader three to reach Prometheus.
WAIT_SECONDS = 420
POLL_SECONDS = 0.5

# KServe's pods and the Deployment's.
SERVING = f"app.kubernetes.io/instance={RELEASE},component=predictor"

Object = dict[str, Any]
Values = Mapping[str, str]


def run(*command: str, stdin: str | None = None) -> str:
    """Return what a command prints; when it fails, so does the test, with what it said."""
    result = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}{result.stderr}"
    return result.stdout


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"gave up after {WAIT_SECONDS} s waiting for {what}"
        time.sleep(POLL_SECONDS)


def raw(path: str) -> Object:
    """Ask the API server, which also reaches Services for us: `…/services/NAME:PORT/proxy/…`."""
    found: Object = json.loads(run("kubectl", "get", "--raw", path))
    return found


def options(image: str, others: Values | None = None) -> list[str]:
    """Return helm's options for an image: two pods, so small that two releases fit on a laptop."""
    repository, tag = image.rsplit(":", 1)
    values = {
        "image.repository": repository,
        "image.tag": tag,
        "resources.requests.cpu": "100m",
        "autoscaling.maxReplicas": "2",
        **(others or {}),
    }
    return [option for key, value in values.items() for option in ("--set", f"{key}={value}")]


def batch_options(image: str) -> Values:
    """Return values for an image that scores files, whose pods ask for so little that all fit."""
    repository, tag = image.rsplit(":", 1)
    return {
        "batch.image.repository": repository,
        "batch.image.tag": tag,
        "batch.resources.requests.cpu": "50m",
        "batch.resources.requests.memory": "256Mi",
    }


@dataclass(frozen=True)
class Namespace:
    name: str

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return run("kubectl", "--namespace", self.name, *arguments, stdin=stdin)

    def get(self, *what: str) -> Object:
        found: Object = json.loads(self.kubectl("get", *what, "--output", "json"))
        return found

    def helm(self, *arguments: str) -> str:
        return run("helm", "--namespace", self.name, *arguments)

    def install(self, image: str, others: Values | None = None, chart: Path = CHART) -> None:
        """Install the chart and wait for its pods."""
        self.helm("install", RELEASE, str(chart), *options(image, others))
        self.rolled_out()

    def upgrade(self, image: str, others: Values | None = None) -> None:
        """Upgrade to the chart with other values, and wait until its pods have taken over."""
        self.upgrade_only(image, others)
        self.rolled_out()

    def upgrade_only(self, image: str, others: Values | None = None) -> None:
        """Upgrade to the chart with other values, whatever becomes of it."""
        self.helm("upgrade", RELEASE, str(CHART), *options(image, others))

    def rolled_out(self) -> None:
        """Wait for the pods of what was installed last."""
        wait_for(self._is_newest, "KServe to make the Deployment")
        timeout = f"--timeout={WAIT_SECONDS}s"
        self.kubectl("rollout", "status", f"deployment/{DEPLOYMENT}", timeout)

    def _is_newest(self) -> bool:
        """Whether the Deployment is there, and of the newest InferenceService if there is one."""
        ignore = ("--ignore-not-found", "--output=json")
        deployment = self.kubectl("get", "deployment", DEPLOYMENT, *ignore)
        service = self.kubectl("get", "inferenceservice", RELEASE, *ignore)
        if not deployment or not service:
            return bool(deployment)
        made = json.loads(deployment)["spec"]["template"]["metadata"].get("annotations", {})
        asked = json.loads(service)["spec"]["predictor"].get("annotations", {})
        return bool(made.get("checksum/pod") == asked.get("checksum/pod"))

    def pods(self) -> list[Object]:
        """Return the serving pods that are not being deleted."""
        pods = self.get("pods", "--selector", SERVING)["items"]
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def execute(self, *command: str) -> str:
        """Run a command in one of the serving pods."""
        return self.kubectl("exec", f"deployment/{DEPLOYMENT}", "--", *command)

    @contextmanager
    def port_forward(self, port: int, service: str = SERVICE) -> Iterator[str]:
        """Yield an address of localhost that reaches a port of a Service, as a user's does."""
        forward = ("kubectl", "-n", self.name, "port-forward", f"service/{service}", f":{port}")
        with subprocess.Popen(forward, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout
                found = re.search(r"127\.0\.0\.1:\d+", process.stdout.readline())
                assert found, "kubectl port-forward did not start"
                yield found[0]
            finally:
                process.terminate()
