"""The clock of all connections: a look at each once a second, and no timer for any request."""

import asyncio
from collections.abc import Callable
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from predictor.serving import metrics
from predictor.serving.settings import Settings

if TYPE_CHECKING:
    from predictor.serving.connections.ending import Ending

SWEEP_SECONDS = 1
# What a worker holds of answers that their clients do not read, beyond what the kernel takes.
UNREAD_BYTES = 16 * 1024 * 1024


class Phase(IntEnum):
    """What a connection waits for; from `REFUSED` on nothing that comes is taken.

    `REFUSED` is for the answers before a refusal to be done.
    """

    IDLE = 0
    HEAD = 1
    BODY = 2
    ANSWER = 3
    REFUSED = 4
    CLOSING = 5


class Cut(StrEnum):
    """Why a connection was ended from here, by its label in the metric."""

    MALFORMED = "malformed"
    LATE = "late"
    UNREAD = "unread"
    FULL = "full"
    ENDING = "ending"


ASKED = frozenset({Phase.HEAD, Phase.BODY, Phase.ANSWER, Phase.REFUSED})


def _nobody() -> None:
    """Accept no other connection."""


class Watch:
    """All open connections of a worker, and what ends those that take too long."""

    def __init__(self, settings: Settings) -> None:
        """Take how long each phase may last."""
        self.tick = 0
        self.is_draining = False
        self.open: set[Ending] = set()
        self.accept_others: Callable[[], None] = _nobody
        for reason in Cut:
            metrics.CONNECTIONS_CUT.labels(reason)  # which is 0 from the beginning
        self._in_flight = metrics.IN_FLIGHT.labels("http")
        self._transfer = settings.transfer_seconds
        limits = {
            Phase.IDLE: settings.keep_alive_seconds,
            Phase.HEAD: settings.header_seconds,
            Phase.BODY: settings.transfer_seconds,
            Phase.CLOSING: settings.transfer_seconds,
        }
        self._limits = [limits.get(phase) for phase in Phase]
        # Since when a client does not read, and how much of its answers there was then.
        self._unread: dict[Ending, tuple[int, int]] = {}

    def start(self) -> None:
        """Look at all connections once a second from now on."""
        asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def begin_drain(self) -> None:
        """Have every connection end with the answers that are asked for."""
        self.is_draining = True
        for connection in list(self.open):
            connection.let_end()

    def note_unread(self, connection: "Ending") -> None:
        """Note an answer that its client is slow to read; too much of them ends the slowest."""
        self._unread[connection] = (self.tick, connection.unread_bytes)
        if sum(size for _, size in self._unread.values()) > UNREAD_BYTES:
            self._relieve()

    def _relieve(self) -> None:
        """End whoever reads slowest, of several, until it is no more too much."""
        left = sum(connection.unread_bytes for connection in self._unread)
        for connection in sorted(self._unread, key=self._speed)[:-1]:
            if left <= UNREAD_BYTES:
                return
            left -= connection.unread_bytes
            self.note_read(connection)
            # It may be the one that is just being written to.
            asyncio.get_running_loop().call_soon(connection.cut)

    def _speed(self, connection: "Ending") -> float:
        """Return how much a client has read in a second since it was too slow."""
        since, size = self._unread[connection]
        return (size - connection.unread_bytes) / (self.tick - since + 1)

    def note_read(self, connection: "Ending") -> None:
        """Note that a client reads again, or is gone."""
        self._unread.pop(connection, None)

    def _sweep(self) -> None:
        asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)
        self.tick += 1
        # Looked at here, it costs a request nothing.
        self._in_flight.set(sum(connection.phase in ASKED for connection in self.open))
        for connection in list(self.open):
            limit = self._limits[connection.phase]
            # A tick is not whole when it is noted, so it is never too early.
            if limit is not None and self.tick - connection.since > limit:
                connection.expire()
        for connection, (since, _) in list(self._unread.items()):
            if self.tick - since > self._transfer:
                connection.cut()
