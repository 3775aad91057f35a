"""The end: what was accepted is answered, over both protocols, and nothing is reset."""

import asyncio
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import grpc
import grpc.aio
import httpx
import msgspec
import pytest

from predictor.contract import Row
from tests.protocol.process import START_SECONDS, Server, running
from tests.protocol.processes import children
from tests.protocol.raw import Connection
from tests.protocol.test_express import JSON, V1, V2, chunked, get, post, v1, v2

LIVE = "/inference.GRPCInferenceService/ServerLive"
HEALTH = "/grpc.health.v1.Health/Check"
READY = get(b"/v2/health/ready")
OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]


@pytest.fixture
def server(bundle_folder: Path) -> Iterator[Server]:
    with running(bundle_folder) as server:
        yield server


def end(server: Server) -> float:
    """Send SIGTERM, and return when."""
    server.process.send_signal(signal.SIGTERM)
    return time.monotonic()


def wait_for_end(server: Server) -> None:
    assert server.process.wait(START_SECONDS) == 0, server.log.read_text()
    assert "Traceback" not in server.log.read_text()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def is_ending(connection: Connection) -> Callable[[], bool]:
    """Return what asks on a connection whether the server is ready, and tells when it is not."""

    def asked() -> bool:
        connection.send(READY)
        return connection.answer().status == 503

    return asked


@pytest.mark.parametrize("kind", ["short", "long"])
def test_an_idle_client_may_ask_once_more_and_is_told_to_close(
    server: Server, row: Row, kind: str
) -> None:
    request = post(V1, v1(row), JSON) if kind == "short" else chunked(V1, v1(row), JSON)
    with Connection(server.url) as idle, Connection(server.url) as probe:
        idle.send(request)
        assert not idle.answer().closes
        is_ready = is_ending(probe)
        assert not is_ready()
        end(server)
        until(lambda: server.process.poll() is not None or is_ready())
        idle.send(request)
        answer = idle.answer()
        assert (answer.status, answer.closes) == (200, True)
        assert idle.is_closed()
    wait_for_end(server)


def test_readiness_ends_first_and_liveness_never(server: Server) -> None:
    paths = {
        b"/v2/health/ready": 503,
        b"/v2/models/energy/ready": 503,
        b"/health/ready": 503,
        b"/v2/health/live": 200,
        b"/health": 200,
        b"/metrics": 200,
    }
    probes = {path: Connection(server.url) for path in paths}
    for path, probe in probes.items():
        probe.send(get(path))
        assert probe.answer().status == 200
    with Connection(server.url) as held, grpc.insecure_channel(server.grpc) as channel:
        held.send(post(V1, b"{}", JSON)[:-1])  # what keeps the server
        check = channel.unary_unary(HEALTH, None, None)
        assert check(b"", timeout=10) == b"\x08\x01"
        end(server)
        until(lambda: check(b"", timeout=10) == b"\x08\x02")
        for path, probe in probes.items():
            probe.send(get(path))
            answer = probe.answer()
            assert (answer.status, answer.closes) == (paths[path], True), path
            probe.close()
    wait_for_end(server)


def test_an_idle_client_that_asks_nothing_is_left_without_a_reset(server: Server) -> None:
    with Connection(server.url) as asked, Connection(server.url) as silent:
        asked.send(get(b"/v2/health/live"))
        asked.answer()
        end(server)
        for connection in (asked, silent):
            assert connection.socket.recv(1) == b""  # a reset would raise
    wait_for_end(server)


def test_requests_asked_ahead_are_all_answered_and_the_last_one_closes(
    server: Server, row: Row
) -> None:
    half = post(V2, v2(row, id="last"), JSON)
    with Connection(server.url) as connection, Connection(server.url) as probe:
        is_ready = is_ending(probe)
        connection.send(post(V2, v2(row, id="first"), JSON) + half[:-5])
        connection.answer()
        end(server)
        until(is_ready)
        more = [post(V2, v2(row, id=str(number)), JSON) for number in range(50)]
        connection.send(half[-5:] + b"".join(more))
        found = [connection.answer() for _ in range(51)]
        assert [msgspec.json.decode(answer.body)["id"] for answer in found[1:]] == [
            str(number) for number in range(50)
        ]
        assert [answer.closes for answer in found] == [False] * 50 + [True]
        assert connection.is_closed()
    wait_for_end(server)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_has_connected_is_answered_though_it_was_not_accepted(
    bundle_folder: Path, row: Row, workers: str
) -> None:
    with running(bundle_folder, WORKERS=workers) as server:
        pids = children(server.process.pid) or {server.process.pid}
        address = urlsplit(server.url)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        waiting = [socket.create_connection((address.hostname, address.port)) for _ in range(200)]
        for connection in waiting:
            connection.sendall(post(V1, v1(row), JSON))
        end(server)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        for connection in waiting:
            connection.settimeout(START_SECONDS)
            assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200")
            assert connection.recv(1) == b""
            connection.close()
        wait_for_end(server)


@pytest.mark.parametrize("kind", ["short", "long"])
def test_what_outlives_the_drain_is_refused_as_any_other_request(
    bundle_folder: Path, row: Row, kind: str
) -> None:
    request = post(V1, v1(row), JSON) if kind == "short" else chunked(V1, v1(row), JSON)
    with running(bundle_folder, DRAIN_SECONDS="1") as server, Connection(server.url) as late:
        late.send(request[:-10])
        with Connection(server.url) as probe:
            is_ending(probe)()
        end(server)
        answer = late.answer()
        assert (answer.status, answer.closes) == (503, True)
        assert answer.body == b'{"error":"the server is ending"}'
        assert late.is_closed()
        wait_for_end(server)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(bundle_folder: Path, number: int) -> None:
    with running(bundle_folder) as server, Connection(server.url) as late:
        late.send(post(V1, b"{}", JSON)[:-1])
        with Connection(server.url) as probe:
            is_ready = is_ending(probe)
            is_ready()
            server.process.send_signal(number)
            until(is_ready)
        server.process.send_signal(number)
        server.process.wait(START_SECONDS / 3)  # it would wait for the body, or 20 seconds


class Load:
    """Clients without retries that ask all the time, and what became of each request."""

    def __init__(self, server: Server, row: Row) -> None:
        self.seen: Counter[str] = Counter()
        self._server, self._request = server, post(V1, v1(row), JSON)
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._ask_http) for _ in range(8)]
        self._threads.append(threading.Thread(target=lambda: asyncio.run(self._ask_grpc())))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _ask_http(self) -> None:
        connection: Connection | None = None
        while not self._stopping.is_set():
            try:
                connection = connection or Connection(self._server.url)
            except ConnectionError:  # nobody listens any more
                return
            try:
                connection.send(self._request)
                answer = connection.answer()
            except (OSError, EOFError) as error:
                self.seen[f"HTTP {type(error).__name__}"] += 1
                connection = None
                continue
            self.seen[f"HTTP {answer.status}"] += 1
            if answer.closes:
                connection.close()
                connection = None
        if connection is not None:
            connection.close()

    async def _ask_grpc(self) -> None:
        await asyncio.gather(*(self._ask_one_channel() for _ in range(8)))

    async def _ask_one_channel(self) -> None:
        async with grpc.aio.insecure_channel(self._server.grpc, OWN_CONNECTION) as channel:
            ask = channel.unary_unary(LIVE, None, None)
            while not self._stopping.is_set():
                try:
                    await ask(b"", timeout=START_SECONDS)
                except grpc.aio.AioRpcError as error:
                    if "failed to connect" in str(error.details()):  # nobody listens any more
                        return
                    self.seen[f"gRPC {error.code().name} {error.details()}"] += 1
                else:
                    self.seen["gRPC OK"] += 1


@pytest.mark.parametrize("workers", ["1", "2"])
def test_both_protocols_drain_under_load_without_a_lost_request(
    bundle_folder: Path, row: Row, workers: str, say: Callable[[str], None], *, is_long: bool
) -> None:
    for _ in range(5 if is_long else 1):
        with running(bundle_folder, WORKERS=workers) as server, Load(server, row) as load:
            until(lambda: load.seen["HTTP 200"] > 500 and load.seen["gRPC OK"] > 500)
            start = end(server)
            wait_for_end(server)
            seconds = time.monotonic() - start
        say(f"{workers} workers ended in {seconds:.2f} s; {dict(load.seen)}")
        assert set(load.seen) == {"HTTP 200", "gRPC OK"}


def test_a_call_that_outlives_the_drain_is_unavailable(bundle_folder: Path) -> None:
    with running(bundle_folder, DRAIN_SECONDS="1") as server:
        with grpc.insecure_channel(server.grpc) as channel:
            watch: Any = channel.unary_stream("/grpc.health.v1.Health/Watch", None, None)(b"")
            assert next(watch) == b"\x08\x01"
            end(server)
            with pytest.raises(grpc.RpcError) as error:
                list(watch)
        assert error.value.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
        wait_for_end(server)


def test_a_server_without_connections_ends_at_once(
    server: Server, say: Callable[[str], None]
) -> None:
    assert httpx.get(f"{server.url}/v2/health/live").status_code == 200
    start = end(server)
    wait_for_end(server)
    say(f"ended in {time.monotonic() - start:.2f} s")
