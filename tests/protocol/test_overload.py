"""More than can be done in time: what is too much is refused, and nothing else suffers."""

import asyncio
import os
import re
import resource
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import httpx
import numpy as np
import pytest

from predictor.contract import Row
from predictor.serving.grpc import inference_pb2 as pb
from tests.protocol.process import Server, running
from tests.protocol.raw import Connection
from tests.protocol.security.asking import until
from tests.protocol.test_express import JSON, V1, chunked, get, head, post, v1

ROWS = {"small": 1000, "large": 5000}
CLIENTS = 60
TOO_MUCH = b'{"error":"the server has too much to do; try again later"}'


@pytest.fixture(scope="module")
def busy(bundle_folder: Path) -> Iterator[Server]:
    """Yield a server in which nothing may wait long."""
    settings = {"MAX_WAIT_SECONDS": "0.05", "MAX_BUFFERED_BYTES": "100000000"}
    with running(bundle_folder, **settings) as server:
        yield server


async def ask(server: Server, *requests: bytes) -> list[tuple[int, bytes]]:
    """Send requests over a connection, each as soon as the one before is answered."""
    url = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    answers = []
    for request in requests:
        writer.write(request)
        start = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", start)
        assert length
        body = await reader.readexactly(int(length[1]))
        assert (b"retry-after: 1\r\n" in start) == (b" 503 " in start)
        answers.append((int(start.split()[1]), body))
    writer.close()
    return answers


async def storm(server: Server, request: bytes) -> tuple[Counter[int], list[tuple[int, bytes]]]:
    """Return how many of many clients' requests had each status, and what probes got meanwhile."""
    clients = [asyncio.create_task(ask(server, *[request] * 5)) for _ in range(CLIENTS)]
    probes: list[tuple[int, bytes]] = []
    while not all(client.done() for client in clients):
        paths = (b"/v2/health/live", b"/v2/health/ready", b"/metrics")
        probes += await ask(server, *map(get, paths))
    answers = [answer for client in clients for answer in await client]
    assert {body for status, body in answers if status == 503} <= {TOO_MUCH}
    return Counter(status for status, _ in answers), probes


def counted(server: Server, code: int) -> int:
    text = httpx.get(f"{server.url}/metrics").text
    found = re.search(
        rf'predictor_requests_total{{code="{code}",method="POST",protocol="http",route=".*"}} (.*)',
        text,
    )
    return int(float(found[1])) if found else 0


@pytest.mark.parametrize("size", ROWS)
def test_some_are_answered_the_rest_refused_at_once_and_probes_always(
    busy: Server, row: Row, size: str
) -> None:
    before = {code: counted(busy, code) for code in (200, 503)}
    request = post(V1, v1(*[row] * ROWS[size]), JSON)
    statuses, probes = asyncio.run(storm(busy, request))
    assert statuses.keys() == {200, 503}
    assert {status for status, _ in probes} == {200}
    for code, count in statuses.items():
        assert counted(busy, code) - before[code] == count
    assert asyncio.run(ask(busy, request))[0][0] == 200  # it is as before


def test_grpc_says_unavailable_when_it_would_take_too_long(busy: Server) -> None:
    columns = np.zeros((5000, 8))
    tensor = {"name": "rows", "datatype": "FP64", "shape": list(columns.shape)}
    request = pb.ModelInferRequest(
        model_name="energy", inputs=[tensor], raw_input_contents=[columns.tobytes()]
    ).SerializeToString()

    async def code(channel: grpc.aio.Channel) -> str:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer", None, None)
        try:
            await infer(request)
        except grpc.aio.AioRpcError as error:
            return f"{error.code().name} {error.details()}"
        return "OK"

    async def codes() -> set[str]:
        options = [("grpc.enable_retries", 0), ("grpc.max_receive_message_length", -1)]
        async with grpc.aio.insecure_channel(busy.grpc, options) as channel:
            return set(await asyncio.gather(*[code(channel) for _ in range(200)]))

    assert asyncio.run(codes()) == {
        "OK",
        "UNAVAILABLE the server has too much to do; try again later",
    }


@pytest.mark.parametrize("way", ["short", "long"])
def test_no_more_is_held_in_memory_than_allowed(bundle_folder: Path, row: Row, way: str) -> None:
    request = post(V1, v1(*[row] * 500), JSON)
    another = request if way == "short" else chunked(V1, v1(*[row] * 500), JSON)

    def is_room_for_four() -> bool:
        with ExitStack() as stack:
            for _ in range(4):
                connection = stack.enter_context(Connection(server.url))
                connection.send(request[:-1])
            connection.send(request[-1:])
            return connection.answer().status == 200

    with running(bundle_folder, MAX_BUFFERED_BYTES=str(4 * len(request))) as server:
        with ExitStack() as stack:
            half = [stack.enter_context(Connection(server.url)) for _ in range(4)]
            for connection in half:
                connection.send(request[:-1])
            turn(server)  # what was sent is not read at once
            with Connection(server.url) as other:
                other.send(another)
                answer = other.answer()
                assert (answer.status, answer.body[:200]) == (503, TOO_MUCH)
            half[0].send(request[-1:])
            assert half[0].answer().status == 200
            half[1].reset_at_close()
        # What the clients that went away had sent is not held any more.
        until(is_room_for_four)


def test_a_body_is_thrown_away_when_its_request_is_refused(busy: Server, row: Row) -> None:
    """A connection goes on after a refusal, in which the whole body has to be read."""

    async def statuses() -> list[int]:
        request = post(V1, v1(*[row] * 1000), JSON)
        answers = await asyncio.gather(*[ask(busy, *[request] * 8) for _ in range(CLIENTS)])
        return [status for answer in answers for status, _ in answer]

    found = asyncio.run(statuses())
    assert len(found) == 8 * CLIENTS
    assert set(found) == {200, 503}
    with Connection(busy.url) as connection:
        connection.send(head(b"GET", b"/v2/health/ready"))
        assert connection.answer().status == 200


def test_connections_are_not_bounded_by_the_usual_limit_of_open_files(bundle_folder: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    try:
        with running(bundle_folder) as server:
            soft, hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert soft == hard == limits[1]


def test_large_requests_that_never_end_keep_no_small_one_out(bundle_folder: Path, row: Row) -> None:
    large = post(V1, v1(*[row] * 5000), JSON)
    limit = {"MAX_BUFFERED_BYTES": str(4 * len(large))}
    with running(bundle_folder, **limit) as server, ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(Connection(server.url)).send(large[:-1])
        for _ in range(3):
            connection = stack.enter_context(Connection(server.url))
            connection.send(post(V1, v1(row), JSON))
            assert connection.answer().status == 200


@contextmanager
def on_one_cpu() -> Iterator[None]:
    """Have what is started meanwhile use one CPU, and so one thread for large requests."""
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cpus)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cpus)


def turn(server: Server) -> None:
    """Let the event loop read what has come."""
    for _ in range(3):
        assert httpx.get(f"{server.url}/v2/health/live", timeout=30).status_code == 200


@pytest.mark.parametrize("way", ["short", "long"])
def test_no_large_request_is_computed_whose_client_has_gone(
    bundle_folder: Path, row: Row, way: str
) -> None:
    """While the one thread for large requests has much to do, others come, and go."""
    much, many = 150_000, 1000
    of_way = post if way == "short" else chunked
    roomy = {
        "MAX_WAIT_SECONDS": "60",
        "MAX_ROWS": str(much),
        "MAX_BODY_BYTES": str(1 << 26),
        "MAX_BUFFERED_BYTES": str(1 << 30),
    }
    with (
        on_one_cpu(),
        running(bundle_folder, **roomy) as server,
        Connection(server.url) as busy,
        Connection(server.url) as last,
    ):
        busy.send(post(V1, v1(*[row] * much), JSON))
        with ExitStack() as stack:
            for _ in range(20):
                gone = stack.enter_context(Connection(server.url))
                gone.send(of_way(V1, v1(*[row] * many), JSON))
                gone.reset_at_close()
            turn(server)
        turn(server)
        last.send(of_way(V1, v1(*[row] * many), JSON))
        assert (busy.answer().status, last.answer().status) == (200, 200)
        metrics = httpx.get(f"{server.url}/metrics", timeout=30).text
    assert f'predictor_rows_total{{model_name="energy"}} {much + many}.0' in metrics
    assert not re.search(r'code="503".* [1-9]', metrics)


def test_an_answer_that_nobody_gets_is_not_counted_as_one(bundle_folder: Path, row: Row) -> None:
    much = 150_000
    roomy = {"MAX_ROWS": str(much), "MAX_BODY_BYTES": str(1 << 26)}
    with on_one_cpu(), running(bundle_folder, **roomy, MAX_BUFFERED_BYTES=str(1 << 30)) as server:
        with Connection(server.url) as gone:
            gone.send(post(V1, v1(*[row] * much), JSON))
            turn(server)  # so that it has been begun
            gone.reset_at_close()
        until(lambda: f" {much}.0" in rows_predicted(server))
        turn(server)
        metrics = httpx.get(f"{server.url}/metrics", timeout=30).text
    assert not re.search(r'method="POST".* [1-9]', metrics)


def rows_predicted(server: Server) -> str:
    metrics = httpx.get(f"{server.url}/metrics", timeout=30).text
    return "".join(re.findall("^predictor_rows_total.*", metrics, re.MULTILINE))


def test_what_came_in_one_moment_is_bounded_too(bundle_folder: Path, row: Row) -> None:
    """Bodies are counted as they are read, before any of their requests is begun."""
    part = chunked(V1, v1(*[row] * 1000), JSON)[:60_000]
    limit = {"MAX_BUFFERED_BYTES": str(20 * len(part))}
    with running(bundle_folder, **limit) as server, ExitStack() as stack:
        connections = [stack.enter_context(Connection(server.url)) for _ in range(40)]
        os.kill(server.process.pid, signal.SIGSTOP)  # so that all comes in one turn
        for connection in connections:
            connection.send(part)
        os.kill(server.process.pid, signal.SIGCONT)
        refused = connections[-1].answer()
        assert (refused.status, refused.body) == (503, TOO_MUCH)
        metrics = httpx.get(f"{server.url}/metrics", timeout=30).text
        assert 'predictor_connections_cut_total{reason="full"} 2' in metrics
