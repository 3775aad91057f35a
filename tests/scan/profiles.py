"""The value profiles of the chart, and what helm renders from them."""

from pathlib import Path
from typing import Any

import yaml

from tests.chart.helm import helm
from tests.paths import CHART

Document = dict[str, Any]

PROFILES = {
    path.name.removesuffix("-values.yaml"): path
    for path in sorted((CHART / "ci").glob("*-values.yaml"))
}


def values_of(profile: str) -> Document:
    return dict(yaml.safe_load(PROFILES[profile].read_text()))


# kube-score and checkov know no InferenceService, and would find nothing in it. Its pods are
# specified by the same template as a Deployment's.
PLAIN = [name for name in PROFILES if values_of(name).get("kserve") == {"enabled": False}]


def render(values: Path, namespace: str) -> str:
    """Return what helm renders with a file of values."""
    result = helm("template", "energy", str(CHART), "--namespace", namespace, "-f", str(values))
    assert result.returncode == 0, result.stderr
    return result.stdout


def installed(profile: str, namespace: str = "") -> list[Document]:
    """Return the objects of a profile as `helm install` hands them on: in a namespace.

    It is the profile's name unless another is given, so that scanners do not take the objects of
    two profiles for those of one release.
    """
    namespace = namespace or profile
    found = [doc for doc in yaml.safe_load_all(render(PROFILES[profile], namespace)) if doc]
    for document in found:
        document["metadata"]["namespace"] = namespace
    return found


def as_job(document: Document) -> Document:
    """Return the Pod of `helm test` as a Job: scanners take a Pod for one that serves for ever."""
    if document["kind"] != "Pod":
        return document
    metadata = document["metadata"]
    pod = {"metadata": {"labels": metadata["labels"]}, "spec": document["spec"]}
    spec = {"template": pod}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def write(folder: Path, name: str, documents: list[Document]) -> None:
    """Write objects as a file that scanners read."""
    (folder / f"{name}.yaml").write_text(yaml.safe_dump_all(documents, sort_keys=False))
