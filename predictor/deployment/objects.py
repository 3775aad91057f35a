"""What a rollout is judged by: the fields of Kubernetes' objects that say how it goes."""

from datetime import datetime
from typing import Generic, TypeVar

import msgspec


class _Object(msgspec.Struct, frozen=True, rename="camel"):
    """Is read from JSON as the API server writes it; it leaves out what is empty."""


class Owner(_Object, frozen=True):
    """The object that made another."""

    uid: str


class Metadata(_Object, frozen=True):
    """An object's name, and what else every object has."""

    name: str = ""
    uid: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: tuple[Owner, ...] = ()

    def is_of(self, owner: str) -> bool:
        """Whether the object with the UID `owner` made this one."""
        return any(reference.uid == owner for reference in self.owner_references)


class Condition(_Object, frozen=True):
    """One of the sentences that a controller says of an object."""

    type: str
    status: str
    reason: str = ""
    message: str = ""


class HttpGet(_Object, frozen=True):
    """How a probe asks."""

    scheme: str = "HTTP"


class Probe(_Object, frozen=True):
    """When a container counts as ready."""

    http_get: HttpGet | None = None


class Container(_Object, frozen=True):
    """A container as it is asked for."""

    name: str = ""
    image: str = ""
    readiness_probe: Probe | None = None


class Predictor(_Object, frozen=True):
    """The pods that an InferenceService asks for."""

    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    min_replicas: int | None = None
    containers: tuple[Container, ...] = ()


class InferenceServiceSpec(_Object, frozen=True):
    """What an InferenceService asks for."""

    predictor: Predictor = Predictor()


class Address(_Object, frozen=True):
    """Where an InferenceService is reached inside the cluster."""

    url: str | None = None


class InferenceServiceStatus(_Object, frozen=True):
    """What KServe says of an InferenceService. Its observedGeneration is the Deployment's."""

    url: str | None = None
    address: Address | None = None
    conditions: tuple[Condition, ...] = ()


class InferenceService(_Object, frozen=True):
    """What the chart installs where KServe makes the Deployment of it."""

    metadata: Metadata
    spec: InferenceServiceSpec = InferenceServiceSpec()
    status: InferenceServiceStatus = InferenceServiceStatus()


class PodSpec(_Object, frozen=True):
    """What a pod consists of."""

    containers: tuple[Container, ...] = ()


class Template(_Object, frozen=True):
    """What a Deployment makes its pods of."""

    metadata: Metadata = Metadata()
    spec: PodSpec = PodSpec()


class Selector(_Object, frozen=True):
    """Which pods are a Deployment's."""

    match_labels: dict[str, str] = {}


class DeploymentSpec(_Object, frozen=True):
    """What a Deployment asks for."""

    selector: Selector = Selector()
    template: Template = Template()
    replicas: int = 1


class DeploymentStatus(_Object, frozen=True):
    """How far a Deployment has come. Pods that are ending are not counted."""

    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    available_replicas: int = 0
    conditions: tuple[Condition, ...] = ()


class Deployment(_Object, frozen=True):
    """What makes the pods, of the newest version and of those before."""

    metadata: Metadata
    spec: DeploymentSpec = DeploymentSpec()
    status: DeploymentStatus = DeploymentStatus()


class ReplicaSet(_Object, frozen=True):
    """The pods of one version."""

    metadata: Metadata


class Waiting(_Object, frozen=True):
    """Why a container does not run."""

    reason: str = ""
    message: str = ""


class Terminated(_Object, frozen=True):
    """How a container ended."""

    exit_code: int = 0
    reason: str = ""


class ContainerState(_Object, frozen=True):
    """At most one of the two; neither while the container runs."""

    waiting: Waiting | None = None
    terminated: Terminated | None = None


class ContainerStatus(_Object, frozen=True):
    """What became of a container."""

    name: str
    restart_count: int = 0
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class PodStatus(_Object, frozen=True):
    """What became of a pod."""

    conditions: tuple[Condition, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(_Object, frozen=True):
    """A pod of any version."""

    metadata: Metadata
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def containers(self) -> tuple[ContainerStatus, ...]:
        """What became of its containers, in the order in which they start."""
        return (*self.status.init_container_statuses, *self.status.container_statuses)

    @property
    def is_ready(self) -> bool:
        """Whether requests are sent to it."""
        return any(c.type == "Ready" and c.status == "True" for c in self.status.conditions)


class Target(_Object, frozen=True):
    """What an autoscaler scales."""

    kind: str = ""
    name: str = ""


class AutoscalerSpec(_Object, frozen=True):
    """Between how many pods an autoscaler may choose."""

    scale_target_ref: Target
    max_replicas: int
    min_replicas: int = 1


class AutoscalerStatus(_Object, frozen=True):
    """What an autoscaler has chosen."""

    current_replicas: int = 0
    desired_replicas: int = 0


class Autoscaler(_Object, frozen=True):
    """A HorizontalPodAutoscaler, the chart's or KEDA's."""

    metadata: Metadata
    spec: AutoscalerSpec
    status: AutoscalerStatus = AutoscalerStatus()


class Involved(_Object, frozen=True):
    """What an event is about."""

    uid: str = ""


class Event(_Object, frozen=True):
    """Something that happened to an object, once or several times."""

    involved_object: Involved
    metadata: Metadata = Metadata()
    reason: str = ""
    message: str = ""
    last_timestamp: datetime | None = None
    event_time: datetime | None = None

    @property
    def at(self) -> datetime | None:
        """When it happened last."""
        return self.last_timestamp or self.event_time or self.metadata.creation_timestamp


Item = TypeVar("Item")


class Items(msgspec.Struct, Generic[Item], frozen=True):
    """A list as the API server writes it."""

    items: tuple[Item, ...] = ()
