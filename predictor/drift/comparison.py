"""How far rows are from a profile: PSI of each column, in each window of rows."""

import math
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from predictor.drift.reference import Reference
from predictor.drift.sample import Sample
from predictor.profile import Bins, chance_limit, psi


class Window(msgspec.Struct, frozen=True):
    """Some rows in a row: the first is `start`, from 0, and its time if it is known.

    PSI over `limit` is drift. Where a window has no value, its PSI is null, and it has no drift.
    """

    start: int
    rows: int
    time: str
    psi: float | None
    limit: float
    drift: bool
    counts: tuple[int, ...]


class Finding(msgspec.Struct, frozen=True):
    """What was found in one column; `psi` is that of its worst window."""

    name: str
    psi: float | None
    threshold: float
    drift: bool
    labels: tuple[str, ...]
    reference: tuple[int, ...]
    current: tuple[int, ...]
    worst: int
    windows: tuple[Window, ...]


class Comparison(msgspec.Struct, frozen=True):
    """What was found in all columns; thresholds were calibrated on `calibrated_rows`."""

    reference: str
    current: str
    reference_rows: int
    rows: int
    window_rows: int
    calibrated_rows: int
    is_threshold_fixed: bool
    drift: bool
    columns: tuple[Finding, ...]


def compare(
    reference: Reference,
    sample: Sample,
    window_rows: int | None = None,
    threshold: float | None = None,
) -> Comparison:
    """Compare rows with a reference, in windows of `window_rows`, the profile's own if none.

    What is left over is a window of its own if it is half of one, and else part of the last.
    A column drifts when the PSI of any window is over `threshold`, or without one over the
    profile's. A window with fewer rows than that was calibrated on may differ by chance as well.
    """
    profile = reference.profile
    rows = len(sample.columns)
    size = window_rows or profile.window_rows
    edges = [*(size * count for count in range(max(1, round(rows / size)))), rows]
    found = [
        _finding(bins, values, edges, sample, threshold)
        for bins, values in _columns(reference, sample)
    ]
    return Comparison(
        reference=reference.source,
        current=sample.source,
        reference_rows=profile.rows,
        rows=rows,
        window_rows=size,
        calibrated_rows=profile.window_rows,
        is_threshold_fixed=threshold is not None,
        drift=any(each.drift for each in found),
        columns=tuple(found),
    )


def _columns(reference: Reference, sample: Sample) -> list[tuple[Bins, NDArray[np.float64]]]:
    values = dict(zip(reference.contract.names, sample.columns.T, strict=True))
    if sample.target is not None:
        values[reference.contract.target.name] = sample.target
    return [(bins, values[bins.name]) for bins in reference.profile.bins if bins.name in values]


def _finding(
    bins: Bins,
    values: NDArray[np.float64],
    edges: list[int],
    sample: Sample,
    threshold: float | None,
) -> Finding:
    windows = []
    for start, end in pairwise(edges):
        time = sample.times[start] if sample.times else ""
        windows.append(_window(bins, values[start:end], start, time, threshold))
    worst = max(range(len(windows)), key=lambda place: _order(windows[place].psi))
    return Finding(
        name=bins.name,
        psi=windows[worst].psi,
        threshold=bins.threshold if threshold is None else threshold,
        drift=any(window.drift for window in windows),
        labels=bins.labels,
        reference=bins.rows,
        current=tuple(np.sum([w.counts for w in windows], axis=0).tolist()),
        worst=worst,
        windows=tuple(windows),
    )


def _window(
    bins: Bins, values: NDArray[np.float64], start: int, time: str, threshold: float | None
) -> Window:
    known = values[~np.isnan(values)]
    limit = threshold
    if limit is None:
        chance = chance_limit(len(bins.labels), max(1, len(known)), sum(bins.rows))
        limit = max(bins.threshold, chance)
    counts = bins.count(known).tolist()
    found = psi(bins, counts) if len(known) else None
    is_drift = found is not None and found > limit
    return Window(start, len(values), time, found, limit, is_drift, tuple(counts))


def _order(found: float | None) -> float:
    return -math.inf if found is None else found
