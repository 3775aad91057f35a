"""The Open Inference Protocol over gRPC, with health checks and reflection."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from predictor import __version__
from predictor.bundle import Manifest
from predictor.contract import quote
from predictor.errors import InvalidInput, SettingsError, let_go
from predictor.serving import metrics
from predictor.serving.access import answered, expect
from predictor.serving.backlog import Hold, Overloaded
from predictor.serving.decoding.batch import Batch
from predictor.serving.decoding.tensors import PLATFORM, SERVER_NAME, metadata
from predictor.serving.engine import Engine
from predictor.serving.grpc import inference_pb2 as pb
from predictor.serving.grpc import messages
from predictor.serving.grpc.drain import Calls
from predictor.serving.observability.arrivals import Arrival, arrived_with
from predictor.serving.observability.lines import fields
from predictor.serving.processes.ports import address
from predictor.serving.security.gate import Gate
from predictor.serving.security.interceptor import Interceptor
from predictor.serving.security.tls import Tls
from predictor.serving.service import Service
from predictor.serving.settings import Settings
from predictor.serving.steps import Encode

# Of one connection; a client with more calls has the rest wait, or another connection.
STREAMS = 256
METADATA_BYTES = 16 * 1024
KEEP_ALIVE_SECONDS = 60
PING_SECONDS = 10

IN_FLIGHT = metrics.IN_FLIGHT.labels("grpc")

# How a call ends if the server is well, if it is not, and if it has too much to do.
CODES = ("OK", "INTERNAL", "UNAVAILABLE")

logger = logging.getLogger(__name__)

Handler = Callable[[Any], Awaitable[Message]]

SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]


class _NotFound(Exception):  # noqa: N818 - it is the client's request that is at fault
    """A request for something that is not here."""

    def __init__(self, given: str, served: str) -> None:
        super().__init__(f"got {quote(given)}, expected {served}")


STATUSES = {
    InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    _NotFound: grpc.StatusCode.NOT_FOUND,
    Overloaded: grpc.StatusCode.UNAVAILABLE,
}


class _Inference:
    """The methods of the service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def server_live(self, _: pb.ServerLiveRequest) -> pb.ServerLiveResponse:
        return pb.ServerLiveResponse(live=True)

    async def server_ready(self, _: pb.ServerReadyRequest) -> pb.ServerReadyResponse:
        return pb.ServerReadyResponse(ready=not self._service.is_ending)

    async def server_metadata(self, _: pb.ServerMetadataRequest) -> pb.ServerMetadataResponse:
        return pb.ServerMetadataResponse(name=SERVER_NAME, version=__version__)

    async def model_ready(self, request: pb.ModelReadyRequest) -> pb.ModelReadyResponse:
        _check(self._service.engine.manifest, request.name, request.version)
        return pb.ModelReadyResponse(ready=not self._service.is_ending)

    async def model_metadata(self, request: pb.ModelMetadataRequest) -> pb.ModelMetadataResponse:
        manifest = self._service.engine.manifest
        _check(manifest, request.name, request.version)
        return pb.ModelMetadataResponse(
            name=manifest.name,
            versions=[manifest.version],
            platform=PLATFORM,
            **metadata(manifest.contract),
        )

    async def model_infer(self, request: pb.ModelInferRequest) -> pb.ModelInferResponse:
        decode = partial(_decode, self._service, request)
        size_bytes = request.ByteSize()
        self._service.check_room(size_bytes)
        hold = Hold(self._service.buffers)
        try:
            hold.take(size_bytes)
            return await self._service.answer(size_bytes, decode)
        finally:
            hold.give_back()


def _decode(
    service: Service, request: pb.ModelInferRequest, engine: Engine
) -> tuple[Batch, Encode[pb.ModelInferResponse]]:
    _check(engine.manifest, request.model_name, request.model_version)
    return messages.decode(service, request, engine)


def _check(manifest: Manifest, name: str, version: str) -> None:
    """Refuse a model, or a version of it, that is not served; none is the served one."""
    if name != manifest.name:
        raise _NotFound(name, manifest.name)
    if version not in {"", manifest.version}:
        raise _NotFound(version, manifest.version)


class _Health(health.aio.HealthServicer):  # type: ignore[name-defined,misc] # no types
    """Says that the server and its one service serve: before they do, nobody can ask."""

    def __init__(self) -> None:
        super().__init__()
        self._server_status[SERVICE.full_name] = self._server_status[""]


@dataclass(frozen=True)
class Server:
    """gRPC's server, what tells of its health, and how many calls it got."""

    grpc: grpc.aio.Server
    health: _Health
    calls: Calls


def make_server(service: Service, settings: Settings, gate: Gate | None = None) -> Server:
    """Return a server that listens on no port yet, for those whom the gate lets pass."""
    interceptors = [Interceptor(gate)] if gate else []
    server = grpc.aio.server(interceptors=interceptors, options=_options(settings))
    health_of, calls = _Health(), Calls()
    inference = _Inference(service)
    handlers: dict[str, Handler] = {
        "ServerLive": inference.server_live,
        "ServerReady": inference.server_ready,
        "ModelReady": inference.model_ready,
        "ServerMetadata": inference.server_metadata,
        "ModelMetadata": inference.model_metadata,
        "ModelInfer": inference.model_infer,
    }
    methods = {name: _method(name, handler, calls) for name, handler in handlers.items()}
    generic = grpc.method_handlers_generic_handler(SERVICE.full_name, methods)
    server.add_generic_rpc_handlers((generic,))
    health_pb2_grpc.add_HealthServicer_to_server(health_of, server)
    expect(f"/{SERVICE.full_name}/ModelInfer", "GRPC", CODES)
    names = (SERVICE.full_name, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    return Server(server, health_of, calls)


def _options(settings: Settings) -> list[tuple[str, int]]:
    """Return what gRPC's core is told, where its defaults are not what they are here."""
    options = [
        ("grpc.max_receive_message_length", settings.max_body_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 1),  # every worker listens on the one port
        ("grpc.max_concurrent_streams", STREAMS),
        ("grpc.max_metadata_size", METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", METADATA_BYTES),
        ("grpc.server_handshake_timeout_ms", settings.header_seconds * 1000),
        # A client that does not answer is gone; one that asks more often than this is cut.
        ("grpc.keepalive_time_ms", KEEP_ALIVE_SECONDS * 1000),
        ("grpc.keepalive_timeout_ms", settings.transfer_seconds * 1000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", PING_SECONDS * 1000),
    ]
    if settings.grpc_connection_seconds:
        options += [
            ("grpc.max_connection_age_ms", settings.grpc_connection_seconds * 1000),
            ("grpc.max_connection_age_grace_ms", settings.transfer_seconds * 1000),
        ]
    return options


def _method(name: str, handler: Handler, calls: Calls) -> "grpc.RpcMethodHandler[bytes, bytes]":
    """Return a method that parses its request itself: gRPC calls bad bytes an internal error."""
    request_type = getattr(pb, f"{name}Request")
    route = f"/{SERVICE.full_name}/{name}"

    async def respond(request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        calls.count += 1
        arrival = arrived_with(context.invocation_metadata())
        with IN_FLIGHT.track_inprogress():
            code, answer = await _answer(route, handler, request_type, request, arrival)
        answered(route, "GRPC", code.name, arrival)
        context.set_trailing_metadata(arrival.metadata)
        if isinstance(answer, str):
            await context.abort(code, answer)
        return answer

    return grpc.unary_unary_rpc_method_handler(respond)


async def _answer(
    route: str,
    handler: Handler,
    request_type: type[Message],
    request: bytes,
    arrival: Arrival,
) -> tuple[grpc.StatusCode, bytes | str]:
    """Return a status, and the answer's bytes or what is wrong."""
    try:
        response = await handler(request_type.FromString(request))
        return grpc.StatusCode.OK, response.SerializeToString()
    except DecodeError:
        message = f"the message is not an inference.{request_type.__name__}"
        return grpc.StatusCode.INVALID_ARGUMENT, message
    except (InvalidInput, _NotFound, Overloaded) as error:
        let_go(error)
        if isinstance(error, Overloaded):
            metrics.REJECTED.labels(error.lack).inc()
        return STATUSES[type(error)], str(error)
    except Exception:
        named = fields(request_id=arrival.request_id.decode())
        logger.exception("%s failed", route, extra=named)
        return grpc.StatusCode.INTERNAL, "internal error"


def listen(server: Server, settings: Settings, tls: Tls | None = None) -> None:
    """Listen on the port for gRPC; raises SettingsError when it cannot be had."""
    where = address(settings.listen_host, settings.grpc_port)
    try:
        if tls is None:
            server.grpc.add_insecure_port(where)
        else:
            server.grpc.add_secure_port(where, tls.for_grpc())
    except RuntimeError as error:
        message = f"cannot listen on {where} for gRPC"
        raise SettingsError(message) from error
