"""What is read from a connection, with limits of size, and of what is asked ahead."""

from typing import Any

import httptools
from starlette.exceptions import HTTPException

from predictor.serving.backlog import Buffers, Hold
from predictor.serving.connections import framing
from predictor.serving.connections.ending import ANSWER, BODY, CLOSING, HEAD, IDLE, REFUSED, Ending
from predictor.serving.connections.framing import SLICE_BYTES
from predictor.serving.connections.watch import Watch

BODIES = frozenset({b"content-length", b"transfer-encoding"})
UPGRADE = HTTPException(501, "send a body without the header Upgrade")
NOT_HTTP = HTTPException(400, "this is not HTTP")
NOTHING_MORE = HTTPException(400, "the connection is closing")  # which nobody is told


class Connection(Ending):
    """A connection of a client that may send anything."""

    __slots__ = ("_body_bytes", "_buffers", "_framing_bytes", "_is_chunked")

    def __init__(
        self,
        watch: Watch,
        buffers: Buffers,
        **uvicorns: Any,  # noqa: ANN401 - they are handed on
    ) -> None:
        """Take the clock of all connections, and where their bodies are held."""
        super().__init__(watch, **uvicorns)
        self._buffers = buffers
        self._is_chunked = False
        self._framing_bytes = 0  # since the last of a body
        self._body_bytes = 0  # still to come, if it was said

    def data_received(self, data: bytes) -> None:
        """Parse what has come, if anything more is taken."""
        if self.phase >= REFUSED:
            self.throw_away(data)
        elif self._held:
            self._held += data
        elif len(data) <= SLICE_BYTES:
            self._feed(data)
        else:
            self._feed_slices(data)

    def _feed_slices(self, data: bytes) -> None:
        """Parse slice by slice until one has requests that must wait for those before them."""
        start, view = 0, memoryview(data)
        while start < len(data) and self.phase < REFUSED:
            if self.pipeline:
                self._hold_back(data[start:])
                return
            end = start + max(SLICE_BYTES, self._body_bytes)
            self._feed(view[start:end])
            start = end

    def _hold_back(self, data: bytes) -> None:
        self.flow.pause_reading()
        self._held, self.flow.is_held = data, True  # type: ignore[attr-defined]

    def _release(self) -> None:
        data, self._held = self._held, b""
        if self.phase >= REFUSED:
            return
        self.flow.is_held = False  # type: ignore[attr-defined]
        self.flow.resume_reading()
        self._feed_slices(data)
        if self.phase is ANSWER and self.cycle.response_complete:  # nothing was begun by it
            self.enter(IDLE)

    def _feed(self, data: bytes | memoryview) -> None:
        try:
            self.parser.feed_data(data)
            if self.phase is HEAD or self._is_chunked:
                self._framing_bytes += len(data)
                framing.check_size(self.url, self.headers, self._framing_bytes)
        except httptools.HttpParserUpgrade:
            pass  # it was answered as any other request, and what is behind it is not for us
        except httptools.HttpParserCallbackError as error:
            self.refuse(_reason(error.__context__ or error))
        except httptools.HttpParserError:
            self.refuse(NOT_HTTP)
        except HTTPException as error:
            self.refuse(error)

    def on_message_begin(self) -> None:
        """Begin a request, of which a byte has come; nothing is begun behind the last one."""
        if self.phase >= REFUSED:
            raise NOTHING_MORE
        super().on_message_begin()
        self._framing_bytes = 0
        self.phase, self.since = HEAD, self._watch.tick

    def on_headers_complete(self) -> None:
        """Begin to answer a request by ASGI, or refuse its head."""
        parser, before = self.parser, self.cycle
        version = parser.get_http_version()
        framing.check(version, parser.get_method(), self.url, self.headers)
        headers = dict(self.headers)
        if parser.should_upgrade() and not BODIES.isdisjoint(headers):
            raise UPGRADE  # the parser would skip the body
        super().on_headers_complete()
        self.headers = []  # for trailers, which are no headers of the request
        self._is_chunked = b"transfer-encoding" in headers
        self._body_bytes = int(headers.get(b"content-length", b"0"))
        self.cycle.hold = Hold(self._buffers, self._body_bytes)  # type: ignore[attr-defined]
        if parser.should_upgrade():
            self.cycle.keep_alive = False
        self.phase = BODY
        if self._is_ending:
            self._move_end(before)

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._framing_bytes = 0
        self._body_bytes -= len(body)
        cycle: Any = self.cycle
        if not cycle.response_complete:  # else it is thrown away
            cycle.hold.take(len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Have a request, or a request that was refused before its end, done with."""
        super().on_message_complete()
        self._is_chunked, self._body_bytes = False, 0
        if self.cycle.response_complete:
            self.enter(IDLE)
        else:
            self.phase = ANSWER

    def on_response_complete(self) -> None:
        """Go on with what is behind a request that was answered."""
        self.server_state.total_requests += 1
        if self._running is not None:
            self._running.body.clear()  # which a refusal has not read
            self._running.hold.give_back()
            self._running = self._task = None
        if self.phase is CLOSING:
            return
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self._refusal:
            self._end_with(self._refusal)
        elif self.phase is ANSWER and not self._held:
            self.enter(IDLE)
        if self._held and not self.pipeline:
            self.loop.call_soon(self._release)
        elif not self.pipeline:
            self.flow.resume_reading()


def _reason(error: BaseException) -> Exception:
    """Return why a callback of the parser failed, if that is not for a fault of our own."""
    if isinstance(error, httptools.HttpParserError) or not isinstance(error, Exception):
        return NOT_HTTP
    return error
