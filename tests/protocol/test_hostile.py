"""Clients that are slow, greedy or gone: each is cut, and nobody else notices."""

import gzip
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from predictor.contract import Row
from tests.protocol.process import START_SECONDS, Server, running
from tests.protocol.raw import Connection
from tests.protocol.test_express import JSON, V1, chunked, get, head, post, v1
from tests.protocol.test_operation import samples
from tests.protocol.test_smuggling import CHUNKED, HIDDEN, every_answer

SECONDS = {"KEEP_ALIVE_SECONDS": "1", "HEADER_SECONDS": "1", "TRANSFER_SECONDS": "1"}
MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def impatient(bundle_folder: Path) -> Iterator[Server]:
    """Yield a server that waits for a second only."""
    with running(bundle_folder, **SECONDS) as server:
        yield server
        assert "Traceback" not in server.log.read_text()


@pytest.fixture(scope="module")
def server(bundle_folder: Path) -> Iterator[Server]:
    with running(bundle_folder) as server:
        yield server
        assert "Traceback" not in server.log.read_text()


def resident_bytes(server: Server) -> int:
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def descriptors(server: Server) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def cut(server: Server, reason: str) -> float:
    with httpx.Client(base_url=server.url) as client:
        return samples(client).get(("predictor_connections_cut_total", (reason,)), 0.0)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


SLOW = {
    "headers": (head(b"POST", V1, JSON)[:-2], 408),
    "headers, a letter": (b"P", 408),
    "a body": (post(V1, b"{}", JSON)[:-1], 408),
    "a body in chunks": (CHUNKED + b"2\r\n{", 408),
    "a body between chunks": (CHUNKED + b"1\r\n{\r\n", 408),
    "trailers": (CHUNKED + b"2\r\n{}\r\n0\r\nA: ", 408),
    "nothing": (b"", None),
    "only line ends": (b"\r\n\r\n", None),
    "nothing more": (get(b"/v2/health/live"), 200),
}


@pytest.mark.parametrize("name", SLOW)
def test_what_does_not_come_in_time_is_cut(
    impatient: Server, name: str, say: Callable[[str], None]
) -> None:
    sent, status = SLOW[name]
    with Connection(impatient.url) as connection:
        connection.send(sent)
        start = time.monotonic()
        found = every_answer(connection)
        say(f"cut after {time.monotonic() - start:.1f} s")
    assert [answer.status for answer in found] == ([] if status is None else [status])
    if status == 408:
        assert found[0].closes
        assert b"took too long to come" in found[0].body


def test_a_byte_now_and_then_does_not_prolong_a_request(impatient: Server) -> None:
    with Connection(impatient.url) as connection:
        connection.socket.settimeout(0.1)
        for byte in head(b"POST", V1, JSON, (b"A", b"x" * 1000)):
            connection.send(bytes([byte]))
            try:
                assert connection.socket.recv(100).startswith(b"HTTP/1.1 408")
            except TimeoutError:
                continue
            return
    pytest.fail("the server went on reading")


def test_a_line_end_behind_requests_keeps_no_connection(impatient: Server) -> None:
    first, second = get(b"/v2/health/live"), get(b"/v2/health/ready")
    padding = b"A: %b\r\n\r\n" % (b"x" * (8192 - len(first) - len(second) - 5))
    sent = first + second.removesuffix(b"\r\n") + padding
    assert len(sent) == 8192  # what is parsed at once
    with Connection(impatient.url) as connection:
        connection.send(sent + b"\r\n")
        assert [answer.status for answer in every_answer(connection)] == [200, 200]


def reader(server: Server, request: bytes) -> socket.socket:
    """Return a connection that asks, and of which the kernel holds as little as can be."""
    address = urlsplit(server.url)
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1460)
    slow.connect((address.hostname, address.port))
    slow.settimeout(START_SECONDS)
    slow.sendall(request)
    return slow


def large(row: Row) -> bytes:
    """Return a request with an answer of about half a megabyte."""
    return post(V1, v1(*[row] * 10_000), JSON)


def test_a_client_that_does_not_read_is_cut(impatient: Server, row: Row) -> None:
    before = cut(impatient, "unread")
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(reader(impatient, large(row)))
        until(lambda: cut(impatient, "unread") == before + 3)


def test_answers_that_nobody_reads_are_bounded(
    server: Server, row: Row, say: Callable[[str], None], *, is_long: bool
) -> None:
    count = 300 if is_long else 40
    request = large(row)
    with ExitStack() as stack, reader(server, request) as first:
        assert first.recv(1)  # what a large request takes was taken once
        before = resident_bytes(server)
        for _ in range(count):
            stack.enter_context(reader(server, request)).recv(1)
        grown = resident_bytes(server) - before
        assert cut(server, "unread") > 0
    say(f"{count} unread answers: RSS grew by {grown / MEBIBYTE:.1f} MiB")


LIMITS = {
    "a header of 1 MiB": (head(b"GET", b"/", (b"A", b"x" * MEBIBYTE)), 431),
    "a header of 80 KiB": (head(b"GET", b"/", (b"A", b"x" * 80 * 1024)), 431),
    "10,000 headers": (head(b"GET", b"/", *[(b"A%d" % n, b"") for n in range(10_000)]), 431),
    "129 headers": (head(b"GET", b"/v2/health/live", *[(b"A", b"")] * 128), 431),
    "129 headers of a prediction": (post(V1, b"{}", *[(b"A%d" % n, b"") for n in range(127)]), 431),
    "a target of 1 MiB": (get(b"/" + b"x" * MEBIBYTE), 414),
    "a target of 9 KiB": (get(b"/" + b"x" * 9 * 1024), 414),
    "an extension of 1 MiB": (CHUNKED + b"1;" + b"x" * MEBIBYTE, 431),
    "a trailer of 1 MiB": (CHUNKED + b"1\r\nx\r\n0\r\nA: " + b"x" * MEBIBYTE, 431),
    "10,000 trailers": (CHUNKED + b"1\r\nx\r\n0\r\n" + b"A: b\r\n" * 10_000, 431),
}


@pytest.mark.parametrize("name", LIMITS)
def test_what_is_too_large_around_a_body_is_refused(server: Server, name: str) -> None:
    request, status = LIMITS[name]
    with Connection(server.url) as connection:
        connection.send(request)
        answer = connection.answer()
        assert (answer.status, answer.closes) == (status, True)
        assert connection.is_closed()


def test_what_is_just_not_too_large_is_taken(server: Server, row: Row) -> None:
    with Connection(server.url) as connection:
        for request in (
            head(b"GET", b"/v2/health/live", *[(b"A", b"")] * 127),
            head(b"GET", b"/v2/health/live", (b"A", b"x" * 60_000)),
            get(b"/v2/health/live?" + b"x" * 8000),
            post(V1, v1(row), JSON, *[(b"A%d" % n, b"") for n in range(125)]),
        ):
            connection.send(request)
            assert connection.answer().status == 200


@pytest.mark.parametrize("way", ["short", "long", "plain"])
def test_a_compressed_body_is_refused_unopened(server: Server, way: str) -> None:
    bomb = gzip.compress(b" " * 50 * MEBIBYTE)
    header = (b"Content-Encoding", b"gzip")
    path = b"/predict" if way == "plain" else V1
    request = chunked(path, bomb, JSON, header) if way == "long" else post(path, bomb, JSON, header)
    before = resident_bytes(server)
    with Connection(server.url) as connection:
        connection.send(request)
        assert connection.answer().status == 415
    assert resident_bytes(server) - before < 40 * MEBIBYTE


@pytest.mark.parametrize("way", ["with its length", "in chunks"])
def test_a_body_that_is_too_large_is_refused_and_its_answer_arrives(
    server: Server, way: str
) -> None:
    body = b" " * (8 * MEBIBYTE)
    with Connection(server.url) as connection:
        request = post(V1, body, JSON) if way == "with its length" else chunked(V1, body, JSON)
        connection.send(request)
        assert connection.answer().status == 413


def test_a_body_of_many_small_chunks_is_one_body(
    server: Server, row: Row, say: Callable[[str], None], *, is_long: bool
) -> None:
    body = v1(row) + b" " * (1_000_000 if is_long else 100_000)
    before = resident_bytes(server)
    with Connection(server.url) as connection:
        connection.socket.settimeout(START_SECONDS)
        connection.send(CHUNKED + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n")
        assert b"predictions" in connection.answer().body
    grown = (resident_bytes(server) - before) / MEBIBYTE
    say(f"{len(body):,} chunks of a byte: RSS grew by {grown:.1f} MiB")


@pytest.mark.parametrize("part", ["header", "body"])
def test_a_request_in_very_many_segments_is_one_request(
    server: Server, row: Row, part: str, *, is_long: bool
) -> None:
    filling = b" " * (60_000 if is_long else 5_000)
    start = post(V1, v1(row), JSON, (b"A", filling)) if part == "header" else b""
    request = start or post(V1, v1(row) + filling, JSON)
    with Connection(server.url) as connection:
        connection.socket.settimeout(START_SECONDS)
        connection.send(*(request[index : index + 1] for index in range(len(request))))
        assert b"predictions" in connection.answer().body


@pytest.mark.parametrize("kind", ["read", "short", "mixed"])
def test_very_many_requests_in_one_write_are_all_answered(
    server: Server, row: Row, kind: str, say: Callable[[str], None]
) -> None:
    one = {"read": HIDDEN, "short": post(V1, v1(row), JSON)}
    requests = one.get(kind, HIDDEN + post(V1, v1(row), JSON)) * (
        5_000 if kind == "mixed" else 10_000
    )
    before = resident_bytes(server)
    with Connection(server.url) as connection:
        connection.socket.settimeout(START_SECONDS)
        sender = os.fork()
        if sender == 0:
            connection.socket.sendall(requests)
            os._exit(0)
        assert {connection.answer().status for _ in range(10_000)} == {200}
        os.waitpid(sender, 0)
    grown = (resident_bytes(server) - before) / MEBIBYTE
    say(f"10,000 requests at once: RSS grew by {grown:.1f} MiB")


PARTS = {
    "in the head": lambda request: request[:30],
    "in the body": lambda request: request[:-5],
    "while it is computed": lambda request: request,
    "asked ahead": lambda request: request * 20,
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("way", ["short", "long", "large"])
@pytest.mark.parametrize("end", ["FIN", "RST"])
def test_clients_that_go_away_leave_nothing_behind(
    server: Server,
    row: Row,
    part: str,
    way: str,
    end: str,
    say: Callable[[str], None],
    *,
    is_long: bool,
) -> None:
    one = {"short": post(V1, v1(row), JSON), "long": chunked(V1, v1(row), JSON)}
    request = PARTS[part](one.get(way) or post(V1, v1(*[row] * 2_000), JSON))
    count = (1000 if is_long else 50) // (10 if way == "large" else 1)
    httpx.get(f"{server.url}/v2/health/live")
    descriptors_before, before = descriptors(server), resident_bytes(server)
    for _ in range(count):
        with Connection(server.url) as connection:
            connection.send(request)
            if end == "RST":
                connection.reset_at_close()
    until(lambda: descriptors(server) <= descriptors_before)
    with httpx.Client(base_url=server.url) as client:
        found = samples(client).items()
    assert not [labels for (_, labels), count in found if labels and labels[0] == "500" and count]
    grown = (resident_bytes(server) - before) / MEBIBYTE
    say(f"{count} clients gone {part}: RSS grew by {grown:.1f} MiB")


def latencies(server: Server, row: Row, count: int) -> list[float]:
    request, found = post(V1, v1(row), JSON), []
    with Connection(server.url) as connection:
        for _ in range(count):
            start = time.perf_counter()
            connection.send(request)
            assert connection.answer().status == 200
            found.append(time.perf_counter() - start)
    return sorted(found)


def test_slow_clients_do_not_slow_others_and_cost_little(
    bundle_folder: Path, row: Row, say: Callable[[str], None], *, is_long: bool
) -> None:
    count = 2000 if is_long else 200
    starts = [
        head(b"POST", V1, JSON)[:-2],
        post(V1, v1(row) + b" " * 4000, JSON)[:-4000],
        chunked(V1, v1(row) + b" " * 4000, JSON)[:-4000],
    ]
    with running(bundle_folder, **({} if is_long else SECONDS)) as server, ExitStack() as stack:
        address = urlsplit(server.url)
        latencies(server, row, 500)
        alone, before = latencies(server, row, 2000), resident_bytes(server)
        began = time.monotonic()
        slow = [
            stack.enter_context(socket.create_connection((address.hostname, address.port)))
            for _ in range(count)
        ]
        for number, connection in enumerate(slow):
            connection.sendall(starts[number % 3])
        held = resident_bytes(server)
        beside = latencies(server, row, 2000)
        for connection in slow:
            connection.settimeout(60)
            assert connection.recv(1000).startswith(b"HTTP/1.1 408")
        seconds = time.monotonic() - began
        assert cut(server, "late") == count
        until(lambda: descriptors(server) < 100)
        ratio = beside[-20] / alone[-20]
        grown = (held - before) / MEBIBYTE
    say(f"{count} slow clients: p99 {ratio:.2f} times, RSS grew by {grown:.1f} MiB,")
    say(f"the last was cut after {seconds:.0f} s")


def test_the_body_of_a_refused_request_is_not_kept(server: Server) -> None:
    body = b"x" * 200_000
    with ExitStack() as stack:
        before = resident_bytes(server)
        for _ in range(300):
            connection = stack.enter_context(Connection(server.url))
            connection.send(post(V1, body, (b"Content-Type", b"text/plain")))
            assert connection.answer().status == 415
        assert resident_bytes(server) - before < 300 * len(body) / 2
