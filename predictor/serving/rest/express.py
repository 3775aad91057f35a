"""The short way for the requests that are most of the load: past ASGI, no task, no framework.

uvicorn reads HTTP, and keeps connections, as for every request. A request for a prediction that is
complete, small and of the usual form is decoded where uvicorn would have made it a task. It is then
predicted together with all that arrived in the same turn of the event loop, and answered in one
write. Whatever is unusual about a request or its connection sends it the long way, through ASGI,
where it gets the same answer.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from time import perf_counter
from typing import Any

from starlette.exceptions import HTTPException
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from predictor.serving.access import answered
from predictor.serving.backlog import ClientGone, Overloaded
from predictor.serving.decoding.batch import Batch
from predictor.serving.engine import Engine
from predictor.serving.rest.http import JSON_TYPE, Request, Response, refused
from predictor.serving.rest.routes import Predict
from predictor.serving.service import SMALL_BYTES, Service
from predictor.serving.steps import Encode

UNUSUAL = frozenset({b"expect", b"transfer-encoding", b"upgrade"})


class _Cycle:
    """What uvicorn looks at of a request that is being answered."""

    def __init__(self) -> None:
        self.start = perf_counter()
        self.response_complete = False
        self.disconnected = False
        self.keep_alive = True
        self.message_event = asyncio.Event()


class ExpressProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with the short way."""

    def __init__(
        self,
        service: Service,
        routes: Mapping[bytes, Predict],
        limit_bytes: int,
        **uvicorns: Any,  # noqa: ANN401 - they are handed on
    ) -> None:
        """Take the routes by their URLs, and how large a body may be."""
        super().__init__(**uvicorns)
        self._service = service
        self._routes = routes
        self._limit_bytes = min(limit_bytes, SMALL_BYTES)
        self._arriving: Request | None = None  # by the short way
        self._held_bytes = 0  # of it
        self._refusal: Overloaded | None = None

    def on_headers_complete(self) -> None:
        """Begin a request, by the short way if it is as usual."""
        headers = dict(self.headers)
        if self._is_usual(headers):
            self._arriving = Request([], headers)
            size_bytes = int(headers[b"content-length"])
            self._refusal = None if self._service.has_room(size_bytes) else Overloaded()
            self.cycle = _Cycle()  # type: ignore[assignment] # as far as it is looked at
        else:
            super().on_headers_complete()

    def _is_usual(self, headers: dict[bytes, bytes]) -> bool:
        route, parser = self._routes.get(self.url), self.parser
        return (
            route is not None
            and parser.get_method() == b"POST"
            and headers.get(b"content-type", JSON_TYPE) in route.content_types
            and int(headers.get(b"content-length", self._limit_bytes + 1)) <= self._limit_bytes
            and UNUSUAL.isdisjoint(headers)
            and parser.should_keep_alive()
            and parser.get_http_version() == "1.1"
            and (self.cycle is None or self.cycle.response_complete)
            and not self.flow.write_paused
        )

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        if self._arriving is None:
            super().on_body(body)
        elif self._refusal is None:  # else it is thrown away, which costs least
            self._hold(self._arriving, body)

    def _hold(self, arriving: Request, body: bytes) -> None:
        try:
            self._service.buffers.take(len(body))
        except Overloaded as error:
            self._refusal = error
        else:
            self._held_bytes += len(body)
            arriving.parts.append(body)

    def on_message_complete(self) -> None:
        """Have a request answered at the end of this turn of the event loop."""
        if self._arriving is None:
            super().on_message_complete()
            return
        route = self._routes[self.url]
        cycle: Any = self.cycle
        decode = partial(_decode, route, self._arriving, cycle)
        size_bytes, self._arriving, self._held_bytes = self._held_bytes, None, 0
        deliver = partial(self._deliver, cycle, route.path, size_bytes)
        if self._refusal:
            deliver(self._refusal)
        else:
            self._service.submit(size_bytes, decode, deliver)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of what had arrived of a request."""
        self._service.buffers.give_back(self._held_bytes)
        self._arriving, self._held_bytes = None, 0
        super().connection_lost(exc)

    def _deliver(
        self, cycle: _Cycle, path: str, size_bytes: int, outcome: Response | Exception
    ) -> None:
        self._service.buffers.give_back(size_bytes)
        if isinstance(outcome, ClientGone):
            return
        if isinstance(outcome, Exception):
            outcome = refused(outcome, f"POST {path}", invalid_input=400)
        answered(path, "POST", outcome.status, cycle.start)
        cycle.response_complete = True
        if not self.transport.is_closing():
            self.transport.write(self._encoded(outcome, keep_alive=cycle.keep_alive))
            if not cycle.keep_alive:
                self.transport.close()
        self.on_response_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - it is uvicorn's own text
        """Refuse what is not HTTP in the form of every other refusal, and close."""
        refusal = refused(HTTPException(400, "this is not HTTP"), "", invalid_input=400)
        self.transport.write(self._encoded(refusal, keep_alive=False))
        self.transport.close()

    def _encoded(self, response: Response, *, keep_alive: bool) -> bytes:
        headers = [*self.server_state.default_headers, *response.encoded_headers()]
        if not keep_alive:
            headers.append((b"connection", b"close"))
        lines = [b"%b: %b\r\n" % header for header in headers]
        return b"".join([STATUS_LINE[response.status], *lines, b"\r\n", response.body])


def _decode(
    route: Predict, request: Request, cycle: _Cycle, engine: Engine
) -> tuple[Batch, Encode[Response]]:
    """Decode a request unless its client has gone while it waited."""
    if cycle.disconnected:
        raise ClientGone
    return route.decode(request, engine)
