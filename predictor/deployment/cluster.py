"""Reading a release's objects from the API server of the cluster that KUBECONFIG names.

The client's own classes are not used: they are other ones in each of its versions, and refuse what
a newer cluster sends.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from predictor.deployment.found import Found
from predictor.deployment.objects import (
    Autoscaler,
    Deployment,
    Event,
    InferenceService,
    Items,
    Pod,
    ReplicaSet,
)
from predictor.errors import JSON_ERRORS, DeploymentError, UnreachableClusterError

TIMEOUT_SECONDS = 10.0
LOG_LINES = 10
KSERVE = ("serving.kserve.io", "v1beta1")
POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
OWN_CONFIG = Path("~/.kube/config")

Answer = TypeVar("Answer")


class _Refusal(msgspec.Struct):
    """What the API server says when it does not do what it was asked."""

    message: str = ""


class Cluster:
    """One namespace of a cluster."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self.namespace = namespace
        self._core = client.CoreV1Api(api)
        self._apps = client.AppsV1Api(api)
        self._scaling = client.AutoscalingV2Api(api)
        self._custom = client.CustomObjectsApi(api)

    def look(self, release: str) -> Found:
        """Return all that there is of a release now; raises DeploymentError."""
        name = f"{release}-predictor"
        deployment = self._one(Deployment, self._apps.read_namespaced_deployment, name)
        # One that nobody owns is the chart's own; then there may be no KServe to ask for.
        is_charts = deployment is not None and not deployment.metadata.owner_references
        service = None if is_charts else self._inference_service(release)
        warnings = self._list(
            Event, self._core.list_namespaced_event, field_selector="type=Warning"
        )
        if deployment is None:
            return Found(service=service, warnings=warnings)
        labels = deployment.spec.selector.match_labels
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        scalers = self._list(Autoscaler, self._scaling.list_namespaced_horizontal_pod_autoscaler)
        return Found(
            service=service,
            deployment=deployment,
            replica_sets=self._list(
                ReplicaSet, self._apps.list_namespaced_replica_set, label_selector=selector
            ),
            pods=self._list(Pod, self._core.list_namespaced_pod, label_selector=selector),
            autoscaler=next((s for s in scalers if s.spec.scale_target_ref.name == name), None),
            warnings=warnings,
        )

    def log(self, pod: str, container: str, *, is_previous: bool) -> list[str]:
        """Return the last lines that a container wrote, or its predecessor that ended."""
        content = self._ask(
            self._core.read_namespaced_pod_log,
            pod,
            self.namespace,
            container=container,
            previous=is_previous,
            tail_lines=LOG_LINES,
        )
        return (content or b"").decode(errors="replace").splitlines()

    def _inference_service(self, name: str) -> InferenceService | None:
        read = self._custom.get_namespaced_custom_object
        content = self._ask(read, *KSERVE, self.namespace, "inferenceservices", name)
        return None if content is None else _decoded(InferenceService, content)

    def _one(self, kind: type[Answer], read: Callable[..., Any], name: str) -> Answer | None:
        content = self._ask(read, name, self.namespace)
        return None if content is None else _decoded(kind, content)

    def _list(
        self, kind: type[Answer], read: Callable[..., Any], **selectors: str
    ) -> tuple[Answer, ...]:
        content = self._ask(read, self.namespace, **selectors)
        return _decoded(Items[kind], content or b"{}").items  # type: ignore[valid-type]

    def _ask(self, read: Callable[..., Any], *names: str, **options: object) -> bytes | None:
        """Return what the API server answers, or nothing when there is no such object."""
        try:
            response = read(
                *names, **options, _preload_content=False, _request_timeout=TIMEOUT_SECONDS
            )
            content: bytes = response.data
        except ApiException as error:
            if error.status == 404:
                return None
            raise _refused(error) from error
        except HTTPError as error:
            message = f"the cluster's API server does not answer: {error}"
            raise UnreachableClusterError(message) from error
        return content


@contextmanager
def connect(namespace: str | None = None) -> Iterator[Cluster]:
    """Yield a namespace, by default the current context's, or that of the pod that this runs in.

    Raises DeploymentError when no cluster is named.
    """
    configuration = client.Configuration()
    configuration.retries = False  # they would be logged; who waits asks again anyway
    current = _configure(configuration)
    with client.ApiClient(configuration) as api:
        yield Cluster(api, namespace or current or "default")


def _configure(configuration: client.Configuration) -> str | None:
    """Read where the cluster is and who asks, as kubectl does, and return the namespace.

    A pod's own cluster is meant where no other is named; a name that is wrong is an error.
    """
    file = os.environ.get("KUBECONFIG") or None
    try:
        if file is None and POD_NAMESPACE.exists() and not OWN_CONFIG.expanduser().exists():
            config.load_incluster_config(configuration)
            return POD_NAMESPACE.read_text().strip()
        config.load_kube_config(file, client_configuration=configuration)
        current: str | None = config.list_kube_config_contexts(file)[1]["context"].get("namespace")
    except config.ConfigException as error:
        message = f"no cluster is named by KUBECONFIG or ~/.kube/config: {error}"
        raise DeploymentError(message) from error
    return current


def _decoded(kind: type[Answer], content: bytes) -> Answer:
    try:
        return msgspec.json.decode(content, type=kind)
    except JSON_ERRORS as error:
        message = f"the cluster's API server sends something else than was asked for: {error}"
        raise DeploymentError(message) from error


def _refused(error: ApiException) -> DeploymentError:
    status, body = int(error.status or 0), str(error.body or "")
    try:
        said = msgspec.json.decode(body, type=_Refusal).message
    except JSON_ERRORS:
        said = body.strip()
    message = f"the cluster's API server answers {status}: {said or error.reason}"
    if status == 429 or status >= 500:
        return UnreachableClusterError(message)
    return DeploymentError(message)
