"""A claim that pods may write to, and a pod by which a test looks into it.

A cluster need have no volumes but its nodes' own folders, so it is one of these: a PersistentVolume
of the test's own, which keeps the pods that claim it on that node.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.e2e.cluster import Namespace, Object, run
from tests.e2e.conftest import new_namespace

BLOCK_ROWS = 2**17
# What the batch image has is enough to write a file to score, of blocks that take seconds each.
WRITE = f"""
import sys
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
rng, rows = np.random.default_rng(7), int(sys.argv[2])
numbers = lambda most: np.round(rng.uniform(0, most, rows), 1)
pq.write_table(pa.table({{
    "meter": np.arange(rows),
    "lagging_reactive_power": numbers(90),
    "leading_reactive_power": numbers(25),
    "co2": numbers(0.1),
    "lagging_power_factor": numbers(100),
    "leading_power_factor": numbers(100),
    "nsm": rng.integers(0, 96, rows) * 900,
    "day_of_week": rng.integers(0, 7, rows),
    "load_type": rng.choice(["Light", "Medium", "Maximum"], rows),
}}), sys.argv[1], row_group_size={BLOCK_ROWS})
"""
HAND, AT, ON_NODE = "hand", "/node", "/var/tmp"  # noqa: S108 - the node's
HOST_NAME = "kubernetes.io/hostname"


@dataclass(frozen=True)
class Volume:
    """A folder of a node: the name of its claim, and where the hand has it."""

    claim: str
    folder: str
    namespace: Namespace

    def execute(self, *command: str) -> str:
        """Run a command beside the folder."""
        return self.namespace.kubectl("exec", HAND, "--", *command)

    def write(self, name: str, rows: int) -> None:
        """Write a file of Parquet that can be scored."""
        self.execute("python", "-c", WRITE, f"{self.folder}/{name}", str(rows))

    def names(self, folder: str) -> list[str]:
        """Return the names of what is in a folder of the volume, none if it is not there."""
        listed = self.execute("sh", "-c", f"ls -A {self.folder}/{folder} 2>/dev/null || true")
        return listed.split()


@contextmanager
def volume(image: str, claimant: Namespace) -> Iterator[Volume]:
    """Yield an empty volume for the pods of one namespace, of which nothing stays on the node."""
    with new_namespace("privileged") as namespace:
        namespace.kubectl("create", "--filename=-", stdin=json.dumps(_hand(image)))
        namespace.kubectl("wait", "--for=condition=Ready", f"pod/{HAND}", "--timeout=120s")
        node = run("kubectl", "get", "node", _node(namespace), "--output=json")
        found = Volume(namespace.name, f"{AT}/{namespace.name}", namespace)
        found.execute("mkdir", "-m", "0777", found.folder)
        try:
            host = json.loads(node)["metadata"]["labels"][HOST_NAME]
            for made in (_persistent(found.claim, host, claimant), _claim(found.claim)):
                claimant.kubectl("create", "--filename=-", stdin=json.dumps(made))
            yield found
        finally:
            # With their pods, or they would still write to what is being removed.
            claimant.kubectl("delete", "jobs", "--all", "--cascade=foreground")
            options = ("--wait=false", "--ignore-not-found")
            run("kubectl", "delete", "persistentvolume", found.claim, *options)
            found.execute("rm", "-r", found.folder)


def _node(namespace: Namespace) -> str:
    name: str = namespace.get("pod", HAND)["spec"]["nodeName"]
    return name


def _hand(image: str) -> Object:
    container = {
        "name": HAND,
        "image": image,
        "command": ["sleep", "3600"],
        "securityContext": {"runAsUser": 0},
        "volumeMounts": [{"name": "node", "mountPath": AT}],
    }
    spec = {
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
        "volumes": [{"name": "node", "hostPath": {"path": ON_NODE, "type": "Directory"}}],
    }
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": HAND}, "spec": spec}


def _persistent(name: str, host: str, claimant: Namespace) -> Object:
    here = {"key": HOST_NAME, "operator": "In", "values": [host]}
    spec = {
        "accessModes": ["ReadWriteMany"],
        "capacity": {"storage": "1Gi"},
        "persistentVolumeReclaimPolicy": "Retain",
        "hostPath": {"path": f"{ON_NODE}/{name}"},
        "claimRef": {"namespace": claimant.name, "name": name},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
    }
    kind = "PersistentVolume"
    return {"kind": kind, "apiVersion": "v1", "metadata": {"name": name}, "spec": spec}


def _claim(name: str) -> Object:
    spec = {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "",
        "volumeName": name,
    }
    kind = "PersistentVolumeClaim"
    return {"kind": kind, "apiVersion": "v1", "metadata": {"name": name}, "spec": spec}
