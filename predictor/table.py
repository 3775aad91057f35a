"""Files of rows: text cells, and the numbers that a contract makes of them.

What is wrong is said with the file, the line, the column and the cell.
"""

import io

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor.contract import Column
from predictor.errors import DataError

HEADER_LINES = 1
# Cells that are no value, where one may be missing: CSV's own, and how pandas writes Parquet's.
MISSING = ("", "nan", "None", "<NA>")


def from_csv(content: bytes, source: str) -> pd.DataFrame:
    """Return a CSV file as text cells; a row's index is its line in the file."""
    try:
        table = pd.read_csv(
            io.BytesIO(content),
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
            index_col=False,
            skip_blank_lines=False,
        )
    except (ValueError, pd.errors.EmptyDataError) as error:  # ParserError is a ValueError
        message = f"{source}: not a CSV file that can be read: {error}"
        raise DataError(message) from error
    table.index += HEADER_LINES + 1
    table.index.name = "line"
    return table


def cells(table: pd.DataFrame, name: str, source: str) -> "pd.Series[str]":
    """Return one column of a table; raises DataError when it is missing."""
    if name not in table:
        message = f"{source}: column {name!r} is missing; the file has {', '.join(map(str, table))}"
        raise DataError(message)
    return table[name]


def values(found: "pd.Series[str]", column: Column, source: str) -> NDArray[np.float64]:
    """Return cells as the numbers that the graph is fed; raises DataError at the first bad one."""
    numbers = found.map(column.labels).astype(float)
    if column.datatype != "BYTES":
        numbers = numbers.fillna(pd.to_numeric(found, errors="coerce"))
    bad = ~numbers.between(column.minimum, column.maximum)
    if column.datatype == "INT64":
        bad |= numbers % 1 != 0
    if column.optional:
        bad &= ~found.isin(MISSING)
    refuse(found, bad, source, _expected(column))
    return np.asarray(numbers, np.float64)


def refuse(
    found: "pd.Series[str]", bad: "pd.Series[bool] | NDArray[np.bool_]", source: str, expected: str
) -> None:
    """Raise DataError, naming the first line of a column that is bad."""
    if np.any(bad):
        place = int(np.argmax(bad))
        where = f"{source}: {found.index.name} {found.index[place]}, column {found.name!r}"
        message = f"{where}: got {found.iloc[place]!r}, expected {expected}"
        raise DataError(message)


def _expected(column: Column) -> str:
    names = f"one of {', '.join(column.labels)}"
    return names if column.datatype == "BYTES" else column.expectation
