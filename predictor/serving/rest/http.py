"""What every HTTP API here shares: bodies in, answers out, and one form for every error."""

from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.exceptions import HTTPException

from predictor.errors import InvalidInput

# ASGI's messages and scopes are open dictionaries.
Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON = "application/json"


class ClientGone(Exception):  # noqa: N818 - nobody is left to whom it would be an error
    """The client closed its connection in the middle of its request."""


@dataclass(frozen=True)
class Request:
    """A request's body, and its headers by their names in small letters; a GET has no body."""

    body: bytes = b""
    headers: Mapping[bytes, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Response:
    """A complete answer, and the ASGI application that sends it."""

    body: bytes
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send the answer."""
        encoded = [
            (b"content-type", self.content_type.encode("latin-1")),
            (b"content-length", b"%d" % len(self.body)),
        ]
        for name, value in self.headers.items():
            encoded.append((name.lower().encode("latin-1"), value.encode("latin-1")))
        await send({"type": "http.response.start", "status": self.status, "headers": encoded})
        await send({"type": "http.response.body", "body": self.body})


def refusal(error: Exception, invalid_input: int) -> Response:
    """Return the answer to a request that failed: `{"error": "…"}` with the error's status.

    Input that the contract does not allow has the status that the protocol gives it; an error that
    is not the client's says nothing of itself.
    """
    if isinstance(error, HTTPException):
        return _failure(error.status_code, error.detail, error.headers or {})
    if isinstance(error, InvalidInput):
        return _failure(invalid_input, str(error), {})
    return _failure(500, "internal error", {})


def _failure(status: int, message: str, headers: Mapping[str, str]) -> Response:
    return Response(msgspec.json.encode({"error": message}), status, headers=headers)


async def read(
    scope: Scope, receive: Receive, limit: int, content_types: Collection[str] = (JSON,)
) -> Request:
    """Return a request with its body.

    Raises HTTPException, 415 when it says that it is something else than the allowed types, and 413
    when it is over `limit` bytes; ClientGone when the connection ends before it does.
    """
    headers = dict(scope["headers"])
    given = headers.get(b"content-type", JSON.encode()).partition(b";")[0].strip().lower()
    if given.decode("latin-1") not in content_types:
        allowed = " or ".join(content_types)
        raise HTTPException(415, f"send the body with the header Content-Type: {allowed}")
    if int(headers.get(b"content-length", b"0")) > limit:
        raise _too_large(limit)
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part: bytes = message.get("body", b"")
        if len(body) + len(part) > limit:
            raise _too_large(limit)
        if not message.get("more_body", False):
            return Request(bytes(body) + part if body else part, headers)
        body += part


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"the body is over {limit} bytes")
