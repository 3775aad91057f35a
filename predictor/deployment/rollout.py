"""What was found of a release → how far its rollout is, and whether it is stuck."""

from dataclasses import dataclass

from predictor.deployment.found import Found
from predictor.deployment.objects import (
    Condition,
    Container,
    ContainerStatus,
    Deployment,
    InferenceService,
    Pod,
)

# Why a container waits that will not start by waiting longer.
FINAL = {
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
}


@dataclass(frozen=True)
class Trouble:
    """Why a rollout will not complete by itself, and the container that says so, if one does."""

    sentence: str
    pod: Pod | None = None
    container: str = ""


@dataclass(frozen=True)
class Rollout:
    """How far a release is: complete when all of its pods are of the newest version and answer."""

    is_complete: bool
    sentence: str
    trouble: Trouble | None = None


def judge(found: Found) -> Rollout:
    """Return how far the newest version is, as `kubectl rollout status` would judge the Deployment.

    With KServe there is a time before it in which the Deployment is still that of the version
    before, complete, and the InferenceService Ready: that is not counted.
    """
    deployment, service = found.deployment, found.service
    if deployment is None:
        sentence = "KServe has made no Deployment yet" if service else "there is no Deployment"
        return Rollout(is_complete=False, sentence=sentence, trouble=_refused(service))
    if service and not _reflects(deployment, service):
        sentence = "KServe has not brought the Deployment up to date yet"
        return Rollout(is_complete=False, sentence=sentence, trouble=_refused(service))
    if deployment.status.observed_generation < deployment.metadata.generation:
        return Rollout(is_complete=False, sentence="the new Deployment has not been acted on yet")
    least = _least(found)
    sentence = _counts(deployment, least)
    if _is_complete(deployment, least):
        return Rollout(is_complete=True, sentence=sentence)
    trouble = _trouble(found, deployment)
    reason = "" if trouble else _reason_to_wait(found)
    return Rollout(is_complete=False, sentence=sentence + reason, trouble=trouble)


def _reflects(deployment: Deployment, service: InferenceService) -> bool:
    """Whether KServe has made the Deployment of the InferenceService as it is now.

    The chart annotates the pods with a checksum of all that they are made of.
    """
    made, asked = deployment.spec.template, service.spec.predictor
    return (
        asked.annotations.items() <= made.metadata.annotations.items()
        and asked.labels.items() <= made.metadata.labels.items()
        and _images(asked.containers) <= _images(made.spec.containers)
    )


def _refused(service: InferenceService | None) -> Trouble | None:
    """Return why KServe cannot make what is asked for, if it has tried."""
    conditions = service.status.conditions if service else ()
    failed = _condition(conditions, "PredictorReady", "False")
    if failed is None or failed.reason != "ReconcileFailed":
        return None
    return Trouble(f"KServe cannot make the Deployment: {failed.message}")


def _images(containers: tuple[Container, ...]) -> set[tuple[str, str]]:
    return {(container.name, container.image) for container in containers}


def _least(found: Found) -> int:
    """Return how many pods there will be at least: an autoscaler starts from one."""
    if found.autoscaler:
        return found.autoscaler.spec.min_replicas
    service = found.service
    return (service.spec.predictor.min_replicas if service else None) or 1


def _is_complete(deployment: Deployment, least: int) -> bool:
    status, wanted = deployment.status, deployment.spec.replicas
    return (
        wanted >= least
        and status.updated_replicas >= wanted
        and status.replicas <= status.updated_replicas
        and status.available_replicas >= status.updated_replicas
    )


def _counts(deployment: Deployment, least: int) -> str:
    status, wanted = deployment.status, deployment.spec.replicas
    new, available = status.updated_replicas, status.available_replicas
    parts = [
        f"{new} of {wanted} pods {_are(new)} new",
        f"{available} {_are(available)} available",
    ]
    old = status.replicas - new
    if old > 0:
        parts.append(f"{old} old {_are(old)} left")
    if wanted < least:
        parts.append(f"{least} will be wanted")
    return ", ".join(parts)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _trouble(found: Found, deployment: Deployment) -> Trouble | None:
    for pod in _unready(found):
        for container in pod.containers:
            waiting = container.state.waiting
            if waiting and waiting.reason in FINAL:
                return Trouble(_stuck(pod, container), pod, container.name)
    failed = _condition(deployment.status.conditions, "ReplicaFailure", "True")
    if failed:
        return Trouble(f"no pod can be made: {failed.message}")
    slow = _condition(deployment.status.conditions, "Progressing", "False")
    if slow and slow.reason == "ProgressDeadlineExceeded":
        return Trouble(f"the rollout makes no progress: {slow.message}", first_unready(found))
    return None


def first_unready(found: Found) -> Pod | None:
    """Return a pod of the newest version that is not ready, the oldest one."""
    return next(iter(_unready(found)), None)


def _unready(found: Found) -> list[Pod]:
    pods = [
        pod
        for pod in found.pods
        if found.is_new(pod) and not pod.is_ready and not pod.metadata.deletion_timestamp
    ]
    return sorted(pods, key=lambda pod: (str(pod.metadata.creation_timestamp), pod.metadata.name))


def _condition(conditions: tuple[Condition, ...], kind: str, status: str) -> Condition | None:
    return next((c for c in conditions if (c.type, c.status) == (kind, status)), None)


def _stuck(pod: Pod, container: ContainerStatus) -> str:
    """Return why a container will not start; what the kubelet says of a crash is only its wait."""
    waiting, ended = container.state.waiting, container.last_state.terminated
    who = f"pod {pod.metadata.name}: container {container.name}"
    if waiting and waiting.reason != "CrashLoopBackOff":
        return f"{who} is in {waiting.reason}: {waiting.message or 'no reason is given'}"
    times = "once" if container.restart_count == 1 else f"{container.restart_count} times"
    how = f" with exit code {ended.exit_code} ({ended.reason})" if ended else ""
    return f"{who} is in CrashLoopBackOff: it was started anew {times}, and ended{how}"


def _reason_to_wait(found: Found) -> str:
    """Return what a pod waits for that does not run yet."""
    pod = first_unready(found)
    if pod is None:
        return ""
    unscheduled = _condition(pod.status.conditions, "PodScheduled", "False")
    if unscheduled:
        return f"; pod {pod.metadata.name} has no node: {unscheduled.message}"
    waiting = [container.state.waiting for container in pod.containers if container.state.waiting]
    if not waiting:
        return ""  # it runs, and a probe that fails at the start is nothing to report
    warnings = found.warnings_of(pod.metadata.uid)
    said = waiting[0].message or (warnings[-1].message if warnings else "")
    return f"; pod {pod.metadata.name}: {said}" if said else ""
