"""A transport that is closed in two steps, so that the client gets what was sent to it last."""

import asyncio
from collections.abc import Callable
from typing import Any


class Lingering:
    """A transport as uvicorn uses it, of which `close` is a farewell of the connection's own.

    To close a socket on which something unread has come is a reset, and a reset takes from the
    client what it has not read yet.
    """

    __slots__ = ("_farewell", "_transport", "get_extra_info", "pause_reading", "write")

    def __init__(self, transport: asyncio.Transport, farewell: Callable[[], None]) -> None:
        """Take the transport, and what is done instead of closing it."""
        self._transport = transport
        self._farewell: Callable[[], None] | None = farewell
        self.write = transport.write
        self.pause_reading = transport.pause_reading
        self.get_extra_info: Callable[..., Any] = transport.get_extra_info

    def close(self) -> None:
        """Say farewell, once."""
        farewell, self._farewell = self._farewell, None
        if farewell is not None:
            farewell()

    def is_closing(self) -> bool:
        """Tell whether nothing more will be written."""
        return self._farewell is None or self._transport.is_closing()

    def resume_reading(self) -> None:
        """Read again, unless nobody is there any more."""
        if not self._transport.is_closing():
            self._transport.resume_reading()
