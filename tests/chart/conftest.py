"""The chart, rendered by the real helm."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "energy-predictor"

Object = dict[str, "object"]


@pytest.fixture(scope="session", autouse=True)
def helm() -> str:
    """Return the path of helm; without one these tests are skipped, but never in CI."""
    path = shutil.which("helm")
    if not path and not os.environ.get("CI"):
        pytest.skip("helm is not installed")
    assert path, "helm is not installed"
    return path


def run_helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["helm", *arguments], capture_output=True, text=True, check=False)
