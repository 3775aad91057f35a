"""A real server in surroundings that a test makes worse."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import httpx
import pytest

from predictor.contract import Row
from tests.protocol.process import PREDICTOR, START_SECONDS

PREDICT = "/v1/models/energy:predict"
LIVE = "/v2/health/live"
# The chart's liveness probe: its timeout, and how often it may fail in a row.
PROBE_TIMEOUT, PROBE_FAILURES = 5.0, 3


@dataclass(frozen=True)
class Surroundings:
    """What a server is started with; `before` are the words of a command that starts it."""

    before: Sequence[str] = ()
    stderr: int | IO[bytes] | None = None
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Server:
    url: str
    grpc: str
    process: subprocess.Popen[bytes]

    def answers(self, row: Row) -> bool:
        """Whether a request over a new connection is answered with a prediction."""
        answer = httpx.post(self.url + PREDICT, json={"instances": [row]}, timeout=30)
        return answer.status_code == 200 and len(answer.json()["predictions"]) == 1


@contextmanager
def running(folder: Path, surroundings: Surroundings) -> Iterator[Server]:
    """Yield a server that is ready, whatever becomes of what it logs."""
    with started(folder, surroundings) as server:
        wait_until_ready(server)
        yield server


@contextmanager
def started(folder: Path, surroundings: Surroundings) -> Iterator[Server]:
    """Yield a server that may still be starting."""
    http, grpc = _free_ports()
    environment = os.environ | {"BUNDLE": str(folder), "PORT": str(http), "GRPC_PORT": str(grpc)}
    process = subprocess.Popen(
        [*surroundings.before, *PREDICTOR, "serve"],
        env=environment | surroundings.settings,
        stderr=surroundings.stderr,
        start_new_session=True,
    )
    try:
        yield Server(f"http://127.0.0.1:{http}", f"127.0.0.1:{grpc}", process)
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server, and whatever it leaves behind."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(START_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_until_ready(server: Server) -> None:
    """Return when a server answers probes; it fails when it ends before."""
    deadline = time.monotonic() + 3 * START_SECONDS
    while not is_live(server):
        assert server.process.poll() is None, f"it ended with {server.process.returncode}"
        assert time.monotonic() < deadline, "it does not answer"
        time.sleep(0.05)


def is_live(server: Server) -> bool:
    """Whether a probe succeeds: over a new connection, within the chart's time."""
    try:
        return httpx.get(server.url + LIVE, timeout=PROBE_TIMEOUT).status_code == 200
    except httpx.TransportError:
        return False


def most_failed_in_a_row(probes: list[bool]) -> int:
    """Return how many probes failed one after the other."""
    longest = row = 0
    for succeeded in probes:
        row = 0 if succeeded else row + 1
        longest = max(longest, row)
    return longest


def in_namespace(kinds: str, script: str) -> tuple[str, ...]:
    """Return what starts a command in namespaces of its own, after a script has run in them."""
    words = ("unshare", *kinds.split(), "sh", "-c", f'{script}; exec "$@"', "sh")
    if not shutil.which("unshare") or subprocess.run([*words, "true"], check=False).returncode:
        pytest.skip(f"namespaces cannot be made here: {' '.join(words)}")
    return words


def _free_ports() -> tuple[int, int]:
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        return one.getsockname()[1], two.getsockname()[1]
