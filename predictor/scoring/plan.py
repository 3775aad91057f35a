"""Cutting an input into blocks, each of which can be scored without what is before it."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec
import pyarrow as pa

from predictor import __version__
from predictor.scoring.inputs import File, Kind, Source

# Of a text file; about as many rows as a block of row groups has at least.
BLOCK_BYTES = 8 * 2**20
BLOCK_ROWS = 2**17


@dataclass(frozen=True)
class Block:
    """A part of a file: row groups from `start` to `end`, or the lines that begin in such bytes.

    `size` is in rows or in bytes, as the progress is told; `begin` is where a text's rows begin,
    and `file_size` where they end.
    """

    number: int
    file: str
    start: int
    end: int
    size: int
    begin: int = 0
    file_size: int = 0


@dataclass(frozen=True)
class Plan:
    """All blocks in the order of the rows, and what tells this work from any other."""

    blocks: tuple[Block, ...]
    fingerprint: str


def plan(source: Source, files: Sequence[File], version: str, output: Kind) -> Plan:
    """Return the blocks of some files, which depend on nothing else."""
    cut = _groups if source.kind is Kind.PARQUET else _ranges
    blocks = [block for file in files for block in cut(file)]
    made_of = (
        __version__,
        pa.__version__,  # which formats the numbers
        version,
        output.value,
        BLOCK_BYTES,
        BLOCK_ROWS,
        [(file.name, file.size, file.stamp) for file in files],
    )
    numbered = tuple(replace(block, number=number) for number, block in enumerate(blocks))
    return Plan(numbered, hashlib.sha256(msgspec.json.encode(made_of)).hexdigest())


def _groups(file: File) -> Iterator[Block]:
    """Yield row groups, several together until they are worth a block."""
    start, rows = 0, 0
    for end, count in enumerate(file.groups, start=1):
        rows += count
        if rows >= BLOCK_ROWS or end == len(file.groups):
            yield Block(0, file.name, start, end, rows)
            start, rows = end, 0


def _ranges(file: File) -> Iterator[Block]:
    for start in range(file.begin, file.size, BLOCK_BYTES):
        end = min(start + BLOCK_BYTES, file.size)
        yield Block(0, file.name, start, end, end - start, file.begin, file.size)
