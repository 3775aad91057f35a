"""The blocks are scored by Dask's workers, and merged where they were asked for."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import LocalCluster

from predictor.errors import ScoringError
from predictor.scoring import run
from predictor.scoring.parts import Counts
from tests.unit.scoring.conftest import Rows, Score, write


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        yield cluster


@pytest.mark.usefixtures("small_blocks")
def test_workers_of_a_cluster_score_the_blocks_and_one_may_die(
    tmp_path: Path, rows: Rows, score: Score, cluster: LocalCluster, bundle_folder: Path
) -> None:
    source = write(tmp_path / "in.csv", rows)
    score(source, tmp_path / "whole.csv")
    pids = [worker.pid for worker in cluster.workers.values()]

    def kill_one(_: int) -> None:
        if pids:
            os.kill(pids.pop(), signal.SIGKILL)
            pids.clear()

    order = run.Order(
        str(source),
        str(tmp_path / "out.csv"),
        bundle_folder,
        dask=cluster.scheduler_address,
    )
    assert run.run(order, lambda _: None, kill_one) == Counts(600, 0)
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_scheduler_that_is_not_there_is_said(
    tmp_path: Path, rows: Rows, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "CONNECT_SECONDS", 0.5)
    with pytest.raises(ScoringError, match=r"no Dask scheduler at tcp://127\.0\.0\.1:9: "):
        score(write(tmp_path / "in.csv", rows), tmp_path / "out.csv", dask="tcp://127.0.0.1:9")
