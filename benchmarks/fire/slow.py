"""Clients that are slow on purpose, 2,000 beside a few that are not; and clients that go."""

import contextlib
import re
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import processes
from benchmarks.fire import beside, openloop, servers
from benchmarks.fire.openloop import Plan
from benchmarks.fire.overload import prepared
from benchmarks.fire.report import Figures
from benchmarks.fire.servers import Server
from benchmarks.fire.subject import Subject
from benchmarks.load import OPENER

SLOW = 2_000
EVERY_SECONDS = 10.0
WATCHED_SECONDS = 40.0
HEALTHY_RATE, HEALTHY_CONNECTIONS = 100, 8
GONE, GONE_ROWS = 1_000, 1_000
SMALL_WINDOW = 4096
RESET_AT_CLOSE = struct.pack("ii", 1, 0)
FAILED = re.compile(r'^predictor_requests_total\{.*code="5..".*\} (\S+)$', re.MULTILINE)

# What a slow client sends at once, and what it then sends a byte of now and then.
Slowness = tuple[bytes, bytes]


def headers(server: Server, subject: Subject) -> Figures:
    """Return what clients do that send the head a byte at a time."""
    return _beside(server, subject, lambda _: (b"POST / HTT", b"P/1.1\r\nHost: x\r\nX-Slow: aaaaa"))


def bodies(server: Server, subject: Subject) -> Figures:
    """Return what clients do that send the body a byte at a time."""

    def begun(request: bytes) -> Slowness:
        head, _, body = request.partition(b"\r\n\r\n")
        return head + b"\r\n\r\n" + body[:10], body[10:]

    return _beside(server, subject, begun)


def readers(server: Server, subject: Subject) -> Figures:
    """Return what clients do that ask for a thousand rows and never read the answers."""
    return _beside(server, subject, lambda request: (request, b""), rows=GONE_ROWS)


def _beside(
    server: Server, subject: Subject, begin: Callable[[bytes], Slowness], rows: int = 1
) -> Figures:
    healthy = prepared(server, subject, 1)
    slow = begin(prepared(server, subject, rows).request)
    plan = Plan([healthy], HEALTHY_RATE, WATCHED_SECONDS / 2, HEALTHY_CONNECTIONS)
    alone = beside.percentile(openloop.sent(server.address.http, plan).milliseconds(200), 99)
    plan = Plan([healthy], HEALTHY_RATE, WATCHED_SECONDS, HEALTHY_CONNECTIONS)
    with (
        beside.watched(server) as seen,
        openloop.sending(server.address.http, plan) as client,
        _connections(server, SLOW) as sockets,
    ):
        cut = _trickle(sockets, *slow)
        records = client.records()
    with_them = beside.percentile(records.milliseconds(200), 99)
    return {
        "slow connections, cut": f"{SLOW:,} / {len(cut):,}",
        "cut after, p50 / most, s": " / ".join(
            f"{beside.percentile(cut, p):.0f}" for p in (50, 100)
        ),
        "healthy p99 without / with, ms": f"{alone:.1f} / {with_them:.1f}",
        "healthy without an answer": str(len(records.of) - records.count(200)),
        "RSS grew by, MB": f"{seen.grown:.0f}",
        "probes failed": str(seen.failed[beside.LIVE]),
    }


@contextlib.contextmanager
def _connections(server: Server, count: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        sockets = []
        for _ in range(count):
            one = stack.enter_context(socket.socket())
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_WINDOW)
            one.settimeout(5)
            with contextlib.suppress(OSError):
                one.connect(("127.0.0.1", server.address.http))
            one.settimeout(0)
            sockets.append(one)
        yield sockets


def _trickle(sockets: list[socket.socket], first: bytes, rest: bytes) -> list[float]:
    """Send slowly and read nothing; return after how many seconds each was cut by the server."""
    began, bytes_sent, cut = time.perf_counter(), 0, []
    ends = select.poll()
    for one in sockets:
        ends.register(one, select.POLLRDHUP)
    unsent = [(one, first) for one in sockets]
    while (waited := time.perf_counter() - began) < WATCHED_SECONDS:
        unsent = [(one, left) for one, part in unsent if (left := _push(one, part))]
        if waited >= EVERY_SECONDS * (bytes_sent + 1):
            for one in sockets:
                _push(one, rest[bytes_sent : bytes_sent + 1])
            bytes_sent += 1
        for descriptor, _ in ends.poll(50):
            ends.unregister(descriptor)
            cut.append(time.perf_counter() - began)
    return cut


def _push(one: socket.socket, content: bytes) -> bytes:
    """Return what could not be sent yet."""
    try:
        return content[one.send(content) :] if content else b""
    except BlockingIOError:
        return content
    except OSError:
        return b""


def gone(server: Server, subject: Subject) -> Figures:
    """Return what is left of clients that ask for a thousand rows and go before the answer."""
    request = prepared(server, subject, GONE_ROWS).request
    _leave(server, request, 50)  # so that memory is what it will be
    failed, descriptors = _failed(server), _descriptors(server)
    resident, written = servers.resident_megabytes(server), server.log.stat().st_size
    _leave(server, request, GONE)
    _wait_until_idle(server)
    return {
        "clients gone": f"{GONE:,}",
        "5xx counted": str(_failed(server) - failed),
        "descriptors left open": str(_descriptors(server) - descriptors),
        "RSS grew by, MB": f"{servers.resident_megabytes(server) - resident:.0f}",
        "log grew by, kB": f"{(server.log.stat().st_size - written) / 1e3:.0f}",
    }


def _leave(server: Server, request: bytes, count: int) -> None:
    for number in range(count):
        with socket.create_connection(("127.0.0.1", server.address.http), timeout=10) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
            part = len(request) if number % 2 else len(request) // 2
            with contextlib.suppress(OSError):  # it may be refused
                one.sendall(request[:part])


def _wait_until_idle(server: Server) -> None:
    """Wait until the server uses no processor any more; half a minute at most."""
    before = -1.0
    for _ in range(30):
        used = processes.cpu_seconds(server.pid)
        if used - before < 0.1:
            return
        before = used
        time.sleep(1)


def _failed(server: Server) -> int:
    with OPENER.open(f"http://127.0.0.1:{server.address.http}/metrics", timeout=30) as response:
        return round(sum(map(float, FAILED.findall(response.read().decode()))))


def _descriptors(server: Server) -> int:
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in server.pids())
