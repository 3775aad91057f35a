"""Accepting all connections that wait, and not one in a turn of the event loop.

libuv takes one connection of a listener at a time, and then does everything else that there is to
do. In the long turns of an overloaded server a probe would wait for all who connected before it.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from socket import socket

# How many may be on their way from the listener to their first byte.
MOST = 512


class Acceptor:
    """Takes, when one connection came, those that wait behind it."""

    def __init__(
        self,
        listeners: Sequence[socket],
        protocol: Callable[[], asyncio.Protocol],
        context: ssl.SSLContext | None,
    ) -> None:
        """Take what the event loop's own server listens with."""
        self._listeners = listeners
        self._protocol = protocol
        self._context = context
        self._tasks: set[asyncio.Task[None]] = set()

    def accept(self) -> None:
        """Begin a connection for everyone who waits, up to a number."""
        for listener in self._listeners:
            with suppress(OSError):  # nobody waits, or the listener is closed, or no file is left
                for _ in range(MOST - len(self._tasks)):
                    self._begin(listener.accept()[0])

    def _begin(self, accepted: socket) -> None:
        task = asyncio.get_running_loop().create_task(self._connect(accepted))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, accepted: socket) -> None:
        with suppress(OSError):  # the client has gone, or speaks no TLS
            accepted.settimeout(0)
            await asyncio.get_running_loop().connect_accepted_socket(
                self._protocol, accepted, ssl=self._context
            )
