"""The folder in memory where workers count, and what is left there of workers that are gone."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prometheus_client import multiprocess

# In memory, where there is such a folder.
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
PREFIX = "predictor-metrics-"


@contextmanager
def shared_folder(place: Path | None = None) -> Iterator[Path]:
    """Yield a new folder that is removed at the end, and remove those whose process was killed.

    A process keeps its folder locked, and the kernel unlocks it however the process ends.
    """
    place = place or (MEMORY if os.access(MEMORY, os.W_OK) else Path(tempfile.gettempdir()))
    for left in place.glob(f"{PREFIX}*"):
        _remove_unlocked(left)
    made = Path(tempfile.mkdtemp(prefix=".", dir=place))
    lock = _locked(made)
    folder = made.rename(place / f"{PREFIX}{made.name[1:]}")  # it is never seen unlocked
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def forget_gauges(folder: Path, number: int) -> None:
    """Remove what a worker that is gone said of itself; what it counted stays."""
    multiprocess.mark_process_dead(number, str(folder))  # type: ignore[no-untyped-call]


def _locked(folder: Path) -> int:
    """Return the descriptor that locks a folder; raises OSError when another process has it."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock


def _remove_unlocked(folder: Path) -> None:
    with suppress(OSError):  # it is in use, somebody else's, or has just been removed
        lock = _locked(folder)
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
