"""How often which thresholds of PSI alarm on the training year, and what shifts they find.

Prints the table of docs/how-to/watch-for-drift.md: python benchmarks/drift.py BUNDLE
"""

import sys
import timeit
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from predictor import bundle, graph
from predictor.contract import Column
from predictor.profile import Bins, Profile, psi
from predictor.profiling import profile_of, target_column, window_counts
from predictor.training.dataset import load

DAY = 96
USUAL = (0.1, 0.2)
REPLAYS = 300
Values = NDArray[np.float64]


def main(folder: Path) -> None:
    """Print the table, and what counting costs."""
    read = bundle.read(folder)
    contract = read.manifest.contract
    raw = load(contract).columns
    predicted = graph.predict(graph.load(read.model), contract, raw)[0]
    profile = profile_of(contract, raw, predicted)
    if profile != read.manifest.profile:
        sys.exit(f"{folder} has another profile: train it anew")
    columns = [*contract.columns, target_column(contract)]
    values = [*raw.T, predicted]
    print(
        "column | daily over 0.1 | 0.2 | 28 days over 0.1 | 0.2 | threshold | over | -1 sigma | +1"
    )
    for column, bins, found in zip(columns, profile.bins, values, strict=True):
        print(" | ".join([column.name, *_row(column, bins, found, profile.window_rows)]))
    half = len(raw) // 2
    first = profile_of(contract, raw[:half], predicted[:half])
    print("calibrated on the first half, windows of the second that are over:")
    for bins, found in zip(first.bins, values, strict=True):
        print(f"  {bins.name}: {_over(_slide(bins, found[half:], profile.window_rows), bins)}")
    print(f"profile: {len(msgspec.json.encode(profile))} bytes of JSON")
    _cost(profile, raw, predicted)


def _row(column: Column, bins: Bins, values: Values, rows: int) -> list[str]:
    days = [psi(bins, bins.count(day)) for day in np.split(values, len(values) // DAY)]
    past = _slide(bins, values, rows)
    usual = [f"{np.mean(np.array(each) > at):.0%}" for each in (days, past) for at in USUAL]
    shifts = [_found(column, bins, values, sign, rows) for sign in (-1, 1)] if bins.edges else []
    return [*usual, f"{bins.threshold:g}", _over(past, bins), *shifts]


def _slide(bins: Bins, values: Values, rows: int) -> list[float]:
    counts = window_counts(bins.places(values), len(bins.labels), rows)
    return [psi(bins, each) for each in counts.tolist()]


def _over(found: Sequence[float], bins: Bins) -> str:
    return f"{np.mean(np.array(found) > bins.threshold):.1%}"


def _found(column: Column, bins: Bins, values: Values, sign: int, rows: int) -> str:
    """Return how many windows alarm after a shift: drawn at random, and of the year."""
    moved = np.clip(values + sign * values.std(), column.minimum, column.maximum)
    generator = np.random.default_rng(0)
    drawn = [
        psi(bins, bins.count(generator.choice(moved, rows, replace=False))) for _ in range(REPLAYS)
    ]
    return f"{_over(drawn, bins)}, {_over(_slide(bins, moved, rows), bins)}"


def _cost(profile: Profile, raw: Values, predicted: Values) -> None:
    for rows in (1, 100, 10_000):
        columns = [*raw[:rows].T, predicted[:rows]]

        def count(columns: list[Values] = columns) -> None:
            for bins, values in zip(profile.bins, columns, strict=True):
                bins.count(values)

        seconds = min(timeit.repeat(count, number=20, repeat=20)) / 20
        print(f"counting {rows} rows: {seconds * 1e6:.0f} us")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
