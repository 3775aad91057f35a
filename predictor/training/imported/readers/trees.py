"""Trees of any library, as a graph and as numbers: what XGBoost, LightGBM and CatBoost share."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import spox.opset.ai.onnx.v21 as op
from numpy.typing import NDArray
from spox import Var, build

from predictor.contract import INPUT, Contract
from predictor.training.ensemble.forest import Forest
from predictor.training.features import columns_argument
from predictor.training.fuse import sums_of_leaves
from predictor.training.imported.model import (
    Answer,
    Rows,
    numbers_out,
    of_numbers,
    of_probabilities,
    probabilities_out,
)

# How a sum of leaves becomes a number. Classes have probabilities by the sigmoid or the softmax,
# unless the sums are shares, which are probabilities already.
Link = Literal["identity", "exp", "sigmoid", "signed square", "shares"]
# LightGBM takes what is no further from 0 for 0.
ZERO = float(np.float32(1e-35))


@dataclass(frozen=True)
class Trees:
    """Forests, one for each sum that the model adds up, whose features are the contract's columns.

    `in_float32` says that the library rounds rows to float32. `zero_is_missing` adds to the columns
    as many again in which 0 is missing, for trees that take it so.
    """

    forests: list[Forest]
    link: Link = "identity"
    in_float32: bool = False
    zero_is_missing: bool = False

    def graph(self, contract: Contract) -> bytes:
        """Return the graph, serialized."""
        columns = columns_argument(contract)
        outputs = self.outputs(contract, columns)
        return build({INPUT: columns}, outputs).SerializeToString(deterministic=True)

    def outputs(self, contract: Contract, columns: Var) -> dict[str, Var]:
        """Return a graph's outputs for what the trees compare, float64 (n, features)."""
        takes_missing = self.zero_is_missing or any(c.optional for c in contract.columns)
        sums = sums_of_leaves(self._matrix(columns), self.forests, takes_missing=takes_missing)
        scores = op.add(sums, op.const(self._biases))
        if not contract.target.classes:
            number = op.squeeze(scores, op.const(np.array([1], np.int64)))
            return numbers_out(contract, _LINKS[self.link][0](number))
        if self.link != "shares":
            scores = _probabilities(scores, len(self.forests))
        return probabilities_out(contract, scores)

    def exact(self, contract: Contract, rows: Rows) -> Answer:
        """Return what the leaves add up to in float64, without ONNX."""
        matrix = self.matrix(rows)
        scores = np.column_stack([forest.predict(matrix) for forest in self.forests])
        if contract.target.classes:
            shares = scores if self.link == "shares" else probabilities(scores)
            return of_probabilities(shares)
        return of_numbers(contract, _LINKS[self.link][1](scores[:, 0]))

    def matrix(self, rows: Rows) -> Rows:
        """Return rows as the trees compare them."""
        if self.in_float32:
            with np.errstate(over="ignore"):  # as the libraries have it: infinite
                return rows.astype(np.float32).astype(np.float64)
        if self.zero_is_missing:
            return np.hstack([rows, np.where(np.abs(rows) <= ZERO, np.nan, rows)])
        return rows

    def _matrix(self, columns: Var) -> Var:
        if self.in_float32:
            return op.cast(columns, to=np.float32)
        if self.zero_is_missing:
            is_zero = op.less_or_equal(op.abs(columns), op.const(ZERO))
            return op.concat([columns, op.where(is_zero, op.const(np.nan), columns)], axis=1)
        return columns

    @property
    def _biases(self) -> NDArray[np.float64]:
        return np.array([forest.bias for forest in self.forests])

    def placed(self, order: list[int]) -> "Trees":
        """Return the trees with feature i at place `order[i]`."""
        forests = [
            replace(
                forest,
                trees=[replace(t, features=[order[f] for f in t.features]) for t in forest.trees],
            )
            for forest in self.forests
        ]
        return replace(self, forests=forests)

    def splits(self, columns: int) -> list[NDArray[np.float64]]:
        """Return for each column the thresholds that its values are compared with."""
        found: list[set[float]] = [set() for _ in range(columns)]
        for tree in (tree for forest in self.forests for tree in forest.trees):
            for feature, threshold in zip(tree.features, tree.thresholds, strict=True):
                found[feature % columns].add(float(threshold))
        return [np.array(sorted(each)) for each in found]


def _probabilities(scores: Var, count: int) -> Var:
    """Return the probabilities of classes, (n, k): of one score, by the sigmoid, two classes."""
    if count == 1:
        return op.sigmoid(op.concat([op.neg(scores), scores], axis=1))
    return op.softmax(scores, axis=1)


def probabilities(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the same of scores, (n, 1) or (n, k)."""
    if scores.shape[1] == 1:
        return np.hstack([_sigmoid(-scores), _sigmoid(scores)])
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _sigmoid(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):
        found: NDArray[np.float64] = 1 / (1 + np.exp(-scores))
    return found


def _signed_square(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = scores * np.abs(scores)
    return found


_LINKS: dict[
    Link,
    tuple[Callable[[Var], Var], Callable[[NDArray[np.float64]], NDArray[np.float64]]],
] = {
    "identity": (lambda scores: scores, lambda scores: scores),
    "exp": (op.exp, np.exp),
    "sigmoid": (op.sigmoid, _sigmoid),
    "signed square": (lambda scores: op.mul(scores, op.abs(scores)), _signed_square),
}
