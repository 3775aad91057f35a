"""Rows to measure drift of, whatever kind of file they came from."""

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor import table
from predictor.contract import Contract
from predictor.errors import DataError
from predictor.profiling import target_column

GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"
PARQUET_ROWS = "row"  # it has no lines; the first is 1


@dataclass(frozen=True)
class Sample:
    """Rows in the order of time.

    `columns` is float64, (rows, columns of the contract), labels as their codes; `target` is
    float64, (rows,), NaN where it is not known, or None without any; `times` has a text for each
    row, or none at all.
    """

    source: str
    columns: NDArray[np.float64]
    target: NDArray[np.float64] | None
    times: tuple[str, ...] = ()

    @property
    def has_gaps(self) -> bool:
        """Whether some row's target is not known."""
        return self.target is not None and bool(np.isnan(self.target).any())


def read(path: Path, contract: Contract, names: Mapping[str, str]) -> Sample:
    """Read a CSV file, a Parquet file or captured requests, plain or in gzip; what it is, it shows.

    A folder is that of a server's captured requests.

    `names` are those that the file may have for columns of the contract. Raises DataError, naming
    the line and the column, when a row is not what the contract allows.
    """
    from predictor.drift import captured

    if path.is_dir():
        return captured.read(path, contract)
    content = _content(path)
    if content.startswith(PARQUET_MAGIC):
        return _sample(_parquet(path), contract, names, str(path))
    if content.lstrip().startswith(b"{"):
        return captured.parse(content, contract, str(path))
    return _sample(table.from_csv(content, str(path)), contract, names, str(path))


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(GZIP_MAGIC) else content
    except (OSError, EOFError, zlib.error) as error:  # BadGzipFile is an OSError
        message = f"{path}: {getattr(error, 'strerror', None) or error}"
        raise DataError(message) from error


def _parquet(path: Path) -> pd.DataFrame:
    """Return a Parquet file as text cells, which are refused by the same rules."""
    import pyarrow as pa  # whose absence has a sentence of its own
    import pyarrow.parquet

    try:
        found: pd.DataFrame = pyarrow.parquet.read_table(path).to_pandas()
    except (OSError, pa.ArrowException) as error:
        message = f"{path}: not a Parquet file that can be read: {error}"
        raise DataError(message) from error
    cells = found.reset_index(drop=True).astype(str)
    cells.index += 1
    cells.index.name = PARQUET_ROWS
    return cells


def _sample(
    found: pd.DataFrame, contract: Contract, names: Mapping[str, str], source: str
) -> Sample:
    if found.empty:
        message = f"{source}: the file has no rows"
        raise DataError(message)

    def name_of(column: str) -> str:
        return column if column in found else names.get(column, column)

    columns = [
        table.values(table.cells(found, name_of(c.name), source), c, source)
        for c in contract.columns
    ]
    target = target_column(contract)
    cells = found.get(name_of(target.name))
    predicted = None if cells is None else table.values(cells, target, source)
    return Sample(source, np.column_stack(columns), predicted)
