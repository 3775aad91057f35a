"""From where boosters place a row to its answer with an interval: conformal, by group of rows.

Split-conformal prediction (Vovk, Gammerman, Shafer: Algorithmic Learning in a Random World, 2005)
over the folds of the stack: residuals of rows that their boosters had not seen, in half-widths of
the rows' own bounds, give each group (Mondrian) the reach that holds its share of them. No interval
leaves the bounds. Where nothing but a lower bound is known of a row, the group's own distribution
answers, moved up until it begins there.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.training.features import Features

# The share of rows that an interval is made to hold.
COVERAGE = 0.9
ENDS = ((1 - COVERAGE) / 2, 0.5, (1 + COVERAGE) / 2)


@dataclass(frozen=True)
class Answers:
    """Float64 (n,), in the target's unit."""

    values: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """What intervals take from the training rows, by the code of a row's group.

    `reach` is float64 (groups,), in half-widths; `usual` is float64 (groups, 3), in the target's
    unit: the lower end, the middle and the upper end of the targets of the group.
    """

    reach: NDArray[np.float64]
    usual: NDArray[np.float64]


def calibrate(
    found: Features,
    groups: NDArray[np.intp],
    group_count: int,
    target: NDArray[np.float64],
    unseen: NDArray[np.float64],
) -> Calibration:
    """Return the calibration that rows give, with their groups and out-of-fold positions, (n,).

    A group with too few rows for its own reach has that of all rows, and one without any has what
    is usual for all.
    """
    placed = found.teaches
    residuals = np.abs(target - place(found, unseen))[placed] / found.half_width[placed]
    everything = _reach(residuals, otherwise=1.0)
    codes = range(group_count)
    return Calibration(
        reach=np.array([_reach(residuals[groups[placed] == c], everything) for c in codes]),
        usual=np.array([np.quantile(_some(target, groups == c), ENDS) for c in codes]),
    )


def place(found: Features, position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the target, (n,), at a position in each row's interval, and within its bounds."""
    return np.clip(found.middle + found.half_width * position, found.low, found.high)


def answer(
    found: Features,
    groups: NDArray[np.intp],
    position: NDArray[np.float64],
    calibration: Calibration,
) -> Answers:
    """Return what the graph must give for rows, without ONNX: `fuse` says the same in operators."""
    values = place(found, position)
    reach = calibration.reach[groups] * found.half_width
    lower, upper = np.maximum(values - reach, found.low), np.minimum(values + reach, found.high)
    usual = calibration.usual[groups].T
    usual = usual + np.maximum(found.low - usual[0], 0)
    return Answers(*np.where(found.known, [values, lower, upper], usual[[1, 0, 2]]))


def _reach(residuals: NDArray[np.float64], otherwise: float) -> float:
    """Return the residual that holds its share of new ones too: of n the ⌈(n+1)·share⌉-th."""
    rank = int(np.ceil((len(residuals) + 1) * COVERAGE))
    return float(np.sort(residuals)[rank - 1]) if rank <= len(residuals) else otherwise


def _some(target: NDArray[np.float64], part: NDArray[np.bool_]) -> NDArray[np.float64]:
    return target[part] if part.any() else target
