"""Files of this machine or of an object store, by fsspec; what is written appears as a whole."""

import errno
import os
import posixpath
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import fsspec
from fsspec.dircache import DirCache
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from predictor.errors import PredictorError, ScoringError

# What object stores and file systems call the state of a file, the surest first.
STAMPS = (
    *("ETag", "etag", "md5Hash", "content_md5"),
    *("mtime", "LastModified", "last_modified", "updated", "created"),
)

# What an object store is asked for at once, when a file is read from its beginning to its end.
AHEAD_BYTES = 8 * 2**20
# s3fs sends ten pieces of a file at once, and holds all ten: of 50 MiB each, if it is not told. S3
# takes no more pieces of a file than it has here.
PIECE_BYTES, PIECES = 8 * 2**20, 10_000


@dataclass(frozen=True)
class Place:
    """A path of a file system; of this machine's it is absolute."""

    fs: Any
    path: str

    @property
    def name(self) -> str:
        """The place as a person would write it, and as `place` reads it."""
        return self.path if self.is_local else str(self.fs.unstrip_protocol(self.path))

    @property
    def is_local(self) -> bool:
        """Whether files can be renamed here, at once and as a whole."""
        return isinstance(self.fs, LocalFileSystem)

    @property
    def is_private(self) -> bool:
        """Whether no other process sees what is here."""
        return isinstance(self.fs, MemoryFileSystem)

    def at(self, path: str) -> "Place":
        """Return another place of the same file system."""
        return Place(self.fs, path)

    def inside(self, name: str) -> "Place":
        """Return the place of a file in this folder."""
        return self.at(f"{self.path}/{name}")

    def holds(self, other: "Place") -> bool:
        """Whether another place is this one, or in it, however both are spelled or linked."""
        if self.is_local != other.is_local or (not self.is_local and self.fs != other.fs):
            return False
        real = os.path.realpath if self.is_local else posixpath.normpath
        return Path(real(other.path)).is_relative_to(real(self.path))

    def names(self) -> list[str]:
        """Return the names of what is in this folder now; none if there is no folder."""
        try:
            return sorted(found.rpartition("/")[2] for found in self.fs.ls(self.path, detail=False))
        except FileNotFoundError:
            return []

    def make(self) -> None:
        """Make the folder, where there are folders; raises ScoringError where there is no bucket.

        What would be made above it may be a bucket, for one whose name is misspelled.
        """
        if self.is_local:
            Path(self.path).mkdir(parents=True, exist_ok=True)
            return
        try:
            self.fs.mkdir(self.path, create_parents=False)
        except FileExistsError:
            pass
        except FileNotFoundError as error:
            message = f"{self.name}: the bucket or folder that it would be in is not there"
            raise ScoringError(message) from error

    def exists(self) -> bool:
        """Whether there is something now."""
        return bool(self.fs.exists(self.path))

    def read(self) -> bytes | None:
        """Return what the file holds, None where there is none."""
        try:
            return bytes(self.fs.cat_file(self.path))
        except FileNotFoundError:
            return None

    def span(self, start: int, end: int) -> bytes:
        """Return the file's bytes from `start` to `end`, which it must have.

        Raises ScoringError when there are others: not every server of HTTP knows of ranges.
        """
        found = bytes(self.fs.cat_file(self.path, start=start, end=end)) if end > start else b""
        if len(found) != end - start:
            asked = f"expected {end - start} bytes from byte {start}"
            why = "has the file changed, or does its server not give parts of files?"
            message = f"{self.name}: got {len(found)} bytes, {asked}: {why}"
            raise ScoringError(message)
        return found

    def open(self) -> IO[bytes]:
        """Return the file, open for being read from its beginning to its end."""
        opened: IO[bytes] = self.fs.open(self.path, "rb", block_size=AHEAD_BYTES)
        return opened

    def open_anywhere(self) -> IO[bytes]:
        """Return the file, open for reading here and there, and nothing that is not asked for."""
        opened: IO[bytes] = self.fs.open(self.path, "rb", cache_type="none")
        return opened

    def remove(self) -> None:
        """Remove the file, if it is there."""
        with suppress(FileNotFoundError):
            self.fs.rm_file(self.path)

    @contextmanager
    def written(self, scratch: "Place") -> Iterator[IO[bytes]]:
        """Yield a file that becomes the one of this place as a whole, or leaves it as it is.

        `scratch` is the folder for what is not yet whole, on the same file system.
        """
        if self.is_local:
            with _renamed(Path(scratch.path), Path(self.path)) as file:
                yield file
            return
        with tempfile.NamedTemporaryFile(prefix="predictor-") as file:
            yield file
            file.flush()
            self.fs.put_file(file.name, self.path, **self._pieces(Path(file.name).stat().st_size))

    def _pieces(self, size: int) -> dict[str, int]:
        """Return what an object store is told of how to take a file, which it does as a whole."""
        if not self.name.startswith("s3:"):
            return {}
        return {"chunksize": max(PIECE_BYTES, -(-size // PIECES))}


@contextmanager
def _renamed(scratch: Path, target: Path) -> Iterator[IO[bytes]]:
    scratch.mkdir(parents=True, exist_ok=True)
    temporary = scratch / f".{uuid4().hex}.tmp"
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def place(url: str) -> Place:
    """Return the place that a path or a URL names; raises ScoringError when none can."""
    try:
        fs, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:  # a protocol that is not installed, or not known
        message = f"{url}: {one_line(error)}"
        raise ScoringError(message) from error
    fs.dircache = DirCache(use_listings_cache=False)  # what there is, others change
    return Place(fs, path.rstrip("/"))


def stamp(info: dict[str, Any]) -> str:
    """Return what changes when a file does, of what its file system tells."""
    return next((str(info[key]) for key in STAMPS if info.get(key) is not None), "")


@contextmanager
def named(what: str) -> Iterator[None]:
    """Say of any error what it was about, in one sentence.

    Object stores, Arrow and ONNX Runtime have errors of their own without a common base.
    """
    try:
        yield
    except PredictorError:
        raise
    except Exception as error:
        file = getattr(error, "filename", None)
        where = what if file is None or str(file) == what else f"{what}: {file}"
        message = f"{where}: {one_line(error)}"
        raise ScoringError(message) from error


def one_line(error: Exception) -> str:
    """Return an error's words on one line; of a missing file fsspec says but its name."""
    missing = os.strerror(errno.ENOENT) if isinstance(error, FileNotFoundError) else ""
    words = getattr(error, "strerror", None) or missing or str(error) or type(error).__name__
    return " ".join(words.split())
