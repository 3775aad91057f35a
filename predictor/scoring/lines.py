"""Reading the lines that begin in a range of a text file's bytes: CSV and JSON Lines."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from predictor.contract import Contract, quote
from predictor.errors import JSON_ERRORS, ScoringError
from predictor.scoring.cells import Refusal
from predictor.scoring.inputs import holds_cells
from predictor.scoring.plan import Block
from predictor.scoring.storage import Place

# A line is no longer; it is read on to where it ends by so much at a time.
LONGEST_LINE = 2**20
STEP_BYTES = 2**16
# A CSV cell that says that there is no value; JSON has null for that.
CSV_MISSING = ("", "NaN", "nan", "null")


def lines_of(at: Place, block: Block) -> bytes:
    """Return the lines that begin in a block, each with its end, without a look at others.

    Raises ScoringError when a line is too long.
    """
    # The byte before tells whether a line begins where the block does.
    start = max(block.start - 1, block.begin)
    content = at.span(start, block.end)
    if block.start > block.begin:
        newline = content.find(b"\n")
        if newline < 0:  # a line that began before, and ends behind
            _check_length(at, block.end - block.start, start)
            return b""
        content = content[newline + 1 :]
    return content + (_rest(at, block) if content and content[-1:] != b"\n" else b"")


def _rest(at: Place, block: Block) -> bytes:
    """Return what is behind a block up to the end of its last line."""
    found, end = b"", block.end
    while b"\n" not in found:
        if end == block.file_size:
            return found + b"\n"
        start, end = end, min(end + STEP_BYTES, block.file_size)
        found += at.span(start, end)
        _check_length(at, len(found), block.end)
    return found[: found.index(b"\n") + 1]


def _check_length(at: Place, length: int, place: int) -> None:
    if length > LONGEST_LINE:
        message = f"{at.name}: the line at byte {place} is longer than {LONGEST_LINE} bytes"
        raise ScoringError(message)


@dataclass(frozen=True)
class CsvChunk:
    """Lines of a CSV file, all cells as texts."""

    places: NDArray[np.int64]
    refused: list[Refusal]
    table: pa.Table
    lines: Sequence[bytes]
    missing: tuple[str, ...] = CSV_MISSING
    spelled: bool = True

    def cells(self, name: str) -> pa.Array | None:
        """Return a column's texts."""
        return self.column(name) if name in self.table.column_names else pa.nulls(len(self.table))

    def value(self, name: str, row: int) -> object:
        """Return the JSON value that a cell looks like: a number, a text, or nothing."""
        text: str = self.table.column(name)[row].as_py()
        if text in {"NaN", "nan", "null"}:
            return None
        try:
            return msgspec.json.decode(text, type=int | float)
        except JSON_ERRORS:
            return text

    def column(self, name: str) -> pa.Array:
        """Return a column's texts."""
        return self.table.column(name).combine_chunks()

    def heads(self, rows: NDArray[np.int64]) -> pa.Array:
        """Return rows as they stand in the file, with a comma."""
        return pa.array([self.lines[place] + b"," for place in self.places[rows]], pa.string())


def csv_chunk(content: bytes, names: list[str], name: str) -> CsvChunk:
    """Return lines of a CSV file; a row of too many or too few cells is refused.

    Raises ScoringError where a line's end is not a row's.
    """
    content = content.replace(b"\r\n", b"\n")
    lines = [line for line in content.split(b"\n") if line]
    for line in lines if b'"' in content else ():
        if line.count(b'"') % 2:
            shown = quote(line.decode(errors="replace"))
            message = (
                f"{name}: a quote does not end in its line {shown}; write such rows as Parquet"
            )
            raise ScoringError(message)
    refused: list[Refusal] = []

    def refuse(row: Any) -> str:  # noqa: ANN401 - Arrow has no types
        reason = f"got {row.actual_columns} values, expected {len(names)}: {', '.join(names)}"
        refused.append(Refusal(row.number - 1, "", reason))
        return "skip"

    try:
        table = _parsed(content, names, refuse) if lines else _no_rows(names)
    except pa.ArrowInvalid:
        _require_utf8(lines, names, name)
        raise
    places = np.delete(np.arange(len(lines)), [each.place for each in refused])
    if len(places) != len(table):
        message = f"{name}: {len(lines)} lines are {len(table)} rows; is a line's end in a value?"
        raise ScoringError(message)
    return CsvChunk(places, refused, table, lines)


def _require_utf8(lines: list[bytes], names: list[str], name: str) -> None:
    for line in lines:
        try:
            line.decode()
        except UnicodeDecodeError as error:
            text = line.decode(errors="replace")
            cells = zip(names, next(csv.reader([text])), strict=False)
            column = next((each for each, cell in cells if "\ufffd" in cell), names[-1])
            message = f"{name}: column {column} is not UTF-8 in the line {quote(text)}"
            raise ScoringError(message) from error


def _parsed(content: bytes, names: list[str], refuse: Any) -> pa.Table:  # noqa: ANN401
    return pyarrow.csv.read_csv(
        pa.BufferReader(content),  # which no thread of Arrow asks the interpreter for
        pyarrow.csv.ReadOptions(
            column_names=names, use_threads=False, block_size=max(len(content), 2)
        ),
        pyarrow.csv.ParseOptions(invalid_row_handler=refuse),
        pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
        ),
    )


def _no_rows(names: list[str]) -> pa.Table:
    return pa.schema([(name, pa.string()) for name in names]).empty_table()


@dataclass(frozen=True)
class JsonChunk:
    """Lines of a JSON Lines file, decoded."""

    places: NDArray[np.int64]
    refused: list[Refusal]
    rows: list[dict[str, object]]
    lines: list[bytes]
    missing: tuple[str, ...] = ()
    spelled: bool = False

    def cells(self, name: str) -> pa.Array | None:
        """Return a column whose values are of one kind."""
        try:
            found = pa.array([row.get(name) for row in self.rows])
        except (pa.ArrowException, OverflowError):
            return None
        return found if holds_cells(found.type) else None

    def value(self, name: str, row: int) -> object:
        """Return one cell."""
        return self.rows[row].get(name)

    def column(self, name: str) -> pa.Array:
        """Return a column as texts: those of JSON, where they are none."""
        return pa.array([_text(row.get(name)) for row in self.rows], pa.string())

    def heads(self, rows: NDArray[np.int64]) -> pa.Array:
        """Return rows as they stand in the file, but for their end."""
        heads = [self.lines[row][:-1].rstrip() for row in rows]
        return pa.array([head + (b"" if head == b"{" else b",") for head in heads], pa.string())


def json_chunk(content: bytes, names: list[str], contract: Contract) -> JsonChunk:
    """Return lines of a JSON Lines file; what is no row of known columns is refused."""
    known = dict.fromkeys(names)
    decode = msgspec.json.Decoder().decode
    places, rows, kept, refused = [], [], [], []
    for place, line in enumerate(line for line in map(bytes.strip, content.split(b"\n")) if line):
        try:
            row = decode(line)
        except JSON_ERRORS as error:
            refused.append(Refusal(place, "", f"not JSON that can be read: {error}"))
            continue
        wrong = _fault(row, known, contract)
        if wrong:
            refused.append(Refusal(place, *wrong))
            continue
        places.append(place)
        rows.append(row)
        kept.append(line)
    return JsonChunk(np.array(places, np.int64), refused, rows, kept)


def _fault(row: object, known: dict[str, None], contract: Contract) -> tuple[str, str] | None:
    """Return the column and the reason for which a decoded line is no row, if it is none."""
    if type(row) is not dict:
        return "", f"got {quote(row)}, expected an object"
    if not row.keys() <= known.keys():
        name = next(name for name in row if name not in known)
        return "", f"got column {quote(name)}, expected only {', '.join(known)}"
    lacking = contract.required - row.keys()
    if lacking:
        missing = next(column for column in contract.columns if column.name in lacking)
        return missing.name, f"got nothing, expected {missing.expectation}"
    return None


def _text(value: object) -> str | None:
    return value if value is None or type(value) is str else msgspec.json.encode(value).decode()
