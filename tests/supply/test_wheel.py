"""`make wheel` makes the same bytes of the same files, wherever and whenever it runs."""

import os
import shutil
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from predictor import __version__
from tests.missing import missing
from tests.paths import ROOT

LEFT_OUT = shutil.ignore_patterns(
    *(".git", ".venv", ".*-env", ".*-envs", ".*_cache"),
    *(".hypothesis", "__pycache__", "bundle", "dist", "site"),
)


def copied(folder: Path, mode: int, time: float) -> Path:
    """Return a copy of the checkout whose files have this mode and this time of change."""
    shutil.copytree(ROOT, folder, ignore=LEFT_OUT)
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(mode | (path.stat().st_mode & 0o100))
        os.utime(path, (time, time))
    return folder


def built(checkout: Path, **environment: str) -> dict[str, str]:
    """Return the digests of what `make wheel` builds, by the names of the files."""
    stamp = f"{sys.prefix}/.dev"  # this environment is complete
    command = ["make", "wheel", f"VENV={sys.prefix}", f"--old-file={stamp}"]
    result = subprocess.run(
        command,
        cwd=checkout,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    made = (checkout / "dist").iterdir()
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in made}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    if not shutil.which("make"):
        missing("make is not installed")
    return copied(tmp_path / "here", 0o644, 1_700_000_000)


def test_two_builds_in_other_places_at_other_times_are_the_same(
    checkout: Path, tmp_path: Path
) -> None:
    elsewhere = copied(tmp_path / "some" / "other place", 0o600, 1_800_000_000)
    first = built(checkout, PYTHONHASHSEED="1", SOURCE_DATE_EPOCH="1700000000", TZ="UTC")
    second = built(elsewhere, PYTHONHASHSEED="2", SOURCE_DATE_EPOCH="1800000000", TZ="Asia/Seoul")
    assert set(first) == {
        f"energy_predictor-{__version__}-py3-none-any.whl",
        f"energy_predictor-{__version__}.tar.gz",
    }
    assert first == second


def test_another_byte_makes_another_wheel(checkout: Path) -> None:
    first = built(checkout)
    with (checkout / "predictor" / "errors.py").open("a") as file:
        file.write("\n")
    second = built(checkout)
    assert not set(first.values()) & set(second.values())


def test_the_wheel_holds_what_serving_and_training_need(checkout: Path) -> None:
    [wheel] = [name for name in built(checkout) if name.endswith(".whl")]
    with zipfile.ZipFile(checkout / "dist" / wheel) as archive:
        names = set(archive.namelist())
    sources = {str(path.relative_to(checkout)) for path in (checkout / "predictor").rglob("*.py")}
    assert len(sources) > 50
    assert sources <= names
    assert not {name for name in names if name.startswith(("tests/", "benchmarks/"))}


def test_the_wheel_holds_what_a_deployment_is_generated_of(checkout: Path) -> None:
    [wheel] = [name for name in built(checkout) if name.endswith(".whl")]
    with zipfile.ZipFile(checkout / "dist" / wheel) as archive:
        names = set(archive.namelist())
    generation = "predictor/generation"
    templates = (checkout / generation / "templates").iterdir()
    assert {f"{generation}/templates/{path.name}" for path in templates} <= names
    assert {f"{generation}/requirements/{name}.txt" for name in ("serve", "pytest")} <= names
    assert "predictor/deployment/chart/Chart.yaml" in names
