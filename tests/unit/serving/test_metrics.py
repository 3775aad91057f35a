"""What is counted in files that several processes share."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from prometheus_client import Gauge

from predictor.serving import metrics

# It says before each count that it will, and after it that it has; new labels make its file grow.
COUNTS = """
import itertools, os
from predictor.serving import metrics
metrics.MODEL_INFO.labels("energy", os.environ["VERSION"], "external").set(1)
for turn in itertools.count():
    os.write(1, b"<")
    metrics.REQUESTS.labels("http", f"/{turn % 500}", "GET", os.environ["VERSION"]).inc()
    os.write(1, b">")
"""


def killed(folder: Path, version: int) -> bytes:
    """Return what worker 0 said until it was killed; scrapes meanwhile find nothing torn."""
    own = {metrics.METRICS_FOLDER: str(folder), metrics.WORKER_NUMBER: "0", "VERSION": str(version)}
    command = [sys.executable, "-c", COUNTS]
    said = folder.parent / f"said-{version}"
    with (
        said.open("wb") as output,
        subprocess.Popen(command, stdout=output, env=os.environ | own) as process,
    ):
        deadline = time.monotonic() + 30
        while said.stat().st_size < 2000 and time.monotonic() < deadline:
            metrics.exposition()
        process.kill()
    return said.read_bytes()


def counted() -> float:
    lines = metrics.exposition().decode().splitlines()
    found = [line for line in lines if line.startswith("predictor_requests_total{")]
    return sum(float(line.split()[-1]) for line in found)


def test_a_worker_that_is_killed_while_it_counts_loses_nothing_and_tears_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    monkeypatch.setenv(metrics.METRICS_FOLDER, str(folder))
    said = b""
    for version in range(5):
        said += killed(folder, version)
        assert said.count(b">") <= counted() <= said.count(b"<")
    kinds = ("counter", "gauge_livemax", "gauge_livesum", "histogram")
    assert {file.name for file in folder.iterdir()} == {f"{kind}_0.db" for kind in kinds}


def test_a_worker_that_was_killed_before_its_file_had_a_size_spoils_no_scrape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(metrics.METRICS_FOLDER, str(tmp_path))
    (tmp_path / "counter_0.db").touch()
    assert metrics.exposition() == b""


def test_every_gauge_goes_with_the_worker_that_set_it() -> None:
    declared = [metric for metric in vars(metrics).values() if isinstance(metric, Gauge)]
    assert declared
    assert all(gauge._multiprocess_mode.startswith("live") for gauge in declared)
