"""The end of gRPC's connections, without a call that is lost.

gRPC's own stop cancels every call that comes between it and the client's reading of the GOAWAY that
it sends. A connection that ends for its age is left in peace: its client is told, and what comes in
between is answered. So the server first takes no new connections, goes on until none is left that
calls, and is stopped only then.
"""

import asyncio
from collections.abc import Callable

import grpc.aio

from predictor.serving.connections.listeners import close_listeners, is_connected, on_port
from predictor.serving.settings import Settings

STEP_SECONDS = 0.05
# Clients from which nothing came for so many looks are taken to be idle. It is no time, of which a
# server that gets no processor sees nothing.
QUIET_STEPS = 10
# gRPC spreads the ages at which connections end by a tenth; then it waits for the client's answer.
SPREAD = 1.1
ANSWER_SECONDS = 0.3


class Calls:
    """How many calls have come."""

    def __init__(self) -> None:
        self.count = 0


async def drain(
    server: grpc.aio.Server, calls: Calls, settings: Settings, is_forced: Callable[[], bool]
) -> None:
    """Stop a server once its clients have gone elsewhere, or are idle, or it is time."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    await close_listeners(settings.grpc_port)
    longest = settings.grpc_connection_seconds * SPREAD + ANSWER_SECONDS
    end = start + min(longest, settings.drain_seconds)
    count, quiet_steps = calls.count, 0
    while loop.time() < end and quiet_steps < QUIET_STEPS and not is_forced():
        await asyncio.sleep(STEP_SECONDS)
        if not _has_connections(settings.grpc_port):
            break
        quiet_steps = quiet_steps + 1 if calls.count == count else 0
        count = calls.count
    await _stop(server, start + settings.drain_seconds - loop.time(), is_forced)


def _has_connections(port: int) -> bool:
    return bool(on_port(port, is_connected))


async def _stop(server: grpc.aio.Server, seconds: float, is_forced: Callable[[], bool]) -> None:
    stopped = asyncio.ensure_future(server.stop(max(seconds, 0)))
    while not stopped.done():
        await asyncio.wait([stopped], timeout=STEP_SECONDS)
        if is_forced():
            await server.stop(None)
