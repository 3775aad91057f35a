"""What was found of a release → what a person, a notebook or a program wants to know of it."""

from datetime import UTC, datetime

import msgspec

from predictor.deployment.found import Found
from predictor.deployment.helm import Installed
from predictor.deployment.objects import Autoscaler, Container, Deployment, InferenceService, Pod
from predictor.deployment.rollout import judge

CONTAINER = "kserve-container"


class PodState(msgspec.Struct, frozen=True):
    """One pod, of the newest version or of one before."""

    name: str
    is_new: bool
    is_ready: bool
    is_ending: bool
    restarts: int
    created: datetime | None
    image: str


class Scaling(msgspec.Struct, frozen=True):
    """How many pods the autoscaler sees and wants, and between what it may choose."""

    current: int
    desired: int
    least: int
    most: int

    def __str__(self) -> str:
        return f"{self.current} now, {self.desired} wanted, {self.least} to {self.most} allowed"


class Status(msgspec.Struct, frozen=True):
    """How a release is. It is complete when all of its pods are of the newest version and answer.

    `url` is where pods of the cluster reach it, and `kserve_url` what KServe says of that.
    """

    release: str
    namespace: str
    is_complete: bool
    rollout: str
    trouble: str | None
    helm: Installed | None
    image: str
    pods: tuple[PodState, ...]
    autoscaler: Scaling | None
    url: str
    kserve_url: str | None
    port_forward: str

    def __str__(self) -> str:
        return as_text(self)


def summarize(release: str, namespace: str, found: Found, helm: Installed | None) -> Status:
    """Return what is to be known of a release."""
    rollout, name = judge(found), f"{release}-predictor"
    template = found.deployment.spec.template.spec.containers if found.deployment else ()
    return Status(
        release=release,
        namespace=namespace,
        is_complete=rollout.is_complete,
        rollout=rollout.sentence,
        trouble=rollout.trouble.sentence if rollout.trouble else None,
        helm=helm,
        image=_server(template).image,
        pods=tuple(_state(found, pod) for pod in found.pods),
        autoscaler=_scaling(found.autoscaler),
        url=_url(name, namespace, found.deployment),
        kserve_url=_kserve_url(found.service),
        port_forward=f"kubectl --namespace {namespace} port-forward service/{name} 8080:80",
    )


def as_text(status: Status) -> str:
    """Return a status as a person reads it."""
    how = "complete" if status.is_complete else "not complete"
    rows = [
        ("chart", str(status.helm) if status.helm else "not told by helm"),
        ("image", status.image or "none yet"),
        ("rollout", f"{how}: {status.rollout}"),
        ("trouble", status.trouble),
        ("autoscaler", str(status.autoscaler or "none")),
        ("url", status.url),
        ("by KServe", status.kserve_url),
        ("from here", status.port_forward),
    ]
    lines = [f"{status.release} in {status.namespace}"]
    lines += [f"{name:<12}{value}" for name, value in rows if value]
    return "\n".join([*lines, *_table(status.pods)])


def as_json(status: Status) -> str:
    """Return a status for programs."""
    return msgspec.json.format(msgspec.json.encode(status), indent=2).decode()


def _server(containers: tuple[Container, ...]) -> Container:
    """Return the container that serves, among those that KServe puts beside it."""
    return next((c for c in containers if c.name == CONTAINER), Container())


def _state(found: Found, pod: Pod) -> PodState:
    return PodState(
        name=pod.metadata.name,
        is_new=found.is_new(pod),
        is_ready=pod.is_ready,
        is_ending=pod.metadata.deletion_timestamp is not None,
        restarts=sum(container.restart_count for container in pod.containers),
        created=pod.metadata.creation_timestamp,
        image=_server(pod.spec.containers).image,
    )


def _url(name: str, namespace: str, deployment: Deployment | None) -> str:
    """Return the Service's address. Its port is 80 with TLS too."""
    server = _server(deployment.spec.template.spec.containers if deployment else ())
    probe = server.readiness_probe
    is_tls = probe and probe.http_get and probe.http_get.scheme == "HTTPS"
    return f"https://{name}.{namespace}.svc:80" if is_tls else f"http://{name}.{namespace}.svc"


def _kserve_url(service: InferenceService | None) -> str | None:
    if service is None:
        return None
    address = service.status.address
    return service.status.url or (address.url if address else None)


def _scaling(autoscaler: Autoscaler | None) -> Scaling | None:
    if autoscaler is None:
        return None
    return Scaling(
        current=autoscaler.status.current_replicas,
        desired=autoscaler.status.desired_replicas,
        least=autoscaler.spec.min_replicas,
        most=autoscaler.spec.max_replicas,
    )


def _table(pods: tuple[PodState, ...]) -> list[str]:
    if not pods:
        return []
    rows = [("pod", "ready", "restarts", "age", "version", "image")]
    for pod in pods:
        ready, version = "yes" if pod.is_ready else "no", "new" if pod.is_new else "old"
        version += ", ending" if pod.is_ending else ""
        rows.append((pod.name, ready, str(pod.restarts), _age(pod.created), version, pod.image))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _age(created: datetime | None) -> str:
    if created is None:
        return "-"
    seconds = int((datetime.now(UTC) - created).total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{max(seconds, 0)}s"
