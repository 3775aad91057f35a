"""Requests that nobody sends in good faith: too large, in too many parts, or of two meanings."""

import contextlib
import gzip
import select
import socket
import time
from collections.abc import Callable, Iterable

from benchmarks.fire import servers
from benchmarks.fire.overload import prepared
from benchmarks.fire.report import Figures
from benchmarks.fire.servers import Server
from benchmarks.fire.subject import Subject

LARGE_BYTES = 100 * 1024 * 1024
PIECE = 64 * 1024
CHUNKS = 1_000_000
PIPELINED = 1_000
LONGEST_SECONDS = 20.0

Make = Callable[[bytes, bytes], Iterable[bytes]]


def measure(server: Server, subject: Subject) -> Figures:
    """Return for each kind of request the statuses, the seconds, and what memory grew by."""
    head, _, body = prepared(server, subject, 1).request.partition(b"\r\n\r\n")
    line = head.partition(b"\r\n")[0] + b"\r\nHost: x\r\nContent-Type: application/json\r\n"
    figures = {}
    for name, make in KINDS.items():
        before = servers.resident_megabytes(server)
        began = time.perf_counter()
        statuses, peak = _statuses(server, make(line, body))
        grown = max(peak, servers.resident_megabytes(server)) - before
        taken = time.perf_counter() - began
        figures[f"{name}: status; s; RSS, MB"] = f"{statuses}; {taken:.1f}; {grown:+.0f}"
        subject.check(server.address)
    return figures


def _large(line: bytes, _body: bytes) -> Iterable[bytes]:
    yield line + f"Content-Length: {LARGE_BYTES}\r\n\r\n".encode()
    for _ in range(LARGE_BYTES // PIECE):
        yield b" " * PIECE


def _large_chunked(line: bytes, _body: bytes) -> Iterable[bytes]:
    yield line + b"Transfer-Encoding: chunked\r\n\r\n"
    for _ in range(LARGE_BYTES // PIECE):
        yield b"%x\r\n%s\r\n" % (PIECE, b" " * PIECE)
    yield b"0\r\n\r\n"


def _bomb(line: bytes, body: bytes) -> Iterable[bytes]:
    """Yield a body that is a gigabyte when it is unpacked, one of a request's own padded."""
    megabyte = b" " * 1024 * 1024
    packed = gzip.compress(body) + gzip.compress(megabyte) * 1024
    yield line + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed


def _chunks(line: bytes, body: bytes) -> Iterable[bytes]:
    """Yield a right request with blanks at its end, a byte in each chunk."""
    yield line + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(body), body)
    for _ in range(CHUNKS // 1000):
        yield b"1\r\n \r\n" * 1000
    yield b"0\r\n\r\n"


def _long_header(line: bytes, body: bytes) -> Iterable[bytes]:
    yield line + b"X-Long: " + b"a" * 1024 * 1024 + _end(body)


def _many_headers(line: bytes, body: bytes) -> Iterable[bytes]:
    lines = b"".join(b"X-%d: a\r\n" % number for number in range(10_000))
    yield line + lines[:-2] + _end(body)


def _pipelined(line: bytes, body: bytes) -> Iterable[bytes]:
    yield (line[:-2] + _end(body)) * PIPELINED


def _with(*headers: bytes) -> Make:
    """Return what makes a request with some header lines, whose body has a request inside."""

    def make(line: bytes, _body: bytes) -> Iterable[bytes]:
        inside = b"0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
        yield line + b"".join(header + b"\r\n" for header in headers) + b"\r\n" + inside

    return make


def _end(body: bytes) -> bytes:
    return b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body


KINDS: dict[str, Make] = {
    "100 MiB by Content-Length": _large,
    "100 MiB in chunks": _large_chunked,
    "gzip bomb of 1 GiB": _bomb,
    "a million chunks": _chunks,
    "1 MiB header": _long_header,
    "10,000 headers": _many_headers,
    "1,000 pipelined": _pipelined,
    "Content-Length and chunked": _with(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    "two Content-Lengths": _with(b"Content-Length: 5", b"Content-Length: 40"),
    "Transfer-Encoding: chunked, identity": _with(b"Transfer-Encoding: chunked, identity"),
    "Transfer-Encoding : chunked": _with(b"Transfer-Encoding : chunked"),
    "Content-Length: +5": _with(b"Content-Length: +5"),
    "folded header": _with(b"Content-Length: 5", b"X: a", b" b: c"),
}


def _statuses(server: Server, parts: Iterable[bytes]) -> tuple[str, float]:
    """Send and read at once; return the statuses that came and how it ended, and the RSS then."""
    got, ended, peak = bytearray(), "kept open", 0.0
    with socket.create_connection(("127.0.0.1", server.address.http)) as one:
        one.settimeout(0)
        waiting, left = iter(parts), b""
        deadline, quiet = time.perf_counter() + LONGEST_SECONDS, 0
        while time.perf_counter() < deadline and quiet < 10:
            left = left or next(waiting, b"")
            readable, writable, _ = select.select([one], [one] if left else [], [], 0.1)
            quiet = 0 if readable or writable else quiet + bool(got)
            try:
                if writable:
                    left = left[one.send(left) :]
                if readable and not _read(one, got):
                    ended = "closed"
                    break
            except OSError:
                with contextlib.suppress(OSError):
                    while _read(one, got):
                        pass
                ended = "reset"
                break
            peak = max(peak, servers.resident_megabytes(server)) if not writable else peak
    return f"{_shown(bytes(got))}, {ended}", peak


def _read(one: socket.socket, got: bytearray) -> bool:
    """Add what has come; return whether more can come."""
    came = one.recv(PIECE)
    got += came
    return bool(came)


def _shown(got: bytes) -> str:
    """Return the statuses in the order in which they came, equal ones counted."""
    statuses = [part[:3].decode() for part in got.split(b"HTTP/1.1 ")[1:]]
    kinds = dict.fromkeys(statuses)
    shown = [f"{s} × {n}" if (n := statuses.count(s)) > 1 else s for s in kinds]
    return " then ".join(shown) or "no answer"
