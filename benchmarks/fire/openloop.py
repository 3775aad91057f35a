"""Sends requests on schedule, whatever comes back: openloop.c, compiled when it is first used."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.request import Request

import numpy as np
from numpy.typing import NDArray

from benchmarks.load import OPENER, Address
from benchmarks.ways import Way

SOURCE = Path(__file__).with_suffix(".c")
RECORD = np.dtype([("due", "f4"), ("sent", "f4"), ("over", "f4"), ("status", "i4")])
NO_ANSWER, LOST, OTHER_BODY, NOT_SENT = 0, -1, -2, -3
NAMES = {LOST: "connection lost", OTHER_BODY: "another body", NOT_SENT: "not sent"}
# A client that has had no answer for this long turns away.
PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Shot:
    """A request as bytes, and the bodies that are right answers, all of one length."""

    request: bytes
    answers: tuple[bytes, ...]


@dataclass(frozen=True)
class Plan:
    """How to send: the requests in turn, so many a second (0: as fast as answers come)."""

    shots: Sequence[Shot]
    rate: float
    seconds: float
    connections: int


@dataclass(frozen=True)
class Records:
    """How each request ended; times are seconds from the start."""

    plan: Plan
    of: NDArray[np.void]

    def count(self, status: int) -> int:
        """Return how many ended with a status."""
        return int((self.of["status"] == status).sum())

    def share(self, status: int) -> float:
        """Return the share that ended with a status."""
        return self.count(status) / max(1, len(self.of))

    def others(self, *usual: int) -> dict[str, int]:
        """Return how many ended otherwise, by how."""
        statuses, counts = np.unique(self.of["status"], return_counts=True)
        found = dict(zip(statuses.tolist(), counts.tolist(), strict=True))
        return {NAMES.get(s, str(s)): n for s, n in found.items() if s not in usual}

    def milliseconds(self, status: int) -> NDArray[np.float64]:
        """Return the times from when requests were due to when they ended with a status."""
        ended = self.of[self.of["status"] == status]
        taken: NDArray[np.float64] = (ended["over"].astype(float) - ended["due"]) * 1e3
        return taken

    def goodput(self) -> float:
        """Return the right answers a second while requests were sent."""
        good = (self.of["status"] == 200) & (self.of["over"] <= self.plan.seconds)
        return float(good.sum()) / self.plan.seconds


def shot(way: Way, *answers: bytes) -> Shot:
    """Return a way's request as it goes over a kept-alive connection."""
    headers = {"Host": "127.0.0.1", **way.headers, "Content-Length": str(len(way.body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return Shot(f"POST {way.path} HTTP/1.1\r\n{lines}\r\n".encode() + way.body, answers)


def answer(address: Address, way: Way) -> bytes:
    """Return the body of the answer to a request."""
    url = f"http://127.0.0.1:{address.http}{way.path}"
    request = Request(url, way.body, dict(way.headers))
    with OPENER.open(request, timeout=PATIENCE_SECONDS) as response:
        body: bytes = response.read()
    return body


@contextlib.contextmanager
def sending(port: int, plan: Plan) -> Iterator["Sending"]:
    """Send by a plan, in a process of its own, while the caller does something else."""
    with tempfile.TemporaryDirectory() as scratch:
        out, files = Path(scratch, "out"), []
        for number, one in enumerate(plan.shots):
            for kind, content in (("request", one.request), ("answer", b"".join(one.answers))):
                files.append(Path(scratch, f"{kind}-{number}"))
                files[-1].write_bytes(content)
        numbers = (port, plan.connections, plan.rate, plan.seconds, PATIENCE_SECONDS)
        command = [str(compiled()), *map(str, numbers), str(out), *map(str, files)]
        with subprocess.Popen(command) as process:
            try:
                yield Sending(process, plan, out)
            finally:
                process.kill()


@dataclass(frozen=True)
class Sending:
    """A client that is sending."""

    process: subprocess.Popen[bytes]
    plan: Plan
    out: Path

    def records(self) -> Records:
        """Wait until all has been sent and has ended, and return how."""
        if self.process.wait(self.plan.seconds + 3 * PATIENCE_SECONDS + 10):
            message = f"the client ended with {self.process.returncode}"
            raise OSError(message)
        return Records(self.plan, np.fromfile(self.out, RECORD))


def sent(port: int, plan: Plan) -> Records:
    """Send by a plan, and return how each request ended."""
    with sending(port, plan) as client:
        return client.records()


@cache
def compiled() -> Path:
    """Return the client, compiled with the machine's C compiler for this run."""
    compiler = shutil.which("cc")
    if not compiler:
        message = "there is no C compiler (cc), with which the client is made"
        raise OSError(message)
    client = Path(tempfile.mkdtemp(prefix="openloop-"), "openloop")
    subprocess.run([compiler, "-O2", "-o", str(client), str(SOURCE)], check=True)
    return client
