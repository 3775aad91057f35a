"""Windows of data that have drifted, and of data that have not; a window is of eight hours here."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tests.chart.rules.cases import Case
from tests.chart.rules.promtool import PLANT, series

SETS = ("drift.window=8h", "drift.minRows=100")
STEP_MINUTES = 5
COLUMN = {"model_name": "energy", "column": "co2"}
REFERENCE_ROWS = 5000


@dataclass(frozen=True)
class Counted:
    """A bin: its rows in the reference, those counted at each step, and from which step on."""

    name: str
    reference: int
    each: float
    since: int = 0


def given(bins: Sequence[Counted], threshold: float = 0.2, steps: int = 120) -> dict[str, str]:
    """Return what two pods export of a column: the rows are counted by one of them."""
    of_all = sum(one.reference for one in bins)
    shown = {}
    for pod, share in (("a", 1), ("b", 0)):
        for one in bins:
            labels = {"pod": pod, **COLUMN, "bin": one.name}
            late, left = f"_x{one.since} " if one.since else "", steps - one.since
            counted = f"{late}0+{one.each * share}x{left}"
            ratio = (one.reference + 0.5) / (of_all + 0.5 * len(bins))
            shown[series("predictor_drift_rows_total", **labels)] = counted
            name = series("predictor_drift_reference_ratio", **labels)
            shown[name] = f"{late}{ratio!r}x{left}"
        shown[series("predictor_drift_threshold", pod=pod, **COLUMN)] = f"{threshold}x{steps}"
        rows = series("predictor_drift_reference_rows", pod=pod, model_name="energy")
        shown[rows] = f"{of_all}x{steps}"
    return shown


def psi(reference: Sequence[int], current: Sequence[float]) -> float:
    """Return the population stability index of counts, corrected for what chance alone gives."""
    r, c = np.array(reference, float), np.array(current, float)
    q, p = ((x + 0.5) / (x.sum() + 0.5 * x.size) for x in (r, c))
    by_chance = (r.size - 1) * (1 / c.sum() + 1 / r.sum())
    return float(np.sum((p - q) * np.log(p / q)) - by_chance)


ALIKE = (Counted("0", 3000, 6), Counted("(0, 1]", 1500, 3), Counted("(1, inf]", 500, 1))
DRIFTED = (Counted("0", 3000, 2), Counted("(0, 1]", 1500, 3), Counted("(1, inf]", 500, 5))
FEW = tuple(Counted(one.name, one.reference, one.each / 10) for one in DRIFTED)


def new_bins(since: int) -> tuple[Counted, ...]:
    """Return the bins of a new bundle that came at a step, which differ in all but the point."""
    new = Counted("(0, 2]", 1500, 3, since), Counted("(2, inf]", 500, 1, since)
    return (Counted("0", 3000, 6), *new)


_FIRES = PLANT | COLUMN


def _case(what: str, shown: dict[str, str], at: str, *, fires: bool, sets: str = "") -> Case:
    more = (*SETS, *([sets] if sets else []))
    expected = _FIRES if fires else None
    return Case(what, "PredictorDrift", shown, at, expected, every="5m", sets=more)


DRIFTING = [
    _case("another distribution", given(DRIFTED), "9h", fires=True),
    _case("another distribution for three quarters", given(DRIFTED), "7h15m", fires=True),
    _case("another distribution for half of a window", given(DRIFTED), "5h30m", fires=False),
    _case("the reference's distribution", given(ALIKE), "9h", fires=False),
    _case("too few rows", given(FEW), "9h", fires=False),
    _case("a higher threshold", given(DRIFTED, threshold=5), "9h", fires=False),
    _case(
        "a higher threshold of the values'",
        given(DRIFTED),
        "9h",
        fires=False,
        sets="drift.threshold=5",
    ),
    _case(
        "a lower threshold of the values'",
        given(DRIFTED, threshold=5),
        "9h",
        fires=True,
        sets="drift.threshold=0.1",
    ),
    _case(
        "a new bundle in the first window",
        given(new_bins(24), threshold=0.01),
        "7h15m",
        fires=False,
    ),
    _case(
        "rows of the bundle before in one bin alone",
        given(new_bins(72), threshold=0.01, steps=240),
        "13h30m",
        fires=False,
    ),
]
