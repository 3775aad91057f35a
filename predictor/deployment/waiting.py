"""Waiting for a rollout, saying how far it is, and what the pods said when it is stuck."""

import time
from collections.abc import Callable
from contextlib import suppress

from predictor.deployment.cluster import Cluster
from predictor.deployment.found import Found
from predictor.deployment.objects import ContainerStatus, Pod
from predictor.deployment.rollout import Rollout, Trouble, first_unready, judge
from predictor.errors import DeploymentError, UnreachableClusterError

POLL_SECONDS = 1.0
# What is still wrong after this time is told: a quota may be free a moment later.
PATIENCE_SECONDS = 3.0
WARNINGS = 5

Progress = Callable[[str], None]


def until_complete(
    cluster: Cluster, release: str, timeout_seconds: float, progress: Progress
) -> Found:
    """Return what there is of a release when its rollout is complete.

    Each change is said by `progress`. Raises DeploymentError with what the pods said when the
    rollout is stuck, or not complete after `timeout_seconds`.
    """
    deadline, wrong_since, said = time.monotonic() + timeout_seconds, None, ""
    while True:
        found, rollout = _look(cluster, release)
        if rollout.sentence != said:
            progress(said := rollout.sentence)
        if rollout.is_complete:
            return found
        now = time.monotonic()
        wrong_since = (now if wrong_since is None else wrong_since) if rollout.trouble else None
        if rollout.trouble and wrong_since is not None and now >= wrong_since + PATIENCE_SECONDS:
            raise _error(cluster, release, found, rollout.trouble)
        if now >= deadline:
            late = f"after {timeout_seconds:g} s {rollout.sentence}"
            raise _error(cluster, release, found, Trouble(late, first_unready(found)))
        time.sleep(POLL_SECONDS)


def _look(cluster: Cluster, release: str) -> tuple[Found, Rollout]:
    """Return what there is; an API server may be away for a while."""
    try:
        found = cluster.look(release)
    except UnreachableClusterError as error:
        return Found(), Rollout(is_complete=False, sentence=str(error))
    return found, judge(found)


def _error(cluster: Cluster, release: str, found: Found, trouble: Trouble) -> DeploymentError:
    lines = [f"the rollout of {release} is not complete: {trouble.sentence}"]
    lines += _evidence(cluster, found, trouble)
    answering = found.deployment.status.available_replicas if found.deployment else 0
    if answering and any(not found.is_new(pod) for pod in found.pods):
        back = f"helm rollback {release} --namespace {cluster.namespace}"
        answer = "answers" if answering == 1 else "answer"
        lines.append(f"{answering} of its pods {answer} meanwhile; go back with: {back}")
    return DeploymentError("\n".join(lines))


def _evidence(cluster: Cluster, found: Found, trouble: Trouble) -> list[str]:
    """Return what Kubernetes and the pod said, each under a heading."""
    pod = trouble.pod
    if pod:
        warnings = found.warnings_of(pod.metadata.uid)[-WARNINGS:]
    else:  # each says the same again and again
        warnings = [event for uid in _makers(found) for event in found.warnings_of(uid)[-1:]]
    lines = ["the last warnings:"] if warnings else []
    lines += [f"  {event.reason}: {' '.join(event.message.split())}" for event in warnings]
    if pod:
        lines += _log(cluster, pod, trouble.container)
    return lines


def _makers(found: Found) -> list[str]:
    """Return the UIDs of what makes the pods, where there is no pod to ask."""
    makers = (found.deployment, found.newest)
    return [maker.metadata.uid for maker in makers if maker]


def _log(cluster: Cluster, pod: Pod, name: str) -> list[str]:
    started = [c for c in pod.containers if _has_run(c) and name in {"", c.name}]
    if not started:
        return []
    container = started[-1]
    heading = f"the last lines of the log of {container.name}:"
    try:
        lines = _lines(cluster, pod.metadata.name, container)
    except DeploymentError as error:
        return [f"its log cannot be read: {error}"]
    return [heading, *(f"  {line}" for line in lines)] if lines else []


def _has_run(container: ContainerStatus) -> bool:
    return not container.state.waiting or container.last_state.terminated is not None


def _lines(cluster: Cluster, pod: str, container: ContainerStatus) -> list[str]:
    """Return the log of the container that crashed last, while it is kept."""
    previous: list[str] = []
    if container.last_state.terminated:
        with suppress(DeploymentError):
            previous = cluster.log(pod, container.name, is_previous=True)
    return previous or cluster.log(pod, container.name, is_previous=False)
