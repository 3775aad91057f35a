"""Spans by OpenTelemetry, made when a request was answered, of the times that were taken anyway."""

from collections.abc import Mapping
from time import perf_counter, time_ns
from typing import NamedTuple

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    format_trace_id,
    set_span_in_context,
)

from predictor import __version__
from predictor.serving.observability.arrivals import Arrival, parent

SERVICE_NAME = "energy-predictor"
UNKNOWN = "unknown_service"
# What OpenTelemetry knows; a method of another name has the attribute `_OTHER`.
METHODS = {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}
# The statuses of gRPC that are a server's fault.
FAULTS = {
    "DATA_LOSS",
    "DEADLINE_EXCEEDED",
    "INTERNAL",
    "UNAVAILABLE",
    "UNIMPLEMENTED",
    "UNKNOWN",
}


class _Told(NamedTuple):
    """What a span says of a request, by the semantic conventions of its protocol."""

    name: str
    attributes: Mapping[str, str | int]
    request_id: str  # the attribute of it
    is_fault: bool


class Spans:
    """Makes spans, and sends them to the collector from a thread of its own."""

    def __init__(self, scheme: str) -> None:
        """Take HTTP's scheme, and all else from the variables of OpenTelemetry."""
        self._scheme = scheme
        self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("predictor", __version__)

    def add(self, route: str, method: str, code: int | str, arrival: Arrival) -> str | None:
        """Make the span of a request that was answered now; return its trace if it is sampled."""
        end = time_ns()
        start = end - int((perf_counter() - arrival.start) * 1e9)
        told = _rpc(route, code) if isinstance(code, str) else self._http(route, method, code)
        span = self._tracer.start_span(
            told.name, _context(arrival), SpanKind.SERVER, told.attributes, start_time=start
        )
        if not span.is_recording():
            return None
        span.set_attribute(told.request_id, [arrival.request_id.decode()])
        if told.is_fault:
            span.set_attribute("error.type", str(code))
            span.set_status(StatusCode.ERROR)
        span.end(end)
        return format_trace_id(span.get_span_context().trace_id)

    def shut_down(self) -> None:
        """Send what is left; it takes as long as the collector does."""
        self._provider.shutdown()

    def _http(self, route: str, method: str, code: int) -> _Told:
        known = method if method in METHODS else "_OTHER"
        attributes: dict[str, str | int] = {
            "http.request.method": known,
            "url.scheme": self._scheme,
            "http.response.status_code": code,
        }
        name = known if known in METHODS else "HTTP"
        if route.startswith("/"):  # else it is none of the server's
            attributes["http.route"] = route
            name = f"{name} {route}"
        return _Told(name, attributes, "http.response.header.x-request-id", is_fault=code >= 500)


def _context(arrival: Arrival) -> Context:
    """Return what a request is a part of; without a caller's span it begins a trace."""
    found = parent(arrival.traceparent)
    if found is None:
        return Context()
    flags = TraceFlags(int(found.flags, 16))
    caller = SpanContext(int(found.trace_id, 16), int(found.span_id, 16), True, flags)  # noqa: FBT003
    return set_span_in_context(NonRecordingSpan(caller), Context())


def _rpc(route: str, code: str) -> _Told:
    method = route.removeprefix("/")
    attributes = {
        "rpc.system.name": "grpc",
        "rpc.method": method,
        "rpc.response.status_code": code,
    }
    return _Told(method, attributes, "rpc.response.metadata.x-request-id", is_fault=code in FAULTS)


def _resource() -> Resource:
    """Return what the spans are of: the variables' words, or else the server's own name."""
    found = Resource.create({"service.version": __version__})
    if str(found.attributes["service.name"]).startswith(UNKNOWN):
        return found.merge(Resource({"service.name": SERVICE_NAME}))
    return found
