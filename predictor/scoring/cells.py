"""Cells → the numbers that the graph is fed: whole columns at once, and words for the bad ones.

The fast way only ever says yes. A cell that it does not take is read again by `Column.encode`, as
the server reads it, and that has the last word.
"""

import math
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from predictor.contract import Column, Contract
from predictor.errors import InvalidInput
from predictor.scoring.inputs import is_text

Numbers = NDArray[np.float64]


class Refusal(NamedTuple):
    """A row that is not scored: its place in the block from 0, its column if any, and why."""

    place: int
    column: str
    reason: str


class Chunk(Protocol):
    """Some rows of a block."""

    @property
    def places(self) -> NDArray[np.int64]:
        """The rows' places in the block, int64 (n,)."""

    @property
    def refused(self) -> list[Refusal]:
        """Rows that could not be read, which are not among the others."""

    @property
    def missing(self) -> tuple[str, ...]:
        """The texts that stand for no value."""

    @property
    def spelled(self) -> bool:
        """Whether numbers are texts too, as in CSV."""

    def cells(self, name: str) -> pa.Array | None:
        """Return a column as numbers or texts, null where nothing is; None if it is neither."""

    def value(self, name: str, row: int) -> object:
        """Return one cell as the JSON value that a client would send."""

    def column(self, name: str) -> pa.Array:
        """Return a column that the contract does not know, as it is written."""

    def heads(self, rows: NDArray[np.int64]) -> pa.Array:
        """Return the text of some rows in the format of their file, to be gone on with."""


class Encoded(NamedTuple):
    """A chunk's rows as float64 (n, columns of the contract), and those that are refused.

    `good` is boolean (n,); what stands in the other rows means nothing.
    """

    columns: Numbers
    good: NDArray[np.bool_]
    refused: list[Refusal]


def encode(contract: Contract, chunk: Chunk) -> Encoded:
    """Return a chunk's rows as the graph is fed them; a row is refused for its first bad cell."""
    rows = len(chunk.places)
    columns = np.empty((rows, len(contract.columns)))
    good = np.ones(rows, np.bool_)
    refused = list(chunk.refused)
    for index, column in enumerate(contract.columns):
        numbers, doubtful = _column(column, chunk)
        for row in np.flatnonzero(doubtful & good).tolist():
            try:
                numbers[row] = column.encode(chunk.value(column.name, row))
            except InvalidInput as error:
                good[row] = False
                refused.append(Refusal(int(chunk.places[row]), column.name, str(error)))
        columns[:, index] = numbers
    return Encoded(columns, good, sorted(refused))


def _column(column: Column, chunk: Chunk) -> tuple[Numbers, NDArray[np.bool_]]:
    """Return a column's numbers, and which of them are not known to be right."""
    cells = chunk.cells(column.name)
    if cells is None:
        return np.full(len(chunk.places), math.nan), np.ones(len(chunk.places), np.bool_)
    if is_text(cells.type):
        numbers, missing = _of_texts(column, cells, chunk)
    else:
        numbers = np.array(pc.cast(cells, pa.float64(), safe=False).fill_null(math.nan))
        missing = np.isnan(numbers)
        if column.datatype == "BYTES":  # whose labels are texts
            return numbers, ~(missing & column.optional)
    right = (numbers >= _least(column)) & (numbers <= _greatest(column))  # which NaN never is
    if column.datatype != "FP64":
        right &= numbers == np.floor(numbers)
    return numbers, ~(right | (missing & column.optional))


def _of_texts(column: Column, texts: pa.Array, chunk: Chunk) -> tuple[Numbers, NDArray[np.bool_]]:
    """Return texts as the numbers they stand for, NaN for none, and which are missing."""
    missing = pc.or_(pc.is_null(texts), pc.is_in(texts, pa.array(chunk.missing, texts.type)))
    numbers = np.full(len(texts), math.nan)
    known = np.zeros(len(texts), np.bool_)
    if column.labels:
        places = pc.index_in(texts, pa.array(list(column.labels), texts.type))
        known = np.array(pc.is_valid(places))
        codes = np.array(list(column.labels.values()), np.float64)
        numbers[known] = codes[np.array(places.drop_null())]
    if column.datatype != "BYTES" and chunk.spelled and not known.all():
        rest = pc.if_else(pc.or_(missing, pa.array(known)), pa.scalar(None, texts.type), texts)
        numbers = np.where(known, numbers, _parsed(rest))
    return numbers, np.array(missing)


def _parsed(texts: pa.Array) -> Numbers:
    """Return texts as numbers, NaN where they are none: halves, until the bad one is alone."""
    try:
        return np.array(pc.cast(texts, pa.float64()).fill_null(math.nan))
    except pa.ArrowInvalid:
        if len(texts) == 1:
            return np.array([math.nan])
    middle = len(texts) // 2
    return np.concatenate([_parsed(texts[:middle]), _parsed(texts[middle:])])


def _least(column: Column) -> float:
    return 0.0 if column.datatype == "BYTES" else column.minimum


def _greatest(column: Column) -> float:
    return len(column.names) - 1.0 if column.datatype == "BYTES" else column.maximum
