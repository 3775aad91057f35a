"""A fifth of a processor, little memory, and far more work than can be done."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import msgspec
import pytest

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
    started,
    wait_until_ready,
)

# As the kernel's CPU control does for a limit of 200m: 20 ms of every 100.
RUN_SECONDS, STOP_SECONDS = 0.02, 0.08
# What a busy server may say to a request; anything else is trouble.
REFUSALS = {503}
LOADERS, PROBES = 8, 6
MOST_ROWS = 10_000
# What a tight limit on memory might be, over what the server has after one large request.
LARGE_CLIENTS, MEMORY_SHARE = 4, 4 / 3


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
def load(server: Server, body: bytes, clients: int = LOADERS) -> Iterator[set[object]]:
    """Ask from many threads until the block ends; yields the statuses that come, or the errors."""
    over, statuses = threading.Event(), set[object]()

    def ask() -> None:
        with httpx.Client(base_url=server.url, timeout=60) as client:
            while not over.is_set():
                try:
                    statuses.add(client.post(PREDICT, content=body).status_code)
                except httpx.TransportError as error:
                    statuses.add(repr(error))

    with ThreadPoolExecutor(clients) as threads:
        asking = [threads.submit(ask) for _ in range(clients)]
        try:
            yield statuses
        finally:
            over.set()
    for one in asking:
        one.result()


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


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_starts_and_ends_with_a_fifth_of_a_processor(
    bundle_folder: Path, row: Row, workers: str
) -> None:
    with (
        started(bundle_folder, Surroundings(settings={"WORKERS": workers})) as server,
        a_fifth_of_a_processor(server.process.pid),
    ):
        wait_until_ready(server)
        assert all(server.answers(row) for _ in range(20))
        server.process.terminate()
        assert server.process.wait(2 * START_SECONDS) == 0


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


def test_the_largest_requests_take_less_than_a_third_more_memory(
    bundle_folder: Path, row: Row
) -> None:
    body = rows_of(row, MOST_ROWS)
    with running(bundle_folder, Surroundings()) as server:
        httpx.post(server.url + PREDICT, content=body, timeout=60).raise_for_status()
        steady = megabytes(server, "VmRSS")
        with load(server, body, LARGE_CLIENTS) as statuses:
            for _ in range(20):
                assert server.answers(row)
        assert statuses == {200}
        assert megabytes(server, "VmHWM") < MEMORY_SHARE * steady


def megabytes(server: Server, name: str) -> float:
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith(f"{name}:")]
    return int(line.split()[1]) / 1024
