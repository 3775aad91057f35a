"""Reading a block's rows, a bounded number at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from predictor.contract import Contract
from predictor.scoring.cells import Chunk, Refusal
from predictor.scoring.inputs import Kind, Source
from predictor.scoring.lines import csv_chunk, json_chunk, lines_of
from predictor.scoring.plan import Block
from predictor.scoring.storage import place

# Parquet's are read so many at a time: what is held is little, and what is written compresses.
CHUNK_ROWS = 2**17


@dataclass(frozen=True)
class ParquetChunk:
    """Rows of a Parquet file, in its own types."""

    places: NDArray[np.int64]
    table: pa.Table
    refused: list[Refusal]
    missing: tuple[str, ...] = ("",)
    spelled: bool = False

    def cells(self, name: str) -> pa.Array | None:
        """Return a column's numbers or texts."""
        if name not in self.table.column_names:
            return pa.nulls(len(self.table))
        found = self.column(name)
        return found.dictionary_decode() if pa.types.is_dictionary(found.type) else found

    def value(self, name: str, row: int) -> object:
        """Return one cell."""
        found: object = self.table.column(name)[row].as_py()
        return found

    def column(self, name: str) -> pa.Array:
        """Return a column."""
        return self.table.column(name).combine_chunks()

    def heads(self, rows: NDArray[np.int64]) -> pa.Array:
        """Never ask: a row of Parquet has no text."""
        raise NotImplementedError


def read(source: Source, contract: Contract, block: Block) -> Iterator[Chunk]:
    """Yield a block's rows in order."""
    at = place(block.file)
    if source.kind is Kind.PARQUET:
        groups = list(range(block.start, block.end))
        far = not at.is_local  # then what a group holds is asked for in few pieces
        with at.open_anywhere() as opened, pq.ParquetFile(opened, pre_buffer=far) as parquet:
            first = 0
            for batch in parquet.iter_batches(CHUNK_ROWS, groups, use_threads=False):
                places = np.arange(first, first + len(batch))
                first += len(batch)
                table = pa.Table.from_batches([batch]).cast(source.schema)
                yield ParquetChunk(places, table, [])
        return
    content, names = lines_of(at, block), source.schema.names
    if source.kind is Kind.CSV:
        yield csv_chunk(content, names, block.file)
    else:
        yield json_chunk(content, names, contract)
