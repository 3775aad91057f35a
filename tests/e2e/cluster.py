"""The cluster that KUBECONFIG names, by kubectl and helm."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.paths import CHART

RELEASE = "energy"
DEPLOYMENT = f"{RELEASE}-predictor"
SERVICE = f"{RELEASE}-predictor"
# A new PodMonitor may take the kubelet a minute and the config reloader three to reach Prometheus.
WAIT_SECONDS = 420
POLL_SECONDS = 0.5

Object = dict[str, Any]


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

    def install(self, image: str, others: Mapping[str, str] | None = None) -> None:
        """Install the chart and wait for its pods, two by the autoscaler's minimum."""
        repository, tag = image.rsplit(":", 1)
        values = {
            "image.repository": repository,
            "image.tag": tag,
            "podMonitor.enabled": "true",
            # Two releases at once fit on a laptop's node, also while their pods start.
            "resources.requests.cpu": "100m",
            "autoscaling.maxReplicas": "2",
            **(others or {}),
        }
        options = [
            option for key, value in values.items() for option in ("--set", f"{key}={value}")
        ]
        self.helm("install", RELEASE, str(CHART), *options)
        wait_for(self._has_deployment, "KServe to make the Deployment")
        self.rolled_out()

    def _has_deployment(self) -> bool:
        return bool(self.kubectl("get", "deployment", DEPLOYMENT, "--ignore-not-found"))

    def rolled_out(self) -> None:
        timeout = f"--timeout={WAIT_SECONDS}s"
        self.kubectl("rollout", "status", f"deployment/{DEPLOYMENT}", timeout)

    def pods(self) -> list[Object]:
        selector = f"serving.kserve.io/inferenceservice={RELEASE}"
        pods: list[Object] = self.get("pods", "--selector", selector)["items"]
        return pods

    def execute(self, *command: str) -> str:
        """Run a command in one of the serving pods."""
        return self.kubectl("exec", f"deployment/{DEPLOYMENT}", "--", *command)

    @contextmanager
    def port_forward(self, port: int) -> Iterator[str]:
        """Yield an address of localhost that reaches a port of the Service, as a user's does."""
        forward = ("kubectl", "-n", self.name, "port-forward", f"service/{SERVICE}", f":{port}")
        with subprocess.Popen(forward, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout
                found = re.search(r"127\.0\.0\.1:\d+", process.stdout.readline())
                assert found, "kubectl port-forward did not start"
                yield found[0]
            finally:
                process.terminate()
