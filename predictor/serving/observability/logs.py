"""Where the log goes: a line for each event, of every library, in one write to standard error."""

import asyncio
import logging
import os
import select
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

from predictor.serving.observability.lines import as_json, as_text

STANDARD_ERROR = 2

logger = logging.getLogger(__name__)


class _Lines(logging.Handler):
    """Writes lines. One that cannot be written at once is lost.

    Serving goes on with a full disk, and with a pipe that nobody reads.
    """

    def __init__(self, line: Callable[[logging.LogRecord], str], descriptor: int) -> None:
        super().__init__()
        self._line = line
        self._descriptor = descriptor
        self._room = select.poll()
        self._room.register(descriptor, select.POLLOUT)

    def emit(self, record: logging.LogRecord) -> None:
        """Write an event at once, so that lines of several processes do not mix."""
        with suppress(Exception):
            rest = f"{self._line(record)}\n".encode()
            # Of a pipe it is only known that so much can be written without waiting.
            while rest and self._room.poll(0):
                rest = rest[os.write(self._descriptor, rest[: select.PIPE_BUF]) :]


def configure(
    form: Literal["auto", "json", "text"], level: str, descriptor: int = STANDARD_ERROR
) -> None:
    """Write all events of this process from a level on; `auto` is text for a terminal, else JSON.

    What would end up on standard error in another way is an event too: warnings, and exceptions
    that nobody handled.
    """
    is_text = form == "text" or (form == "auto" and os.isatty(descriptor))
    root = logging.getLogger()
    root.handlers = [_Lines(as_text if is_text else as_json, descriptor)]
    root.setLevel(level)
    logging.captureWarnings(capture=True)
    sys.excepthook = lambda _kind, error, _trace: _unhandled(error, "the process")
    threading.excepthook = lambda found: _unhandled(found.exc_value, "a thread")
    sys.unraisablehook = lambda found: _unhandled(found.exc_value, "a finalizer")


def end(sentence: str) -> None:
    """Log why this process ends; it may be that no settings could be read."""
    if not any(isinstance(handler, _Lines) for handler in logging.getLogger().handlers):
        configure("auto", "INFO")
    logger.critical("%s", sentence)


def _unhandled(error: BaseException | None, where: str) -> None:
    logger.critical("nobody handled an exception in %s", where, exc_info=error)


def loop_failed(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what failed in the event loop outside of any request.

    The loop's own words for it show what was called with what, and so parts of requests.
    """
    error = context.get("exception")
    message = "a callback failed" if error else context["message"]
    logger.error("event loop: %s", message, exc_info=error)
