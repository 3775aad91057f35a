"""The short way of a prediction: over a socket it is the same as the long way, byte for byte."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from predictor.contract import Row
from predictor.training.columns import CONTRACT
from tests.fuzz import decoders
from tests.protocol.process import START_SECONDS, Server, running
from tests.protocol.raw import Answer, Connection

V1 = b"/v1/models/energy:predict"
V2 = b"/v2/models/energy/infer"
JSON = (b"Content-Type", b"application/json")
# Far less than a connection is kept on which nothing comes.
SOON_SECONDS = 10
Headers = tuple[tuple[bytes, bytes], ...]


@pytest.fixture
def connection(server: Server) -> Iterator[Connection]:
    with Connection(server.url) as connection:
        yield connection


def head(
    method: bytes, path: bytes, *headers: tuple[bytes, bytes], version: bytes = b"1.1"
) -> bytes:
    lines = [b"%b %b HTTP/%b" % (method, path, version), b"Host: x"]
    return b"\r\n".join([*lines, *[b"%b: %b" % header for header in headers], b"", b""])


def post(path: bytes, body: bytes, *headers: tuple[bytes, bytes], version: bytes = b"1.1") -> bytes:
    length = (b"Content-Length", b"%d" % len(body))
    return head(b"POST", path, *headers, length, version=version) + body


def get(path: bytes) -> bytes:
    return head(b"GET", path)


def chunked(path: bytes, body: bytes, *headers: tuple[bytes, bytes]) -> bytes:
    """Return a request that goes the long way."""
    chunks = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    return head(b"POST", path, *headers, (b"Transfer-Encoding", b"chunked")) + chunks + b"0\r\n\r\n"


def v1(*rows: Row) -> bytes:
    return msgspec.json.encode({"instances": rows})


def v2(row: Row, **rest: Any) -> bytes:  # noqa: ANN401 - it is JSON
    return msgspec.json.encode({"inputs": decoders.columns([row]), **rest})


BINARY = b"application/octet-stream"


def requests(row: Row) -> dict[str, tuple[bytes, bytes, Headers]]:
    """Return paths, bodies and headers, by what is special about them."""
    wrong, doubtful = row | {"nsm": -1}, row | {"lagging_power_factor": 0.7321}
    json, behind = decoders.packed(decoders.columns([row]))
    length = (b"Inference-Header-Content-Length", b"%d" % len(json))
    all_bytes = msgspec.json.encode(
        msgspec.json.decode(json) | {"parameters": {"binary_data_output": True}}
    )
    found_length = (b"Inference-Header-Content-Length", b"%d" % len(all_bytes))
    return {
        "v1": (V1, v1(row), (JSON,)),
        "v1 without a type": (V1, v1(row), ()),
        "v1 with parameters of its type": (
            V1,
            v1(row),
            ((b"Content-Type", b"Application/JSON; x=y"),),
        ),
        "many rows": (V1, v1(*[row] * 65), (JSON,)),
        "all rows": (V1, v1(*[row] * 100), (JSON,)),
        "too many rows": (V1, v1(*[row] * 101), (JSON,)),
        "a doubtful row": (V1, v1(row, doubtful), (JSON,)),
        "a wrong row": (V1, v1(row, wrong), (JSON,)),
        "no JSON": (V1, b"{", (JSON,)),
        "an empty body": (V1, b"", (JSON,)),
        "another type": (V1, v1(row), ((b"Content-Type", b"text/plain"),)),
        "an empty type": (V1, v1(row), ((b"Content-Type", b""),)),
        "two types": (V1, v1(row), (JSON, (b"Content-Type", b"text/plain"))),
        "two types, the other way": (V1, v1(row), ((b"Content-Type", b"text/plain"), JSON)),
        "bytes for v1": (V1, v1(row), ((b"Content-Type", BINARY),)),
        "other headers, some twice": (
            V1,
            v1(row),
            (JSON, (b"A", b"b"), (b"A", b"c"), (b"Cookie", b"")),
        ),
        "v2": (V2, v2(row, id="é"), (JSON,)),
        "v2 with bytes": (V2, json + behind, ((b"Content-Type", BINARY), length)),
        "v2 with bytes both ways": (V2, all_bytes + behind, (JSON, found_length)),
        "v2 with a wrong length": (V2, v2(row), (JSON, (length[0], b"99999"))),
        "v2 with a length twice": (V2, json + behind, ((length[0], b"1"), length)),
        "a wrong tensor": (V2, b'{"inputs":[]}', (JSON,)),
        "nowhere": (b"/v1/models/other:predict", v1(row), (JSON,)),
    }


ANY: Row = {column.name: column.decode(0) for column in CONTRACT.columns}
NAMES = list(requests(ANY))


@pytest.mark.parametrize("name", NAMES)
def test_the_short_way_and_the_long_way_answer_alike(
    connection: Connection, row: Row, name: str
) -> None:
    path, body, headers = requests(row)[name]
    connection.send(post(path, body, *headers))
    short = connection.answer()
    assert short.status in {200, 400, 404, 415}
    connection.send(chunked(path, body, *headers))
    assert connection.answer().without_date() == short.without_date()
    for other in (path + b"?x=1", path.replace(b":", b"%3A").replace(b"infer", b"%69nfer")):
        connection.send(post(other, body, *headers))
        assert connection.answer().without_date() == short.without_date()
    if short.status == 200:
        assert any(name == b"date" for name, _ in short.headers)


@pytest.mark.parametrize("name", ["v1", "a wrong row", "v2", "too many rows"])
def test_a_client_that_waits_to_be_told_to_go_on_is_told(
    connection: Connection, row: Row, name: str
) -> None:
    path, body, headers = requests(row)[name]
    connection.send(post(path, body, *headers))
    short = connection.answer()
    whole = post(path, body, *headers, (b"Expect", b"100-continue"))
    connection.send(whole.removesuffix(body))
    assert connection.answer(has_body=False).status == 100
    connection.send(body)
    assert connection.answer().without_date() == short.without_date()


@pytest.mark.parametrize("name", NAMES)
def test_a_connection_that_is_to_be_closed_is(server: Server, row: Row, name: str) -> None:
    path, body, headers = requests(row)[name]
    with Connection(server.url) as connection:
        connection.send(post(path, body, *headers))
        expected = connection.answer().without_date()
    closes = ((b"connection", b"close"),)
    for request in (
        post(path, body, *headers, (b"Connection", b"close")),
        post(path, body, *headers, version=b"1.0"),
        post(path, body, *headers, (b"Connection", b"keep-alive"), version=b"1.0"),
    ):
        with Connection(server.url) as connection:
            connection.send(request)
            found = connection.answer().without_date()
            assert found == Answer(expected.status, expected.headers + closes, expected.body)
            assert connection.is_closed()


def test_a_connection_may_be_asked_to_be_kept(connection: Connection, row: Row) -> None:
    for _ in range(2):
        connection.send(post(V1, v1(row), (b"Connection", b"keep-alive")))
        assert connection.answer().status == 200


def test_one_connection_carries_many_requests(connection: Connection, row: Row) -> None:
    for number in range(300):
        connection.send(post(V2, v2(row, id=str(number)), JSON))
        assert msgspec.json.decode(connection.answer().body)["id"] == str(number)


def mixed(row: Row) -> list[tuple[bytes, int]]:
    """Return requests of every kind, with the status of each."""
    found = requests(row)
    posts = [
        (post(path, body, *headers), 0) for path, body, headers in (found[name] for name in NAMES)
    ]
    gets = [(get(b"/v2/health/live"), 200), (get(b"/nothing"), 404), (get(V1), 405)]
    long = [(chunked(*found["v1"][:2], JSON), 200), (post(b"/predict", b"{}", JSON), 422)]
    others = [*gets, *long]
    return [part for number, short in enumerate(posts) for part in (short, others[number % 5])]


def test_requests_in_one_packet_are_answered_in_their_order(server: Server, row: Row) -> None:
    sent = mixed(row)
    alone = []
    with Connection(server.url) as connection:
        for request, status in sent:
            connection.send(request)
            alone.append(connection.answer().without_date())
            assert status in {0, alone[-1].status}
    with Connection(server.url) as connection:
        connection.send(b"".join(request for request, _ in sent))
        assert [connection.answer().without_date() for _ in sent] == alone


def test_many_predictions_in_one_packet_are_answered_in_their_order(
    connection: Connection, row: Row
) -> None:
    connection.send(b"".join(post(V2, v2(row, id=str(number)), JSON) for number in range(100)))
    found = [msgspec.json.decode(connection.answer().body)["id"] for _ in range(100)]
    assert found == [str(number) for number in range(100)]


def test_connections_of_one_moment_get_their_own_answers(server: Server, manifest: Any) -> None:  # noqa: ANN401
    rows, expected = manifest.golden.rows, manifest.golden.predictions
    connections = [Connection(server.url) for _ in rows]
    for connection, row in zip(connections, rows, strict=True):
        connection.send(post(V1, v1(row), JSON))
    answers = [msgspec.json.decode(connection.answer().body) for connection in connections]
    assert [answer["predictions"] for answer in answers] == [[value] for value in expected]
    for connection in connections:
        connection.close()


def segments(request: bytes, *cuts: int) -> list[bytes]:
    return [request[start:end] for start, end in pairwise([0, *cuts, len(request)])]


@pytest.mark.parametrize("name", ["v1", "v2 with bytes", "a wrong row", "many rows"])
def test_a_request_may_come_in_many_segments(connection: Connection, row: Row, name: str) -> None:
    path, body, headers = requests(row)[name]
    request = post(path, body, *headers)
    connection.send(request)
    expected = connection.answer().without_date()
    start = len(request) - len(body)
    for cuts in (
        range(1, start, 7),
        range(start, len(request), max(1, len(body) // 50)),
        [start],
        [start - 1],
        [start + 1],
        [len(request) - 1],
        range(1, min(len(request), 400)),
    ):
        connection.send(*segments(request, *cuts))
        assert connection.answer().without_date() == expected


def test_the_end_of_one_request_may_come_with_the_start_of_the_next(
    connection: Connection, row: Row
) -> None:
    both = [post(V2, v2(row, id=name), JSON) for name in ("a", "b", "c")]
    cut = len(both[0]) // 2
    connection.send(both[0][:cut], both[0][cut:] + both[1][:cut], both[1][cut:] + both[2])
    for name in ("a", "b", "c"):
        assert msgspec.json.decode(connection.answer().body)["id"] == name


@pytest.mark.parametrize("path", [V1, V2])
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS"])
@pytest.mark.parametrize("body", [b"", b"{}"])
def test_another_method_is_refused(
    connection: Connection, path: bytes, method: bytes, body: bytes
) -> None:
    length = (b"Content-Length", b"%d" % len(body))
    connection.send(head(method, path, *([length] if body else [])) + body)
    answer = connection.answer(has_body=method != b"HEAD")
    assert (answer.status, dict(answer.headers)[b"allow"]) == (405, b"POST")
    connection.send(get(b"/v2/health/live"))
    assert connection.answer().body == b'{"live":true}'


def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(server: Server) -> None:
    for length in (b"100001", b"131073", b"99999999999"):
        with Connection(server.url) as connection:
            connection.send(head(b"POST", V1, JSON, (b"Content-Length", length)))
            answer = connection.answer()
            assert (answer.status, answer.body) == (
                413,
                b'{"error":"the body is over 100000 bytes"}',
            )


@pytest.mark.parametrize(
    "wrong",
    [
        (b"Content-Length", b"-1"),
        (b"Content-Length", b"x"),
        (b"Content-Length", b"9" * 30),
        (b"A", b"\0"),
        (b"Transfer-Encoding", b"chunked"),  # beside the right length
    ],
)
def test_what_is_no_http_is_a_bad_request_and_ends_the_connection(
    connection: Connection, row: Row, wrong: tuple[bytes, bytes]
) -> None:
    connection.send(post(V1, v1(row), wrong))
    answer = connection.answer()
    assert (answer.status, answer.closes) == (400, True)
    assert answer.body == b'{"error":"this is not HTTP"}'
    assert connection.is_closed()


def is_alive(server: Server, row: Row) -> bool:
    with Connection(server.url) as connection:
        connection.send(post(V1, v1(row), JSON))
        return connection.answer().status == 200


def test_a_client_that_goes_away_disturbs_nobody(server: Server, row: Row) -> None:
    request = post(V1, v1(row), JSON)
    with Connection(server.url) as other:
        other.send(request[:-5])
        for end in (1, 30, len(request) - 10, len(request)):
            for _ in range(20):
                with Connection(server.url) as connection:
                    connection.send(request[:end])
                with Connection(server.url) as connection:
                    connection.send(request[:end])
                    connection.reset_at_close()
        assert is_alive(server, row)
        other.send(request[-5:])
        assert other.answer().status == 200
    assert server.process.poll() is None


def test_a_client_that_asks_much_and_reads_late_gets_all_its_answers(
    server: Server, row: Row
) -> None:
    count = 500
    body = v2(row, id="x" * 2000)
    with Connection(server.url) as connection:
        for _ in range(count):
            connection.send(post(V2, body, JSON))
        first = connection.answer()
        assert first.status == 200
        for _ in range(count - 1):
            assert connection.answer().without_date() == first.without_date()
    assert is_alive(server, row)


@pytest.mark.parametrize("way", ["short", "long"])
def test_what_is_half_sent_at_sigterm_is_answered_and_its_connection_closed(
    bundle_folder: Path, row: Row, way: str
) -> None:
    request = post(V2, v2(row, id="1"), JSON)
    late = len(request) - 10
    with running(bundle_folder) as server, Connection(server.url) as half:
        # One that comes together with another's end goes the long way.
        parts = [request, request[:late]] if way == "short" else [request + request[:late]]
        half.send(parts[0])
        assert half.answer().status == 200
        half.send(*parts[1:])
        with Connection(server.url) as idle:
            assert is_alive(server, row)  # the server has read the half by now
            server.process.terminate()
            assert idle.is_closed()
        half.send(request[late:])
        answer = half.answer()
        assert msgspec.json.decode(answer.body)["id"] == "1"
        assert answer.closes
        half.socket.settimeout(SOON_SECONDS)  # it is closed, not left until it is too old
        assert half.is_closed()
        assert server.process.wait(START_SECONDS) == 0
