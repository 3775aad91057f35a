"""Clients that ask again and again on a connection of their own, and never a second time."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread

import grpc

from tests.protocol.raw import Connection

# What a client sees of a worker that is gone.
LOST = (EOFError, ConnectionError, grpc.RpcError)
SECONDS = 30


@dataclass
class Tally:
    """What a client saw; `slowest_failure` is in seconds from the request, as `slowest_answer`."""

    sent: int = 0
    answered: int = 0
    failed: int = 0
    slowest_answer: float = 0
    slowest_failure: float = 0
    wrong: list[BaseException] = field(default_factory=list)


Ask = Callable[[], None]


class Client(Thread):
    """Asks on one connection until it is lost, and then on another.

    `connect` opens a connection and yields what asks on it.
    """

    def __init__(self, connect: "Callable[[], AbstractContextManager[Ask]]") -> None:
        super().__init__(daemon=True)
        self.tally = Tally()
        self._connect = connect
        self._done = Event()

    def finish(self) -> None:
        self._done.set()
        self.join(SECONDS)
        assert not self.is_alive()

    def run(self) -> None:
        while not self._done.is_set():
            try:
                with self._connect() as ask:
                    while not self._done.is_set():
                        self._ask(ask)
            except LOST as error:
                if isinstance(error, grpc.RpcError) and error.code().name != "UNAVAILABLE":
                    self.tally.wrong.append(error)
            except BaseException as error:  # noqa: BLE001 - the test is told
                self.tally.wrong.append(error)

    def _ask(self, ask: Ask) -> None:
        tally, start = self.tally, time.monotonic()
        tally.sent += 1
        try:
            ask()
        except LOST:
            tally.slowest_failure = max(tally.slowest_failure, time.monotonic() - start)
            tally.failed += 1
            raise
        tally.slowest_answer = max(tally.slowest_answer, time.monotonic() - start)
        tally.answered += 1


@contextmanager
def rest(url: str, request: bytes, port: "Callable[[int], None]") -> Iterator[Ask]:
    """Yield what sends a request on a connection, whose own port is told as soon as it is open."""
    with Connection(url) as connection:
        connection.socket.settimeout(SECONDS)
        port(connection.socket.getsockname()[1])

        def ask() -> None:
            connection.send(request)
            assert connection.answer().status == 200

        yield ask


@contextmanager
def rpc(target: str, method: str, request: bytes) -> Iterator[Ask]:
    """Yield what calls a method on a connection that no other channel shares."""
    options = [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(target, options) as channel:
        call = channel.unary_unary(method, None, None)

        def ask() -> None:
            call(request, timeout=SECONDS)

        yield ask
