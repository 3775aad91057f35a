"""Making a profile of rows: which bins a column has, and what is drift in it."""

import math
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from predictor.contract import Column, Contract
from predictor.profile import Bins, Profile, chance_limit, psi

# A value with more of the mass than this has a bin of its own.
POINT_SHARE = 0.05
RANGES = 10
# A range bin holds at least this, or there are fewer: emptier ones show little but chance.
RANGE_SHARE = 0.01
# Whole numbers that are not more than these have a bin each.
MOST_VALUES = 32
FEWEST_DIGITS = 3
MISSING = "missing"

# 28 days of quarters of an hour, and the day by which windows slide.
WINDOW_ROWS = 28 * 96
WINDOW_STEPS = 28
FEWEST_WINDOWS = 4
# A column that moves by its standard deviation is found with this much to spare.
SHIFT_MARGIN = 0.9


def profile_of(
    contract: Contract, columns: NDArray[np.float64], target: NDArray[np.float64] | None
) -> Profile:
    """Return the profile of rows in the order of time and of what was predicted for them.

    `columns` is (rows, columns of the contract), labels as their codes; `target` is (rows,), or
    None where nothing was predicted.
    """
    rows = len(columns)
    window = min(WINDOW_ROWS, max(1, rows // FEWEST_WINDOWS))
    found = [bins_of(c, columns[:, i], window) for i, c in enumerate(contract.columns)]
    if target is not None:
        found.append(bins_of(target_column(contract), target, window))
    return Profile(rows, window, tuple(found))


def target_column(contract: Contract) -> Column:
    """Return a contract's target as if it were a column."""
    target = contract.target
    if target.classes:
        places = {name: place for place, name in enumerate(target.classes)}
        return Column(target.name, "BYTES", target.unit, "", labels=places)
    return Column(target.name, "FP64", target.unit, "", target.minimum, target.maximum)


def bins_of(column: Column, values: NDArray[np.float64], window_rows: int) -> Bins:
    """Return a column's bins, their counts and its threshold."""
    points = _every_value(column)
    edges: tuple[float, ...] = ()
    present = values[~np.isnan(values)]
    if not points:
        points = _heavy(present)
        # What was never there may come: it needs a bin too.
        edges = _edges(present, points) if len(present) else (0.0,)
    missing = (_missing(column),) if column.optional else ()
    labels = (*_names(column, points), *_ranges(edges), *missing)
    ones = (1,) * len(labels)
    bins = Bins(column.name, points, edges, labels, ones, 0.0, missing=column.optional)
    rows = np.bincount(bins.places(values), minlength=len(labels)).tolist()
    counted = msgspec.structs.replace(bins, rows=tuple(rows))
    threshold = _threshold(column, counted, values, window_rows)
    return msgspec.structs.replace(counted, threshold=threshold)


def _every_value(column: Column) -> tuple[float, ...]:
    """Return all values that a column can have, if they are few."""
    if column.datatype == "BYTES":
        return tuple(float(code) for code in sorted(set(column.labels.values())))
    if column.datatype == "FP64" or column.maximum - column.minimum >= MOST_VALUES:
        return ()
    least, greatest = np.ceil(column.minimum), np.floor(column.maximum)
    return tuple(sorted({float(v) for v in range(int(least), int(greatest) + 1)}))


def _heavy(values: NDArray[np.float64]) -> tuple[float, ...]:
    found, counts = np.unique(values, return_counts=True)
    return tuple(found[counts > POINT_SHARE * len(values)].tolist())


def _edges(values: NDArray[np.float64], points: tuple[float, ...]) -> tuple[float, ...]:
    """Return one edge or more that part the values which are no points into equal shares."""
    rest = values[~np.isin(values, points)]
    if not len(rest):
        rest = np.array(points)
    number = min(RANGES, 1 + int(len(rest) / len(values) / RANGE_SHARE))
    shares = np.arange(1, number) / number
    exact = np.unique(np.quantile(rest, shares, method="inverted_cdf"))
    exact = exact[exact < rest.max()]
    return _rounded(exact if len(exact) else rest[:1])


def _rounded(edges: NDArray[np.float64]) -> tuple[float, ...]:
    """Return edges with as few digits as keep them apart."""
    for digits in range(FEWEST_DIGITS, 17):
        short = sorted({float(f"{edge:.{digits}g}") for edge in edges.tolist()})
        if len(short) == len(edges):
            return tuple(short)
    return tuple(edges.tolist())


def _names(column: Column, points: tuple[float, ...]) -> list[str]:
    """Return the text of each point: its label, unless another point is called so."""
    numbers = [_text(point) for point in points]
    codes = set(column.labels.values())
    names = [
        (column.label(int(p)) if p in codes else "") or number
        for p, number in zip(points, numbers, strict=True)
    ]
    return names if len(set(names)) == len(names) else numbers


def _missing(column: Column) -> str:
    """Return a label for what is missing that no value has."""
    found = MISSING
    while found in column.labels:
        found = f"({found})"
    return found


def _ranges(edges: tuple[float, ...]) -> list[str]:
    if not edges:
        return []
    texts = [_text(edge) for edge in edges]
    between = [f"({a}, {b}]" for a, b in pairwise(texts)]
    return [f"≤ {texts[0]}", *between, f"> {texts[-1]}"]


def _text(value: float) -> str:
    """Return a number as short as it can be written and read again."""
    return repr(value + 0.0).removesuffix(".0")


def _threshold(column: Column, bins: Bins, values: NDArray[np.float64], window_rows: int) -> float:
    """Return the largest PSI of past windows, or what chance alone hardly ever exceeds.

    The largest: past windows overlap, and those of the 1 % that a percentile would leave out are
    one month. Where seasons differ by more than a shift that must be found, the shift decides.
    """
    windows = window_counts(bins.places(values), len(bins.labels), window_rows)
    past = max(psi(bins, counts) for counts in windows.tolist())
    moves = bool(bins.edges) and not np.isnan(values).all()
    shift = _least_shift(column, bins, values, window_rows) if moves else math.inf
    chance = chance_limit(len(bins.labels), window_rows, len(values))
    return _up(max(chance, min(past, SHIFT_MARGIN * shift)))


def _least_shift(
    column: Column, bins: Bins, values: NDArray[np.float64], window_rows: int
) -> float:
    """Return the PSI of a window that is moved by a standard deviation: the smaller, up or down.

    Values stay in the column's range. The window's counts are those that all rows let expect: of
    empty bins, PSI depends on how many rows there are.
    """
    spread = np.nanstd(values)
    moved = [np.clip(values + step, column.minimum, column.maximum) for step in (-spread, spread)]
    scale = window_rows / len(values)
    return min(psi(bins, (bins.count(each) * scale).tolist()) for each in moved)


def _up(value: float) -> float:
    """Return a positive number with three digits, rounded up."""
    digits = 2 - math.floor(math.log10(value)) if value else 0
    return round(math.ceil(value * 10.0**digits) / 10.0**digits, digits)


def window_counts(places: NDArray[np.intp], bins: int, window_rows: int) -> NDArray[np.int64]:
    """Return the count of each bin in each window that slides over the rows, (windows, bins)."""
    step = max(1, window_rows // WINDOW_STEPS)
    starts = np.arange(0, len(places) - window_rows + 1, step)
    sums = np.zeros((len(places) + 1, bins), np.int64)
    np.cumsum(places[:, None] == np.arange(bins), axis=0, out=sums[1:])
    found: NDArray[np.int64] = sums[starts + window_rows] - sums[starts]
    return found
