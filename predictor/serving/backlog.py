"""What waits for the model and what it holds in memory: what would be too much is refused at once.

A queue that only grows serves nobody: each answer comes after its client has gone. So a request is
let in when its turn is expected within a limit, which is known from how long the work before it
will take; see S. Floyd and V. Jacobson, "Random early detection", 1993, and "Handling Overload" in
B. Beyer et al., "Site Reliability Engineering", 2016.
"""

from enum import StrEnum
from time import perf_counter

# A larger request takes over two milliseconds, and is answered beside the event loop.
SMALL_BYTES = 128 * 1024
# A request costs about as much as this many bytes before its first row.
REQUEST_BYTES = 1024
# What a byte is taken to cost before any was measured: 40 µs for a request of one row.
FIRST_SECONDS_PER_BYTE = 3e-8
# The same of a request to explain its rows: 0.6 ms for one row, 0.1 s for a thousand.
EXPLAINED_SECONDS_PER_BYTE = 5e-7
# What was measured counts until so much more was, but for half of it at least: a hiccup of a moment
# must not look as if every request took so long.
MEMORY_BYTES = 1024 * 1024
LEAST_MEMORY = 0.5
# A request is let in when its turn is expected within this share of the limit. The rest is for what
# is not foreseen: a refusal must be told at once, not after having waited.
EXPECTED_SHARE = 0.5
# Of what may be held, large requests take this share at most: a few that never end must not keep
# the small ones out.
LARGE_SHARE = 0.75
# A second is the least that Retry-After can say.
RETRY_SECONDS = 1


class Lack(StrEnum):
    """What there is too little of for a request, by its label in the metric."""

    QUEUE = "queue"  # its turn would come too late
    LATE = "late"  # its turn has come too late
    MEMORY = "memory"


class Overloaded(Exception):  # noqa: N818 - it is not an error of the request
    """There is more to do than can be done in time."""

    def __init__(self, lack: Lack) -> None:
        super().__init__("the server has too much to do; try again later")
        self.lack = lack


class ClientGone(Exception):  # noqa: N818 - nobody is left to whom it would be an error
    """The client left in the middle of its request."""


class Backlog:
    """Work that waits for `servers` that do it, in bytes of requests."""

    def __init__(
        self,
        limit_seconds: float,
        servers: int = 1,
        seconds_per_byte: float = FIRST_SECONDS_PER_BYTE,
    ) -> None:
        """Take how long a request may wait, and what a byte is taken to cost at first."""
        self._limit_seconds = limit_seconds
        self._servers = servers
        self._bytes = 0
        # Bytes, and the seconds they took.
        self._measured = float(MEMORY_BYTES), MEMORY_BYTES * seconds_per_byte
        self._most_bytes = self._most()

    @property
    def is_full(self) -> bool:
        """Whether a request that comes now would wait too long."""
        return self._bytes > self._most_bytes

    def add(self, size_bytes: int) -> None:
        """Note that a request waits; raises Overloaded when its turn would come too late."""
        if self.is_full:
            raise Overloaded(Lack.QUEUE)
        self._bytes += size_bytes + REQUEST_BYTES

    def remove(self, requests: int, size_bytes: int) -> None:
        """Note that some requests, of this size in all, wait no more."""
        self._bytes -= size_bytes + requests * REQUEST_BYTES

    def is_late(self, since: float) -> bool:
        """Tell whether a request has waited too long, since what `perf_counter` said then."""
        return perf_counter() - since > self._limit_seconds

    def learn(self, requests: int, size_bytes: int, seconds: float) -> None:
        """Note how long some requests of this size in all have taken one of the servers."""
        size, took = self._measured
        done = size_bytes + requests * REQUEST_BYTES
        kept = max(LEAST_MEMORY, 1 - done / MEMORY_BYTES)
        self._measured = kept * size + done, kept * took + seconds
        self._most_bytes = self._most()

    def _most(self) -> float:
        """Return how many bytes are done in time."""
        size, seconds = self._measured
        return EXPECTED_SHARE * self._limit_seconds * self._servers * size / seconds


class Buffers:
    """The bytes of requests that are held at one time, those still arriving among them."""

    def __init__(self, limit_bytes: int) -> None:
        """Take how many there may be."""
        self._limit_bytes = limit_bytes
        self.held_bytes = 0

    def has_room(self, size_bytes: int, *, is_large: bool) -> bool:
        """Tell whether so many more can be held; large requests leave a share for small ones."""
        limit_bytes = LARGE_SHARE * self._limit_bytes if is_large else self._limit_bytes
        return self.held_bytes + size_bytes <= limit_bytes


class Hold:
    """What is held of one request, until it is given back."""

    __slots__ = ("_buffers", "_expected_bytes", "size_bytes")

    def __init__(self, buffers: Buffers, expected_bytes: int = 0) -> None:
        """Take where it is held, and how large it is said to be, 0 if nothing is said."""
        self._buffers = buffers
        self._expected_bytes = expected_bytes
        self.size_bytes = 0

    def take(self, part_bytes: int) -> None:
        """Hold another part; raises Overloaded, and holds no more, when it would be too much."""
        is_large = max(self._expected_bytes, self.size_bytes + part_bytes) > SMALL_BYTES
        if not self._buffers.has_room(part_bytes, is_large=is_large):
            raise Overloaded(Lack.MEMORY)
        self.size_bytes += part_bytes
        self._buffers.held_bytes += part_bytes

    def give_back(self) -> None:
        """Hold nothing more; a second time changes nothing."""
        self._buffers.held_bytes -= self.size_bytes
        self.size_bytes = 0
