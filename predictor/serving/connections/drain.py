"""The end of all connections: what was accepted is answered, and nothing is reset."""

import asyncio
import select
import socket
from collections.abc import Callable, Sequence

from predictor.serving.connections.ending import LAST_LINGER_SECONDS
from predictor.serving.connections.listeners import emptied
from predictor.serving.connections.watch import Phase, Watch
from predictor.serving.rest.http import ENDING

# How long a client that is idle may still ask. It learns with the answer that it is the last.
GRACE_SECONDS = 1.0
STEP_SECONDS = 0.02


async def drain(
    watch: Watch,
    servers: Sequence[asyncio.Server],
    listeners: Sequence[socket.socket],
    seconds: float,
    is_forced: Callable[[], bool],
) -> None:
    """End all connections, each with its last answer; in `seconds` with a refusal.

    It ends at once when `is_forced` says so.
    """
    loop = asyncio.get_running_loop()
    start = loop.time()
    await asyncio.gather(*map(emptied, listeners))
    for server in servers:
        server.close()
    while watch.open and not is_forced() and loop.time() < start + seconds:
        if loop.time() > start + GRACE_SECONDS:
            _end_idle(watch)
        await asyncio.sleep(STEP_SECONDS)
    await _refuse_rest(watch)


def _end_idle(watch: Watch) -> None:
    """Say farewell to clients that have asked nothing, which is known by their sockets."""
    idle = {c.descriptor: c for c in watch.open if c.phase is Phase.IDLE}
    poll = select.poll()
    for descriptor in idle:
        poll.register(descriptor, select.POLLIN)
    asking = {descriptor for descriptor, _ in poll.poll(0)}
    for descriptor in idle.keys() - asking:
        idle[descriptor].transport.close()


async def _refuse_rest(watch: Watch) -> None:
    for connection in list(watch.open):
        connection.refuse(ENDING)
    if watch.open:
        await asyncio.sleep(LAST_LINGER_SECONDS)
    for connection in list(watch.open):
        connection.cut()
    await asyncio.sleep(0)  # so that they are told
