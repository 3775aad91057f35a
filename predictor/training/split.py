"""Which rows are fitted on, and which are kept for the test."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp]
Split = tuple[Rows, Rows]

TEST_SHARE = 0.2
WINDOW_MONTHS = 2
# With fewer, a fold of a split may hold nothing to split on.
FEWEST_ROWS = 100


def at_random(rows: int, seed: int) -> Split:
    """Return 80 % and 20 % of the rows: those of scikit-learn's train_test_split with this seed.

    Published results rest on that split, and on heavy-tailed errors another one is another figure.
    """
    shuffled = np.random.RandomState(seed).permutation(rows)
    test = int(np.ceil(rows * TEST_SHARE))
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


def rolling(days: NDArray[np.datetime64]) -> list[Split]:
    """Return for every two calendar months the split that fits on them and tests on the next two.

    `days` ascend. Windows with too few rows are left out.
    """
    months = days.astype("datetime64[M]").astype(np.intp)
    window = (months - months[0]) // WINDOW_MONTHS
    rows = [np.flatnonzero(window == number) for number in range(window[-1] + 1)]
    pairs = pairwise(rows)
    return [(fit, test) for fit, test in pairs if min(len(fit), len(test)) >= FEWEST_ROWS]
