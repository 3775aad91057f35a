"""The features, written once as ONNX operators: training and serving run the same ones.

The physics. Active energy y and reactive energy Q give the power factor p = y / √(y² + Q²), so
y = Q·p / √(1 − p²). A meter that publishes p in percent to two decimals leaves y in the interval
that p ± 0.005 spans. The lagging and the leading pair give one interval each, and both hold y. The
boosters predict u, where in the intersection y lies: −1 at its lower end, +1 at its upper.

Without the physics the same form holds with middle 0 and half-width 1: there u is y itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

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
    where these say nothing of the row, and `sound` one that is false where they contradict
    themselves. `warnings` is a boolean, (n, warnings of the contract).

    `derived` names, for each feature behind the columns themselves, the columns that it is computed
    of. `silences` are the sets of columns that say something of the target by themselves, each with
    what they read when they say nothing.
    """

    matrix: Var
    middle: Var
    half_width: Var
    low: Var
    high: Var
    known: Var
    sound: Var
    warnings: Var | None = None
    derived: tuple[tuple[str, ...], ...] = ()
    silences: tuple[Mapping[str, float], ...] = ()


@dataclass(frozen=True)
class Features:
    """Arrays of n rows, as in FeatureVars: `matrix` (n, features), the others (n,)."""

    matrix: NDArray[np.float32]
    middle: NDArray[np.float64]
    half_width: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    known: NDArray[np.bool_]
    sound: NDArray[np.bool_]

    @property
    def teaches(self) -> NDArray[np.bool_]:
        """Which rows, (n,), leave their target a place that can be learned."""
        found: NDArray[np.bool_] = self.known & self.sound & (self.half_width > 0)
        return found

    @property
    def weight(self) -> NDArray[np.float64]:
        """What a squared error of each row's position is worth in the target's unit, (n,)."""
        return np.where(self.teaches, self.half_width, 0) ** 2

    def take(self, rows: NDArray[np.intp]) -> "Features":
        """Return some of the rows."""
        return Features(**{name: array[rows] for name, array in vars(self).items()})


# What makes features of a graph's input.
Builder = Callable[[Var, Contract], FeatureVars]


@dataclass(frozen=True)
class _Triangle:
    """What the power triangle says, (n, 1) in kWh.

    `low` and `high` are the ends of the two intervals' intersection, `least` and `most` those of
    their hull; `high` is infinite where neither power factor limits the energy.
    """

    low: Var
    high: Var
    least: Var
    most: Var


def columns_argument(contract: Contract) -> Var:
    """Return the graph's one input: float64, (n, columns of the contract)."""
    return argument(Tensor(np.float64, ("n", len(contract.columns))))


def compute(builder: Builder, columns: NDArray[np.float64], contract: Contract) -> Features:
    """Run a feature graph by itself on raw columns, (n, columns of the contract)."""
    return computer(builder, contract)(columns)


def computer(builder: Builder, contract: Contract) -> Callable[[NDArray[np.float64]], Features]:
    """Return what runs a feature graph by itself on raw columns, in one session for all calls."""
    argument_ = columns_argument(contract)
    found = vars(builder(argument_, contract))
    outputs = {name: found[name] for name in Features.__dataclass_fields__}
    session = graph.load(build({INPUT: argument_}, outputs).SerializeToString())

    def run(columns: NDArray[np.float64]) -> Features:
        matrix, *rest = session.run(list(outputs), {INPUT: columns})
        return Features(matrix, *(np.broadcast_to(np.ravel(part), len(columns)) for part in rest))

    return run


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
        sound=op.const(np.True_),
    )


def checked(columns: Var, contract: Contract) -> FeatureVars:
    """Return a steel meter's columns as features, with warnings of what they contradict."""
    doubts = _doubts(columns, contract, _triangle(columns, contract))
    return replace(plain(columns, contract), warnings=op.concat([*doubts], axis=1))


def anchored(columns: Var, contract: Contract) -> FeatureVars:
    """Return the features of a steel meter's columns, with the interval that they leave."""
    triangle = _triangle(columns, contract)
    unlimited = op.isinf(triangle.high)
    limited = op.where(unlimited, triangle.low, triangle.high)
    # Where the two intervals do not meet one of them is wrong, and nothing says which.
    apart = op.greater(triangle.low, limited)
    low = op.where(apart, triangle.least, triangle.low)
    high = op.where(apart, triangle.most, limited)
    middle = op.mul(op.add(low, high), _number(0.5))
    half_width = op.mul(op.sub(high, low), _number(0.5))
    day = _pick(columns, contract, ("day_of_week",))
    weekend = op.cast(op.greater_or_equal(day, _number(SATURDAY)), to=np.float64)
    matrix = op.concat([columns, weekend, low, high, middle, half_width], axis=1)
    contradicts, is_fraction = _doubts(columns, contract, triangle)
    return FeatureVars(
        matrix=op.cast(matrix, to=np.float32),
        middle=middle,
        half_width=half_width,
        low=low,
        high=high,
        known=op.not_(unlimited),
        sound=op.not_(contradicts),
        warnings=op.concat([contradicts, is_fraction, unlimited], axis=1),
        derived=(("day_of_week",), *[REACTIVE + FACTORS] * 4),
        # No reactive energy and a power factor of 100 % leave every energy possible.
        silences=tuple({q: 0.0, p: 100.0} for q, p in zip(REACTIVE, FACTORS, strict=True)),
    )


def _triangle(columns: Var, contract: Contract) -> _Triangle:
    """Return what both power factors say of the energy: first their lower ends, then the upper."""
    reactive = _pick(columns, contract, REACTIVE * 2)
    factor = _pick(columns, contract, FACTORS * 2)
    rounding = op.const(np.repeat([-FACTOR_ROUNDING, FACTOR_ROUNDING], 2))
    percent = op.max([op.add(factor, rounding), _number(0)])
    unlimited = op.greater_or_equal(percent, _number(100))
    energy = op.where(unlimited, _number(np.inf), _from_factor(reactive, percent))
    lower, upper = op.split(energy, num_outputs=2, axis=1)
    axis = op.const(np.array([1], np.int64))
    low = op.reduce_max(lower, axis)
    return _Triangle(
        low=low,
        high=op.reduce_min(upper, axis),
        least=op.reduce_min(lower, axis),
        # An interval without an upper end is taken in from its lower end on.
        most=op.reduce_max(op.where(op.isinf(upper), low, upper), axis),
    )


def _doubts(columns: Var, contract: Contract, triangle: _Triangle) -> tuple[Var, Var]:
    """Return for each row whether its power factors disagree, and whether one is a fraction."""
    apart = op.greater(triangle.low, op.add(triangle.high, _number(CONSISTENCY_KWH)))
    factor = _pick(columns, contract, FACTORS)
    positive = op.where(op.greater(factor, _number(0)), factor, _number(np.inf))
    smallest = op.reduce_min(positive, op.const(np.array([1], np.int64)))
    return apart, op.less_or_equal(smallest, _number(LARGEST_FRACTION))


def _from_factor(reactive: Var, percent: Var) -> Var:
    """Return Q·p / √(1 − p²) for a power factor in percent."""
    rest = op.mul(op.sub(_number(100), percent), op.add(_number(100), percent))
    return op.div(op.mul(reactive, percent), op.sqrt(rest))


def _pick(columns: Var, contract: Contract, names: tuple[str, ...]) -> Var:
    indices = np.array([contract.names.index(name) for name in names], np.int64)
    return op.gather(columns, op.const(indices), axis=1)


def _number(value: float) -> Var:
    return op.const(np.float64(value))
