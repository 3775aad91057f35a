"""Three teams' experiments, from the manifest to a service installed as its README says."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest
import schemathesis

from predictor import bundle, cli
from tests import experiments
from tests.protocol.process import addresses

HEALTHS = 200


@pytest.fixture(scope="module", params=experiments.TEAMS)
def experiment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return experiments.TEAMS[request.param](tmp_path_factory.mktemp(request.param))


def generate(experiment: Path) -> int:
    return cli.main(["generate", str(experiment), "--output", str(experiment.parent / "made")])


@pytest.fixture(scope="module")
def folder(experiment: Path) -> Path:
    assert generate(experiment) == 0
    return experiment.parent / "made"


@pytest.fixture(scope="module")
def python(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment that has what the folder's README installs."""
    environment = tmp_path_factory.getbasetemp() / "environment"
    python = environment / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    for listed in ("requirements.txt", "tests/requirements.txt"):
        # What another team's folder has put there is the same, and found in a moment.
        install = ["-m", "pip", "install", "--quiet", "--require-hashes", "--requirement", listed]
        subprocess.run([python, *install], cwd=folder, check=True)
    return python


def alone() -> dict[str, str]:
    """Return the environment without what leads to this checkout."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@contextmanager
def serving(python: Path, folder: Path) -> Iterator[str]:
    """Yield the URL of the folder's service."""
    variables = alone() | {"PORT": "0", "GRPC_PORT": "0", "WORKERS": "1"}
    log = folder.with_name("log")
    with (
        log.open("wb") as said,
        subprocess.Popen([python, "service.py"], cwd=folder, env=variables, stderr=said) as process,
    ):
        try:
            yield addresses(process, log)[0]
        finally:
            process.terminate()


def test_its_own_tests_pass_where_nothing_but_its_requirements_is_installed(
    python: Path, folder: Path
) -> None:
    command = [str(python), "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    ended = subprocess.run(
        command, cwd=folder, env=alone(), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(r"^\d\d passed in", ended.stdout, re.MULTILINE), ended.stdout


def test_it_answers_says_how_it_is_and_describes_itself(
    python: Path, folder: Path, say: Callable[[str], None]
) -> None:
    manifest = bundle.read(folder / "bundle").manifest
    row, column = manifest.golden.rows[0], manifest.contract.columns[0]
    with serving(python, folder) as url, httpx.Client(base_url=url) as client:
        assert client.post("/predict", json=row).status_code == 200
        answer = client.post("/predict", json={**row, column.name: [1]})
        assert answer.status_code == 422
        assert column.name in answer.json()["error"]
        seconds = []
        for _ in range(HEALTHS):
            start = time.perf_counter()
            assert client.get("/health").json()["status"] == "healthy"
            seconds.append(time.perf_counter() - start)
        schemathesis.openapi.from_url(f"{url}/openapi.json").validate()
    say(f"{manifest.name}: /health in {sorted(seconds)[HEALTHS // 2] * 1e3:.2f} ms, the median")


def state(folder: Path) -> dict[Path, tuple[bytes, int]]:
    """Return what is in each file, and when it was written."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_a_second_time_changes_nothing(experiment: Path, folder: Path) -> None:
    before = state(folder)
    assert generate(experiment) == 0
    assert state(folder) == before


def test_all_that_was_made_is_told_of(folder: Path) -> None:
    listed = msgspec.json.decode((folder / "deployment_manifest.json").read_bytes())["files"]
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert set(listed) == there - {"deployment_manifest.json"}
