"""The rows that a model is judged by: a team's own, and others that its schema allows."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor import table
from predictor.contract import LARGEST, Column, Contract
from predictor.errors import ExperimentError
from predictor.experiment import Experiment
from predictor.training.imported.model import Model, Rows

DRAWN_ROWS = 2000
MISSING_SHARE = 0.2
SPLIT_SHARE = 0.5
# Libraries write what is beyond all numbers as 1e300; no value is near that.
LARGEST_SPLIT = 1e30


@dataclass(frozen=True)
class Examples:
    """The rows of a team's CSV file, and what happened, (n,), NaN where the file does not say.

    A class that happened is its place.
    """

    source: str
    sha256: str
    rows: Rows
    actual: NDArray[np.float64]


def read(experiment: Experiment, folder: Path, contract: Contract) -> Examples:
    """Read the file; an empty cell is a missing value.

    Raises DataError, naming line, column and cell, where a row is not what the contract allows.
    """
    if not experiment.examples:
        message = (
            "the experiment has no examples: name a CSV file of real rows with a column for each "
            "name of input_schema; the graph is compared with the model on them"
        )
        raise ExperimentError(message)
    path = folder / experiment.examples
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"examples: {path}: {error.strerror}"
        raise ExperimentError(message) from error
    except ValueError as error:
        message = f"examples: {str(path)!r} is no path ({error}), expected that of a CSV file"
        raise ExperimentError(message) from error
    found = table.from_csv(content, path.name)
    if found.empty:
        message = f"examples: {path} has no rows, expected one or more"
        raise ExperimentError(message)
    columns = [_values(found, column, path.name) for column in contract.columns]
    return Examples(
        source=path.name,
        sha256=hashlib.sha256(content).hexdigest(),
        rows=np.column_stack(columns),
        actual=_actual(found, contract, path.name),
    )


def _values(found: pd.DataFrame, column: Column, source: str) -> NDArray[np.float64]:
    cells = table.cells(found, column.name, source)
    if column.datatype == "INT64" and column.labels:
        cells = cells.str.lower()  # as Python and pandas write them: True
    values = np.full(len(cells), np.nan)
    given = np.asarray(cells != "") if column.optional else np.ones(len(cells), np.bool_)
    values[given] = table.values(cells[given], column, source)
    return values


def _actual(found: pd.DataFrame, contract: Contract, source: str) -> NDArray[np.float64]:
    target = contract.target
    if target.name not in found:
        return np.full(len(found), np.nan)
    labels = {label: code for code, label in enumerate(target.classes)}
    kind = "BYTES" if labels else "FP64"
    column = Column(target.name, kind, target.unit, "", labels=labels, optional=True)  # type: ignore[arg-type]
    return _values(found, column, source)


def drawn(contract: Contract, model: Model, examples: Rows, seed: int) -> Rows:
    """Return rows anywhere in the contract's ranges, many of them where the model splits.

    Where a column has no range, it is that of the examples and as much on both sides together.
    """
    generator = np.random.default_rng(seed)
    columns = [
        _drawn(column, examples[:, place], _splits(model, place), generator)
        for place, column in enumerate(contract.columns)
    ]
    return np.column_stack(columns)


def _splits(model: Model, place: int) -> NDArray[np.float64]:
    """Return the values at which a model splits a column, and those next to them on both sides."""
    if not len(model.splits):
        return np.empty(0)
    at = model.splits[place]
    sides = (-np.inf, np.inf)
    with np.errstate(over="ignore"):  # a split may be at the end of all numbers
        single = at.astype(np.float32)
        beside = [np.nextafter(at, side) for side in sides]
        beside += [np.nextafter(single, np.float32(side)).astype(np.float64) for side in sides]
    found: NDArray[np.float64] = np.unique(np.concatenate([at, *beside]))
    return np.asarray(found[np.abs(found) < LARGEST_SPLIT])


def _drawn(
    column: Column,
    examples: NDArray[np.float64],
    splits: NDArray[np.float64],
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    if column.datatype == "BYTES":
        values = generator.integers(0, len(column.names), DRAWN_ROWS).astype(np.float64)
    else:
        least, greatest = _range(column, examples)
        share = generator.random(DRAWN_ROWS)
        # Their difference may be no number, and rounding may lead out of the range.
        values = np.clip(least * (1 - share) + greatest * share, least, greatest)
        inside = splits[(splits >= column.minimum) & (splits <= column.maximum)]
        if len(inside):
            at_split = generator.random(DRAWN_ROWS) < SPLIT_SHARE
            values = np.where(at_split, generator.choice(inside, DRAWN_ROWS), values)
        if column.datatype == "INT64":
            values = np.clip(np.round(values), np.ceil(least), np.floor(greatest))
    if column.optional:
        values[generator.random(DRAWN_ROWS) < MISSING_SHARE] = np.nan
    return values


def _range(column: Column, examples: NDArray[np.float64]) -> tuple[float, float]:
    known = examples[~np.isnan(examples)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    beyond = (high - low) / 2 or 1.0
    least = low - beyond if column.minimum == -LARGEST else column.minimum
    greatest = high + beyond if column.maximum == LARGEST else column.maximum
    return least, max(least, greatest)
