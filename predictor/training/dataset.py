"""Reading the training data, and saying which column or row of a file is wrong."""

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor import table
from predictor.contract import Column, Contract
from predictor.errors import DataError
from predictor.training import columns
from predictor.training.split import FEWEST_ROWS, Rows

PACKAGED = "steel_industry.csv.gz"
PACKAGED_SHA256 = "9b1cee6f9cb9cd9df2b95814ca90a9a2ff15b7f5f1fba0fae3c643e82072eacc"
PACKAGED_ROWS = 35_040

GZIP_MAGIC = b"\x1f\x8b"
FLOAT32 = float(np.finfo(np.float32).max)
# A day, as the first characters of a time.
DAY_LENGTH = 10
ISO_DAY = "%Y-%m-%d"


@dataclass(frozen=True)
class Layout:
    """How a file holds a contract's columns and its target, where its names are not theirs.

    `time` is the column that tells a row's day, whose first ten characters have `day_format`;
    without it rows have none.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    time: str | None = None
    day_format: str = ISO_DAY


STEEL = Layout(columns.CSV_NAMES, columns.DATE_COLUMN, columns.DAY_FORMAT)


@dataclass(frozen=True)
class Dataset:
    """Rows, in the order of time if their days are known.

    `columns` is float64, (rows, columns of the contract), labels as their codes; `target` is
    float64, (rows,), in the target's unit; `days` is datetime64[D], (rows,); `sha256` is the digest
    of the file they came from.
    """

    source: str
    sha256: str
    columns: NDArray[np.float64]
    target: NDArray[np.float64]
    days: NDArray[np.datetime64] | None = None

    def take(self, rows: Rows) -> "Dataset":
        """Return some of the rows."""
        days = None if self.days is None else self.days[rows]
        return replace(self, columns=self.columns[rows], target=self.target[rows], days=days)


def load(contract: Contract, path: Path | None = None, layout: Layout = STEEL) -> Dataset:
    """Read `path`, a CSV file (or a .gz of one); without it, the packaged data.

    Raises DataError, naming the column or the line, when the file is not what it should be.
    """
    name = str(path or PACKAGED)
    content, is_whole = _content(path)
    dataset = parse(content, contract, layout, name)
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


def parse(content: bytes, contract: Contract, layout: Layout, source: str) -> Dataset:
    """Return the dataset that the bytes of a CSV file hold; raises DataError as `load` does."""
    found = table.from_csv(content, source)
    wanted = contract.target
    target = Column(wanted.name, "FP64", wanted.unit, "", wanted.minimum, wanted.maximum)
    values = {
        column.name: _values(found, column, layout.names.get(column.name, column.name), source)
        for column in (*contract.columns, target)
    }
    if len(found) < FEWEST_ROWS:
        message = f"{source}: the file has {len(found)} rows, training takes {FEWEST_ROWS} or more"
        raise DataError(message)
    return Dataset(
        source=Path(source).name,
        sha256=hashlib.sha256(content).hexdigest(),
        columns=np.column_stack([values[name] for name in contract.names]),
        target=values[target.name],
        days=_days(found, layout, source) if layout.time else None,
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


def _values(found: pd.DataFrame, column: Column, name: str, source: str) -> NDArray[np.float64]:
    cells = table.cells(found, name, source)
    values = table.values(cells, column, source)
    held = np.abs(values) <= FLOAT32
    table.refuse(cells, ~held, source, "a number that float32 holds, as boosters do")
    return values


def _days(found: pd.DataFrame, layout: Layout, source: str) -> NDArray[np.datetime64]:
    """Return the days, which must ascend; times within a day need not."""
    cells = table.cells(found, str(layout.time), source)
    days = pd.to_datetime(cells.str[:DAY_LENGTH], format=layout.day_format, errors="coerce")
    table.refuse(cells, days.isna(), source, f"a time that begins as {layout.day_format}")
    table.refuse(cells, days < days.shift(1), source, "no day before that of the row above")
    return days.to_numpy().astype("datetime64[D]")
