"""The rows to train on: a file's, and those a server captured, with what was really used."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from predictor import bundle, captured
from predictor.contract import Contract, Target
from predictor.errors import DataError, InvalidInput
from predictor.training import dataset
from predictor.training.dataset import Dataset

QUARTER = timedelta(minutes=15)
TIME = "time"
# The column that says at which second of the day a row's quarter of an hour ends.
SECONDS_OF_DAY = "nsm"


@dataclass(frozen=True)
class Sources:
    """Where the rows are: `history` is a CSV file like the packaged one, which is taken without it.

    `captured` is a server's CAPTURE_FOLDER, and `measured` a CSV file with what was used; both or
    neither.
    """

    history: Path | None = None
    captured: Path | None = None
    measured: Path | None = None

    def __post_init__(self) -> None:
        """Refuse one without the other."""
        if (self.captured is None) != (self.measured is None):
            message = "captured rows and measured usage need each other: give both, or neither"
            raise DataError(message)


@dataclass(frozen=True)
class _Usage:
    """What was used in a quarter of an hour, and its end by the clock where it was measured."""

    end: datetime
    value: float


def read(contract: Contract, model_name: str, sources: Sources) -> Dataset:
    """Return the rows of the history and the captured ones, in the order of their days.

    Raises DataError, naming the file and what is wrong with it.
    """
    history = dataset.load(contract, sources.history)
    if sources.captured is None or sources.measured is None:
        return history
    usage = _measured(sources.measured, contract.target)
    lines = [line for line in captured.read(sources.captured) if line.model_name == model_name]
    rows = _joined(lines, contract, usage)
    if not rows:
        message = (
            f"none of the {sum(len(line.rows) for line in lines)} rows of {model_name} in "
            f"{sources.captured} is of a quarter of an hour that {sources.measured} has"
        )
        raise DataError(message)
    return _together(history, [(usage[end], rows[end]) for end in sorted(rows)])


def _measured(path: Path, target: Target) -> dict[datetime, _Usage]:
    """Return what was used, by the ends of the quarters of an hour in UTC."""
    found: dict[datetime, _Usage] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            missing = {TIME, target.name} - set(table.fieldnames or ())
            if missing:
                message = f"{path}: column {min(missing)!r} is missing"
                raise DataError(message)
            for row in table:
                where = f"{path}: line {table.line_num}"
                usage = _usage(row, target, where)
                before = found.setdefault(usage.end.astimezone(UTC), usage)
                if before.value != usage.value:
                    got = f"got {usage.value} for the quarter of an hour that ends {row[TIME]}"
                    message = f"{where}: {got}, which had {before.value}, expected one value"
                    raise DataError(message)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        message = f"{path} cannot be read: {error}"
        raise DataError(message) from error
    return found


def _usage(row: dict[str, str], target: Target, where: str) -> _Usage:
    try:
        end = datetime.fromisoformat(row[TIME])
        # Both the quarter's begin there and its end in UTC must be dates.
        is_end = (end - QUARTER).tzinfo is not None and (
            end.astimezone(UTC).timestamp() % QUARTER.total_seconds() == 0
        )
    except (ValueError, TypeError, OverflowError):
        is_end = False
    if not is_end:
        expected = "the end of a quarter of an hour with its offset, as 2026-03-02T09:15:00+01:00"
        message = f"{where}, column {TIME!r}: got {row[TIME]!r}, expected {expected}"
        raise DataError(message)
    try:
        value = float(row[target.name])
    except (ValueError, TypeError):
        value = np.nan
    if not target.minimum <= value <= min(target.maximum, dataset.FLOAT32):
        expected = f"a number from {target.minimum:g} on ({target.unit})"
        message = f"{where}, column {target.name!r}: got {row[target.name]!r}, expected {expected}"
        raise DataError(message)
    return _Usage(end, value)


def _joined(
    lines: list[captured.Line], contract: Contract, usage: dict[datetime, _Usage]
) -> dict[datetime, list[float]]:
    """Return the last row that was sent of each quarter of an hour, by its end in UTC.

    A row is of the quarter that ended before it was sent. What says of itself that it is of
    another, as a question about what might be does, is left out.
    """
    found: dict[datetime, list[float]] = {}
    for line in sorted(lines, key=lambda line: line.time):
        end = _quarter_before(line.time)
        if end not in usage:
            continue
        for row in _encoded(line, contract):
            if _is_of(row, contract, usage[end].end):
                found[end] = row
    return found


def _quarter_before(moment: datetime) -> datetime:
    seconds = QUARTER.total_seconds()
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, UTC)


def _is_of(row: list[float], contract: Contract, end: datetime) -> bool:
    """Tell whether a row is of the quarter of an hour that ends then, as far as it says so."""
    if SECONDS_OF_DAY not in contract.names:
        return True
    seconds = end.hour * 3600 + end.minute * 60
    return row[contract.names.index(SECONDS_OF_DAY)] == seconds


def _encoded(line: captured.Line, contract: Contract) -> Iterator[list[float]]:
    """Yield a line's rows as numbers; raises DataError when they are not the contract's."""
    try:
        for row in line.rows:
            cells = zip(contract.columns, row, strict=True)
            yield [column.encode(value) for column, value in cells]
    except (InvalidInput, ValueError) as error:
        message = f"rows captured at {line.time} of version {line.version} are not such: {error}"
        raise DataError(message) from error


def _together(history: Dataset, rows: list[tuple[_Usage, list[float]]]) -> Dataset:
    """Return the history with captured rows added, in the order of their days."""
    days = np.array([(usage.end - QUARTER).date() for usage, _ in rows], "datetime64[D]")
    columns = np.array([row for _, row in rows], np.float64)
    target = np.array([usage.value for usage, _ in rows], np.float64)
    content = history.sha256.encode() + columns.tobytes() + target.tobytes() + days.tobytes()
    whole = Dataset(
        source=f"{history.source} and {len(rows)} captured rows",
        sha256=bundle.digest(content),
        columns=np.concatenate([history.columns, columns]),
        target=np.concatenate([history.target, target]),
        days=None if history.days is None else np.concatenate([history.days, days]),
    )
    return whole if whole.days is None else whole.take(np.argsort(whole.days, kind="stable"))
