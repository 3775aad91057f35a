import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from predictor import cli
from predictor.deployment import helm
from predictor.errors import DeploymentError
from tests.paths import CHART, ROOT
from tests.unit.deployment.api_server import ApiServer


def test_in_a_checkout_the_chart_is_the_checkouts() -> None:
    assert helm.chart() == CHART


def test_a_wheel_has_the_whole_chart(tmp_path: Path) -> None:
    command = ["-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run([sys.executable, *command], check=True, capture_output=True, cwd=ROOT)
    [wheel] = tmp_path.glob("*.whl")
    inside = "predictor/deployment/chart/"
    packed = {name for name in ZipFile(wheel).namelist() if name.startswith(inside)}
    files = {path for path in CHART.rglob("*") if path.is_file()}
    assert packed == {inside + str(path.relative_to(CHART)) for path in files}


def test_without_helm_there_is_a_sentence(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert cli.main(["deploy", "energy"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("predictor: helm is not on the PATH: install it")
    assert api.answers == {}


def test_what_helm_says_is_said_without_its_warnings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentences are helm's own; that they are is tested on a cluster."""
    _install(tmp_path, 'echo "WARNING: your file is readable" >&2; echo "Error: no" >&2; exit 1')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(DeploymentError, match=r"^helm did not install energy: no$"):
        helm.upgrade("energy", "plant", [], b"")
    _install(tmp_path, 'echo "Error: release: not found" >&2; exit 1')
    assert helm.installed("energy", "plant") is None


def _install(folder: Path, script: str) -> None:
    (folder / "helm").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "helm").chmod(0o755)
