"""The folder beside an output in which its parts are, until they are all there.

Every part belongs to one plan, with whose fingerprint its name begins: who is late with one plan
does no harm to the next. A part is there when its note is, which is written last. Whoever writes
one again writes the same bytes.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import IO, NamedTuple

import msgspec

from predictor.errors import ScoringError
from predictor.scoring.storage import Place, place

SUFFIX = ".parts"
PLAN = "plan"
FINISHED = "finished"
# Enough of a fingerprint to tell the parts of one plan from any other's.
PREFIX_LENGTH = 16
# What is ever written here, so that nothing else is removed.
OURS = re.compile(rf"{PLAN}|{FINISHED}|[0-9a-f]{{16}}-\d{{8}}\.(part|json)|\.[0-9a-f]{{32}}\.tmp")
NOTE = re.compile(r"([0-9a-f]{16})-(\d{8})\.json")
TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.tmp")


class Counts(NamedTuple):
    """How many rows of an input were scored and how many refused."""

    scored: int
    refused: int


class _Finished(msgspec.Struct, frozen=True):
    fingerprint: str
    counts: Counts


class Parts:
    """The folder, at a path or a URL, and what is in it of one plan."""

    def __init__(self, url: str, fingerprint: str) -> None:
        """Name the folder; it need not be there."""
        self.folder: Place = place(url)
        self.fingerprint = fingerprint
        self._prefix = fingerprint[:PREFIX_LENGTH]

    def open(self, shared: Place | None = None) -> Counts | None:
        """Begin the plan here, or go on with it; one that has come to its end is begun anew.

        Of an output that is shared it is not, if that is still there: what it came to is returned.
        Raises ScoringError when there are parts of another plan, which has not, or when the folder
        is somebody else's.
        """
        plan, ended = self.folder.inside(PLAN), self._finished()
        if shared and ended and ended.fingerprint == self.fingerprint and shared.exists():
            return ended.counts
        found = plan.read()
        if found is None and ended is None:
            self._require_no_others()
        past = ended and ended.fingerprint.encode()
        if found not in (None, past, self.fingerprint.encode()):
            held = "holds parts of another input, bundle or version"
            message = f"{self.folder.name} {held}: remove it to begin anew"
            raise ScoringError(message)
        if ended:
            self._restart(ended)
        if found != self.fingerprint.encode():
            self.folder.make()
            with plan.written(self.folder) as file:
                file.write(self.fingerprint.encode())
        return None

    def _require_no_others(self) -> None:
        others = [name for name in self.folder.names() if not OURS.fullmatch(name)]
        if others:
            what = f"holds {others[0]}, which is no part of an output"
            message = f"{self.folder.name} {what}: move it away, or name another output"
            raise ScoringError(message)

    def _restart(self, ended: _Finished) -> None:
        """Forget an end: one's own, for the output is gone, or another's, with what came late."""
        if ended.fingerprint == self.fingerprint:
            self.folder.inside(FINISHED).remove()
        else:
            self._remove(ended.fingerprint)

    def part(self, number: int) -> AbstractContextManager[IO[bytes]]:
        """Return a part's file, which is there as a whole or not at all."""
        return self._part(number).written(self.folder)

    def write_note(self, number: int, note: bytes) -> None:
        """Say that a part is there."""
        with self._note(number).written(self.folder) as file:
            file.write(note)

    def read(self, number: int) -> IO[bytes]:
        """Return a part, open for reading."""
        return self._part(number).open()

    def note(self, number: int) -> bytes:
        """Return a part's note; raises FileNotFoundError when the part is not there."""
        found = self._note(number).read()
        if found is None:
            raise FileNotFoundError(self._note(number).name)
        return found

    def done(self) -> frozenset[int]:
        """Return the numbers of the parts that are there."""
        found = map(NOTE.fullmatch, self.folder.names())
        return frozenset(int(match[2]) for match in found if match and match[1] == self._prefix)

    def finish(self, counts: Counts) -> None:
        """Say that the output is there, and remove all else."""
        with self.folder.inside(FINISHED).written(self.folder) as file:
            file.write(msgspec.json.encode(_Finished(self.fingerprint, counts)))
        self.sweep()

    def finished(self) -> Counts | None:
        """Return what the plan came to, if its output was written."""
        found = self._finished()
        return found.counts if found and found.fingerprint == self.fingerprint else None

    def sweep(self) -> None:
        """Remove all of the plan but the word that the output is there."""
        self._remove(self.fingerprint)
        self._remove_unfinished()
        plan = self.folder.inside(PLAN)
        if plan.read() == self.fingerprint.encode():
            plan.remove()

    def clear(self) -> None:
        """Remove all that was ever written here, and the folder if nothing else is in it."""
        for name in sorted(self.folder.names(), key=lambda name: name == PLAN):  # the plan last
            if OURS.fullmatch(name):
                self.folder.inside(name).remove()
        with suppress(OSError):  # an object store has no folders
            self.folder.fs.rmdir(self.folder.path)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other runs without shards out, where that can be, and remove what a killed one left.

        Raises ScoringError when there is another. The lock ends with the process, however it ends.
        """
        with ExitStack() as stack:
            if self.folder.is_local:
                descriptor = os.open(self.folder.path, os.O_RDONLY)
                stack.callback(os.close, descriptor)
                self._lock(descriptor)
            self._remove_unfinished()
            yield

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"{self.folder.name} is in use: another run writes the same output"
            raise ScoringError(message) from error
        except OSError:  # a file system without locks
            return

    def _remove_unfinished(self) -> None:
        """Remove what a process left that was killed while it wrote; another that writes fails."""
        for name in self.folder.names():
            if TEMPORARY.fullmatch(name):
                self.folder.inside(name).remove()

    def _remove(self, fingerprint: str) -> None:
        """Remove the parts of one plan, notes before."""
        for name in sorted(self.folder.names(), key=lambda name: not NOTE.fullmatch(name)):
            if OURS.fullmatch(name) and name.startswith(fingerprint[:PREFIX_LENGTH]):
                self.folder.inside(name).remove()

    def _finished(self) -> _Finished | None:
        found = self.folder.inside(FINISHED).read()
        return None if found is None else msgspec.json.decode(found, type=_Finished)

    def _part(self, number: int) -> Place:
        return self.folder.inside(f"{self._prefix}-{number:08}.part")

    def _note(self, number: int) -> Place:
        return self.folder.inside(f"{self._prefix}-{number:08}.json")
