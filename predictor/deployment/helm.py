"""Installing the chart by helm, and finding the chart."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec

from predictor.errors import JSON_ERRORS, DeploymentError

PACKAGED = Path(__file__).parent / "chart"
IN_A_CHECKOUT = Path(__file__).parents[2] / "charts" / "energy-predictor"


class Installed(msgspec.Struct, frozen=True, rename="camel"):
    """What helm says of a release that it installed."""

    chart: str
    version: str
    app_version: str
    revision: int
    status: str

    def __str__(self) -> str:
        return (
            f"{self.chart} {self.version} (app {self.app_version}), "
            f"revision {self.revision}, {self.status}"
        )


def chart() -> Path:
    """Return the folder of the chart that belongs to this package."""
    for folder in (PACKAGED, IN_A_CHECKOUT):
        if (folder / "Chart.yaml").exists():
            return folder
    message = f"the chart is neither in {PACKAGED} nor in {IN_A_CHECKOUT}: say which by --chart"
    raise DeploymentError(message)


def upgrade(release: str, namespace: str, options: Sequence[str], values: bytes) -> None:
    """Install a release or update it, and wait for nothing.

    `options` are helm's, and `values` YAML that goes before its `--set`. What an earlier release
    was given is not kept. Raises DeploymentError with helm's own sentence.
    """
    result = _helm(
        "upgrade",
        release,
        "--install",
        "--reset-values",
        f"--namespace={namespace}",
        *options,
        stdin=values,
    )
    if result.returncode:
        message = f"helm did not install {release}: {_said(result)}"
        raise DeploymentError(message)


def installed(release: str, namespace: str) -> Installed | None:
    """Return what is installed, or nothing when helm knows no such release."""
    result = _helm("get", "metadata", release, f"--namespace={namespace}", "--output=json")
    if result.returncode:
        said = _said(result)
        if "not found" in said:
            return None
        message = f"helm does not tell of {release}: {said}"
        raise DeploymentError(message)
    try:
        return msgspec.json.decode(result.stdout, type=Installed)
    except JSON_ERRORS as error:
        message = f"helm tells something else of {release} than was asked for: {error}"
        raise DeploymentError(message) from error


def _helm(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    helm = shutil.which("helm")
    if helm is None:
        message = "helm is not on the PATH: install it, see https://helm.sh/docs/intro/install"
        raise DeploymentError(message)
    return subprocess.run(  # noqa: S603 - no shell takes it apart
        [helm, *arguments],
        input=stdin,
        capture_output=True,
        check=False,
        # Else it might install in another cluster than the one that is looked at.
        env={name: value for name, value in os.environ.items() if not name.startswith("HELM_KUBE")},
    )


def _said(result: subprocess.CompletedProcess[bytes]) -> str:
    """Return what helm complained of, without the warnings before it."""
    said = result.stderr.decode(errors="replace")
    error = said.partition("Error: ")[2] or said
    return error.strip() or f"it ended with code {result.returncode}"
