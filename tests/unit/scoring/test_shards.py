"""Several share the work without knowing of each other; whoever finds all parts there merges."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from predictor.errors import ScoringError
from predictor.scoring import merge, run
from predictor.scoring.parts import Counts, Parts
from predictor.scoring.run import Shard
from tests.unit.scoring.conftest import Rows, Score, write
from tests.unit.scoring.test_resuming import SECONDS, command

pytestmark = pytest.mark.usefixtures("small_blocks")


@pytest.fixture
def source(tmp_path: Path, rows: Rows) -> Path:
    bad = [row | ({"co2": -1.0} if number % 90 == 0 else {}) for number, row in enumerate(rows)]
    return write(tmp_path / "in.csv", bad)


@pytest.fixture
def whole(tmp_path: Path, source: Path, score: Score) -> list[bytes]:
    """Return what one alone writes."""
    score(source, tmp_path / "whole.csv")
    return written(tmp_path / "whole.csv")


def written(target: Path) -> list[bytes]:
    return [target.read_bytes(), target.with_name(f"{target.name}.rejected.csv").read_bytes()]


def test_the_last_one_merges_and_who_comes_late_ends_well(
    tmp_path: Path, source: Path, whole: list[bytes], score: Score, bundle_folder: Path
) -> None:
    target, counts = tmp_path / "out.csv", Counts(593, 7)
    assert score(source, target, shard=Shard(2, 3)) is None
    assert score(source, target, shard=Shard(0, 3)) is None
    assert not target.exists()
    assert score(source, target, shard=Shard(1, 3)) == counts
    assert written(target) == whole
    begun: list[run.Task] = []
    order = run.Order(str(source), str(target), bundle_folder, shard=Shard(0, 3))
    assert run.run(order, begun.append, lambda _: None) == counts
    assert not begun
    assert [path.name for path in (tmp_path / "out.csv.parts").iterdir()] == ["finished"]


def test_one_that_is_overtaken_while_it_merges_ends_well(
    tmp_path: Path,
    source: Path,
    whole: list[bytes],
    score: Score,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target, really = tmp_path / "out.csv", merge.merge

    def overtaken(*arguments: object) -> Counts:
        monkeypatch.setattr(merge, "merge", really)
        score(source, target, shard=Shard(0, 1))
        return really(*arguments)  # type: ignore[arg-type] # as they came

    monkeypatch.setattr(merge, "merge", overtaken)
    assert score(source, target, shard=Shard(0, 1)) == Counts(593, 7)
    assert written(target) == whole


def test_a_part_that_comes_after_the_end_is_swept_away(
    tmp_path: Path, source: Path, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, really = tmp_path / "out.csv", run._score
    blocks = iter([0])

    def slow(*arguments: object) -> None:
        if next(blocks, None) is not None:  # another process of the same index is faster
            score(source, target, shard=Shard(0, 1))
        really(*arguments)  # type: ignore[arg-type] # as they came

    monkeypatch.setattr(run, "_score", slow)
    assert score(source, target, shard=Shard(0, 1)) == Counts(593, 7)
    monkeypatch.undo()
    assert "finished" in {path.name for path in (tmp_path / "out.csv.parts").iterdir()}


def test_other_rows_begin_anew_after_the_end(
    tmp_path: Path, source: Path, rows: Rows, score: Score
) -> None:
    target = tmp_path / "out.csv"
    score(source, target, shard=Shard(0, 1))
    write(source, rows[:200])
    assert score(source, target, shard=Shard(0, 2)) is None
    assert score(source, target, shard=Shard(1, 2)) == Counts(200, 0)


def test_one_that_stalls_at_the_beginning_of_new_work_takes_no_parts_of_others(
    tmp_path: Path, source: Path, rows: Rows, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, really = tmp_path / "out.csv", Parts._restart
    score(source, target, shard=Shard(0, 1))
    write(source, rows[:200])

    def stalled(*arguments: object) -> None:
        monkeypatch.setattr(Parts, "_restart", really)
        assert score(source, target, shard=Shard(0, 2)) is None
        really(*arguments)  # type: ignore[arg-type] # as they came

    monkeypatch.setattr(Parts, "_restart", stalled)
    assert score(source, target, shard=Shard(1, 2)) == Counts(200, 0)


def test_a_strict_one_fails_where_the_others_have_refused_rows(
    tmp_path: Path, source: Path, score: Score
) -> None:
    target = tmp_path / "out.csv"
    score(source, target, shard=Shard(0, 1))
    with pytest.raises(ScoringError, match=r"7 rows were refused: see .*out\.csv\.rejected\.csv"):
        score(source, target, shard=Shard(0, 1), is_strict=True)


def test_a_strict_shard_names_a_bad_row_of_its_own(
    tmp_path: Path, source: Path, score: Score
) -> None:
    with pytest.raises(ScoringError, match=r"in\.csv: row 1, column co2: got -1.0, expected"):
        score(source, tmp_path / "out.csv", shard=Shard(0, 3), is_strict=True)
    with pytest.raises(ScoringError, match=r"in\.csv: row \d+ of those from \d+ to \d+, column"):
        score(source, tmp_path / "other.csv", shard=Shard(4, 5), is_strict=True)


def test_shards_at_once_write_the_same_bytes(
    tmp_path: Path, source: Path, whole: list[bytes], bundle_folder: Path
) -> None:
    target = tmp_path / "out.csv"
    started = [
        subprocess.Popen(
            command(source, target, "--bundle", bundle_folder, "--shards", 2),
            env=os.environ | {"JOB_COMPLETION_INDEX": index},
            stdout=subprocess.PIPE,
            text=True,
        )
        for index in "010"  # one of them twice
    ]
    said = [process.communicate(timeout=SECONDS)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0]
    assert any(line.startswith(f"wrote {target}: 593 rows, 7 rejected") for line in said)
    assert written(target) == whole


@pytest.mark.parametrize(
    ("arguments", "index", "sentence"),
    [
        (["--shard", "1"], None, "--shard is one of --shards COUNT: give that too"),
        (["--shards", "2"], None, "JOB_COMPLETION_INDEX is '', expected a whole number"),
        (["--shards", "2"], "2", "got shard 2 of 2, expected from 0 to 1"),
    ],
)
def test_a_shard_that_there_is_not_is_said(
    arguments: list[str], index: str | None, sentence: str
) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "JOB_COMPLETION_INDEX"}
    environment |= {"JOB_COMPLETION_INDEX": index} if index else {}
    found = subprocess.run(
        [sys.executable, "-m", "predictor", "score", "in.csv", "out.csv", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 1
    assert found.stderr.startswith(f"predictor: {sentence}")
