"""Rows as a client sends them → the matrix that the graph is fed, or what is wrong with them."""

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from predictor.contract import Column, Contract, quote
from predictor.errors import InvalidInput


class Batch(msgspec.Struct, frozen=True, gc=False):
    """Valid rows: float64, (n, columns of the contract), labels as their codes."""

    columns: NDArray[np.float64]


def encode(contract: Contract, rows: object, max_rows: int) -> Batch:
    """Return decoded JSON, a list of rows that are objects or arrays, as a Batch.

    Raises InvalidInput, naming the row, the column, the value and what was expected.
    """
    if type(rows) is not list:
        message = f"got {quote(rows)}, expected a list of rows"
        raise InvalidInput(message)
    check_count(len(rows), max_rows)
    return Batch(np.array(encode_rows(contract, rows), np.float64))


def encode_rows(contract: Contract, rows: list[object], first: int = 0) -> list[list[float]]:
    """Return rows, the first of which has the number `first`, as numbers; raises InvalidInput."""
    return [_row(contract, row, number) for number, row in enumerate(rows, first)]


def check_count(rows: int, max_rows: int) -> None:
    """Raise InvalidInput when there are no rows, or too many."""
    if not 1 <= rows <= max_rows:
        message = f"got {rows} rows, expected from 1 to {max_rows}"
        raise InvalidInput(message)


class Limits:
    """What a contract's columns allow, for many numbers at once.

    `Column.encode` says the same of one value, and writes the error.
    """

    def __init__(self, contract: Contract) -> None:
        """Gather each column's least and greatest number, and whether it takes only whole ones."""
        self._columns = contract.columns
        labelled = [column.datatype == "BYTES" for column in contract.columns]
        codes = [(0, len(column.names) - 1) for column in contract.columns]
        ranges = [(column.minimum, column.maximum) for column in contract.columns]
        limits = np.where(np.array(labelled)[:, None], codes, ranges)
        self._least, self._greatest = np.ascontiguousarray(limits.T)
        self._whole = np.array([column.datatype != "FP64" for column in contract.columns])
        self._optional = np.array([column.optional for column in contract.columns])
        self._may_lack = bool(self._optional.any())

    def check(self, columns: NDArray[np.float64], sent: Callable[[int, int], object]) -> Batch:
        """Return a matrix of numbers and codes as a Batch, if each is one of its column's.

        `sent` gives what the client sent for a row's number and a column's; raises InvalidInput.
        """
        valid = (columns >= self._least) & (columns <= self._greatest)  # which NaN never is
        valid &= ~self._whole | (columns == np.floor(columns))
        if self._may_lack:
            valid |= self._optional & np.isnan(columns)
        if not valid.all():
            row, index = map(int, np.argwhere(~valid)[0])
            raise _outside(self._columns[index], sent(row, index), row)
        return Batch(columns)


def _outside(column: Column, value: object, number: int) -> InvalidInput:
    is_code = column.datatype == "BYTES" and type(value) is not str
    expected = f"one of {column.codes}" if is_code else column.expectation
    where = f"row {number}, column {column.name}"
    return InvalidInput(f"{where}: got {quote(value)}, expected {expected}", column.name)


def _row(contract: Contract, row: object, number: int) -> list[float]:
    values = _values(contract, row, number)
    cells = zip(contract.columns, values, strict=True)
    return [_cell(column, value, number) for column, value in cells]


def _cell(column: Column, value: object, number: int) -> float:
    try:
        return column.encode(value)
    except InvalidInput as error:
        message = f"row {number}, column {column.name}: {error}"
        raise InvalidInput(message, column.name) from None


def _values(contract: Contract, row: object, number: int) -> list[object]:
    """Return a row's values in the contract's order, not yet looked at."""
    names = contract.names
    if type(row) is dict:
        if row.keys() == contract.columns_by_name.keys():
            return [row[name] for name in names]
        if contract.required <= row.keys() <= contract.columns_by_name.keys():
            return [row.get(name) for name in names]
        raise _wrong_names(contract, row, number)
    if type(row) is list:
        if len(row) == len(names):
            return row
        message = f"row {number}: got {len(row)} values, expected {len(names)}: {', '.join(names)}"
        raise InvalidInput(message)
    message = f"row {number}: got {quote(row)}, expected an object or an array"
    raise InvalidInput(message)


def _wrong_names(contract: Contract, row: dict[str, object], number: int) -> InvalidInput:
    """Say which of a row's columns is unknown or missing."""
    for name in row:
        if name not in contract.columns_by_name:
            known = ", ".join(contract.names)
            return InvalidInput(f"row {number}: got column {quote(name)}, expected only {known}")
    lacking = contract.required - row.keys()
    missing = next(column for column in contract.columns if column.name in lacking)
    where = f"row {number}, column {missing.name}"
    message = f"{where}: got nothing, expected {missing.expectation}"
    return InvalidInput(message, missing.name)
