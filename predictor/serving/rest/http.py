"""What every HTTP API here shares: bodies in, answers out, and one form for every error."""

import logging
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

import msgspec
from starlette.exceptions import HTTPException

from predictor.errors import InvalidInput
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


# What a client can bring about; anything else is a fault of this server.
CLIENT_ERRORS = (HTTPException, InvalidInput)


class ClientGone(Exception):  # noqa: N818 - nobody is left to whom it would be an error
    """The client closed its connection in the middle of its request."""


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
    if not isinstance(error, CLIENT_ERRORS):
        request_id = arrival.request_id.decode()
        logger.error("%s failed", what, exc_info=error, extra=fields(request_id=request_id))
    return refusal(error, invalid_input)


def refusal(error: Exception, invalid_input: int) -> Response:
    """Return the answer to a request that failed: `{"error": "…"}` with the error's status.

    Input that the contract does not allow has the status that the protocol gives it; an error that
    is not the client's says nothing of itself.
    """
    if isinstance(error, HTTPException):
        return _failure(error.status_code, error.detail, dict(error.headers or {}))
    if isinstance(error, InvalidInput):
        return _failure(invalid_input, str(error), {})
    return _failure(500, "internal error", {})


def _failure(status: int, message: str, headers: dict[str, str]) -> Response:
    return Response(msgspec.json.encode({"error": message}), status, headers=headers)


async def read(
    scope: Scope, receive: Receive, limit: int, content_types: Collection[bytes] = (JSON_TYPE,)
) -> Request:
    """Return a request with its body.

    Raises HTTPException, 415 when it says that it is something else than the allowed types, and 413
    when it is over `limit` bytes; ClientGone when the connection ends before it does.
    """
    headers = dict(scope["headers"])
    _check_type(headers.get(b"content-type", JSON_TYPE), content_types)
    if int(headers.get(b"content-length", b"0")) > limit:
        raise _too_large(limit)
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
        if not message.get("more_body", False):
            return Request(parts, headers)


def _check_type(given: bytes, allowed: Collection[bytes]) -> None:
    if given.partition(b";")[0].strip().lower() not in allowed:
        names = b" or ".join(allowed).decode()
        raise HTTPException(415, f"send the body with the header Content-Type: {names}")


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"the body is over {limit} bytes")
