"""All parts in order → the output, and what was refused beside it."""

import csv
import io
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import IO, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from predictor.contract import WARNINGS
from predictor.errors import ScoringError
from predictor.scoring.block import Note
from predictor.scoring.inputs import Kind, is_text
from predictor.scoring.parts import SUFFIX, Counts, Parts
from predictor.scoring.plan import Block
from predictor.scoring.storage import Place, place
from predictor.scoring.writing import header

REJECTED_SUFFIX = ".rejected.csv"
COPIED_BYTES = 2**20
# Parquet's path of what is in the lists.
WARNING_NAMES = f"{WARNINGS}.list.element"


class Refused(NamedTuple):
    """A row that was not scored: its file, its number there from 1, its column if any, and why."""

    file: str
    row: int
    column: str
    reason: str


def require_apart(files: Iterable[str], output: Place) -> None:
    """Refuse to read what is written or removed: the output, what is beside it, and the parts."""
    beside = [output.at(output.path + suffix) for suffix in (REJECTED_SUFFIX, SUFFIX)]
    for file in map(place, files):
        if output.holds(file):
            message = f"{output.name} is the input too: name another output"
            raise ScoringError(message)
        for each in beside:
            if each.holds(file):
                written = f"{each.name} is written beside {output.name}"
                message = f"{written}, and {file.name} is an input: name another output"
                raise ScoringError(message)


def note_of(parts: Parts, block: Block) -> Note:
    """Return the note of a part; raises FileNotFoundError when it is not there."""
    return msgspec.json.decode(parts.note(block.number), type=Note)


def refusals(parts: Parts, blocks: Sequence[Block]) -> Iterator[tuple[Block, int, list[Refused]]]:
    """Yield each block, how many rows it has, and those that were refused, by their numbers."""
    file, rows = "", 0
    for block in blocks:
        rows = rows if block.file == file else 0
        file, note = block.file, note_of(parts, block)
        refused = [
            Refused(file, rows + at + 1, column, reason) for at, column, reason in note.refused
        ]
        yield block, note.rows, refused
        rows += note.rows


def merge(
    parts: Parts, blocks: Sequence[Block], output: Place, kind: Kind, schema: pa.Schema
) -> Counts:
    """Write the output, and the refused rows beside it before; return how many rows are in each.

    Both files appear as a whole. Raises FileNotFoundError when a part is not there.
    """
    counts = _write_refused(parts, blocks, output)
    with output.written(parts.folder) as file:
        if kind is Kind.PARQUET:
            _write_parquet(parts, blocks, file, schema)
        else:
            file.write(header(schema) if kind is Kind.CSV else b"")
            for block in blocks:
                with parts.read(block.number) as part:
                    shutil.copyfileobj(part, file, COPIED_BYTES)
    return counts


def _write_parquet(
    parts: Parts, blocks: Sequence[Block], file: IO[bytes], schema: pa.Schema
) -> None:
    """Write each batch as a row group, so that little is held at a time.

    Only texts are worth a dictionary: to look for numbers that repeat takes three times as long.
    """
    repeated = [each.name for each in schema if is_text(each.type)]
    with pq.ParquetWriter(file, schema, use_dictionary=[*repeated, WARNING_NAMES]) as writer:
        for block in blocks:
            with parts.read(block.number) as part, pa.ipc.open_stream(part) as batches:
                for batch in batches:
                    writer.write_table(pa.Table.from_batches([batch]))


def _write_refused(parts: Parts, blocks: Sequence[Block], output: Place) -> Counts:
    """Write what was refused, or remove what was there before; count the rows."""
    target = output.at(output.path + REJECTED_SUFFIX)
    rows = refused = 0
    with ExitStack() as stack:
        write: Callable[[Iterable[Refused]], object] | None = None
        for _, count, found in refusals(parts, blocks):
            if found and write is None:
                write = _table(stack.enter_context(target.written(parts.folder)), stack)
            if write:
                write(found)
            rows += count
            refused += len(found)
    if not refused:
        target.remove()
    return Counts(rows - refused, refused)


def _table(file: IO[bytes], stack: ExitStack) -> Callable[[Iterable[Refused]], object]:
    """Return what writes refused rows to a CSV file, which stays open."""
    text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
    stack.callback(text.detach)
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(Refused._fields)
    return rows.writerows
