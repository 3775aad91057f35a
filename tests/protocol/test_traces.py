"""Spans of requests, as a collector gets them that speaks OTLP over HTTP."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from predictor.contract import Row
from tests.protocol.process import START_SECONDS, Server, events, running

PREDICT = "/v1/models/energy:predict"
INFER = "inference.GRPCInferenceService/ModelInfer"
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector(ThreadingHTTPServer):
    """Takes what is exported to it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[ExportTraceServiceRequest] = []
        self.endpoint = f"http://127.0.0.1:{self.server_port}"

    @property
    def spans(self) -> list[Span]:
        scopes = [s for r in self.received for e in r.resource_spans for s in e.scope_spans]
        return [span for scope in scopes for span in scope.spans]

    @property
    def resource(self) -> dict[str, object]:
        return attributes(self.received[0].resource_spans[0].resource)


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        yield collector
        collector.shutdown()


def attributes(of: Any) -> dict[str, object]:  # noqa: ANN401 - spans and resources
    """Return attributes as Python's own values."""
    found: dict[str, object] = {}
    for pair in of.attributes:
        kind = pair.value.WhichOneof("value")
        value = getattr(pair.value, kind)
        found[pair.key] = [v.string_value for v in value.values] if kind == "array_value" else value
    return found


def traced(folder: Path, endpoint: str, **settings: str) -> AbstractContextManager[Server]:
    """Return a server that exports when it ends: the first time by itself would be much later."""
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "600000"}
    return running(folder, NO_PROXY="127.0.0.1", ACCESS_LOG="true", **variables, **settings)


def end(server: Server) -> list[dict[str, Any]]:
    """End a server, which is to go well, and return what it has logged."""
    server.process.terminate()
    assert server.process.wait(START_SECONDS) == 0
    return events(server.log.read_text())


def predict(server: Server, row: Row, headers: dict[str, str], *, in_chunks: bool = False) -> str:
    """Ask for a prediction, by the long way in chunks; return the name of the request."""
    content = httpx.Request("POST", "http://x", json={"instances": [row]}).content
    body = iter([content]) if in_chunks else content
    answer = httpx.post(server.url + PREDICT, content=body, headers=headers)
    assert answer.status_code == 200
    return answer.headers["x-request-id"]


@pytest.mark.parametrize("in_chunks", [False, True], ids=["the short way", "the long way"])
def test_a_request_is_a_span_of_the_trace_that_it_comes_from(
    bundle_folder: Path, row: Row, collector: Collector, *, in_chunks: bool
) -> None:
    sent = {"traceparent": f"00-{TRACE}-{CALLER}-01", "x-request-id": "my-name"}
    with traced(bundle_folder, collector.endpoint) as server:
        predict(server, row, sent, in_chunks=in_chunks)
        end(server)
    [span] = collector.spans
    assert (span.name, span.kind) == (f"POST {PREDICT}", Span.SPAN_KIND_SERVER)
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, CALLER)
    assert span.start_time_unix_nano < span.end_time_unix_nano
    assert span.status.code == span.status.STATUS_CODE_UNSET
    assert attributes(span) == {
        "http.request.method": "POST",
        "http.route": PREDICT,
        "http.response.status_code": 200,
        "http.response.header.x-request-id": ["my-name"],
        "url.scheme": "http",
    }
    assert collector.resource["service.name"] == "energy-predictor"


def test_a_request_without_a_caller_begins_a_trace_that_its_line_names(
    bundle_folder: Path, row: Row, collector: Collector
) -> None:
    with traced(bundle_folder, collector.endpoint, WORKERS="2") as server:
        names = {predict(server, row, {}) for _ in range(10)}
        lines = [event for event in end(server) if event["message"] == "answered"]
    traces = {line["trace_id"]: [line["request_id"]] for line in lines}
    assert {name for [name] in traces.values()} == names
    assert traces == {
        span.trace_id.hex(): attributes(span)["http.response.header.x-request-id"]
        for span in collector.spans
    }
    assert not any(span.parent_span_id for span in collector.spans)


def test_a_call_by_grpc_is_a_span_too_and_one_that_fails_by_its_client_is_no_error(
    bundle_folder: Path, collector: Collector
) -> None:
    metadata = (("traceparent", f"00-{TRACE}-{CALLER}-01"),)
    with traced(bundle_folder, collector.endpoint, OTEL_SERVICE_NAME="oven") as server:
        with grpc.insecure_channel(server.grpc) as channel:
            ask = channel.unary_unary(f"/{INFER}", None, None)
            assert ask.future(b"\xff", metadata=metadata).code().name == "INVALID_ARGUMENT"
        end(server)
    [span] = collector.spans
    assert (span.name, span.kind) == (INFER, Span.SPAN_KIND_SERVER)
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, CALLER)
    assert span.status.code == span.status.STATUS_CODE_UNSET
    assert attributes(span) == {
        "rpc.system.name": "grpc",
        "rpc.method": INFER,
        "rpc.response.status_code": "INVALID_ARGUMENT",
        "rpc.response.metadata.x-request-id": [TRACE],
    }
    assert collector.resource["service.name"] == "oven"


def test_what_its_caller_does_not_sample_is_no_span(
    bundle_folder: Path, row: Row, collector: Collector
) -> None:
    with traced(bundle_folder, collector.endpoint) as server:
        predict(server, row, {"traceparent": f"00-{TRACE}-{CALLER}-00"})
        [line] = [event for event in end(server) if event["message"] == "answered"]
    assert collector.spans == []
    assert "trace_id" not in line
    assert line["request_id"] == TRACE


def test_the_paths_that_clients_make_up_are_in_no_span(
    bundle_folder: Path, collector: Collector
) -> None:
    with traced(bundle_folder, collector.endpoint) as server:
        httpx.get(f"{server.url}/made/up?by=a-client")
        end(server)
    [span] = collector.spans
    assert span.name == "GET"
    assert "made" not in str(span)


@pytest.mark.parametrize("answers", [False, True], ids=["away", "silent"])
def test_a_collector_that_does_not_answer_hurts_no_request_and_no_end(
    bundle_folder: Path, row: Row, *, answers: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        if not answers:
            silent.close()
        with traced(bundle_folder, endpoint, OTEL_BSP_MAX_EXPORT_BATCH_SIZE="1") as server:
            for _ in range(20):
                predict(server, row, {})
            lines = end(server)
    assert sum(line["message"] == "answered" for line in lines) == 20


def test_without_the_libraries_there_is_a_warning_and_no_trace(
    bundle_folder: Path, row: Row, collector: Collector, tmp_path: Path
) -> None:
    (tmp_path / "opentelemetry").mkdir()
    (tmp_path / "opentelemetry" / "sdk.py").touch()  # it hides the real one
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    with traced(bundle_folder, collector.endpoint, PYTHONPATH=path) as server:
        predict(server, row, {})
        [warning] = [event for event in end(server) if event["level"] == "WARNING"]
    assert warning["message"].endswith("pip install 'energy-predictor[otel]'")
    assert collector.spans == []


def test_the_libraries_are_imported_only_for_those_who_want_traces() -> None:
    program = "import sys, predictor.serving.processes.worker; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    imported = subprocess.check_output(command, text=True, timeout=START_SECONDS).split()
    assert "uvicorn" in imported
    assert not {"opentelemetry.sdk", "opentelemetry.exporter", "requests"} & set(imported)
