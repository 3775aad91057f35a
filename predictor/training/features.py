"""The features, written once as ONNX operators: training and serving run the same ones.

The physics. Active energy y and reactive energy Q give the power factor p = y / √(y² + Q²), so
y = Q·p / √(1 − p²). A meter that publishes p in percent to two decimals leaves y in the interval
that p ± 0.005 spans. The lagging and the leading pair give one interval each, and both hold y. The
boosters predict u, where in the intersection y lies: −1 at its lower end, +1 at its upper.
"""

from dataclasses import dataclass

import numpy as np
import spox.opset.ai.onnx.v21 as op
from numpy.typing import NDArray
from spox import Tensor, Var, argument, build

from predictor import graph
from predictor.contract import Contract

# Half of the last digit of a power factor published in percent to two decimals.
FACTOR_ROUNDING = 0.005
SATURDAY = 5

REACTIVE = ("lagging_reactive_power", "leading_reactive_power")
FACTORS = ("lagging_power_factor", "leading_power_factor")


@dataclass(frozen=True)
class FeatureVars:
    """Graph variables of n rows: what the boosters are given, and the interval in kWh.

    `matrix` is float32, (n, features); `middle` and `half_width` are float64, (n, 1).
    """

    matrix: Var
    middle: Var
    half_width: Var


@dataclass(frozen=True)
class Features:
    """Arrays of n rows: `matrix` float32 (n, features), the others float64 (n,), in kWh."""

    matrix: NDArray[np.float32]
    middle: NDArray[np.float64]
    half_width: NDArray[np.float64]


def columns_argument(contract: Contract) -> Var:
    """Return the graph's one input: float64, (n, columns of the contract)."""
    return argument(Tensor(np.float64, ("n", len(contract.columns))))


def features(columns: Var, contract: Contract) -> FeatureVars:
    """Return the features of a steel meter's columns."""
    low, high = _active_energy(columns, contract)
    middle = op.div(op.add(low, high), _number(2))
    half_width = op.div(op.sub(high, low), _number(2))
    day = _pick(columns, contract, ("day_of_week",))
    weekend = op.cast(op.greater_or_equal(day, _number(SATURDAY)), to=np.float64)
    matrix = op.concat([columns, weekend, low, high, middle, half_width], axis=1)
    return FeatureVars(op.cast(matrix, to=np.float32), middle, half_width)


def compute(columns: NDArray[np.float64], contract: Contract) -> Features:
    """Run the feature graph by itself on raw columns, (n, columns of the contract)."""
    argument_ = columns_argument(contract)
    found = features(argument_, contract)
    outputs = {"matrix": found.matrix, "middle": found.middle, "half_width": found.half_width}
    model = build({graph.INPUT: argument_}, outputs).SerializeToString()
    matrix, middle, half_width = graph.run(model, {graph.INPUT: columns}, list(outputs))
    return Features(matrix.astype(np.float32, copy=False), middle[:, 0], half_width[:, 0])


def _active_energy(columns: Var, contract: Contract) -> tuple[Var, Var]:
    """Return the ends, (n, 1) in kWh, of the interval that both power factors leave."""
    reactive = _pick(columns, contract, REACTIVE)
    factor = _pick(columns, contract, FACTORS)
    lowest = op.max([op.sub(factor, _number(FACTOR_ROUNDING)), _number(0)])
    highest = op.add(factor, _number(FACTOR_ROUNDING))
    unbounded = op.greater_or_equal(highest, _number(100))
    energy = op.where(unbounded, _number(np.inf), _from_factor(reactive, highest))
    axis = op.const(np.array([1], np.int64))
    low = op.reduce_max(_from_factor(reactive, lowest), axis)
    high = op.reduce_min(energy, axis)
    # Where neither factor bounds the energy from above, the lower end is all that is known.
    return low, op.where(op.isinf(high), low, high)


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
