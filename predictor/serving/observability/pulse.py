"""What is looked at once a second: the process itself, and whether its event loop keeps up."""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import process_time

from predictor.serving import metrics

BEAT_SECONDS = 1.0
OWN = Path("/proc/self")  # which Linux alone has
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Pulse:
    """Counts what was noted, and what the process takes, once a second."""

    def __init__(self, count_noted: Callable[[], None]) -> None:
        """Take what counts what was noted, which is done before each scrape too."""
        self._count_noted = count_noted
        self._due = 0.0
        self._cpu_seconds = 0.0  # that were counted

    def start(self) -> None:
        """Beat for as long as the running event loop does."""
        loop = asyncio.get_running_loop()
        self._due = loop.time() + BEAT_SECONDS
        loop.call_at(self._due, self._beat)

    def _beat(self) -> None:
        metrics.EVENT_LOOP_LAG_SECONDS.note(asyncio.get_running_loop().time() - self._due)
        self.start()  # first, so that nothing can end it
        self.count()

    def count(self) -> None:
        """Count what there is, now."""
        self._count_noted()
        used = process_time()
        metrics.CPU_SECONDS.inc(used - self._cpu_seconds)
        self._cpu_seconds = used
        with suppress(OSError):
            pages = int((OWN / "statm").read_text().split()[1])
            metrics.RESIDENT_BYTES.set(pages * PAGE_BYTES)
            metrics.OPEN_DESCRIPTORS.set(len(os.listdir(OWN / "fd")))  # noqa: PTH208 - no paths
