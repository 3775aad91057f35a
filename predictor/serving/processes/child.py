"""A worker as the process that keeps it sees it: started, listened to, killed when stuck."""

import asyncio
import logging
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from predictor.serving.metrics import METRICS_FOLDER, WORKER_NUMBER

# What a worker says on its standard output as soon as it listens; else why it cannot.
READY = b"ready\n"
# What it is asked on its standard input, and answers with.
PING = b"ping\n"
# A worker that is only busy answers within a second or two; one that is stuck still takes
# connections, and nobody answers them. The time is that of this process: a container that was
# frozen as a whole comes back with all of its workers.
PING_SECONDS = 5.0
UNANSWERED_PINGS = 6

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Post:
    """What a worker is started with, and whoever takes its place.

    `number` is under what it counts, from 0; `settings` are JSON; `threads` are for large requests;
    `folder` is where all workers count.
    """

    number: int
    settings: str
    threads: int
    folder: Path


@dataclass(frozen=True)
class End:
    """Why a worker ended, how long it had served by then, and whether it gave up by itself."""

    reason: str
    served_seconds: float = 0
    gave_up: bool = False


async def run(
    post: Post, listener: socket.socket, ready: Callable[[], None], stopping: asyncio.Event
) -> End:
    """Run a worker on a bound socket to its end, which is near once `stopping` is set.

    `ready` is called when it listens.
    """
    try:
        process = await _start(post, listener)
    except (OSError, RuntimeError) as error:  # no memory, process, descriptor or thread for it
        return End(f"not started: {error}")
    tasks = [asyncio.create_task(_terminate(process, stopping))]
    try:
        said = await _first_line(process)
        since = monotonic()
        if said == READY:
            ready()
            tasks.append(asyncio.create_task(_kill_when_stuck(process)))
        code = await process.wait()
        served_seconds = monotonic() - since if said == READY else 0
    finally:
        for task in tasks:
            task.cancel()
        if process.returncode is None:  # this process has no time left
            process.kill()
    return _end(code, said, served_seconds)


async def _start(post: Post, listener: socket.socket) -> Process:
    arguments = (post.settings, str(listener.fileno()), str(post.threads))
    own = {METRICS_FOLDER: str(post.folder), WORKER_NUMBER: str(post.number)}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "predictor.serving.processes.worker", *arguments),
        pass_fds=[listener.fileno()],
        stdin=PIPE,  # it is closed when this process is no more
        stdout=PIPE,
        process_group=0,  # Ctrl+C is for this process, which tells its workers
        env=os.environ | own,
    )


async def _first_line(process: Process) -> bytes:
    return await process.stdout.readline() if process.stdout else b""


async def _terminate(process: Process, stopping: asyncio.Event) -> None:
    await stopping.wait()
    with suppress(ProcessLookupError):
        process.terminate()


async def _kill_when_stuck(process: Process) -> None:
    """Ask a worker's event loop for a sign of life for as long as it lives."""
    if process.stdin is None or process.stdout is None:
        return
    unanswered = 0
    while unanswered < UNANSWERED_PINGS:
        process.stdin.write(PING)
        try:
            await asyncio.wait_for(process.stdout.readline(), PING_SECONDS)
        except TimeoutError:
            unanswered += 1
        else:
            unanswered = 0
            await asyncio.sleep(PING_SECONDS)
    logger.error("worker %d answers nothing any more; killing it", process.pid)
    with suppress(ProcessLookupError):
        process.kill()


def _end(code: int, said: bytes, served_seconds: float) -> End:
    gave_up = code > 0 and not served_seconds
    if gave_up and said:
        return End(said.decode().strip(), gave_up=True)
    how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return End(how, served_seconds, gave_up)
