"""The folder beside an output in which its parts are, until they are all there.

Every part belongs to one plan, whose fingerprint is in the folder. A part is there when its note
is, which is written last. Whoever writes one again writes the same bytes.
"""

import re
from contextlib import AbstractContextManager, suppress
from typing import IO, NamedTuple

import msgspec

from predictor.errors import ScoringError
from predictor.scoring.storage import Place, place

SUFFIX = ".parts"
PLAN = "plan"
FINISHED = "finished"
NOTE = re.compile(r"(\d{8})\.json")
TEMPORARY = re.compile(r"\..*\.tmp")


class Counts(NamedTuple):
    """How many rows of an input were scored and how many refused."""

    scored: int
    refused: int


class _Finished(msgspec.Struct, frozen=True):
    fingerprint: str
    counts: Counts


class Parts:
    """The folder, at a path or a URL."""

    def __init__(self, url: str) -> None:
        """Name the folder; it need not be there."""
        self.folder: Place = place(url)

    def open(self, fingerprint: str) -> None:
        """Begin a plan here, or go on with it; one that has come to its end is begun anew.

        Raises ScoringError when there are parts of another plan, which has not.
        """
        if self._finished():
            self.clear()
        self.folder.fs.makedirs(self.folder.path, exist_ok=True)
        found = self.folder.inside(PLAN).read()
        if found is None:
            with self.folder.inside(PLAN).written(self.folder) as file:
                file.write(fingerprint.encode())
        elif found.decode() != fingerprint:
            held = "holds parts of another input, bundle or version"
            message = f"{self.folder.name} {held}: remove it to begin anew"
            raise ScoringError(message)

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
        return frozenset(int(match[1]) for match in found if match)

    def finish(self, fingerprint: str, counts: Counts) -> None:
        """Say that the output is there, and remove all else."""
        with self.folder.inside(FINISHED).written(self.folder) as file:
            file.write(msgspec.json.encode(_Finished(fingerprint, counts)))
        self.sweep()

    def finished(self, fingerprint: str) -> Counts | None:
        """Return what a plan came to, if its output was written."""
        found = self._finished()
        return found.counts if found and found.fingerprint == fingerprint else None

    def sweep(self) -> None:
        """Remove all but the word that the output is there."""
        for name in self._names_to_remove():
            if name != FINISHED:
                self.folder.inside(name).remove()

    def clear(self) -> None:
        """Remove everything, and the folder."""
        for name in self._names_to_remove():
            self.folder.inside(name).remove()
        with suppress(OSError):  # an object store has no folders
            self.folder.fs.rmdir(self.folder.path)

    def remove_unfinished(self) -> None:
        """Remove what a process left that was killed while it wrote; no other may be writing."""
        for name in self.folder.names():
            if TEMPORARY.fullmatch(name):
                self.folder.inside(name).remove()

    def _names_to_remove(self) -> list[str]:
        """Return notes before their parts, and the plan last."""
        names = self.folder.names()
        return sorted(names, key=lambda name: (name == PLAN, not NOTE.fullmatch(name)))

    def _finished(self) -> _Finished | None:
        found = self.folder.inside(FINISHED).read()
        return None if found is None else msgspec.json.decode(found, type=_Finished)

    def _part(self, number: int) -> Place:
        return self.folder.inside(f"{number:08}.part")

    def _note(self, number: int) -> Place:
        return self.folder.inside(f"{number:08}.json")
