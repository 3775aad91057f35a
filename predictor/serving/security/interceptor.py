"""The gate before gRPC's methods."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import unquote

import grpc
import grpc.aio

from predictor.serving import metrics
from predictor.serving.access import answered
from predictor.serving.observability.arrivals import arrived_with
from predictor.serving.security.gate import API_KEY, AUTHORIZATION, OPEN_METHODS, Gate
from predictor.serving.security.tls import principal_of
from predictor.serving.security.verdict import Peer, Refusal, address_of

Details = grpc.HandlerCallDetails
Context = Any
# Its stubs know only handlers that block.
Handler = Any
Continuation = Callable[[Details], Awaitable[Handler | None]]

CODES = {
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}
# Where a connection tells nothing of who asks, because its metadata do.
ANY_PEER = Peer("", certified="")
READ = tuple(header.decode() for header in (AUTHORIZATION, API_KEY))

logger = logging.getLogger(__name__)


class Interceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg] # it takes none
    """Lets a call pass, or ends it before its first message is read."""

    def __init__(self, gate: Gate) -> None:
        """Take what decides."""
        self._gate = gate

    async def intercept_service(  # type: ignore[override] # an unknown method has no handler
        self, continuation: Continuation, details: Details
    ) -> Handler | None:
        """Return the method's own handler, or one that refuses."""
        handler = await continuation(details)
        if details.method in OPEN_METHODS:
            return handler
        route = details.method if handler else "other"
        headers = _headers(details)
        if self._gate.needs_peer:
            return _judging(self._gate, handler, route)
        verdict = await self._gate.admit(headers, ANY_PEER)
        return _refusing(verdict, route) if isinstance(verdict, Refusal) else handler


def _headers(details: Details) -> dict[bytes, bytes]:
    """Return what may be a credential; metadata that are not ASCII are none."""
    return {
        name.encode(): value.encode() if isinstance(value, str) else value
        for name, value in details.invocation_metadata or ()
        if name in READ
    }


def _refusing(refusal: Refusal, route: str) -> Handler:
    """Return a handler that ends a call; as one of streams it reads no message before."""

    async def refuse(_: object, context: Context) -> None:
        await _abort(refusal, route, context)

    return grpc.stream_stream_rpc_method_handler(refuse)


def _judging(gate: Gate, handler: Handler | None, route: str) -> Handler:
    """Return a handler that judges by the connection, and then answers as another does."""

    async def judge(requests: AsyncIterator[Any], context: Context) -> None:
        verdict = await gate.admit({}, _peer(context))
        if isinstance(verdict, Refusal):
            await _abort(verdict, route, context)
        elif handler is None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
        elif handler.unary_unary:
            request = await context.read()
            if request is grpc.aio.EOF:  # type: ignore[attr-defined] # it is there
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the call has no message")
            await context.write(await handler.unary_unary(request, context))
        else:
            async for response in handler.stream_stream(requests, context):
                await context.write(response)

    read, written = (
        (handler.request_deserializer, handler.response_serializer) if handler else (None, None)
    )
    return grpc.stream_stream_rpc_method_handler(judge, read, written)


def _peer(context: Context) -> Peer:
    """Return the other end of a call: gRPC writes ipv4:ADDRESS:PORT or ipv6:%5BADDRESS%5D:PORT."""
    host = unquote(context.peer()).partition(":")[2].rpartition(":")[0].strip("[]")
    [certificate] = context.auth_context().get("x509_pem_cert", [None])
    return Peer(address_of(host), principal_of(certificate) if certificate else None)


async def _abort(refusal: Refusal, route: str, context: Context) -> None:
    arrival = arrived_with(context.invocation_metadata())
    code = CODES[refusal.status]
    metrics.DENIED.labels(refusal.reason).inc()
    answered(route, "GRPC", code.name, arrival)
    context.set_trailing_metadata(arrival.metadata)
    logger.debug("refused a call: %s", refusal.reason)
    await context.abort(code, refusal.message)
