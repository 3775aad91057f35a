"""Whatever ends a run, the next one goes on with its parts, and the output has the same bytes."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from tests.unit.scoring.conftest import Rows, write

SECONDS = 60
# Smaller blocks than a file of a test would be cut into.
COMMAND = """
import sys
from predictor.scoring import plan
plan.BLOCK_BYTES, plan.BLOCK_ROWS = 5_000, 60
from predictor.cli import main
if __name__ == "__main__":
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


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
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
    for _ in range(4):
        drawn = random.randint(0, 12)
        with subprocess.Popen(arguments, stdout=-3, stderr=-3, start_new_session=True) as process:
            before = len(list(folder.glob("*.json")))
            wait_until(lambda: len(list(folder.glob("*.json"))) >= before + drawn, process)  # noqa: B023
            time.sleep(random.random() / 100)
            kills += process.poll() is None
            process.send_signal(signal.SIGKILL)
        assert not target.exists() or target.read_bytes() == whole
    assert kills
    subprocess.run(arguments, check=True, capture_output=True)
    assert (target.read_bytes(), beside.read_bytes()) == (whole, rejected)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        source.name,
        target.name,
        beside.name,
    ]
