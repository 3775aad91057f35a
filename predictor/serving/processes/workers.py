"""Several workers on the same ports, and the process that keeps them."""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec

from predictor.errors import ServerError
from predictor.serving.processes import child, memory, ports
from predictor.serving.processes.child import End, Post
from predictor.serving.settings import Settings

# How often in a row a worker may fail that the server cannot do without.
TRIES = 5
# A worker that ended sooner has failed, and the next one waits, twice as long each time.
STEADY_SECONDS = 1.0
FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 30.0

logger = logging.getLogger(__name__)


def keep(
    settings: Settings, listeners: list[socket.socket], threads: int, ready: Callable[[], None]
) -> None:
    """Run a worker for each bound socket until SIGTERM or SIGINT, and start anew any that ends.

    `ready` is called once all of them are. Raises ServerError when one cannot start that the
    server cannot do without, KeyboardInterrupt after SIGINT.
    """
    workers = _Workers(settings, listeners, ready)
    with memory.shared_folder() as folder:
        memory.reserve(folder, len(listeners))
        asyncio.run(workers.run(threads, folder))
    if workers.interrupted:
        raise KeyboardInterrupt
    if workers.failure:
        raise ServerError(workers.failure)


class _Workers:
    """The workers, each with a socket of its own: one that ends leaves no connection behind it.

    The kernel spreads connections over the sockets of a port. This process holds all of them, so
    what has come for a worker that is gone is answered by the one that takes its place.
    """

    def __init__(
        self, settings: Settings, listeners: list[socket.socket], ready: Callable[[], None]
    ) -> None:
        self.interrupted = False
        self.failure = ""
        self._settings = settings
        self._listeners = listeners
        self._ready = ready
        self._announced = False
        self._serving: set[int] = set()
        self._stopping = asyncio.Event()

    async def run(self, threads: int, folder: Path) -> None:
        """Keep the workers until told to stop, or until one cannot start that is needed."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop)
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        settings = msgspec.json.encode(self._settings).decode()
        async with asyncio.TaskGroup() as group:
            for number in range(len(self._listeners)):
                group.create_task(self._keep(Post(number, settings, threads, folder)))

    def _stop(self) -> None:
        """Have the workers end, and be the only ones that could listen."""
        for listener in self._listeners:
            listener.close()
        self._stopping.set()

    def _interrupt(self) -> None:
        self.interrupted = True
        self._stop()
        # Who asks once more does not want to wait for what is being answered.
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)

    async def _keep(self, post: Post) -> None:
        failures = 0
        while not self._stopping.is_set():
            ready = partial(self._note_ready, post.number)
            end = await child.run(post, self._listeners[post.number], ready, self._stopping)
            self._serving.discard(post.number)
            memory.forget_gauges(post.folder, post.number)
            failures = 0 if end.served_seconds > STEADY_SECONDS else failures + 1
            if not self._stopping.is_set():
                await self._replace(post.number, end, failures)

    def _note_ready(self, number: int) -> None:
        self._serving.add(number)
        if self._announced:
            logger.info("worker %d is back", number)
        elif len(self._serving) == len(self._listeners):
            self._announced = True
            self._ready()

    async def _replace(self, number: int, end: End, failures: int) -> None:
        """Return when another worker may be started, or have all of them stop."""
        is_needed = not (self._announced and self._serving)
        if is_needed and (end.gave_up or failures >= TRIES):
            self.failure = f"worker {number} cannot start: {end.reason}"
            self._stop()
            return
        if failures and not end.served_seconds:
            self._turn_elsewhere(number)
        seconds = _wait_seconds(failures)
        logger.error("worker %d ended: %s; another starts in %g s", number, end.reason, seconds)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _turn_elsewhere(self, number: int) -> None:
        """Let nobody connect to a worker that may not come, by a socket that nobody listens on."""
        with suppress(OSError):  # no descriptor is left, so the old one has to do
            fresh = ports.share(self._settings.listen_host, self._settings.port)
            self._listeners[number].close()
            self._listeners[number] = fresh


def _wait_seconds(failures: int) -> float:
    """Return how long to wait after failures in a row: every try costs CPU that others need."""
    doubled: float = FIRST_WAIT_SECONDS * 2 ** min(failures - 1, 20)
    return min(doubled, LONGEST_WAIT_SECONDS) if failures else 0
