"""The features, written once as ONNX operators: training and serving run the same ones.

The physics. Active energy y and reactive energy Q give the power factor p = y / √(y² + Q²), so
y = Q·p / √(1 − p²). A meter that publishes p in percent to two decimals leaves y in the interval
that p ± 0.005 spans. The lagging and the leading pair give one interval each, and both hold y. The
boosters predict u, where in the intersection y lies: −1 at its lower end, +1 at its upper.

Without the physics the same form holds with middle 0 and half-width 1: there u is y itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import spox.opset.ai.onnx.v21 as op
from numpy.typing import NDArray
from spox import Tensor, Var, argument, build

from predictor import graph
from predictor.contract import INPUT, Contract

# Half of the last digit of a power factor published in percent to two decimals.
FACTOR_ROUNDING = 0.005
# Intervals that miss each other by less are explained by the rounding of the reactive energies.
CONSISTENCY_KWH = 0.02
# A power factor up to here is taken for a fraction that should have been in percent.
LARGEST_FRACTION = 1.0
SATURDAY = 5

REACTIVE = ("lagging_reactive_power", "leading_reactive_power")
FACTORS = ("lagging_power_factor", "leading_power_factor")


@dataclass(frozen=True)
class FeatureVars:
    """Graph variables of n rows: what the boosters are given, and what is known without them.

    `matrix` is float32, (n, features). The others are (n, 1), or a scalar for all rows: `middle`,
    `half_width`, `low` and `high` float64 in the target's unit, `known` a boolean that is false
    where these say nothing of the row. `warnings` is a boolean, (n, warnings of the contract).
    """

    matrix: Var
    middle: Var
    half_width: Var
    low: Var
    high: Var
    known: Var
    warnings: Var | None = None


@dataclass(frozen=True)
class Features:
    """Arrays of n rows, as in FeatureVars: `matrix` (n, features), the others (n,)."""

    matrix: NDArray[np.float32]
    middle: NDArray[np.float64]
    half_width: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    known: NDArray[np.bool_]

    def take(self, rows: NDArray[np.intp]) -> "Features":
        """Return some of the rows."""
        return Features(**{name: array[rows] for name, array in vars(self).items()})


# What makes features of a graph's input.
Builder = Callable[[Var, Contract], FeatureVars]


@dataclass(frozen=True)
class _Triangle:
    """What the power triangle says: the ends of the interval, and of the two intervals' hull."""

    low: Var
    high: Var
    least: Var
    most: Var


def columns_argument(contract: Contract) -> Var:
    """Return the graph's one input: float64, (n, columns of the contract)."""
    return argument(Tensor(np.float64, ("n", len(contract.columns))))


def compute(builder: Builder, columns: NDArray[np.float64], contract: Contract) -> Features:
    """Run a feature graph by itself on raw columns, (n, columns of the contract)."""
    argument_ = columns_argument(contract)
    found = vars(builder(argument_, contract))
    outputs = {name: found[name] for name in Features.__dataclass_fields__}
    model = build({INPUT: argument_}, outputs).SerializeToString()
    matrix, *rest = graph.run(model, {INPUT: columns}, list(outputs))
    flat: list[NDArray[Any]] = [np.broadcast_to(np.ravel(array), len(columns)) for array in rest]
    return Features(matrix.astype(np.float32, copy=False), *flat)


def plain(columns: Var, contract: Contract) -> FeatureVars:
    """Return the columns themselves as features."""
    target = contract.target
    return FeatureVars(
        matrix=op.cast(columns, to=np.float32),
        middle=_number(0),
        half_width=_number(1),
        low=_number(target.minimum),
        high=_number(target.maximum),
        known=op.const(np.True_),
    )


def checked(columns: Var, contract: Contract) -> FeatureVars:
    """Return a steel meter's columns as features, with warnings of what they contradict."""
    warnings = _doubts(columns, contract, _triangle(columns, contract))
    return FeatureVars(**{**vars(plain(columns, contract)), "warnings": warnings})


def anchored(columns: Var, contract: Contract) -> FeatureVars:
    """Return the features of a steel meter's columns, with the interval that they leave."""
    triangle = _triangle(columns, contract)
    known = op.not_(op.isinf(triangle.high))
    bounded = op.where(known, triangle.high, triangle.low)
    # Where the two intervals do not meet one of them is wrong, and nothing says which.
    apart = op.greater(triangle.low, bounded)
    low = op.where(apart, triangle.least, triangle.low)
    high = op.where(apart, triangle.most, bounded)
    middle = op.div(op.add(low, high), _number(2))
    half_width = op.div(op.sub(high, low), _number(2))
    weekend = op.cast(
        op.greater_or_equal(_pick(columns, contract, ("day_of_week",)), _number(SATURDAY)),
        to=np.float64,
    )
    matrix = op.concat([columns, weekend, low, high, middle, half_width], axis=1)
    doubts = _doubts(columns, contract, triangle)
    return FeatureVars(
        matrix=op.cast(matrix, to=np.float32),
        middle=middle,
        half_width=half_width,
        low=low,
        high=high,
        known=known,
        warnings=op.concat([doubts, op.not_(known)], axis=1),
    )


def _triangle(columns: Var, contract: Contract) -> _Triangle:
    """Return what both power factors say of the energy, (n, 1) in kWh; no limit is infinite."""
    reactive = _pick(columns, contract, REACTIVE)
    factor = _pick(columns, contract, FACTORS)
    lowest = op.max([op.sub(factor, _number(FACTOR_ROUNDING)), _number(0)])
    highest = op.add(factor, _number(FACTOR_ROUNDING))
    unbounded = op.greater_or_equal(highest, _number(100))
    least, most = _from_factor(reactive, lowest), _from_factor(reactive, highest)
    axis = op.const(np.array([1], np.int64))
    low = op.reduce_max(least, axis)
    return _Triangle(
        low=low,
        high=op.reduce_min(op.where(unbounded, _number(np.inf), most), axis),
        least=op.reduce_min(least, axis),
        most=op.max([op.reduce_max(op.where(unbounded, _number(0), most), axis), low]),
    )


def _doubts(columns: Var, contract: Contract, triangle: _Triangle) -> Var:
    """Return for each row whether its power factors disagree, and whether one is a fraction."""
    apart = op.greater(triangle.low, op.add(triangle.high, _number(CONSISTENCY_KWH)))
    factor = _pick(columns, contract, FACTORS)
    small = op.less_or_equal(factor, _number(LARGEST_FRACTION))
    fractions = op.cast(op.and_(op.greater(factor, _number(0)), small), to=np.float64)
    any_fraction = op.reduce_max(fractions, op.const(np.array([1], np.int64)))
    return op.concat([apart, op.greater(any_fraction, _number(0))], axis=1)


def _from_factor(reactive: Var, percent: Var) -> Var:
    """Return Q·p / √(1 − p²) for a power factor in percent."""
    p = op.div(percent, _number(100))
    rest = op.mul(op.sub(_number(1), p), op.add(_number(1), p))
    return op.div(op.mul(reactive, p), op.sqrt(rest))


def _pick(columns: Var, contract: Contract, names: tuple[str, ...]) -> Var:
    indices = np.array([contract.names.index(name) for name in names], np.int64)
    return op.gather(columns, op.const(indices), axis=1)


def _number(value: float) -> Var:
    return op.const(np.float64(value))
