"""What a server's log says, in which form, and what it never says."""

import json
import os
import pty
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import grpc
import httpx
import numpy as np
import pytest

from predictor.contract import Row
from predictor.serving.grpc import inference_pb2 as pb
from predictor.training.columns import CONTRACT
from tests.protocol.process import PREDICTOR, START_SECONDS, Server, events, running
from tests.protocol.raw import SECONDS, Connection

V1 = "/v1/models/energy:predict"
V2 = "/v2/models/energy/infer"
SERVICE = "/inference.GRPCInferenceService"
NAME = "x-request-id"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
MADE_UP = re.compile("[0-9a-f]{32}")
# A text and a number that a request has, and that are nowhere else.
TEXT, NUMBER = "Zuckerrohr", "7654.321987"


@contextmanager
def logging_to(stream: int | IO[bytes], folder: Path, **settings: str) -> Iterator[str]:
    """Yield the URL of a server that answers, and whose standard error is a stream."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {"BUNDLE": str(folder), "PORT": str(port), "GRPC_PORT": "0"} | settings
    command = [*PREDICTOR, "serve"]
    with subprocess.Popen(command, env=os.environ | environment, stderr=stream) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for_answer(url, process)
            yield url
        finally:
            process.terminate()


def wait_for_answer(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            httpx.get(f"{url}/v2/health/ready")
        except httpx.ConnectError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        else:
            return


def call(server: Server, method: str, request: bytes, headers: dict[str, str]) -> tuple[str, str]:
    """Return how a call by gRPC ended, and the id that it has been given."""
    with grpc.insecure_channel(server.grpc) as channel:
        ask = channel.unary_unary(f"{SERVICE}/{method}", None, None)
        call = ask.future(request, timeout=SECONDS, metadata=tuple(headers.items()))
        code = call.code().name  # it waits for the end
        return code, str(dict(call.trailing_metadata())[NAME])


def answered(log: Path, count: int, start: int = 0) -> list[dict[str, Any]]:
    """Return the lines of requests behind a place in a log, when there are as many as expected.

    A client may have its answer a moment before the line is written.
    """
    deadline = time.monotonic() + START_SECONDS
    while True:
        whole = log.read_text()[start:].rpartition("\n")[0]
        found = [event for event in events(whole) if event["logger"] == "predictor.access"]
        if len(found) >= count:
            return found
        assert time.monotonic() < deadline, whole
        time.sleep(0.01)


def test_each_event_is_a_line_of_json_that_says_which_process_wrote_it(bundle_folder: Path) -> None:
    with running(bundle_folder, WORKERS="2", ACCESS_LOG="true") as server:
        for _ in range(20):  # a connection each, so that every worker gets some
            httpx.get(f"{server.url}/health")
        found = events(server.log.read_text())
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
        workers = set(map(int, children.read_text().split()))
    assert all(
        event.keys() >= {"time", "level", "logger", "message", "pid"} and event["level"] == "INFO"
        for event in found
    )
    said = {event["pid"]: event["message"] for event in found}
    assert said.keys() == {server.process.pid} | workers
    [serving] = [event for event in found if event["message"].startswith("serving ")]
    assert serving["pid"] == server.process.pid
    assert serving["model_name"] == "energy"


@pytest.mark.parametrize(("form", "is_json"), [("auto", False), ("text", False), ("json", True)])
def test_on_a_terminal_the_log_is_text_unless_json_is_wanted(
    bundle_folder: Path, form: str, *, is_json: bool
) -> None:
    shown, terminal = pty.openpty()
    with (
        open(shown, "rb", 0) as screen,  # noqa: PTH123
        open(terminal, "wb", 0) as stream,  # noqa: PTH123
        logging_to(stream, bundle_folder, LOG_FORMAT=form),
    ):
        line = screen.read(65536).splitlines()[0].decode()
    if is_json:
        assert json.loads(line)["level"] == "INFO"
    else:
        assert re.match(r"\d{4}-\d\d-\d\dT\S+Z INFO \d+ CPU limit: ", line)


def test_text_can_be_had_off_a_terminal_too(bundle_folder: Path) -> None:
    with running(bundle_folder, LOG_FORMAT="text", ACCESS_LOG="true") as server:
        httpx.get(f"{server.url}/v2/health/live", headers={NAME: "abc"})
        wanted = r"Z INFO \d+ answered method=GET route=\S+ code=200 .* request_id=abc\n"
        deadline = time.monotonic() + START_SECONDS
        while not re.search(wanted, server.log.read_text()):
            assert time.monotonic() < deadline, server.log.read_text()
            time.sleep(0.01)


def test_below_the_level_nothing_is_said_and_the_port_is_the_one_that_was_set(
    bundle_folder: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with log.open("wb") as stream, logging_to(stream, bundle_folder, LOG_LEVEL="WARNING") as url:
        assert httpx.get(f"{url}/v2/health/live").status_code == 200
    assert log.read_bytes() == b""


def test_at_the_level_debug_libraries_say_more_and_in_the_same_form(bundle_folder: Path) -> None:
    with running(bundle_folder, LOG_LEVEL="DEBUG") as server:
        loggers = {event["logger"] for event in events(server.log.read_text())}
    assert any(name.startswith("grpc") for name in loggers)


def test_a_line_is_logged_for_each_request_only_when_it_is_wanted(
    bundle_folder: Path, row: Row
) -> None:
    for wanted in ("false", "true"):
        with running(bundle_folder, ACCESS_LOG=wanted, LOG_LEVEL="INFO") as server:
            httpx.post(server.url + V1, json={"instances": [row]})
            httpx.get(server.url + "/made/up%0Aby/a/client")
            call(server, "ServerLive", b"", {})
            told = answered(server.log, 3 if wanted == "true" else 0)
        expected = [
            ("POST", V1, 200),
            ("GET", "other", 404),
            ("GRPC", f"{SERVICE}/ServerLive", "OK"),
        ]
        found = [(line["method"], line["route"], line["code"]) for line in told]
        assert found == (expected if wanted == "true" else [])
        assert all(line["milliseconds"] > 0 for line in told)


def test_a_level_hides_no_line_of_a_request(bundle_folder: Path) -> None:
    with running_quietly(bundle_folder) as (url, log):
        with Connection(url) as raw:
            raw.send(b"this is not HTTP\r\n\r\n")
            assert raw.answer().status == 400
        httpx.get(f"{url}/health")
        assert answered(log, 2)[-1]["route"] == "/health"
        assert {event["logger"] for event in events(log.read_text())} == {"predictor.access"}


@contextmanager
def running_quietly(folder: Path) -> Iterator[tuple[str, Path]]:
    log = folder.parent / "quiet.log"
    settings = {"LOG_LEVEL": "ERROR", "ACCESS_LOG": "true"}
    with log.open("wb") as stream, logging_to(stream, folder, **settings) as url:
        yield url, log


@pytest.fixture(scope="module")
def told(bundle_folder: Path) -> Iterator[Server]:
    with running(bundle_folder, ACCESS_LOG="true", LOG_LEVEL="DEBUG") as server:
        yield server


Ask = Callable[[Server, Row, dict[str, str]], tuple[object, str]]


def by_rest(path: str, *, in_chunks: bool = False) -> Ask:
    def ask(server: Server, row: Row, headers: dict[str, str]) -> tuple[object, str]:
        body = json.dumps(row if path == "/predict" else {"instances": [row]}).encode()
        content = iter([body]) if in_chunks else body
        typed = {"content-type": "application/json", **headers}
        answer = httpx.post(server.url + path, content=content, headers=typed)
        return answer.status_code, answer.headers[NAME]

    return ask


def by_get(server: Server, _row: Row, headers: dict[str, str]) -> tuple[object, str]:
    answer = httpx.get(f"{server.url}/v2/health/live", headers=headers)
    return answer.status_code, answer.headers[NAME]


def by_grpc(server: Server, _row: Row, headers: dict[str, str]) -> tuple[object, str]:
    return call(server, "ServerLive", b"", headers)


def by_grpc_refused(server: Server, _row: Row, headers: dict[str, str]) -> tuple[object, str]:
    return call(server, "ModelInfer", b"\xff", headers)


WAYS = {
    "the short way": by_rest(V1),
    "the long way": by_rest(V1, in_chunks=True),
    "refused": by_rest(V2),
    "plain": by_rest("/predict"),
    "nowhere": by_rest("/nowhere"),
    "a probe": by_get,
    "gRPC": by_grpc,
    "gRPC, refused": by_grpc_refused,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({NAME: "7b1c-é".encode().hex(), "traceparent": TRACEPARENT}, "7b1c-é".encode().hex()),
        ({NAME: 'a"}{"level":', "traceparent": TRACEPARENT}, 'a"}{"level":'),
        ({NAME: "not sane", "traceparent": TRACEPARENT}, TRACE),
        ({"traceparent": TRACEPARENT}, TRACE),
        ({"traceparent": TRACEPARENT.replace("00-4", "ff-4")}, None),
        ({}, None),
    ],
)
def test_each_answer_and_its_line_have_the_id_of_the_request(
    told: Server, row: Row, way: str, headers: dict[str, str], name: str | None
) -> None:
    start = told.log.stat().st_size
    code, found = WAYS[way](told, row, headers)
    assert found == name if name else MADE_UP.fullmatch(found)
    [line] = answered(told.log, 1, start)
    assert (line["code"], line["request_id"]) == (code, found)


def test_two_requests_have_two_ids(told: Server, row: Row) -> None:
    assert len({WAYS["the short way"](told, row, {})[1] for _ in range(10)}) == 10


def test_nothing_that_a_client_sends_is_ever_in_the_log(told: Server, row: Row) -> None:
    start = told.log.stat().st_size
    with Connection(told.url) as raw:
        raw.send(f"{TEXT} {NUMBER}\r\n\r\n".encode())
        assert raw.answer().status == 400
    headers = {"user-agent": TEXT, "authorization": f"Bearer {TEXT}", "cookie": NUMBER}
    with httpx.Client(base_url=told.url, headers=headers) as client:
        statuses = [client.post(path, content=body).status_code for path, body in rest(row)]
        upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-key": TEXT}
        assert client.get(f"/{TEXT}?{NUMBER}", headers=upgrade).status_code == 404
    assert set(statuses) == {200, 400, 404, 422}
    codes = [call(told, "ModelInfer", request, {"authorization": TEXT})[0] for request in rpcs(row)]
    assert set(codes) == {"OK", "INVALID_ARGUMENT", "NOT_FOUND"}
    answered(told.log, len(statuses) + len(codes) + 1, start)
    log = told.log.read_text()
    assert TEXT not in log
    assert NUMBER not in log


def rest(row: Row) -> Iterator[tuple[str, str]]:
    """Yield bodies that have the text or the number in them, each to be sent both ways."""
    good = row | {"lagging_reactive_power": float(NUMBER)}
    rows = [good, row | {"load_type": TEXT}, row | {"nsm": float(NUMBER)}, row | {TEXT: 1}]
    for path in (V1, f"{V1}?{TEXT}"):
        yield from ((path, json.dumps({"instances": [row]})) for row in rows)
        yield path, f'{{"instances": [{NUMBER} {TEXT}'
    for path in (V2, f"{V2}?{TEXT}", f"/v2/models/{TEXT}/infer"):
        tensor = {"name": TEXT, "datatype": "FP64", "shape": [1, 1], "data": [float(NUMBER)]}
        yield path, json.dumps({"id": TEXT, "inputs": [tensor]})
    yield from (("/predict", json.dumps(row)) for row in rows)


def rpcs(row: Row) -> Iterator[bytes]:
    """Yield messages that have the text or the number in them."""
    codes = np.array(CONTRACT.encode_rows([row | {"lagging_reactive_power": float(NUMBER)}]))
    matrix = {"name": "rows", "datatype": "FP64", "shape": codes.shape}
    yield pb.ModelInferRequest(
        model_name="energy", id=TEXT, inputs=[matrix], raw_input_contents=[codes.tobytes()]
    ).SerializeToString()
    text = {"name": TEXT, "datatype": "BYTES", "shape": [1, 1]}
    contents = {"bytes_contents": [TEXT.encode()]}
    for tensor in (text, text | {"name": "load_type", "contents": contents}):
        yield pb.ModelInferRequest(model_name="energy", inputs=[tensor]).SerializeToString()
    yield pb.ModelInferRequest(model_name=TEXT).SerializeToString()
    yield b"\xff" + TEXT.encode()


def test_lines_of_workers_that_write_at_once_are_each_whole(bundle_folder: Path) -> None:
    reader, writer = os.pipe()
    with open(reader, "rb") as pipe, ThreadPoolExecutor(9) as pool:  # noqa: PTH123
        read = pool.submit(pipe.read)
        with (
            open(writer, "wb") as stream,  # noqa: PTH123
            logging_to(stream, bundle_folder, ACCESS_LOG="true", WORKERS="2") as url,
        ):
            names = [f"{number}-{'x' * 100}" for number in range(400)]
            list(pool.map(lambda n: httpx.get(f"{url}/health", headers={NAME: n}), names))
        found = events(read.result(START_SECONDS).decode())
    assert {event.get("request_id") for event in found} >= set(names)
    assert len({event["pid"] for event in found if "request_id" in event}) == 2


@pytest.mark.parametrize("path", ["/dev/full", None], ids=["full", "gone"])
def test_requests_are_answered_when_the_log_cannot_be_written(
    bundle_folder: Path, row: Row, path: str | None
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stream = open(path or writer, "wb", 0)  # noqa: PTH123, SIM115
    with stream, logging_to(stream, bundle_folder, ACCESS_LOG="true") as url:
        for _ in range(3):
            assert httpx.post(url + V1, json={"instances": [row]}).status_code == 200


@pytest.mark.parametrize(
    "fault",
    [
        "raise RuntimeError('one\\ntwo')",
        "warnings.warn('one\\ntwo')",
        "t = threading.Thread(target=lambda: [][0]); t.start(); t.join()",
        "type('Thing', (), {'__del__': lambda self: [][0]})()",
        "logging.getLogger('some.library').error('one\\ntwo')",
        "asyncio.run(fail())",
    ],
)
def test_what_would_be_many_lines_on_standard_error_is_one(fault: str) -> None:
    program = f"""
import asyncio, logging, threading, warnings
from predictor.serving.observability import logs

async def fail():
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(logs.loop_failed)
    loop.call_soon(int, "{TEXT}")
    await asyncio.sleep(0)

logs.configure("auto", "INFO")
{fault}
"""
    command = [sys.executable, "-W", "always", "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    [event] = events(ended.stderr)
    assert event["level"] in {"WARNING", "ERROR", "CRITICAL"}
    assert TEXT not in ended.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_start_that_fails_is_told_in_the_log(tmp_path: Path, workers: str) -> None:
    command = [*PREDICTOR, "serve", "--bundle", str(tmp_path / "none")]
    environment = os.environ | {"WORKERS": workers, "PORT": "0", "GRPC_PORT": "0"}
    ended = subprocess.run(
        command, env=environment, capture_output=True, check=False, timeout=START_SECONDS
    )
    last = events(ended.stderr.decode())[-1]
    assert ended.returncode == 1
    assert last["level"] == "CRITICAL"
    assert last["message"].startswith(f"no bundle at {tmp_path}/none")
