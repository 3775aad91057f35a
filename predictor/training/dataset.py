"""Reading the training data, and saying which column or row of a file is wrong."""

import hashlib
import io
import zlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor.contract import Column, Contract
from predictor.errors import DataError
from predictor.training.columns import CSV_NAMES

PACKAGED = "steel_industry.csv.gz"
PACKAGED_SHA256 = "9b1cee6f9cb9cd9df2b95814ca90a9a2ff15b7f5f1fba0fae3c643e82072eacc"
PACKAGED_ROWS = 35_040

HEADER_LINES = 1
GZIP_MAGIC = b"\x1f\x8b"
# With fewer, a fold of a split may hold nothing to split on.
FEWEST_ROWS = 100


@dataclass(frozen=True)
class Dataset:
    """Readings in the order of time.

    `columns` is float64, (rows, columns of the contract), labels as their codes; `target` is
    float64, (rows,), in the target's unit; `sha256` is the digest of the file they came from.
    """

    source: str
    sha256: str
    columns: NDArray[np.float64]
    target: NDArray[np.float64]


def load(contract: Contract, path: Path | None = None) -> Dataset:
    """Read `path`, a CSV file (or a .gz of one) in time order; without it, the packaged data.

    Raises DataError, naming the column or the line, when the file is not what it should be.
    """
    name = str(path or PACKAGED)
    content, is_whole = _content(path)
    dataset = parse(content, contract, name)
    if not is_whole:
        lines = content.count(b"\n")
        message = f"{name}: the compressed file is cut short after line {lines}"
        raise DataError(message)
    if path is None and dataset.sha256 != PACKAGED_SHA256:
        message = (
            f"{name}: the packaged data were changed: {len(dataset.target)} rows of "
            f"{PACKAGED_ROWS}, SHA-256 {dataset.sha256} instead of {PACKAGED_SHA256}; reinstall"
        )
        raise DataError(message)
    return dataset


def parse(content: bytes, contract: Contract, source: str) -> Dataset:
    """Return the dataset that the bytes of a CSV file hold; raises DataError as `load` does."""
    table = _table(content, source)
    target = Column(contract.target.name, "FP64", contract.target.unit, "", 0.0)
    values = {c.name: _values(table, c, source) for c in (*contract.columns, target)}
    if len(table) < FEWEST_ROWS:
        message = f"{source}: the file has {len(table)} rows, training takes {FEWEST_ROWS} or more"
        raise DataError(message)
    return Dataset(
        source=Path(source).name,
        sha256=hashlib.sha256(content).hexdigest(),
        columns=np.column_stack([values[name] for name in contract.names]),
        target=values[target.name],
    )


def _content(path: Path | None) -> tuple[bytes, bool]:
    """Return a file's bytes, unpacked as far as they go, and whether that is to their end."""
    try:
        content = path.read_bytes() if path else _packaged()
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise DataError(message) from error
    if not content.startswith(GZIP_MAGIC):
        return content, True
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # 16: with a gzip header
    try:
        return stream.decompress(content), stream.eof
    except zlib.error:
        return b"", False


def _packaged() -> bytes:
    return resources.files("predictor.training").joinpath("data", PACKAGED).read_bytes()


def _table(content: bytes, source: str) -> pd.DataFrame:
    """Return the file as text cells; a row's index is its line in the file."""
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
    return table


def _values(table: pd.DataFrame, column: Column, source: str) -> NDArray[np.float64]:
    name = CSV_NAMES.get(column.name, column.name)
    if name not in table:
        message = f"{source}: column {name!r} is missing; the file has {', '.join(map(str, table))}"
        raise DataError(message)
    cells = table[name]
    values = cells.map(column.labels) if column.labels else pd.to_numeric(cells, errors="coerce")
    bad = ~values.between(column.minimum, column.maximum)
    if column.datatype == "INT64":
        bad |= values % 1 != 0
    if bad.any():
        line = bad.idxmax()
        where = f"{source}: line {line}, column {name!r}"
        message = f"{where}: got {cells[line]!r}, expected {_expected(column)}"
        raise DataError(message)
    return np.asarray(values, np.float64)


def _expected(column: Column) -> str:
    return f"one of {', '.join(column.labels)}" if column.labels else column.expectation
