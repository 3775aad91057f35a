"""A model of another team: as a graph, and as its own library runs it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import spox.opset.ai.onnx.v21 as op
from numpy.typing import NDArray
from spox import Var

from predictor.contract import LARGEST, PROBABILITIES, Contract

# Rows as the graph is fed them: float64, (n, columns of the contract), NaN for what is missing.
Rows = NDArray[np.float64]


@dataclass(frozen=True)
class Answer:
    """What a model says to n rows: numbers or places of classes, (n,), and (n, classes)."""

    values: NDArray[np.float64]
    probabilities: NDArray[np.float64]

    @property
    def judged(self) -> NDArray[np.float64]:
        """What two answers are compared by, (n, k): probabilities, or else numbers."""
        return self.probabilities if self.probabilities.size else self.values[:, None]


@dataclass(frozen=True)
class Model:
    """A model that was read.

    `kind` is in words. `native` is the library's own prediction. `tolerance` is how far the graph
    may be from it, as a share of the largest answer. `exact` is the same computed in float64
    without ONNX, where the model can be. `splits` has for each column the values at which an answer
    changes, where they are known.
    """

    kind: str
    graph: bytes
    native: Callable[[Rows], Answer]
    tolerance: float
    versions: dict[str, str]
    exact: Callable[[Rows], Answer] | None = None
    splits: Sequence[NDArray[np.float64]] = field(default_factory=list)


def of_numbers(contract: Contract, numbers: NDArray[np.float64]) -> Answer:
    """Return numbers, (n,), as an answer, in the target's range if it has one."""
    target = contract.target
    clipped = np.clip(numbers.astype(np.float64), target.minimum, target.maximum)
    return Answer(clipped, np.empty((len(numbers), 0)))


def of_probabilities(probabilities: NDArray[np.floating]) -> Answer:
    """Return probabilities, (n, classes), as an answer: the likeliest, the first among equals."""
    found = probabilities.astype(np.float64)
    return Answer(np.argmax(found, axis=1).astype(np.float64), found)


def numbers_out(contract: Contract, numbers: Var) -> dict[str, Var]:
    """Return a graph's outputs for numbers, float64 (n,), as `of_numbers` does."""
    target = contract.target
    if target.minimum != -LARGEST:
        numbers = op.max([numbers, op.const(np.float64(target.minimum))])
    if target.maximum != LARGEST:
        numbers = op.min([numbers, op.const(np.float64(target.maximum))])
    return {target.name: numbers}


def probabilities_out(contract: Contract, probabilities: Var) -> dict[str, Var]:
    """Return a graph's outputs for probabilities, float64 (n, k), as `of_probabilities` does."""
    place = op.cast(op.arg_max(probabilities, axis=1, keepdims=0), to=np.float64)
    return {contract.target.name: place, PROBABILITIES: probabilities}
