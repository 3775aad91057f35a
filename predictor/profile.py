"""The reference that drift is measured against: how often each part of a column's range came.

Training makes it, see `predictor.profiling`; the server counts what comes in the same bins.
"""

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:  # who reads a bundle need not count
    import numpy as np
    from numpy.typing import NDArray

# What is added to each bin's count, so that an empty bin has a logarithm.
PRIOR = 0.5
# The normal distribution's 99.99th percentile: what chance alone exceeds once in 10,000 windows.
CHANCE_Z = 3.719


class Bins(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """The bins of one column of the contract, or of the target, and the reference's count of each.

    Each of `points` is a value with a bin of its own. Of the other values, range bin i holds those
    with `edges[i - 1] < value <= edges[i]`; there is one more of them than edges. Without edges
    there are none: the points are all that can come. What is missing, NaN, has the last bin where
    `missing` says so. Bins are in this order, points first. PSI over `threshold` is drift.
    """

    name: str
    points: tuple[float, ...]
    edges: tuple[float, ...]
    labels: tuple[str, ...]
    rows: tuple[int, ...]
    threshold: float
    missing: bool = False

    def __post_init__(self) -> None:
        """Refuse bins that contradict themselves; msgspec says where they stand."""
        wrong = self._contradiction()
        if wrong:
            message = f"bins of {self.name}: {wrong}"
            raise ValueError(message)

    def _contradiction(self) -> str:
        count = len(self.points) + (len(self.edges) + 1 if self.edges else 0) + self.missing
        if not count or len(self.labels) != count or len(self.rows) != count:
            found = f"{len(self.labels)} labels and {len(self.rows)} counts"
            return f"{found}, expected {count} of each, and one or more"
        if any(a >= b for values in (self.points, self.edges) for a, b in pairwise(values)):
            return "points and edges must ascend"
        if len(set(self.labels)) < count:
            return "a label stands for two bins"
        if min(self.rows) < 0 or not sum(self.rows):
            return "counts must not be below 0, and not all be 0"
        return ""

    @cached_property
    def _arrays(self) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
        import numpy as np

        return np.array(self.points, np.float64), np.array(self.edges, np.float64)

    def places(self, values: "NDArray[np.float64]") -> "NDArray[np.intp]":
        """Return the bin of each value, (n,); where it has none, one past the last."""
        import numpy as np

        points, edges = self._arrays
        found = edges.searchsorted(values) + len(points)
        if self.points:
            nearest = points.searchsorted(values).clip(max=len(points) - 1)
            found = np.where(points[nearest] == values, nearest, found)
        return np.where(np.isnan(values), len(self.labels) - 1, found) if self.missing else found

    def count(self, values: "NDArray[np.float64]") -> "NDArray[np.int64]":
        """Return how many of some values are in each bin, (bins,).

        To compare all with each bound takes a fifth of the time that to look each one up does.
        """
        import numpy as np

        at = [np.count_nonzero(values == point) for point in self.points]
        lack = [np.count_nonzero(np.isnan(values))] if self.missing else []
        if not self.edges:
            return np.array([*at, *lack], np.int64)
        up_to = [np.count_nonzero(values <= edge) for edge in self.edges]
        ranged = np.diff([0, *up_to, len(values) - sum(lack)])
        points, edges = self._arrays
        for place, count in zip(edges.searchsorted(points), at, strict=True):
            ranged[place] -= count
        return np.array([*at, *ranged, *lack], np.int64)

    @cached_property
    def ratios(self) -> tuple[float, ...]:
        """Each bin's share of the reference, smoothed: none is 0."""
        return _smoothed(self.rows)


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The reference of a model: of the contract's columns in their order, then of the target.

    `rows` are the reference's; thresholds were calibrated on windows of `window_rows`.
    """

    rows: int
    window_rows: int
    bins: tuple[Bins, ...]


def _smoothed(counts: Sequence[float]) -> tuple[float, ...]:
    total = sum(counts) + PRIOR * len(counts)
    return tuple((count + PRIOR) / total for count in counts)


def psi(bins: Bins, counts: Iterable[float]) -> float:
    """Return the population stability index of counts, (bins,), against the reference.

    What chance gives on average is taken off, so that it is slightly negative now and then. Without
    any rows it is NaN.
    """
    current = [float(count) for count in counts]
    rows = sum(current)
    if not rows:
        return math.nan
    shares = zip(_smoothed(current), bins.ratios, strict=True)
    chance = (len(current) - 1) * (1 / rows + 1 / sum(bins.rows))
    return math.fsum((p - q) * math.log(p / q) for p, q in shares) - chance


def chance_limit(bins: int, rows: int, reference_rows: int) -> float:
    """Return the PSI that a window of the reference's own distribution hardly ever exceeds.

    Uncorrected PSI over 1/rows + 1/reference_rows is nearly chi-squared, bins - 1 degrees of
    freedom, whose percentile Wilson and Hilferty approximate (PNAS 17, 1931, 684-688).
    """
    degrees = bins - 1
    if not degrees:
        return 0.0
    spread = 2 / (9 * degrees)
    percentile = degrees * (1 - spread + CHANCE_Z * math.sqrt(spread)) ** 3
    return (percentile - degrees) * (1 / rows + 1 / reference_rows)
