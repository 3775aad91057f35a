"""Folders that `predictor generate` made: their own charts, values, images, and their own tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.cluster import RELEASE, Namespace

# A node of a laptop has room for it beside other tests.
SMALL = {"resources.requests.cpu": "50m", "autoscaling.minReplicas": "1"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    folders = [Path(each) for each in metafunc.config.getoption("--generated")]
    metafunc.parametrize("folder", folders, ids=[folder.name for folder in folders])


def test_what_was_generated_runs_by_its_own_chart_and_passes_its_own_tests(
    folder: Path, empty_namespace: Namespace
) -> None:
    sets = [option for key, value in SMALL.items() for option in ("--set", f"{key}={value}")]
    values = ("--values", str(folder / "values.yaml"))
    empty_namespace.helm("install", RELEASE, str(folder / "chart"), *values, *sets)
    empty_namespace.rolled_out()
    with empty_namespace.port_forward(80) as address:
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
            cwd=folder,
            env=os.environ | {"SERVICE_URL": f"http://{address}"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert " passed in " in ended.stdout
