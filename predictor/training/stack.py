"""A linear meta-learner over the out-of-fold predictions of the boosters."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.errors import DataError
from predictor.training.boosters import FITTERS, LIBRARY_ERRORS, Booster, Sample
from predictor.training.forest import Forest
from predictor.training.split import folds

FOLDS = 5
# How strongly the weights are held to the boosters' plain mean, against one unit of their variance.
# The boosters agree so closely that an unshrunken fit would weigh noise.
SHRINKAGE = 0.1

# How often `fit` calls its `step`.
STEPS = (FOLDS + 1) * len(FITTERS)

Step = Callable[[str], None]


@dataclass(frozen=True)
class Stack:
    """Boosters by name, and the weight of each in their sum."""

    boosters: dict[str, Booster]
    weights: dict[str, float]

    def predict(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the weighted sum, (n,), of the libraries' own predictions."""
        total = np.zeros(len(matrix))
        for name, booster in self.boosters.items():
            total += self.weights[name] * booster.predict(matrix)
        return total

    @property
    def forest(self) -> Forest:
        """The stack as one forest: each booster's trees with their leaves times its weight."""
        parts = [b.forest.scaled(self.weights[name]) for name, b in self.boosters.items()]
        return Forest([tree for part in parts for tree in part.trees], sum(p.bias for p in parts))


def fit(sample: Sample, trees: int, seed: int, step: Step) -> Stack:
    """Fit every booster on `sample`, and the weights on predictions of rows they had not seen."""
    unseen = {name: np.empty(len(sample.target)) for name in FITTERS}
    for number, (fitted, held_out) in enumerate(folds(len(sample.target), FOLDS, seed), start=1):
        for name in FITTERS:
            booster = _fit(name, sample.take(fitted), trees, seed)
            unseen[name][held_out] = booster.predict(sample.matrix[held_out])
            step(f"fold {number}/{FOLDS}, {name}")
    weights = linear_weights(np.column_stack(list(unseen.values())), sample.target, sample.weight)
    boosters = {}
    for name in FITTERS:
        boosters[name] = _fit(name, sample, trees, seed)
        step(f"all rows, {name}")
    return Stack(boosters, dict(zip(FITTERS, weights.tolist(), strict=True)))


def _fit(name: str, sample: Sample, trees: int, seed: int) -> Booster:
    try:
        return FITTERS[name](sample, trees, seed)
    except LIBRARY_ERRORS as error:
        message = f"{name} cannot be fitted on these data: {error}"
        raise DataError(message) from error


def linear_weights(
    predictions: NDArray[np.float64], target: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return one weight per column of `predictions`, (n, k): ridge regression shrunk to the mean.

    Minimises Σ weight·(target − predictions·a)² + λ‖a − 1/k‖², with λ = SHRINKAGE × the mean of
    the columns' weighted sums of squares.
    """
    count = predictions.shape[1]
    weighted = predictions * weight[:, None]
    gram = weighted.T @ predictions
    ridge = SHRINKAGE * np.trace(gram) / count
    return np.linalg.solve(gram + ridge * np.eye(count), weighted.T @ target + ridge / count)
