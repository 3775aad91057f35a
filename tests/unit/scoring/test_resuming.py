"""Whatever ends a run, the next one goes on with its parts, and the output has the same bytes."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from predictor import bundle
from predictor.errors import ScoringError
from predictor.scoring import block, run
from predictor.scoring.parts import Counts, Parts
from predictor.scoring.plan import Block
from predictor.training.pipeline import Trained
from tests.bundles import another_version
from tests.unit.scoring.conftest import Rows, Score, write

SECONDS = 60
# Smaller blocks than a file of a test would be cut into; and an interrupt is heard, which what a
# shell runs in the background ignores.
COMMAND = """
import signal, sys
from predictor.scoring import plan
plan.BLOCK_BYTES, plan.BLOCK_ROWS = 5_000, 60
from predictor.cli import main
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
"""


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-c", COMMAND, "score", *map(str, arguments)]


def wait_until(condition: object, process: subprocess.Popen[bytes]) -> None:
    assert callable(condition)
    deadline = time.monotonic() + SECONDS
    while not condition() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def killed(arguments: list[str], parts: Path, notes: int, random: Random) -> bool:
    """Kill a run soon after so many more notes are there; return whether it had not ended."""
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=-3) as process:
        before = len(list(parts.glob("*.json")))
        wait_until(lambda: len(list(parts.glob("*.json"))) >= before + notes, process)
        time.sleep(random.random() / 100)
        has_not_ended = process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=SECONDS)  # when its last process has ended
    return has_not_ended


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_a_run_that_is_killed_at_any_moment_is_gone_on_with(
    tmp_path: Path, rows: Rows, bundle_folder: Path, suffix: str
) -> None:
    bad = [dict(row) | ({"co2": -1.0} if n % 50 == 0 else {}) for n, row in enumerate(rows * 4)]
    source, target = write(tmp_path / f"in{suffix}", bad), tmp_path / f"out{suffix}"
    beside = tmp_path / f"out{suffix}.rejected.csv"
    arguments = command(source, target, "--bundle", bundle_folder)
    subprocess.run(arguments, check=True, capture_output=True)
    whole, rejected = target.read_bytes(), beside.read_bytes()
    target.unlink()
    beside.unlink()
    random, folder = Random(suffix), tmp_path / f"out{suffix}.parts"
    kills = 0
    for _ in range(3):
        kills += killed(arguments, folder, random.randint(0, 12), random)
        assert not target.exists() or target.read_bytes() == whole
    assert kills
    subprocess.run(arguments, check=True, capture_output=True)
    assert (target.read_bytes(), beside.read_bytes()) == (whole, rejected)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        source.name,
        target.name,
        beside.name,
    ]


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["TERM", "INT"]
)
def test_it_ends_when_it_is_asked_to(
    tmp_path: Path, rows: Rows, bundle_folder: Path, number: int, status: int
) -> None:
    source, target = write(tmp_path / "in.jsonl", rows * 20), tmp_path / "out.jsonl"
    arguments = command(source, target, "--bundle", bundle_folder)
    folder = tmp_path / "out.jsonl.parts"
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wait_until(lambda: any(folder.glob("*.json")), process)
        process.send_signal(number)
        assert process.communicate(timeout=SECONDS) == (b"", b"")
    assert process.returncode == status
    assert not target.exists()
    assert not list(folder.glob(".*.tmp"))


class Interrupted(Exception):  # noqa: N818 - what the test ends a run with
    pass


def ending_after(blocks: int) -> object:
    """Return what scores so many blocks, and then ends the run."""
    left = [blocks]

    def score(job: block.Job, each: Block) -> int:
        if not left[0]:
            raise Interrupted
        left[0] -= 1
        return block.score(job, each)

    return score


@pytest.fixture
def other_bundle(tmp_path: Path, trained: Trained) -> Path:
    other = another_version(trained, 1)
    bundle.write(tmp_path / "other", other.manifest, other.files)
    return tmp_path / "other"


@pytest.fixture
def begun(
    tmp_path: Path,
    rows: Rows,
    score: Score,
    monkeypatch: pytest.MonkeyPatch,
    small_blocks: None,  # noqa: ARG001
) -> Path:
    """Return an input of six blocks, of which three were scored."""
    source = write(tmp_path / "in.parquet", rows)
    with monkeypatch.context() as patch:
        patch.setattr(run, "score", ending_after(3))
        with pytest.raises(Interrupted):
            score(source, tmp_path / "out.csv")
    return source


def test_what_was_scored_is_not_scored_again(
    tmp_path: Path, begun: Path, bundle_folder: Path
) -> None:
    sizes: list[int] = []
    tasks: list[run.Task] = []
    order = run.Order(str(begun), str(tmp_path / "out.csv"), bundle_folder)
    run.run(order, tasks.append, sizes.append)
    assert tasks == [run.Task(size=600, done=300, is_rows=True)]
    assert sizes == [100] * 3


@pytest.mark.parametrize("change", ["input", "bundle", "format"])
def test_parts_of_other_work_are_not_gone_on_with(
    tmp_path: Path, begun: Path, rows: Rows, score: Score, other_bundle: Path, change: str
) -> None:
    others = {"bundle": other_bundle} if change == "bundle" else {}
    if change == "input":
        write(begun, rows[:-1])
    if change == "format":
        (tmp_path / "out.csv.parts").rename(tmp_path / "out.jsonl.parts")
    target = tmp_path / ("out.jsonl" if change == "format" else "out.csv")
    with pytest.raises(ScoringError, match="holds parts of another input, bundle or version: rem"):
        score(begun, target, **others)


@pytest.mark.parametrize("name", ["photo.jpg", "00000001.part", "notes.tmp"])
def test_files_of_others_in_the_folder_of_the_parts_stay(
    tmp_path: Path, rows: Rows, score: Score, name: str
) -> None:
    source, folder = write(tmp_path / "in.csv", rows), tmp_path / "out.csv.parts"
    folder.mkdir()
    (folder / name).write_text("precious")
    with pytest.raises(ScoringError, match=f"holds {name}, which is no part of an output: move"):
        score(source, tmp_path / "out.csv")
    (folder / name).unlink()
    score(source, tmp_path / "out.csv", shard=run.Shard(0, 1))
    (folder / name).write_text("precious")
    (tmp_path / "out.csv").unlink()
    assert score(source, tmp_path / "out.csv") == Counts(600, 0)
    assert [path.read_text() for path in folder.iterdir()] == ["precious"]


def test_a_second_run_of_the_same_output_is_told_of_the_first(
    tmp_path: Path, begun: Path, score: Score
) -> None:
    target = tmp_path / "out.csv"
    with (
        Parts(f"{target}.parts", "").alone(),
        pytest.raises(ScoringError, match=r"out\.csv\.parts is in use: another run writes"),
    ):
        score(begun, target)
    assert score(begun, target) == Counts(600, 0)


def test_an_output_is_not_touched_before_the_new_one_is_whole(
    tmp_path: Path, begun: Path, score: Score
) -> None:
    (tmp_path / "out.csv").write_text("old")
    next((tmp_path / "out.csv.parts").glob("*-00000001.part")).unlink()
    with pytest.raises(ScoringError, match=r"-00000001\.part: No such file"):
        score(begun, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "old"


def test_a_full_disk_is_said_and_the_parts_remain(
    tmp_path: Path, begun: Path, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("predictor.scoring.storage.os.fsync", fail)
        with pytest.raises(ScoringError) as raised:
            score(begun, tmp_path / "out.csv")
    assert str(raised.value) == f"{begun}: No space left on device"
    assert len(list((tmp_path / "out.csv.parts").glob("*.json"))) == 3
    assert score(begun, tmp_path / "out.csv") == Counts(600, 0)
