"""Several workers on the same ports, and the process that keeps them."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
from prometheus_client import multiprocess

from predictor.errors import ServerError
from predictor.serving.metrics import METRICS_FOLDER
from predictor.serving.settings import Settings

# What a worker says on its standard output as soon as it listens.
READY = b"ready\n"
# How often a worker may be killed before it is ready.
TRIES = 5
# What workers count is in files that they share; in memory, where there is such a folder.
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it

logger = logging.getLogger(__name__)


def keep(
    settings: Settings, listeners: list[socket.socket], threads: int, ready: Callable[[], None]
) -> None:
    """Run a worker for each bound socket until SIGTERM or SIGINT, and start anew any that ends.

    `ready` is called once all of them are. Raises ServerError when one cannot start.
    """
    memory = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="predictor-", dir=memory) as folder:
        asyncio.run(_Workers(settings, listeners, threads, Path(folder)).run(ready))


class _Workers:
    """The workers, each with a socket of its own: one that ends leaves no connection behind it.

    The kernel spreads connections over the sockets of a port. This process holds all of them, so
    what has come for a worker that is gone is answered by the one that takes its place.
    """

    def __init__(
        self, settings: Settings, listeners: list[socket.socket], threads: int, folder: Path
    ) -> None:
        self._settings = msgspec.json.encode(settings).decode()
        self._listeners = listeners
        self._threads = threads
        self._folder = folder
        self._stopping = asyncio.Event()
        self._ready: set[socket.socket] = set()
        self._cannot_start = False

    async def run(self, ready: Callable[[], None]) -> None:
        """Keep the workers until told to stop; raises ServerError when one cannot start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        async with asyncio.TaskGroup() as group:
            for listener in self._listeners:
                group.create_task(self._keep_one(listener, ready))
        if self._cannot_start:
            message = "a worker cannot start, so the others were stopped"
            raise ServerError(message)

    async def _keep_one(self, listener: socket.socket, ready: Callable[[], None]) -> None:
        never_ready = 0
        while not self._stopping.is_set():
            process = await self._start(listener)
            stopper = asyncio.create_task(self._stop(process, listener))
            started = await _first_line(process) == READY
            if started:
                self._note_ready(listener, ready)
            code = await process.wait()
            stopper.cancel()
            multiprocess.mark_process_dead(process.pid, str(self._folder))  # type: ignore[no-untyped-call]
            never_ready = 0 if started else never_ready + 1
            if self._stopping.is_set():
                return
            if (code > 0 and not started) or never_ready == TRIES:  # it would end so again
                self._cannot_start = True
                self._stopping.set()
            else:
                logger.error("worker %d ended with %d; starting another", process.pid, code)

    async def _start(self, listener: socket.socket) -> asyncio.subprocess.Process:
        arguments = (self._settings, str(listener.fileno()), str(self._threads))
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "predictor.serving.processes.worker", *arguments),
            pass_fds=[listener.fileno()],
            stdin=asyncio.subprocess.PIPE,  # it is closed when this process is no more
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, METRICS_FOLDER: str(self._folder)},
        )

    async def _stop(self, process: asyncio.subprocess.Process, listener: socket.socket) -> None:
        """Tell a worker to end, and leave it the only one that can listen."""
        await self._stopping.wait()
        listener.close()
        with contextlib.suppress(ProcessLookupError):
            process.terminate()

    def _note_ready(self, listener: socket.socket, ready: Callable[[], None]) -> None:
        was_ready = self._ready == set(self._listeners)
        self._ready.add(listener)
        if not was_ready and self._ready == set(self._listeners):
            ready()


async def _first_line(process: asyncio.subprocess.Process) -> bytes:
    return await process.stdout.readline() if process.stdout else b""
