"""What a server kept of its requests: a line of JSON for the rows of a run, written and read."""

import os
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from predictor.errors import JSON_ERRORS, DataError

FILES = "capture-*.jsonl"
# Whoever may write there is not trusted: nothing is followed, and nothing is waited for.
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

Cell = float | int | str | None


class Line(msgspec.Struct, frozen=True):
    """Rows as a client would send them, in the contract's order, and what was predicted for each.

    `time` is UTC, when the graph ran; `lower` and `upper` are the ends of intervals, if any.
    """

    time: datetime
    model_name: str
    version: str
    rows: list[list[Cell]]
    predictions: list[float | str]
    lower: list[float] = []
    upper: list[float] = []

    def __post_init__(self) -> None:
        """Refuse rows without their answers; msgspec makes it an error of the line."""
        found = [len(self.predictions), *(len(ends) for ends in (self.lower, self.upper) if ends)]
        if self.time.tzinfo is None or any(count != len(self.rows) for count in found):
            message = f"{len(self.rows)} rows and {found} answers at {self.time}"
            raise ValueError(message)


def read(folder: Path) -> Iterator[Line]:
    """Yield the lines of all captured files of a folder; raises DataError, naming the line.

    A server may be writing to it: a file that is gone meanwhile, and a line that has not ended, are
    left out, as is what is no regular file.
    """
    return (line for _, line in located(folder))


def located(folder: Path) -> Iterator[tuple[str, Line]]:
    """Yield the same with the file and the number of each line, in words."""
    if not folder.is_dir():
        message = f"{folder}: no such folder, expected that of CAPTURE_FOLDER"
        raise DataError(message)
    for file in sorted(folder.glob(FILES)):
        for number, text in enumerate(_content(file).split(b"\n")[:-1], start=1):
            where = f"{file}: line {number}"
            yield where, _decoded(text, where)


def _content(file: Path) -> bytes:
    """Return what a file holds, nothing if it is gone or no regular file."""
    try:
        if not stat.S_ISREG(file.lstat().st_mode):
            return b""
        with open(file, "rb", opener=lambda path, _: os.open(path, FILE)) as opened:
            # It may be another one by now.
            return opened.read() if stat.S_ISREG(os.fstat(opened.fileno()).st_mode) else b""
    except FileNotFoundError:
        return b""
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror}"
        raise DataError(message) from error


def _decoded(text: bytes, where: str) -> Line:
    try:
        return msgspec.json.decode(text, type=Line)
    except JSON_ERRORS as error:
        message = f"{where} is not of captured rows: {error}"
        raise DataError(message) from error
