"""A namespace of its own whose pods are asked all the time, from a pod inside the cluster."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from predictor.bundle import Manifest
from tests.e2e.cluster import SERVICE, Namespace
from tests.e2e.serving import PREDICT

RATE = 200
SCRIPT = Path(__file__).with_name("load.py")
STOP = "/tmp/stop"  # noqa: S108 - a volume of the pod's own
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


@dataclass
class Outcome:
    """How the requests of a while ended; a failure is when, how, and how long it took."""

    sent: int = 0
    failed: list[tuple[float, str, float]] = field(default_factory=list)
    p99: float = 0
    seconds: float = 0

    def __str__(self) -> str:
        """Say it in a line, as it is printed by the tests."""
        kinds = sorted({how for _, how, _ in self.failed})
        failed = f"{len(self.failed)} of {self.sent} failed"
        return f"{failed}{f' ({kinds})' if kinds else ''}, p99 {self.p99 * 1e3:.0f} ms"


@contextmanager
def load(
    namespace: Namespace, image: str, manifest: Manifest, least: int, rate: float = RATE
) -> Iterator[Outcome]:
    """Ask while the block runs, and for so many requests at least; then tell how they ended."""
    name = f"load-{time.monotonic_ns()}"
    body = json.dumps({"instances": manifest.golden.rows[:1]})
    files = {"load.py": SCRIPT.read_text(), "body": body}
    url = f"http://{SERVICE}.{namespace.name}.svc{PREDICT}"
    command = ["python", "/load/load.py", url, str(rate), str(least), "/load/body", STOP]
    config = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}, "data": files}
    namespace.kubectl("create", "--filename=-", stdin=json.dumps(config))
    namespace.kubectl("create", "--filename=-", stdin=json.dumps(_pod(name, image, command)))
    namespace.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")
    outcome = Outcome()
    try:
        yield outcome
        namespace.kubectl("exec", name, "--", "touch", STOP)
        namespace.kubectl(
            "wait", "--for=jsonpath={.status.phase}=Succeeded", f"pod/{name}", "--timeout=300s"
        )
        found = json.loads(namespace.kubectl("logs", name))
        outcome.sent, outcome.p99 = found["sent"], found["p99"] or 0
        outcome.failed = [tuple(one) for one in found["failed"]]
        outcome.seconds = found["seconds"]
    finally:
        namespace.kubectl("delete", f"pod/{name}", f"configmap/{name}", "--grace-period=1")


def _pod(name: str, image: str, command: list[str]) -> dict[str, object]:
    container = {
        "name": "load",
        "image": image,
        "command": command,
        "resources": {
            "requests": {"cpu": "100m", "memory": "64Mi"},
            "limits": {"cpu": "1", "memory": "256Mi"},
        },
        "securityContext": RESTRICTED,
        "volumeMounts": [
            {"name": "load", "mountPath": "/load"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
        ],
    }
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "load", "configMap": {"name": name}}, {"name": "tmp", "emptyDir": {}}],
    }
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name}, "spec": spec}
