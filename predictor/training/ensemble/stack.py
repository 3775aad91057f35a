"""A linear meta-learner over the out-of-fold predictions of the boosters."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.errors import DataError
from predictor.training.ensemble.boosters import FITTERS, LIBRARY_ERRORS, Booster, Recipe, Sample
from predictor.training.ensemble.forest import Forest
from predictor.training.split import Rows, Split, folds

FOLDS = 5
# How strongly weights may be held to the boosters' plain mean, against one unit of their sum of
# squares: from the mean itself to a fit that is all but free.
SHRINKAGES = (np.inf, 10.0, 1.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5)

# How often `fit` calls its `step`.
STEPS = (FOLDS + 1) * len(FITTERS)

Step = Callable[[str], None]
Recipes = Mapping[str, Recipe]


@dataclass(frozen=True)
class Staged:
    """One booster's predictions of rows it was not fitted on, for each of its recipe's sizes.

    `predictions` is float64 (sizes, n); `errors` is float64 (folds, sizes), the weighted mean of
    the squared errors in each fold; `chosen` is the number of the size that is kept.
    """

    predictions: NDArray[np.float64]
    errors: NDArray[np.float64]
    chosen: int

    @property
    def kept(self) -> NDArray[np.float64]:
        """The predictions, (n,), by the size that is kept."""
        kept: NDArray[np.float64] = self.predictions[self.chosen]
        return kept


@dataclass(frozen=True)
class Stack:
    """Boosters by name, and the weight of each in their sum.

    `unseen` is the stack's prediction, (n,), of the rows it was fitted on by boosters that were
    not; `errors` is each booster's weighted mean squared error of such rows, by number of trees.
    """

    boosters: dict[str, Booster]
    weights: dict[str, float]
    unseen: NDArray[np.float64]
    errors: dict[str, dict[int, float]]

    def predict(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the weighted sum, (n,), of the libraries' own predictions."""
        total = np.zeros(len(matrix))
        for name, booster in self.boosters.items():
            total += self.weights[name] * booster.predict(matrix)
        return total

    def explain(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the weighted sum, (n, features), of the libraries' own Shapley values."""
        total = np.zeros(matrix.shape)
        for name, booster in self.boosters.items():
            total += self.weights[name] * booster.explain(matrix)
        return total

    @property
    def forest(self) -> Forest:
        """The stack as one forest: each booster's trees with their leaves times its weight."""
        parts = [b.forest.scaled(self.weights[name]) for name, b in self.boosters.items()]
        return Forest([tree for part in parts for tree in part.trees], sum(p.bias for p in parts))


def fit(sample: Sample, recipes: Recipes, seed: int, step: Step) -> Stack:
    """Fit every booster on `sample`, and sizes and weights on predictions of unseen rows.

    As many boosters are fitted at a time as this process may use cores, each by one thread, so
    that the result does not depend on their number.
    """
    unseen = cross_fit(sample, recipes, seed, step)
    kept = np.column_stack([staged.kept for staged in unseen.values()])
    weights = _weights(kept, sample, seed)
    sizes = {name: recipes[name].sizes[staged.chosen] for name, staged in unseen.items()}
    boosters = {}
    with _pool() as pool:
        fits = pool.map(lambda n: _fit(n, sample, recipes[n], sizes[n], seed), FITTERS)
        for name, booster in zip(FITTERS, fits, strict=True):
            boosters[name] = booster
            step(f"all rows, {name}")
    return Stack(
        boosters,
        dict(zip(FITTERS, weights.tolist(), strict=True)),
        kept @ weights,
        {
            name: dict(zip(recipes[name].sizes, staged.errors.mean(axis=0).tolist(), strict=True))
            for name, staged in unseen.items()
        },
    )


def _pool() -> ThreadPoolExecutor:
    """Return as many threads as cores may be used; not every system tells which those are."""
    if hasattr(os, "sched_getaffinity"):
        return ThreadPoolExecutor(len(os.sched_getaffinity(0)))
    return ThreadPoolExecutor(os.cpu_count())


def cross_fit(sample: Sample, recipes: Recipes, seed: int, step: Step) -> dict[str, Staged]:
    """Fit the boosters of some recipes on each fold's rows, and predict those not fitted on."""
    splits = folds(len(sample.target), FOLDS, seed)
    jobs = [(name, split) for name in recipes for split in splits]

    def predicted(job: tuple[str, Split]) -> NDArray[np.float64]:
        name, (fitted, held_out) = job
        recipe = recipes[name]
        booster = _fit(name, sample.take(fitted), recipe, recipe.sizes[-1], seed)
        rows = sample.matrix[held_out]
        return np.array([booster.staged(rows, size) for size in recipe.sizes])

    found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in recipes}
    with _pool() as pool:
        for (name, _), predictions in zip(jobs, pool.map(predicted, jobs), strict=True):
            found[name].append(predictions)
            step(f"fold {len(found[name])}/{FOLDS}, {name}")
    tested = [held_out for _, held_out in splits]
    return {name: _staged(sample, tested, parts) for name, parts in found.items()}


def _staged(sample: Sample, tested: list[Rows], parts: list[NDArray[np.float64]]) -> Staged:
    predictions = np.empty((len(parts[0]), len(sample.target)))
    errors = []
    for rows, part in zip(tested, parts, strict=True):
        predictions[:, rows] = part
        errors.append(_errors(sample.take(rows), part))
    by_fold = np.array(errors)
    return Staged(predictions, by_fold, one_standard_error(by_fold))


def _errors(sample: Sample, predictions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weighted mean of the squared errors, (k,), of predictions, (k, n)."""
    errors: NDArray[np.float64] = np.mean(
        sample.weight * (sample.target - predictions) ** 2, axis=1
    )
    return errors


def one_standard_error(errors: NDArray[np.float64]) -> int:
    """Return the least size, a column of (folds, sizes), that is not told from the best by folds.

    Breiman, Friedman, Olshen, Stone: Classification and Regression Trees (1984), 3.4.3, with the
    standard error of the difference from the best: folds differ far more than sizes do, and a
    difference within each fold is free of that.
    """
    best = np.argmin(errors.mean(axis=0))
    excess = errors - errors[:, [best]]
    standard_error = excess.std(axis=0, ddof=1) / np.sqrt(len(errors))
    return int(np.argmax(excess.mean(axis=0) <= standard_error))


def _fit(name: str, sample: Sample, recipe: Recipe, trees: int, seed: int) -> Booster:
    try:
        return FITTERS[name](sample, recipe.parameters, trees, seed)
    except LIBRARY_ERRORS as error:
        reason = str(error).partition("\n")[0]  # without a library's own stack
        message = f"{name} cannot be fitted on these data: {reason}"
        raise DataError(message) from error


def _weights(predictions: NDArray[np.float64], sample: Sample, seed: int) -> NDArray[np.float64]:
    """Return a weight for each column of `predictions`, (n, k), held to their mean.

    The boosters agree so closely that weights which follow the data are mostly noise: each
    shrinkage is tried on folds that its weights had not seen, and the strongest is taken that is
    not told from the best.
    """
    errors = []
    for fitted, tested in folds(len(sample.target), FOLDS, seed):
        part = sample.take(fitted)
        tried = [
            linear_weights(predictions[fitted], part.target, part.weight, shrinkage)
            for shrinkage in SHRINKAGES
        ]
        errors.append(_errors(sample.take(tested), np.array(tried) @ predictions[tested].T))
    chosen = SHRINKAGES[one_standard_error(np.array(errors))]
    return linear_weights(predictions, sample.target, sample.weight, chosen)


def linear_weights(
    predictions: NDArray[np.float64],
    target: NDArray[np.float64],
    weight: NDArray[np.float64],
    shrinkage: float,
) -> NDArray[np.float64]:
    """Return one weight per column of `predictions`, (n, k): ridge regression shrunk to the mean.

    Minimises Σ weight·(target − predictions·a)² + λ‖a − 1/k‖², with λ = shrinkage × the mean of
    the columns' weighted sums of squares; an infinite one gives the mean itself.
    """
    count = predictions.shape[1]
    if np.isinf(shrinkage):
        return np.full(count, 1 / count)
    weighted = predictions * weight[:, None]
    gram = weighted.T @ predictions
    ridge = shrinkage * np.trace(gram) / count
    return np.linalg.solve(gram + ridge * np.eye(count), weighted.T @ target + ridge / count)
