"""Scoring a file by the chart's Indexed Job, whose pods are killed at it."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.cluster import WAIT_SECONDS, Namespace, Object, batch_options, run, wait_for
from tests.e2e.conftest import new_namespace
from tests.e2e.killer import killing
from tests.e2e.volume import BLOCK_ROWS, HAND, Volume, volume

SHARDS, BLOCKS = 4, 24
MOUNTED = "/mnt/meters"
INPUT, OUTPUT, EXPECTED = "meters.parquet", "scores.parquet", "expected.parquet"

COUNT = """
import sys
import numpy as np, pyarrow.parquet as pq
meters = pq.read_table(sys.argv[1])["meter"].to_numpy()
print(len(meters), bool((meters == np.arange(len(meters))).all()))
"""


@dataclass(frozen=True)
class Scoring:
    """A namespace in which a Job scores the volume's file, and what came of it elsewhere."""

    namespace: Namespace
    volume: Volume
    digest: str

    def job(self) -> Object:
        [found] = self.namespace.get("jobs")["items"]
        return dict(found)

    def pods(self) -> list[Object]:
        """Return the pods that score now, by their shards."""
        found = self.namespace.get("pods", "--selector=component=batch")["items"]
        running = [
            pod
            for pod in found
            if pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]
        ]
        return sorted(running, key=shard_of)

    def parts(self) -> set[int]:
        """Return the numbers of the blocks that are there."""
        names = self.volume.names(f"{OUTPUT}.parts")
        found = [name.rpartition("-")[2] for name in names if name.endswith(".json")]
        return {int(name.removesuffix(".json")) for name in found}

    def in_the_middle(self) -> list[Object]:
        """Return the pods of which a block is there, and two are not: time enough to kill them."""
        of_each = Counter(block % SHARDS for block in self.parts())
        return [pod for pod in self.pods() if 0 < of_each[shard_of(pod)] <= BLOCKS // SHARDS - 2]

    def values(self, batch_image: str) -> dict[str, str]:
        return {
            **batch_options(batch_image),
            "kserve.enabled": "false",
            "autoscaling.enabled": "false",
            "replicas": "1",
            "podDisruptionBudget.enabled": "false",
            "batch.enabled": "true",
            "batch.input": f"{MOUNTED}/{INPUT}",
            "batch.output": f"{MOUNTED}/{OUTPUT}",
            "batch.shards": str(SHARDS),
            # So little that there is time to kill it.
            "batch.resources.limits.cpu": "100m",
            "batch.volumes[0].name": "meters",
            "batch.volumes[0].persistentVolumeClaim.claimName": self.volume.claim,
            "batch.volumeMounts[0].name": "meters",
            "batch.volumeMounts[0].mountPath": MOUNTED,
        }


def shard_of(pod: Object) -> int:
    return int(pod["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"])


@pytest.fixture(scope="module")
def scoring(batch_image: str) -> Iterator[Scoring]:
    """Yield what a Job is to score, and the digest of what one process alone made of it."""
    with new_namespace() as namespace, volume(batch_image, namespace) as found:
        written, expected = f"{found.folder}/{INPUT}", f"{found.folder}/{EXPECTED}"
        found.write(INPUT, BLOCKS * BLOCK_ROWS)
        found.execute("python", "-m", "predictor", "score", written, expected, "--bundle=/bundle")
        yield Scoring(namespace, found, digest(found, EXPECTED))


def digest(found: Volume, name: str) -> str:
    return found.execute("sha256sum", f"{found.folder}/{name}").split()[0]


def evict(namespace: Namespace, pod: str) -> None:
    """Ask for an eviction as `kubectl drain` does, but give the pod no time to go on."""
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": namespace.name},
        "deleteOptions": {"gracePeriodSeconds": 1},
    }
    path = f"/api/v1/namespaces/{namespace.name}/pods/{pod}/eviction"
    run("kubectl", "create", "--raw", path, "--filename=-", stdin=json.dumps(eviction))


def node_of(found: Volume) -> str:
    name: str = found.namespace.get("pod", HAND)["spec"]["nodeName"]
    return name


def three_in_the_middle(scoring: Scoring) -> list[Object]:
    """Wait until three pods at least have scored some of their blocks, and not all."""
    found: list[Object] = []

    def are_found() -> bool:
        found[:] = scoring.in_the_middle()
        return len(found) >= 3

    wait_for(are_found, "three shards to be in the middle")
    return found


def test_a_job_whose_pods_are_killed_makes_what_one_process_makes_alone(
    scoring: Scoring, image: str, batch_image: str
) -> None:
    namespace = scoring.namespace
    with killing(image, node_of(scoring.volume)) as kill:
        namespace.install(image, scoring.values(batch_image))
        killed, deleted, evicted, *_ = three_in_the_middle(scoring)
        kill(killed)
        force = ("--force", "--grace-period=0")
        namespace.kubectl("delete", "pod", deleted["metadata"]["name"], *force)
        evict(namespace, evicted["metadata"]["name"])
    assert OUTPUT not in scoring.volume.names("")

    job = f"job/{scoring.job()['metadata']['name']}"
    namespace.kubectl("wait", "--for=condition=Complete", job, f"--timeout={WAIT_SECONDS}s")
    status = scoring.job()["status"]
    assert (status["succeeded"], status["completedIndexes"]) == (SHARDS, f"0-{SHARDS - 1}")
    assert status["failed"] == 2  # what was evicted counts for none
    assert digest(scoring.volume, OUTPUT) == scoring.digest


def test_no_row_is_lost_and_none_is_there_twice(scoring: Scoring) -> None:
    said = scoring.volume.execute("python", "-c", COUNT, f"{scoring.volume.folder}/{OUTPUT}")
    assert said.split() == [str(BLOCKS * BLOCK_ROWS), "True"]


def test_no_part_is_left(scoring: Scoring) -> None:
    assert scoring.parts() == set()


def test_an_upgrade_scores_again_only_what_it_changes(
    scoring: Scoring, image: str, batch_image: str
) -> None:
    namespace, values = scoring.namespace, scoring.values(batch_image)
    first = scoring.job()["metadata"]
    namespace.upgrade_only(image, {**values, "logLevel": "DEBUG", "batch.parallelism": "2"})
    assert scoring.job()["metadata"]["uid"] == first["uid"]
    namespace.upgrade_only(image, {**values, "batch.output": f"{MOUNTED}/scores.csv"})
    wait_for(lambda: len(namespace.get("jobs")["items"]) == 1, "the first Job to be gone")
    assert scoring.job()["metadata"]["name"] != first["name"]
