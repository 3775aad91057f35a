"""Reading a bundle's files: all of them from one folder, whatever becomes of its path meanwhile.

No link is followed, but the two behind which Kubernetes keeps a volume's files: `bundle.json` leads
to `..data/bundle.json`, and `..data` to the folder of the version that is mounted. Nothing but a
file is read, and no more of it than its limit.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from predictor.errors import BundleError, MissingBundleError, UnreadableBundleError

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# A pipe is opened without waiting for who writes to it.
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True)
class Folder:
    """A folder that is open, and the path that it was asked for by."""

    path: Path
    descriptor: int

    def names(self) -> list[str]:
        """Return the names of all that is in the folder."""
        return sorted(os.listdir(self.descriptor))  # noqa: PTH208 - it is open, and has no path

    def content(self, name: str, most_bytes: int) -> bytes:
        """Return what is in a file; raises BundleError when there is none, or it is too large."""
        path = self.path / name
        try:
            descriptor = os.open(name, FILE, dir_fd=self.descriptor)
        except OSError as error:
            raise _unreadable(path, error) from error
        try:
            return _content(path, descriptor, most_bytes)
        except OSError as error:
            raise _unreadable(path, error) from error
        finally:
            os.close(descriptor)


@contextmanager
def opened(path: Path, entry: str) -> Iterator[Folder]:
    """Yield the folder in which the file `entry` of the folder at `path` really is.

    Raises BundleError when it cannot be read or `entry` leads out of it, and MissingBundleError
    when there is no folder, or nothing called `entry` in it.
    """
    with ExitStack() as stack:
        try:
            outer = _open(stack, path, FOLDER)
            os.stat(entry, dir_fd=outer, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            message = f"no bundle at {path}; make one with: predictor train --output {path}"
            raise MissingBundleError(message) from None
        except OSError as error:
            raise _unreadable(path, error) from error
        yield Folder(path, _inner(stack, path / entry, outer))


def _inner(stack: ExitStack, path: Path, outer: int) -> int:
    """Return the folder in the open one that the file at `path` is in; mostly it is that one."""
    leads_to = _link(outer, path.name)
    if not leads_to:
        return outer
    inside, _, name = leads_to.rpartition("/")
    version = _link(outer, inside) or inside
    if name != path.name or not _is_inside(inside) or not _is_inside(version):
        message = f"{path} is a link, and leads out of its folder"
        raise BundleError(message)
    try:
        return _open(stack, version, FOLDER | os.O_NOFOLLOW, outer)
    except OSError as error:
        raise _unreadable(path, error) from error


def _is_inside(name: str) -> bool:
    """Whether a name is of something in the folder itself."""
    return "/" not in name and name not in {"", ".", ".."}


def _link(descriptor: int, name: str) -> str:
    """Return what a link in an open folder leads to, or nothing when it is none."""
    try:
        return os.readlink(name, dir_fd=descriptor)
    except OSError:
        return ""


def _open(stack: ExitStack, path: Path | str, flags: int, outer: int | None = None) -> int:
    descriptor = os.open(path, flags, dir_fd=outer)
    stack.callback(os.close, descriptor)
    return descriptor


def _content(path: Path, descriptor: int, most_bytes: int) -> bytes:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        message = f"{path} is not a file"
        raise BundleError(message)
    if found.st_size > most_bytes:
        message = f"{path} has {found.st_size} bytes, and may have {most_bytes}"
        raise BundleError(message)
    with open(descriptor, "rb", closefd=False) as file:
        return file.read(found.st_size)


def _unreadable(path: Path, error: OSError) -> BundleError:
    if error.errno == errno.ELOOP:  # as O_NOFOLLOW has it
        return BundleError(f"{path} is a link, and a bundle's files are none")
    return UnreadableBundleError(f"cannot read {path}: {error.strerror}")
