"""The folder in memory where workers count, and what is left there of workers that are gone."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from predictor.errors import ServerError

# In memory, where there is such a folder.
MEMORY = Path("/dev", "shm")  # a folder of its own is made in it
PREFIX = "predictor-metrics-"
# The files of one worker, by what prometheus-client puts in each. A bundle whose profile has other
# bins than those before it takes some 10 kB of two of them: there is room for forty.
KINDS = ("counter", "histogram", "gauge_livemax", "gauge_livesum")
FILE_BYTES = 512 * 1024


@contextmanager
def shared_folder(place: Path | None = None) -> Iterator[Path]:
    """Yield a new folder that is removed at the end, and remove those whose process was killed.

    A process keeps its folder locked, and the kernel unlocks it however the process ends. Raises
    ServerError when nothing can be written anywhere.
    """
    try:
        place = place or (MEMORY if os.access(MEMORY, os.W_OK) else Path(tempfile.gettempdir()))
        for left in place.glob(f"{PREFIX}*"):
            _remove_unlocked(left)
        made = Path(tempfile.mkdtemp(prefix=".", dir=place))
        lock = _locked(made)
        folder = made.rename(place / f"{PREFIX}{made.name[1:]}")  # it is never seen unlocked
    except OSError as error:
        message = f"no folder in {MEMORY} or for temporary files: {error.strerror}"
        raise ServerError(message) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def reserve(folder: Path, workers: int) -> None:
    """Take the memory for all that workers count; raises ServerError when there is not enough.

    Else the kernel would kill a worker (SIGBUS) that counts something while none is left.
    """
    try:
        for number in range(workers):
            for kind in KINDS:
                with (folder / f"{kind}_{number}.db").open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, FILE_BYTES)
    except OSError as error:
        needed = workers * len(KINDS) * FILE_BYTES // 1024
        message = f"no {needed} kB in {folder.parent} for what workers count: {error.strerror}"
        raise ServerError(message) from error


def forget_gauges(folder: Path, number: int) -> None:
    """Forget what a worker that is gone said of itself; what it counted stays, and the file too."""
    with suppress(OSError):  # no descriptor is left, so they stay until the next one sets them
        for file in folder.glob(f"gauge_live*_{number}.db"):
            with file.open("r+b") as gauges:
                gauges.write(bytes(8))  # so much of the file is in use: nothing


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
