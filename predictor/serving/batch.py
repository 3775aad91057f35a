"""Rows as a client sends them → the matrix that the graph is fed, or what is wrong with them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.contract import Column, Contract, quote
from predictor.errors import InvalidInput


@dataclass(frozen=True)
class Batch:
    """Valid rows: float64, (n, columns of the contract), labels as their codes."""

    columns: NDArray[np.float64]


def encode(contract: Contract, rows: object, max_rows: int) -> Batch:
    """Return decoded JSON, a list of rows that are objects or arrays, as a Batch.

    Raises InvalidInput, naming the row, the column, the value and what was expected.
    """
    if type(rows) is not list:
        message = f"got {quote(rows)}, expected a list of rows"
        raise InvalidInput(message)
    if not 1 <= len(rows) <= max_rows:
        message = f"got {len(rows)} rows, expected from 1 to {max_rows}"
        raise InvalidInput(message)
    encoded = [_row(contract, row, number) for number, row in enumerate(rows)]
    return Batch(np.array(encoded, np.float64))


def _row(contract: Contract, row: object, number: int) -> list[float]:
    values = _values(contract, row, number)
    cells = zip(contract.columns, values, strict=True)
    return [_cell(column, value, number) for column, value in cells]


def _cell(column: Column, value: object, number: int) -> float:
    try:
        return column.encode(value)
    except InvalidInput as error:
        message = f"row {number}, column {column.name}: {error}"
        raise InvalidInput(message) from None


def _values(contract: Contract, row: object, number: int) -> list[object]:
    """Return a row's values in the contract's order, not yet looked at."""
    names = contract.names
    if type(row) is dict:
        if row.keys() == contract.columns_by_name.keys():
            return [row[name] for name in names]
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
    missing = next(column for column in contract.columns if column.name not in row)
    where = f"row {number}, column {missing.name}"
    return InvalidInput(f"{where}: got nothing, expected {missing.expectation}")
