"""Ending a pod as a crash does: by SIGKILL of its first process, from outside of it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.e2e.cluster import Object
from tests.e2e.conftest import new_namespace

# No process can kill the first of its own container. One that sees the node's finds it by its pod.
KILL = """
import os, pathlib, signal, sys
for process in pathlib.Path("/proc").iterdir():
    if process.name.isdecimal():
        try:
            group, status = (process / "cgroup").read_text(), (process / "status").read_text()
        except OSError:
            continue
        inner = next(line for line in status.splitlines() if line.startswith("NSpid")).split()[-1]
        command = (process / "cmdline").read_bytes()
        if sys.argv[1].replace("-", "_") in group.replace("-", "_") and inner == "1":
            if b"predictor" in command:
                os.kill(int(process.name), signal.SIGKILL)
                print("killed", process.name)
"""


@contextmanager
def killing(image: str, node: str) -> Iterator[Callable[[Object], None]]:
    """Yield what kills a pod; the cluster must let a pod see the processes of its node."""
    with new_namespace("privileged") as namespace:
        namespace.kubectl("create", "--filename=-", stdin=json.dumps(_pod(image, node)))
        namespace.kubectl("wait", "--for=condition=Ready", "pod/killer", "--timeout=60s")

        def kill(pod: Object) -> None:
            uid = pod["metadata"]["uid"]
            said = namespace.kubectl("exec", "killer", "--", "python", "-c", KILL, uid)
            assert said.startswith("killed")

        yield kill


def _pod(image: str, node: str) -> dict[str, object]:
    container = {
        "name": "killer",
        "image": image,
        "command": ["sleep", "3600"],
        "securityContext": {"runAsUser": 0},
    }
    spec = {
        "nodeName": node,
        "hostPID": True,
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
    }
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "killer"}, "spec": spec}
