"""The disk, the shared memory or the standard error is full, gone or read-only."""

import os
import signal
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from predictor.contract import Row
from tests.protocol.process import PREDICTOR, START_SECONDS
from tests.protocol.security.asking import until
from tests.protocol.trouble.surroundings import (
    PREDICT,
    Server,
    Surroundings,
    in_namespace,
    running,
)

LINES = {"ACCESS_LOG": "true", "LOG_LEVEL": "DEBUG"}
WORKERS = pytest.mark.parametrize("workers", ["1", "2"])
SMALL_MEMORY = "mount -t tmpfs -o size=4m tmpfs /dev/shm"
READ_ONLY_ROOT = "mount -o remount,ro,bind /"
READ_ONLY_TMP = "mount --bind /tmp /tmp; mount -o remount,ro,bind /tmp"
READ_ONLY = f"mount -t tmpfs -o ro tmpfs /dev/shm; {READ_ONLY_TMP}; {READ_ONLY_ROOT}"


def fill(folder: Path) -> None:
    """Write to a folder until its disk is full."""
    with pytest.raises(OSError, match="No space left"), (folder / "filled").open("wb", 0) as file:
        file.writelines(bytes(65536) for _ in range(10_000))


def ended(before: tuple[str, ...], bundle_folder: Path) -> subprocess.CompletedProcess[str]:
    """Return how a server of two workers ended that cannot start."""
    ports = {"PORT": "0", "GRPC_PORT": "0", "WORKERS": "2", "BUNDLE": str(bundle_folder)}
    return subprocess.run(
        [*before, *PREDICTOR, "serve"],
        env=os.environ | ports,
        capture_output=True,
        text=True,
        check=False,
        timeout=START_SECONDS,
    )


def answers_and_ends(server: Server, row: Row) -> None:
    assert all(server.answers(row) for _ in range(20))
    server.process.terminate()
    assert server.process.wait(START_SECONDS) == 0


def children(server: Server) -> list[int]:
    pid = server.process.pid
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@WORKERS
def test_a_log_that_nobody_reads_stops_no_answer(
    bundle_folder: Path, row: Row, workers: str
) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb"), os.fdopen(writer, "wb", 0) as unread:
        surroundings = Surroundings(stderr=unread, settings=LINES | {"WORKERS": workers})
        with running(bundle_folder, surroundings) as server, httpx.Client() as client:
            for _ in range(1000):  # of whose lines a pipe holds a third
                answer = client.post(f"{server.url}{PREDICT}", json={"instances": [row]})
                assert answer.status_code == 200


@WORKERS
def test_a_full_disk_under_the_log_stops_no_answer(
    bundle_folder: Path, row: Row, workers: str
) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        surroundings = Surroundings(stderr=full, settings=LINES | {"WORKERS": workers})
        with running(bundle_folder, surroundings) as server:
            answers_and_ends(server, row)


@WORKERS
def test_a_log_that_nobody_reads_any_more_stops_no_answer(
    bundle_folder: Path, row: Row, workers: str
) -> None:
    reader, writer = os.pipe()
    surroundings = Surroundings(stderr=writer, settings=LINES | {"WORKERS": workers})
    with running(bundle_folder, surroundings) as server:
        os.close(writer)
        os.close(reader)
        answers_and_ends(server, row)


@WORKERS
def test_a_server_without_standard_error_answers(
    bundle_folder: Path, row: Row, workers: str
) -> None:
    before = ("sh", "-c", 'exec "$@" 2>&-', "sh")
    settings = LINES | {"WORKERS": workers}
    with running(bundle_folder, Surroundings(before, settings=settings)) as server:
        assert all(server.answers(row) for _ in range(20))


def test_one_worker_needs_no_file_that_grows(bundle_folder: Path, row: Row) -> None:
    with running(bundle_folder, Surroundings(("prlimit", "--fsize=0:"))) as server:
        assert all(server.answers(row) for _ in range(20))


def test_several_workers_that_can_count_nowhere_say_so(bundle_folder: Path) -> None:
    found = ended(("prlimit", "--fsize=0:"), bundle_folder)
    assert found.returncode == 1
    assert "for what workers count: File too large" in found.stderr.splitlines()[-1]


def test_shared_memory_that_is_full_at_the_start_is_named(bundle_folder: Path) -> None:
    full = f"{SMALL_MEMORY} && cat /dev/zero > /dev/shm/filled 2>/dev/null || true"
    found = ended(in_namespace("--mount", full), bundle_folder)
    assert found.returncode == 1
    assert "for what workers count: No space left on device" in found.stderr.splitlines()[-1]


def test_shared_memory_that_fills_up_later_stops_no_answer(bundle_folder: Path, row: Row) -> None:
    before = in_namespace("--mount", SMALL_MEMORY)
    with running(bundle_folder, Surroundings(before, settings={"WORKERS": "2"})) as server:
        pids = children(server)
        fill(Path(f"/proc/{server.process.pid}/root/dev/shm"))
        for _ in range(50):
            assert server.answers(row)
            refused = httpx.post(server.url + PREDICT, content=b"{", timeout=30)
            assert refused.status_code == 400  # a series that was not there before
        assert httpx.get(f"{server.url}/metrics", timeout=30).status_code == 200
        assert children(server) == pids


def test_a_worker_is_replaced_while_shared_memory_is_full(bundle_folder: Path, row: Row) -> None:
    before = in_namespace("--mount", SMALL_MEMORY)
    with running(bundle_folder, Surroundings(before, settings={"WORKERS": "2"})) as server:
        fill(Path(f"/proc/{server.process.pid}/root/dev/shm"))
        killed = children(server)[0]
        os.kill(killed, signal.SIGKILL)
        wait_until_gone(killed)
        assert all(server.answers(row) for _ in range(20))
        counted = 'predictor_rows_total{model_name="energy"} 20.0'
        until(lambda: counted in httpx.get(f"{server.url}/metrics", timeout=30).text)


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@WORKERS
def test_a_root_that_is_read_only_stops_no_answer(
    bundle_folder: Path, row: Row, workers: str
) -> None:
    before = in_namespace("--mount", READ_ONLY_ROOT)
    settings = LINES | {"WORKERS": workers}
    with running(bundle_folder, Surroundings(before, settings=settings)) as server:
        assert all(server.answers(row) for _ in range(20))


def test_several_workers_without_any_folder_to_write_to_say_so(bundle_folder: Path) -> None:
    found = ended(in_namespace("--mount", READ_ONLY), bundle_folder)
    assert found.returncode == 1
    assert "no folder in /dev/shm or for temporary files" in found.stderr.splitlines()[-1]
