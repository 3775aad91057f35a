"""All that a cluster has of one release, at one time."""

import msgspec

from predictor.deployment.objects import (
    Autoscaler,
    Deployment,
    Event,
    InferenceService,
    Pod,
    ReplicaSet,
)

REVISION = "deployment.kubernetes.io/revision"


class Found(msgspec.Struct, frozen=True):
    """What belongs to a release, or nothing of what is not there yet."""

    service: InferenceService | None = None
    deployment: Deployment | None = None
    replica_sets: tuple[ReplicaSet, ...] = ()
    pods: tuple[Pod, ...] = ()
    autoscaler: Autoscaler | None = None
    warnings: tuple[Event, ...] = ()

    @property
    def newest(self) -> ReplicaSet | None:
        """The pods' newest version, when its ReplicaSet has been made."""
        if self.deployment is None:
            return None
        revision = self.deployment.metadata.annotations.get(REVISION)
        for replica_set in self.replica_sets:
            metadata = replica_set.metadata
            if metadata.annotations.get(REVISION) == revision and metadata.is_of(
                self.deployment.metadata.uid
            ):
                return replica_set
        return None

    def is_new(self, pod: Pod) -> bool:
        """Whether a pod is of the newest version."""
        newest = self.newest
        return newest is not None and pod.metadata.is_of(newest.metadata.uid)

    def warnings_of(self, uid: str) -> list[Event]:
        """Return what went wrong with an object, the oldest first."""
        found = [event for event in self.warnings if event.involved_object.uid == uid]
        return sorted(found, key=lambda event: event.at.timestamp() if event.at else 0.0)
