"""What every HTTP API here shares: bodies in, answers out, and one form for every error."""

import logging
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

import msgspec
from starlette.exceptions import HTTPException

from predictor.errors import InvalidInput, let_go
from predictor.serving import metrics
from predictor.serving.backlog import RETRY_SECONDS, ClientGone, Overloaded
from predictor.serving.engine import NoExplanation
from predictor.serving.observability.arrivals import Arrival
from predictor.serving.observability.lines import fields

# ASGI's messages and scopes are open dictionaries.
Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

logger = logging.getLogger(__name__)

JSON = "application/json"
JSON_TYPE = JSON.encode()
LARGE_PART_BYTES = 64 * 1024


# What a client, or too many of them, can bring about; anything else is a fault of this server.
EXPECTED = (HTTPException, InvalidInput, NoExplanation, Overloaded)


# The answer to what cannot wait for the end of the server, or asks whether it is ready.
ENDING = HTTPException(503, "the server is ending", {"Retry-After": "1"})


class Request(msgspec.Struct, frozen=True):
    """A request's body, as it came, and its headers by their names in small letters."""

    parts: list[bytes]
    headers: dict[bytes, bytes]

    @property
    def body(self) -> bytes:
        """The body in one piece, which of a large one takes its time."""
        return self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)

    @property
    def size_bytes(self) -> int:
        """The size of the body."""
        return sum(map(len, self.parts))


class Response(msgspec.Struct, frozen=True):
    """A complete answer, and the ASGI application that sends it."""

    body: bytes
    status: int = 200
    content_type: str = JSON
    headers: dict[str, str] = {}

    def encoded_headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers as they are sent."""
        extra = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in self.headers.items()
        ]
        return [
            (b"content-type", self.content_type.encode("latin-1")),
            (b"content-length", b"%d" % len(self.body)),
            *extra,
        ]

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send the answer."""
        headers = self.encoded_headers()
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def refused(error: Exception, what: str, arrival: Arrival, invalid_input: int) -> Response:
    """Return the answer to a request that failed; a fault of this server's own is logged."""
    if not isinstance(error, EXPECTED):
        request_id = arrival.request_id.decode()
        logger.error("%s failed", what, exc_info=error, extra=fields(request_id=request_id))
    return refusal(error, invalid_input)


def refusal(error: Exception, invalid_input: int) -> Response:
    """Return the answer to a request that failed: `{"error": "…"}` with the error's status.

    What is rejected for overload is counted.

    Input that the contract does not allow has the status that the protocol gives it; an error that
    is not the client's says nothing of itself.
    """
    if isinstance(error, EXPECTED):
        let_go(error)
    if isinstance(error, HTTPException):
        return _failure(error.status_code, error.detail, dict(error.headers or {}))
    if isinstance(error, InvalidInput):
        return _failure(invalid_input, str(error), {})
    if isinstance(error, NoExplanation):
        return _failure(404, str(error), {})
    if isinstance(error, Overloaded):
        metrics.REJECTED.labels(error.lack).inc()
        return _failure(503, str(error), {"Retry-After": str(RETRY_SECONDS)})
    return _failure(500, "internal error", {})


def _failure(status: int, message: str, headers: dict[str, str]) -> Response:
    return Response(msgspec.json.encode({"error": message}), status, headers=headers)


def headers_of(
    scope: Scope, limit: int, content_types: Collection[bytes] = (JSON_TYPE,)
) -> dict[bytes, bytes]:
    """Return a request's headers.

    Raises HTTPException, 415 when they say that the body is something else than the allowed types
    or is compressed, and 413 when they say that it is over `limit` bytes.
    """
    headers = dict(scope["headers"])
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise HTTPException(415, "send the body without a Content-Encoding")
    _check_type(headers.get(b"content-type", JSON_TYPE), content_types)
    if declared_bytes(headers) > limit:
        raise _too_large(limit)
    return headers


def declared_bytes(headers: dict[bytes, bytes]) -> int:
    """Return how large a body is said to be, 0 if nothing is said."""
    return int(headers.get(b"content-length", b"0"))


async def read(receive: Receive, headers: dict[bytes, bytes], limit: int) -> Request:
    """Return a request with its body.

    Raises HTTPException, 413, when it is over `limit` bytes, and ClientGone when the connection
    ends before it does.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise _too_large(limit)
        gather(parts)
        if not message.get("more_body", False):
            return Request(parts, headers)


def gather(parts: list[bytes]) -> None:
    """Join small parts: a byte by itself takes fifty, and a client may send each by itself.

    A part is joined with one before it that is no larger, so that each byte moves few times.
    """
    while len(parts) > 1 and len(parts[-2]) <= len(parts[-1]) < LARGE_PART_BYTES:
        last = parts.pop()
        parts[-1] += last


def _check_type(given: bytes, allowed: Collection[bytes]) -> None:
    if given.partition(b";")[0].strip().lower() not in allowed:
        names = b" or ".join(allowed).decode()
        raise HTTPException(415, f"send the body with the header Content-Type: {names}")


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"the body is over {limit} bytes")
