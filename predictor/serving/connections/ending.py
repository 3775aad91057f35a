"""uvicorn's HTTP protocol with limits of time, and ends of its own.

A connection is in one phase at a time. Its place in it is noted as a tick of the clock that all
connections share, which costs a request nothing that can be measured.
"""

import asyncio
from typing import Any

from starlette.exceptions import HTTPException
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from predictor.serving import metrics
from predictor.serving.backlog import Overloaded
from predictor.serving.connections.farewell import Lingering
from predictor.serving.connections.watch import Cut, Phase, Watch
from predictor.serving.observability.arrivals import REQUEST_ID, arrived
from predictor.serving.rest.http import Response, refused

IDLE, HEAD, BODY, ANSWER, REFUSED, CLOSING = Phase
# How long a client may take to close a connection that is closed from here, and how much of what it
# still sends is read for that.
LINGER_SECONDS = 1.0
LAST_LINGER_SECONDS = 0.3
LINGER_BYTES = 1024 * 1024
REASONS = {408: Cut.LATE, 503: Cut.ENDING}  # by the status, where it tells


class _Flow(FlowControl):
    """uvicorn's flow control, which reads no more while something that was read is held back."""

    is_held = False

    def resume_reading(self) -> None:
        if not self.is_held:
            super().resume_reading()


class Ending(HttpToolsProtocol):
    """A connection of a client that may be slow, gone, or still here at the end."""

    # Two thousand connections with a larger dictionary each would take three megabytes more.
    __slots__ = (
        "_closer",
        "_held",
        "_is_ending",
        "_made_last",
        "_refusal",
        "_running",
        "_task",
        "_thrown_bytes",
        "_transport",
        "_watch",
        "phase",
        "since",
    )

    def __init__(self, watch: Watch, **uvicorns: Any) -> None:  # noqa: ANN401 - they are handed on
        """Take the clock of all connections."""
        super().__init__(**uvicorns)
        self.phase = IDLE
        self.since = watch.tick
        self._watch = watch
        self._is_ending = watch.is_draining
        self._made_last: Any = None  # the cycle of the last request, if it is last for our sake
        self._running: Any = None  # the cycle of the request that ASGI is answering
        self._task: asyncio.Task[None] | None = None  # by which it does
        self._held = b""  # behind requests that are not answered
        self._refusal = b""  # to be sent behind the answers before it
        self._thrown_bytes = 0  # of what came too late
        self._closer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to watch."""
        self._transport = transport
        self._is_ending = self._watch.is_draining
        lingering: Any = Lingering(transport, self.say_farewell)
        super().connection_made(lingering)
        self.flow = _Flow(lingering)
        self._watch.open.add(self)
        self._watch.accept_others()

    def connection_lost(self, exc: Exception | None) -> None:
        """End to watch, and let go of all that refers to this."""
        self.phase = CLOSING
        self._watch.open.discard(self)
        self._watch.note_read(self)
        if self._closer is not None:
            self._closer.cancel()
        self._held, self.flow.is_held = b"", False  # type: ignore[attr-defined] # it is a _Flow
        for cycle, _ in self.pipeline:
            _abandon(cycle)
        self.pipeline.clear()
        if self._running is not None:  # uvicorn tells only the newest
            _abandon(self._running)
            self._running = None
        if self._task is not None:  # nobody waits for what it does
            self._task.cancel()
            self._task = None
        super().connection_lost(exc)
        self.transport = self._transport

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:  # noqa: ANN401 - uvicorn's own
        """Have ASGI answer a request, as uvicorn does, by a task that can be cancelled."""
        self._running = cycle
        self._task = self.loop.create_task(cycle.run_asgi(app))
        self._task.add_done_callback(self.tasks.discard)
        self.tasks.add(self._task)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Go on to write if the client has ended only its own side."""
        is_answered = self.cycle is None or (self.cycle.response_complete and not self._held)
        is_owed = self.phase is ANSWER and not is_answered and self._transport.can_write_eof()
        if is_owed:
            self.let_end()
        return is_owed

    def pause_writing(self) -> None:
        """Note that the client does not read."""
        super().pause_writing()
        self._watch.note_unread(self)

    def resume_writing(self) -> None:
        """Note that the client reads."""
        super().resume_writing()
        self._watch.note_read(self)

    @property
    def unread_bytes(self) -> int:
        """How much of its answers a client has yet to read, beside what the kernel holds."""
        size: int = self._transport.get_write_buffer_size()
        return size

    @property
    def descriptor(self) -> int:
        """The number of the socket."""
        number: int = self._transport.get_extra_info("socket").fileno()
        return number

    def enter(self, phase: Phase) -> None:
        """Begin a phase that has a limit of its own; a request's began with its first byte."""
        self.phase, self.since = phase, self._watch.tick

    def let_end(self) -> None:
        """Have the last request that was begun, or else the next one, be the last."""
        self._is_ending = True
        self._move_end(None)

    def _move_end(self, before: Any) -> None:  # noqa: ANN401 - uvicorn's cycle, or ours
        """Let the newest request be the last, and none that was so for our sake before."""
        if before is not None and before is self._made_last:
            before.keep_alive = True
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete and cycle.keep_alive:
            cycle.keep_alive, self._made_last = False, cycle

    def expire(self) -> None:
        """End a connection that was too long in its phase."""
        if self.phase is CLOSING:
            self.cut()
        elif self.phase is IDLE:
            self.transport.close()
        elif self.flow.read_paused:  # it is not the client that is late
            self.since = self._watch.tick
        else:
            part = "headers" if self.phase is HEAD else "body"
            self.refuse(HTTPException(408, f"the request's {part} took too long to come"))

    def cut(self) -> None:
        """End at once a connection whose client does not read."""
        metrics.CONNECTIONS_CUT.labels(Cut.UNREAD).inc()
        self._transport.abort()

    def refuse(self, error: Exception) -> None:
        """Answer the request that is arriving with an error, in its turn, and close.

        A request is answered once: if an answer was begun, the connection is only closed.
        """
        if self.phase >= REFUSED:
            return
        if self.phase is IDLE:
            self.transport.close()
            return
        arrival = arrived(None, None)
        refusal = refused(error, "parsing a request", arrival, invalid_input=400)
        reason = REASONS.get(refusal.status, Cut.MALFORMED)
        if isinstance(error, Overloaded):
            reason = Cut.FULL
        metrics.CONNECTIONS_CUT.labels(reason).inc()
        found = (REQUEST_ID, arrival.request_id)
        words, was = self.encoded(refusal, found, keep_alive=False), self.phase
        self.phase, self._held = REFUSED, b""
        cycle: Any = self.cycle
        is_owed = cycle is not None and not cycle.response_complete
        if was is HEAD and not is_owed:
            self._end_with(words)
        elif was is HEAD:
            self._refusal = words
        elif was is BODY and self.pipeline:
            _abandon(self.pipeline.popleft()[0])
            self._refusal = words
        elif self.pipeline or not is_owed or cycle.response_started:
            if self._running is not None:  # it must not write behind the farewell
                _abandon(self._running)
            self.transport.close()
        else:
            _abandon(cycle)
            self._end_with(words)

    def _end_with(self, words: bytes) -> None:
        self.transport.write(words)
        self.transport.close()

    def say_farewell(self) -> None:
        """End this side, and throw away what still comes until the client ends its own."""
        if self.phase is CLOSING:
            return
        self.enter(CLOSING)
        self._held, self.flow.is_held = b"", False  # type: ignore[attr-defined]
        transport = self._transport
        if transport.is_closing() or not transport.can_write_eof():
            transport.close()
            return
        self.flow.resume_reading()
        transport.write_eof()
        seconds = LAST_LINGER_SECONDS if self._watch.is_draining else LINGER_SECONDS
        self._closer = self.loop.call_later(seconds, transport.close)

    def throw_away(self, data: bytes) -> None:
        """Let something pass that is not taken, until it is more than a farewell is worth."""
        self._thrown_bytes += len(data)
        if self._thrown_bytes > LINGER_BYTES and self.phase is CLOSING:
            self._transport.close()

    def encoded(self, response: Response, *more: tuple[bytes, bytes], keep_alive: bool) -> bytes:
        """Return an answer as it is sent, with some more headers."""
        headers = [*self.server_state.default_headers, *response.encoded_headers(), *more]
        if not keep_alive:
            headers.append((b"connection", b"close"))
        lines = [b"%b: %b\r\n" % header for header in headers]
        return b"".join([STATUS_LINE[response.status], *lines, b"\r\n", response.body])


def _abandon(cycle: Any) -> None:  # noqa: ANN401 - uvicorn's own, or the short way's
    """Tell a request's application that its client is gone, and let go of its body."""
    cycle.disconnected = True
    cycle.message_event.set()
    cycle.hold.give_back()
