"""What a server kept of its requests: a line of JSON for the rows of a run, written and read."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from predictor.errors import JSON_ERRORS, DataError

FILES = "capture-*.jsonl"

Cell = float | int | str


class Line(msgspec.Struct, frozen=True):
    """Rows as a client would send them, in the contract's order, and what was predicted for each.

    `time` is UTC, when the graph ran; `lower` and `upper` are the intervals' ends.
    """

    time: datetime
    model_name: str
    version: str
    rows: list[list[Cell]]
    predictions: list[float]
    lower: list[float]
    upper: list[float]

    def __post_init__(self) -> None:
        """Refuse rows without their answers; msgspec makes it an error of the line."""
        found = [len(self.predictions), len(self.lower), len(self.upper)]
        if self.time.tzinfo is None or any(count != len(self.rows) for count in found):
            message = f"{len(self.rows)} rows and {found} answers at {self.time}"
            raise ValueError(message)


def read(folder: Path) -> Iterator[Line]:
    """Yield the lines of all captured files of a folder; raises DataError, naming the line.

    A server may be writing to it: a file that is gone meanwhile, and a line that has not ended, are
    left out.
    """
    if not folder.is_dir():
        message = f"{folder}: no such folder, expected that of CAPTURE_FOLDER"
        raise DataError(message)
    for file in sorted(folder.glob(FILES)):
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            continue
        for number, text in enumerate(content.split(b"\n")[:-1], start=1):
            yield _decoded(text, f"{file}: line {number}")


def _decoded(text: bytes, where: str) -> Line:
    try:
        return msgspec.json.decode(text, type=Line)
    except JSON_ERRORS as error:
        message = f"{where} is not of captured rows: {error}"
        raise DataError(message) from error
