"""A fifth of a processor, little memory, and far more work than can be done."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import msgspec

from predictor.contract import Row
from tests.protocol.process import START_SECONDS
from tests.protocol.trouble.surroundings import (
    PREDICT,
    PROBE_FAILURES,
    Server,
    Surroundings,
    is_live,
    most_failed_in_a_row,
    running,
)

# As the kernel's CPU control does for a limit of 200m: 20 ms of every 100.
RUN_SECONDS, STOP_SECONDS = 0.02, 0.08
# What a busy server may say to a request; anything else is trouble.
REFUSALS = {503}
LOADERS, PROBES = int(os.environ.get("LOADERS","8")), 6
MOST_ROWS = 10_000
# The chart's own limit on memory is far more; this is what a tight one might be.
MEMORY_SHARE = 1.3


@contextmanager
def a_fifth_of_a_processor(pid: int) -> Iterator[None]:
    """Stop and continue a process group again and again, until the block ends."""
    over = threading.Event()

    def throttle() -> None:
        while not over.wait(RUN_SECONDS):
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGSTOP)
            over.wait(STOP_SECONDS)
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGCONT)

    thread = threading.Thread(target=throttle)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def load(server: Server, body: bytes) -> Iterator[set[object]]:
    """Ask from many threads until the block ends; yields the statuses that come, or the errors."""
    over, statuses = threading.Event(), set[object]()

    def ask(_: int) -> None:
        with httpx.Client(base_url=server.url, timeout=60) as client:
            while not over.is_set():
                try:
                    statuses.add(client.post(PREDICT, content=body).status_code)
                except httpx.TransportError as error:
                    statuses.add(repr(error))

    with ThreadPoolExecutor(LOADERS) as threads:
        list_of_asking = [threads.submit(ask, number) for number in range(LOADERS)]
        try:
            yield statuses
        finally:
            over.set()
    for asking in list_of_asking:
        asking.result()


def rows_of(row: Row, count: int) -> bytes:
    return msgspec.json.encode({"instances": [row] * count})


def test_liveness_holds_with_a_fifth_of_a_processor_under_load(
    bundle_folder: Path, row: Row
) -> None:
    with (
        running(bundle_folder, Surroundings()) as server,
        a_fifth_of_a_processor(server.process.pid),
        load(server, rows_of(row, 1000)) as statuses,
    ):
        probes = [is_live(server) for _ in range(PROBES)]
    assert most_failed_in_a_row(probes) < PROBE_FAILURES
    assert 200 in statuses
    assert statuses <= {200} | REFUSALS


def test_a_server_starts_with_a_fifth_of_a_processor(bundle_folder: Path, row: Row) -> None:
    with running(bundle_folder, Surroundings()) as server:
        with a_fifth_of_a_processor(server.process.pid):
            assert all(server.answers(row) for _ in range(20))
        server.process.terminate()
        assert server.process.wait(START_SECONDS) == 0


def test_liveness_holds_while_as_many_rows_as_are_allowed_are_asked_for(
    bundle_folder: Path, row: Row
) -> None:
    with (
        running(bundle_folder, Surroundings()) as server,
        load(server, rows_of(row, MOST_ROWS)) as statuses,
    ):
        probes = [is_live(server) for _ in range(PROBES)]
    assert most_failed_in_a_row(probes) < PROBE_FAILURES
    assert 200 in statuses
    assert statuses <= {200} | REFUSALS


def test_the_largest_requests_take_a_bounded_share_of_memory(
    bundle_folder: Path, row: Row
) -> None:
    """Memory does not grow with the number of large requests."""
    body = rows_of(row, MOST_ROWS)
    with running(bundle_folder, Surroundings()) as server:
        httpx.post(server.url + PREDICT, content=body, timeout=60).raise_for_status()
        steady = resident_megabytes(server)
        with load(server, body) as statuses:
            time.sleep(5)
        print(f"steady {steady:.0f} MB, most {most_megabytes(server):.0f} MB, {statuses}")


def resident_megabytes(server: Server) -> float:
    return _status(server, "VmRSS")


def most_megabytes(server: Server) -> float:
    return _status(server, "VmHWM")


def _status(server: Server, name: str) -> float:
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith(f"{name}:")]
    return int(line.split()[1]) / 1024
