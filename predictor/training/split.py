"""Which rows are fitted on, and which are kept for the test."""

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp]
Split = tuple[Rows, Rows]

TEST_SHARE = 0.2


def at_random(rows: int, seed: int) -> Split:
    """Return 80 % and 20 % of the rows, drawn by a generator with this seed."""
    shuffled = np.random.default_rng(seed).permutation(rows)
    test = round(rows * TEST_SHARE)
    return np.sort(shuffled[test:]), np.sort(shuffled[:test])


def by_time(rows: int) -> Split:
    """Return the first 80 % of the rows and the last 20 %; the rows are in the order of time."""
    test = round(rows * TEST_SHARE)
    return np.arange(rows - test), np.arange(rows - test, rows)


def folds(rows: int, count: int, seed: int) -> list[Split]:
    """Return `count` splits whose second parts hold every row once."""
    parts = np.array_split(np.random.default_rng(seed).permutation(rows), count)
    everything = np.arange(rows)
    return [(np.setdiff1d(everything, part), np.sort(part)) for part in parts]
