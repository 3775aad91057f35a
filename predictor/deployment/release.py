"""Installing a release and waiting for it, and saying how it is."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from predictor.deployment import helm
from predictor.deployment.cluster import Cluster, connect
from predictor.deployment.summary import Status, summarize
from predictor.deployment.waiting import Progress, until_complete
from predictor.errors import DeploymentError

TIMEOUT_SECONDS = 300.0


def to_stderr(sentence: str) -> None:
    """Say how far a rollout is."""
    sys.stderr.write(f"{sentence}\n")


def deploy(  # noqa: PLR0913 - a call in a notebook is read by its names
    release: str,
    *,
    namespace: str | None = None,
    files: Sequence[str | Path] = (),
    values: Mapping[str, object] | None = None,
    sets: Sequence[str] = (),
    chart: str | Path | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
    progress: Progress = to_stderr,
) -> Status:
    """Install a release of the chart or update it, and wait until its pods answer.

    The chart's values come from `files`, then `values`, then `sets`, each as helm's `--set` takes
    it; values of an earlier release are not kept. `chart` is a folder, a .tgz or an oci:// address,
    by default the packaged one. Each step is said by `progress`. Raises DeploymentError with what
    helm or the pods said.
    """
    options = [str(chart or helm.chart())]
    options += [f"--values={file}" for file in files]
    options += ["--values=-", *(f"--set={value}" for value in sets)]
    with connect(namespace) as cluster:
        helm.upgrade(release, cluster.namespace, options, msgspec.json.encode(values or {}))
        installed = helm.installed(release, cluster.namespace)
        progress(f"helm installed {release} in {cluster.namespace}: {installed}")
        found = until_complete(cluster, release, timeout_seconds, progress)
    return summarize(release, cluster.namespace, found, installed)


def status(release: str, *, namespace: str | None = None) -> Status:
    """Return how a release is; raises DeploymentError when there is none."""
    with connect(namespace) as cluster:
        found = cluster.look(release)
    installed = _installed(release, cluster)
    if found.service is None and found.deployment is None and installed is None:
        message = f"there is no release {release} in the namespace {cluster.namespace}"
        raise DeploymentError(message)
    return summarize(release, cluster.namespace, found, installed)


def _installed(release: str, cluster: Cluster) -> helm.Installed | None:
    """Return what helm knows; it keeps that in Secrets, which who may look at pods may not see."""
    try:
        return helm.installed(release, cluster.namespace)
    except DeploymentError:
        return None


def require_complete(found: Status) -> None:
    """Raise DeploymentError when a release's rollout is not complete."""
    if not found.is_complete:
        message = (
            f"the rollout of {found.release} is not complete: {found.trouble or found.rollout}"
        )
        raise DeploymentError(message)
