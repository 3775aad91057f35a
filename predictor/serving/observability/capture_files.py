"""The files that a worker captures into, bounded together with those of all others."""

import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

from predictor.captured import FILES as CAPTURED
from predictor.serving.metrics import WORKER_NUMBER

# The oldest file is removed as a whole, so a file is a small part of all.
FILES = 16
# Each worker begins one of its own, however little it then writes.
MOST_FILES = 100
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Nothing is followed, and nothing that is no file is waited for.
FILE = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# What is locked: NFS locks only a regular file, and only one that is open to be written.
LOCK = ".lock"
LOCK_FILE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class Files:
    """A worker's file, and the room that all files of the folder have together.

    Whoever writes locks a file of the folder, also on a volume that pods share, so that the bound
    holds for all of them: the oldest files go, whoever wrote them. Somebody who takes no lock may
    remove files at any time.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        """Take the folder, which need not be there yet, and how much its files may hold."""
        self.folder = folder
        self._most_bytes = most_bytes
        self._own = f"capture-{socket.gethostname()}-{os.environ.get(WORKER_NUMBER, '0')}"
        self._name = ""
        self._folder = self._file = -1
        self._sizes: dict[str, int] = {}  # the oldest first

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Keep others from writing meanwhile; raises OSError when the folder cannot be used."""
        lock = -1
        self._folder = os.open(self.folder, FOLDER)
        try:
            lock = os.open(LOCK, LOCK_FILE, 0o600, dir_fd=self._folder)
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._sizes = self._found()
            yield
        finally:
            if self._file >= 0:
                os.close(self._file)
            self._file = -1
            if lock >= 0:
                os.close(lock)
            os.close(self._folder)

    def append(self, line: bytes) -> None:
        """Write a line as a whole or not at all; raises OSError."""
        size = self._sizes.get(self._name)
        if size is None or (size and size + len(line) > self._most_bytes // FILES):
            self._begin()
        self._make_room(len(line))
        if self._file < 0:
            self._file = os.open(self._name, FILE, 0o600, dir_fd=self._folder)
        self._write(line)

    def _write(self, line: bytes) -> None:
        before = os.fstat(self._file).st_size
        try:
            written = os.write(self._file, line)
        except OSError:
            os.ftruncate(self._file, before)
            raise
        if written < len(line):
            os.ftruncate(self._file, before)
            message = "the disk is full"
            raise OSError(message)
        self._sizes[self._name] = before + written

    def _begin(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
        self._name = f"{self._own}-{moment}.jsonl"
        self._file = os.open(self._name, FILE | os.O_EXCL, 0o600, dir_fd=self._folder)
        self._sizes[self._name] = 0

    def _make_room(self, size: int) -> None:
        """Remove the oldest files until another `size` bytes are allowed."""
        while sum(self._sizes.values()) + size > self._most_bytes or len(self._sizes) > MOST_FILES:
            oldest = next((name for name in self._sizes if name != self._name), None)
            if oldest is None:
                message = f"a line of {size} bytes does not fit into {self._most_bytes}"
                raise OSError(message)
            with suppress(FileNotFoundError):
                os.unlink(oldest, dir_fd=self._folder)
            del self._sizes[oldest]

    def _found(self) -> dict[str, int]:
        """Return the sizes of all captured files, the oldest first; what is a link is none."""
        found = []
        for name in os.listdir(self._folder):  # noqa: PTH208 - it is open, and has no path
            if not fnmatchcase(name, CAPTURED):
                continue
            with suppress(FileNotFoundError):
                status = os.stat(name, dir_fd=self._folder, follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    found.append((status.st_mtime_ns, name, status.st_size))
        return {name: size for _, name, size in sorted(found)}
