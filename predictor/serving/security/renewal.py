"""What is read from outside, and read anew when it changes there; the last good one holds."""

import asyncio
import contextlib
import logging
import math
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Generic, Protocol, TypeVar

from predictor.errors import SettingsError

POLL_SECONDS = 1.0
# An identity provider is asked this often, and when a token names a key that is not here; but
# never again within a few seconds, however many such tokens somebody makes up.
REFRESH_SECONDS = 300.0
LEAST_SECONDS = 3.0
PATIENCE_SECONDS = 5.0

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Source(Protocol):
    """Something outside that knows when it should be read again."""

    def is_due(self, *, has_failed: bool, is_missed: bool) -> bool:
        """Tell whether to read now: it was not read last time, or somebody misses something."""


class Files:
    """Files that are replaced while they are used, in a mounted Secret by a link that flips."""

    def __init__(self, *paths: str) -> None:
        """Remember what is there now: it is to be read by the caller, after this."""
        self._paths = [Path(path) for path in paths if path]
        self._seen = [_stamp(path) for path in self._paths]

    def is_due(self, *, has_failed: bool, is_missed: bool) -> bool:  # noqa: ARG002 - see below
        """Tell whether a file is another than it was when this was last asked, or was not read.

        What is missed in files that have not changed is not there.
        """
        before, self._seen = self._seen, [_stamp(path) for path in self._paths]
        return has_failed or before != self._seen


def _stamp(path: Path) -> tuple[str, int, int, int] | None:
    try:
        real = os.path.realpath(path)
        found = os.stat(real)  # noqa: PTH116 - it is a text already
    except OSError:
        return None
    return real, found.st_ino, found.st_size, found.st_mtime_ns


class Url:
    """A URL, which is due by the clock."""

    def __init__(self) -> None:
        """Be due at once."""
        self._read_at = -math.inf

    def is_due(self, *, has_failed: bool, is_missed: bool) -> bool:
        """Tell whether it was long ago, or less long if something is missed."""
        age = time.monotonic() - self._read_at
        patience = LEAST_SECONDS if has_failed or is_missed else REFRESH_SECONDS
        due = age >= patience
        if due:
            self._read_at = time.monotonic()
        return due


class Renewal(Generic[T]):
    """Reads a source in a thread of its own, so that the event loop never waits for it."""

    def __init__(
        self, setting: str, source: Source, read: Callable[[], T], use: Callable[[T], None]
    ) -> None:
        """Take a setting's name, what reads or raises SettingsError, and what uses what it got."""
        self._setting = setting
        self._source = source
        self._read = read
        self._use = use
        self._used: T | None = None
        self._failure = ""
        self._asking: SimpleQueue[asyncio.Future[None] | None] = SimpleQueue()

    def first(self) -> None:
        """Read and use it here and now; raises what reading does."""
        self._used = self._read()
        self._use(self._used)

    def start(self) -> None:
        """Begin; what was read is used in the running event loop."""
        self._loop = asyncio.get_running_loop()
        # A daemon: what hangs must not keep the process from ending.
        threading.Thread(target=self._run, name=f"renewal of {self._setting}", daemon=True).start()

    def stop(self) -> None:
        """End, at the latest when what is being read has been."""
        self._asking.put(None)

    async def round(self) -> None:
        """Wait until the source was read anew, if it is due to one who misses something."""
        asked = self._loop.create_future()
        self._asking.put(asked)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asked, PATIENCE_SECONDS)

    def _run(self) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop has ended before
            while None not in (asking := self._next()):
                self._renew(is_missed=bool(asking))
                self._loop.call_soon_threadsafe(_settle, asking)

    def _next(self) -> list[asyncio.Future[None] | None]:
        """Return who asks, after a while nobody."""
        asking = []
        with contextlib.suppress(Empty):
            asking.append(self._asking.get(timeout=POLL_SECONDS))
            while True:
                asking.append(self._asking.get_nowait())
        return asking

    def _renew(self, *, is_missed: bool) -> None:
        if not self._source.is_due(has_failed=bool(self._failure), is_missed=is_missed):
            return
        try:
            found = self._read()
        except SettingsError as error:
            self._fail(str(error))
            return
        if found != self._used or self._failure:
            self._used = found
            self._loop.call_soon_threadsafe(self._use, found)
            logger.info("%s was read anew", self._setting)
        self._failure = ""

    def _fail(self, reason: str) -> None:
        if reason != self._failure:  # once, and not at each try
            logger.error("%s; what was read before holds", reason)
        self._failure = reason


def _settle(asking: list[asyncio.Future[None] | None]) -> None:
    for future in asking:
        if future is not None and not future.done():  # nobody has waited too long for it
            future.set_result(None)
