from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from predictor.deployment import waiting
from predictor.deployment.cluster import Cluster
from predictor.deployment.waiting import until_complete
from predictor.errors import DeploymentError
from tests.unit.deployment.api_server import NAMESPACE, Answers, ApiServer, scene

AWAY = (503, "the server is starting")


@dataclass
class Clock:
    """The time of a test. With each second the API server answers the next scene."""

    api: ApiServer
    scenes: list[Answers] = field(default_factory=list)
    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if len(self.scenes) > 1:
            self.scenes.pop(0)
        self.show()

    def show(self) -> None:
        self.api.answers = self.scenes[0]
        self.api.refusal = None if self.scenes[0] else AWAY


@pytest.fixture
def clock(api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(api)
    monkeypatch.setattr(waiting, "time", clock)
    return clock


def waited(clock: Clock, cluster: Cluster, scenes: Sequence[Answers]) -> list[str]:
    """Return what is said until a rollout is complete."""
    said: list[str] = []
    clock.scenes = list(scenes)
    clock.show()
    until_complete(cluster, "energy", 60, said.append)
    return said


def test_each_change_is_said_once(clock: Clock, cluster: Cluster) -> None:
    scenes = [scene("rolling"), scene("rolling"), scene("complete")]
    assert waited(clock, cluster, scenes) == [
        "1 of 2 pods is new, 2 are available, 2 old are left",
        "2 of 2 pods are new, 2 are available",
    ]


def test_an_api_server_that_is_away_for_a_while_is_waited_for(
    clock: Clock, cluster: Cluster
) -> None:
    said = waited(clock, cluster, [scene("rolling"), {}, scene("complete")])
    assert said[1] == "the cluster's API server answers 503: the server is starting"
    assert len(said) == 3


def test_a_crash_is_told_with_its_warnings_and_its_log_before_the_deadline(
    clock: Clock, cluster: Cluster
) -> None:
    start = clock.now
    with pytest.raises(DeploymentError) as error:
        waited(clock, cluster, [scene("crash")])
    assert clock.now - start == waiting.PATIENCE_SECONDS
    first, *lines = str(error.value).splitlines()
    assert first.startswith("the rollout of energy is not complete: pod energy-predictor-")
    assert "is in CrashLoopBackOff" in first
    warnings = lines.index("the last warnings:")
    log = lines.index("the last lines of the log of kserve-container:")
    assert any(line.startswith("  BackOff: ") for line in lines[warnings + 1 : log])
    assert "/mnt/bundle" in "".join(lines[log + 1 :])


def test_the_log_of_the_container_that_crashed_is_told_and_not_that_of_the_next(
    clock: Clock, cluster: Cluster
) -> None:
    answers = scene("crash")
    for path in [path for path in answers if path.endswith("/log?previous")]:
        answers[path] = "the one that crashed\n"
        answers[path.removesuffix("?previous")] = "the next one\n"
    with pytest.raises(DeploymentError, match=r"the one that crashed$"):
        waited(clock, cluster, [answers])


def test_a_log_that_is_not_kept_is_that_of_the_next_container(
    clock: Clock, cluster: Cluster
) -> None:
    answers = scene("crash")
    for path in [path for path in answers if path.endswith("/log?previous")]:
        del answers[path]
        answers[path.removesuffix("?previous")] = "the next one\n"
    with pytest.raises(DeploymentError, match=r"the next one$"):
        waited(clock, cluster, [answers])


def test_trouble_that_passes_is_no_error(clock: Clock, cluster: Cluster) -> None:
    said = waited(clock, cluster, [scene("quota"), scene("quota"), scene("complete")])
    assert said[-1] == "2 of 2 pods are new, 2 are available"


def test_a_quota_is_told_with_the_warnings_of_what_makes_the_pods(
    clock: Clock, cluster: Cluster
) -> None:
    with pytest.raises(DeploymentError, match=r"\n  FailedCreate: .*exceeded quota"):
        waited(clock, cluster, [scene("quota")])


def test_a_deadline_has_its_sentence_and_what_the_pod_waits_for(
    clock: Clock, cluster: Cluster
) -> None:
    start = clock.now
    with pytest.raises(DeploymentError) as error:
        waited(clock, cluster, [scene("volume")])
    assert clock.now - start == 60
    assert str(error.value).startswith(
        "the rollout of energy is not complete: after 60 s 1 of 1 pods is new, 0 are available; pod"
    )
    assert '  FailedMount: MountVolume.SetUp failed for volume "bundle"' in str(error.value)


def test_a_cluster_that_stays_away_is_an_error_at_the_deadline(
    clock: Clock, cluster: Cluster
) -> None:
    with pytest.raises(DeploymentError, match="after 60 s the cluster's API server answers 503"):
        waited(clock, cluster, [{}])


def test_who_goes_back_is_told_how_while_the_version_before_answers(
    clock: Clock, cluster: Cluster
) -> None:
    with pytest.raises(DeploymentError) as error:
        waited(clock, cluster, [scene("image")])
    assert str(error.value).splitlines()[-1] == (
        "1 of its pods answers meanwhile; go back with: "
        f"helm rollback energy --namespace {NAMESPACE}"
    )
