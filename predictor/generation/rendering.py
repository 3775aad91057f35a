"""What helm makes of the chart and the values, where helm is there."""

import shutil
import subprocess
from pathlib import Path

import msgspec

from predictor.errors import ExperimentError

FROM = b"# Rendered from chart/ and values.yaml; change those, not this file.\n"
# What the alerts need; see the chart's checks.
OPERATOR = (
    "--api-versions=monitoring.coreos.com/v1",
    "--set=podMonitor.enabled=true,alerts.enabled=true",
    "--show-only=templates/prometheusrule.yaml",
    "--namespace=compose",
)


def rendered(release: str, chart: Path, values: bytes) -> dict[str, bytes]:
    """Return the manifests and Prometheus's rules by their paths, or nothing without helm.

    Raises ExperimentError with what helm said.
    """
    helm = shutil.which("helm")
    if helm is None:
        return {}

    def template(*options: str) -> bytes:
        return _template([helm, "template", release, str(chart), "--values=-", *options], values)

    rules = msgspec.yaml.decode(template(*OPERATOR))["spec"]
    return {
        f"manifests/{release}.yaml": FROM + template("--skip-tests"),
        f"manifests/{release}-without-kserve.yaml": FROM
        + template("--skip-tests", "--set=kserve.enabled=false"),
        "monitoring/prometheus/rules/predictor.yaml": FROM + msgspec.yaml.encode(rules),
    }


def _template(command: list[str], values: bytes) -> bytes:
    result = subprocess.run(command, input=values, capture_output=True, check=False)  # noqa: S603
    if result.returncode:
        message = (
            f"helm does not render the chart: {result.stderr.decode(errors='replace').strip()}"
        )
        raise ExperimentError(message)
    return result.stdout
