"""The disk, the shared memory or the standard error is full, gone or read-only."""

import os
import resource
import signal
import subprocess
import tempfile
from pathlib import Path

import httpx
import pytest

from predictor.contract import Row
from tests.protocol.process import START_SECONDS
from tests.protocol.trouble.surroundings import Surroundings, in_namespace, running, started

LINES = {"ACCESS_LOG": "true", "LOG_LEVEL": "DEBUG"}
WORKERS = pytest.mark.parametrize("workers", ["1", "2"])
SMALL_MEMORY = "mount -t tmpfs -o size=8m tmpfs /dev/shm"


def fill(folder: Path) -> None:
    """Write to a folder until its disk is full."""
    with pytest.raises(OSError, match="No space left"), (folder / "filled").open("wb", 0) as file:  # noqa: PT012
        while True:
            file.write(bytes(65536))


@WORKERS
def test_a_full_disk_under_the_log_stops_no_answer(
    bundle_folder: Path, row: Row, workers: str
) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        surroundings = Surroundings(stderr=full, settings=LINES | {"WORKERS": workers})
        with running(bundle_folder, surroundings) as server:
            assert all(server.answers(row) for _ in range(20))
            server.process.terminate()
            assert server.process.wait(START_SECONDS) == 0


@WORKERS
def test_a_log_that_nobody_reads_any_more_stops_no_answer(
    bundle_folder: Path, row: Row, workers: str
) -> None:
    reader, writer = os.pipe()
    surroundings = Surroundings(stderr=writer, settings=LINES | {"WORKERS": workers})
    with running(bundle_folder, surroundings) as server:
        os.close(writer)
        os.close(reader)
        assert all(server.answers(row) for _ in range(20))
        server.process.terminate()
        assert server.process.wait(START_SECONDS) == 0


@WORKERS
def test_a_server_without_standard_error_answers(
    bundle_folder: Path, row: Row, workers: str
) -> None:
    before = ("sh", "-c", 'exec "$@" 2>&-', "sh")
    settings = LINES | {"WORKERS": workers}
    with running(bundle_folder, Surroundings(before, settings=settings)) as server:
        assert all(server.answers(row) for _ in range(20))


@WORKERS
def test_no_file_may_grow_and_one_worker_still_answers(
    bundle_folder: Path, row: Row, workers: str
) -> None:
    none_may_grow = (0, resource.RLIM_INFINITY)
    with tempfile.TemporaryFile() as log:
        surroundings = Surroundings(("prlimit", "--fsize=0:"), log, LINES | {"WORKERS": workers})
        with started(bundle_folder, surroundings) as server:
            del none_may_grow
            if workers == "1":
                with running(bundle_folder, surroundings) as served:
                    assert all(served.answers(row) for _ in range(20))
            else:
                assert server.process.wait(START_SECONDS) == 1


def test_shared_memory_that_fills_up_stops_no_answer(bundle_folder: Path, row: Row) -> None:
    before = in_namespace("--mount", SMALL_MEMORY)
    with running(bundle_folder, Surroundings(before, settings={"WORKERS": "2"})) as server:
        fill(Path(f"/proc/{server.process.pid}/root/dev/shm"))
        for _ in range(50):
            assert server.answers(row)
            refused = httpx.post(f"{server.url}/v1/models/energy:predict", content=b"{")
            assert refused.status_code == 400
        assert httpx.get(f"{server.url}/metrics", timeout=30).status_code == 200


def test_a_worker_is_replaced_while_shared_memory_is_full(bundle_folder: Path, row: Row) -> None:
    before = in_namespace("--mount", SMALL_MEMORY)
    with running(bundle_folder, Surroundings(before, settings={"WORKERS": "2"})) as server:
        fill(Path(f"/proc/{server.process.pid}/root/dev/shm"))
        ended = subprocess.run(
            ["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True, check=True
        )
        os.kill(int(ended.stdout.split()[0]), signal.SIGKILL)
        assert all(server.answers(row) for _ in range(20))


@WORKERS
def test_a_read_only_root_is_enough(bundle_folder: Path, row: Row, workers: str) -> None:
    script = "mount --bind / / 2>/dev/null; mount -o remount,ro,bind / && mount -t tmpfs -o ro tmpfs /tmp"
    before = in_namespace("--mount", script)
    kept = Path(tempfile.mkdtemp(dir="/dev/shm"))
    del kept
    settings = LINES | {"WORKERS": workers}
    with running(bundle_folder, Surroundings(before, settings=settings)) as server:
        assert all(server.answers(row) for _ in range(20))
