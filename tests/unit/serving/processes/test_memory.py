import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import Gauge
from prometheus_client.metrics import MetricWrapperBase

from predictor.errors import ServerError
from predictor.serving import metrics
from predictor.serving.processes import memory

KEEPS_A_FOLDER = """
import sys, pathlib
from predictor.serving.processes import memory
with memory.shared_folder(pathlib.Path(sys.argv[1])) as folder:
    (folder / "counter_0.db").write_bytes(b"x")
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_gone_afterwards(tmp_path: Path) -> None:
    with memory.shared_folder(tmp_path) as folder:
        (folder / "counter_0.db").write_bytes(b"x")
    assert not list(tmp_path.iterdir())


def test_the_folder_of_a_process_that_was_killed_is_removed_and_not_that_of_one_that_lives(
    tmp_path: Path,
) -> None:
    with memory.shared_folder(tmp_path) as living:
        killed = kept(tmp_path)
        (tmp_path / "somebody-else's").mkdir()
        with memory.shared_folder(tmp_path) as another:
            found = set(tmp_path.iterdir())
        assert living in found
        assert killed not in found
        assert found == {living, another, tmp_path / "somebody-else's"}


def kept(place: Path) -> Path:
    """Return the folder that a killed process has left."""
    command = [sys.executable, "-c", KEEPS_A_FOLDER, str(place)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=os.environ, text=True) as process:
        assert process.stdout
        folder = Path(process.stdout.readline().strip())
        process.kill()
    assert list(folder.iterdir())
    return folder


def test_all_that_a_worker_counts_has_its_memory_reserved(tmp_path: Path) -> None:
    memory.reserve(tmp_path, 2)
    declared = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]
    kinds = {
        f"gauge_{metric._multiprocess_mode}" if isinstance(metric, Gauge) else metric._type
        for metric in declared
    }
    expected = {f"{kind}_{number}.db" for kind in kinds for number in (0, 1)}
    assert {file.name for file in tmp_path.iterdir()} == expected
    assert all(file.stat().st_blocks * 512 >= memory.FILE_BYTES for file in tmp_path.iterdir())


def test_memory_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match=r"no 2048 kB in .* for what workers count: No such file"):
        memory.reserve(tmp_path / "gone", 1)


def test_a_folder_that_cannot_be_made_is_told_of(tmp_path: Path) -> None:
    with (
        pytest.raises(ServerError, match="no folder in /dev/shm or for temporary files"),
        memory.shared_folder(tmp_path / "none"),
    ):
        pass
