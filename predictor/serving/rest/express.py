"""The short way for the requests that are most of the load: past ASGI, no task, no framework.

uvicorn reads HTTP, and keeps connections, as for every request. A request for a prediction that is
complete and of the usual form is handed on where uvicorn would have made it a task. A small one is
predicted together with all that arrived in the same turn of the event loop, and each is answered in
one write. Whatever is unusual about a request or its connection sends it the long way, through
ASGI, where it gets the same answer.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from predictor.serving.access import answered
from predictor.serving.backlog import ClientGone, Hold, Lack, Overloaded
from predictor.serving.connections.connection import Connection
from predictor.serving.connections.ending import ANSWER, BODY
from predictor.serving.connections.framing import HEADERS
from predictor.serving.connections.watch import Watch
from predictor.serving.decoding.batch import Batch
from predictor.serving.engine import Engine
from predictor.serving.observability.arrivals import REQUEST_ID, TRACEPARENT, Arrival, arrived
from predictor.serving.rest.http import JSON_TYPE, Request, Response, gather, refused
from predictor.serving.rest.routes import Predict
from predictor.serving.security.asgi import PEER, peer_of
from predictor.serving.security.gate import Gate
from predictor.serving.service import Service
from predictor.serving.steps import Encode

UNUSUAL = frozenset({b"content-encoding", b"expect", b"transfer-encoding", b"upgrade"})


class _Nobody:
    """An event that nobody waits for."""

    def set(self) -> None:
        pass


class _Cycle:
    """What uvicorn looks at of a request that is being answered."""

    message_event = _Nobody()
    response_started = False  # until it is complete

    def __init__(self, arrival: Arrival, hold: Hold) -> None:
        self.arrival = arrival
        self.hold = hold
        self.response_complete = False
        self.disconnected = False
        self.keep_alive = True


class ExpressProtocol(Connection):
    """A connection with the short way."""

    __slots__ = (
        "_arriving",
        "_gate",
        "_limit_bytes",
        "_peer",
        "_refused",
        "_routes",
        "_service",
    )

    def __init__(
        self,
        watch: Watch,
        service: Service,
        routes: Mapping[bytes, Predict],
        limit_bytes: int,
        gate: Gate | None = None,
        **uvicorns: Any,  # noqa: ANN401 - they are handed on
    ) -> None:
        """Take the routes by their URLs, how large a body may be, and who may ask."""
        super().__init__(watch, service.buffers, **uvicorns)
        self._service = service
        self._routes = routes
        self._limit_bytes = limit_bytes
        self._gate = gate
        self._arriving: Request | None = None  # by the short way
        self._refused: Overloaded | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection, and note who is at its other end if that is asked for."""
        super().connection_made(transport)
        if self._gate is not None:
            self._peer = peer_of(transport)
            self.app_state = {**self.app_state, PEER: self._peer}

    def on_headers_complete(self) -> None:
        """Begin a request, by the short way if it is as usual."""
        headers = dict(self.headers)
        if self._is_usual(headers) and self._may_pass(headers):
            self._begin(headers, int(headers[b"content-length"]))
        else:
            super().on_headers_complete()

    def _begin(self, headers: dict[bytes, bytes], size_bytes: int) -> None:
        self._arriving = Request([], headers)
        self._body_bytes = size_bytes
        lack = self._service.lack(size_bytes)
        self._refused = Overloaded(lack) if lack else None
        arrival = arrived(headers.get(REQUEST_ID), headers.get(TRACEPARENT))
        cycle: Any = _Cycle(arrival, Hold(self._service.buffers, size_bytes))
        self.cycle = cycle
        self.phase = BODY
        if self._is_ending:
            self.let_end()

    def _may_pass(self, headers: dict[bytes, bytes]) -> bool:
        """Tell whether the gate lets a request pass; whom it does not is refused the long way."""
        return self._gate is None or isinstance(self._gate.judge(headers, self._peer), str)

    def _is_usual(self, headers: dict[bytes, bytes]) -> bool:
        route, parser = self._routes.get(self.url), self.parser
        return (
            route is not None
            and parser.get_method() == b"POST"
            and headers.get(b"content-type", JSON_TYPE) in route.content_types
            and int(headers.get(b"content-length", self._limit_bytes + 1)) <= self._limit_bytes
            and UNUSUAL.isdisjoint(headers)
            and b"host" in headers
            and len(headers) == len(self.headers) <= HEADERS
            and parser.should_keep_alive()
            and parser.get_http_version() == "1.1"
            and (self.cycle is None or self.cycle.response_complete)
            and not self.flow.write_paused
        )

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        if self._arriving is None:
            super().on_body(body)
            return
        self._body_bytes -= len(body)
        if self._refused is None:  # else it is thrown away, which costs least
            cycle: Any = self.cycle
            self._hold(self._arriving.parts, cycle.hold, body)

    def _hold(self, parts: list[bytes], hold: Hold, body: bytes) -> None:
        try:
            hold.take(len(body))
        except Overloaded:
            # A new one: what was raised holds the body.
            self._refused = Overloaded(Lack.MEMORY)
            parts.clear()
            hold.give_back()
        else:
            parts.append(body)
            if len(parts) > 1:
                gather(parts)

    def on_message_complete(self) -> None:
        """Have a request answered, a small one at the end of this turn of the event loop."""
        if self._arriving is None:
            super().on_message_complete()
            return
        route = self._routes[self.url]
        cycle: Any = self.cycle
        decode = partial(_decode, route, self._arriving, cycle)
        deliver = partial(self._deliver, cycle, route.path)
        self._arriving, self._body_bytes = None, 0
        self.phase = ANSWER
        if self._refused:
            deliver(self._refused)
        else:
            self._service.submit(cycle.hold.size_bytes, decode, deliver)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of what had arrived of a request."""
        if self._arriving is not None:
            cycle: Any = self.cycle
            cycle.hold.give_back()
            self._arriving = None
        super().connection_lost(exc)

    def _deliver(self, cycle: _Cycle, path: str, outcome: Response | Exception) -> None:
        cycle.hold.give_back()
        if cycle.disconnected:  # also where it is ClientGone
            return
        if isinstance(outcome, Exception):
            outcome = refused(outcome, f"POST {path}", cycle.arrival, invalid_input=400)
        answered(path, "POST", outcome.status, cycle.arrival)
        cycle.response_complete = True
        if not self.transport.is_closing():
            found = (REQUEST_ID, cycle.arrival.request_id)
            self.transport.write(self.encoded(outcome, found, keep_alive=cycle.keep_alive))
            if not cycle.keep_alive:
                self.transport.close()
        self.on_response_complete()


def _decode(
    route: Predict, request: Request, cycle: _Cycle, engine: Engine
) -> tuple[Batch, Encode[Response]]:
    """Decode a request unless its client has gone while it waited."""
    if cycle.disconnected:
        raise ClientGone
    return route.decode(request, engine)
