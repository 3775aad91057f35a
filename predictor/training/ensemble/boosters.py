"""The three boosters of the stack, each fitted by its own library and kept as its trees."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import catboost
import lightgbm
import numpy as np
import xgboost
from numpy.typing import NDArray

from predictor.training.ensemble.forest import Forest, from_catboost, from_lightgbm, from_xgboost

# One thread: these fits are small, the result cannot depend on the machine's cores, and OpenMP's
# spinning threads slow each other down a hundredfold when the machine has other work.
THREADS = 1

# A library's parameters, by its own names.
Parameters = Mapping[str, float | int | str]


@dataclass(frozen=True)
class Recipe:
    """How a booster is fitted: its library's parameters, and the numbers of trees to choose from.

    `sizes` ascend.
    """

    parameters: Parameters
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class Sample:
    """What a booster is fitted on: float32 (n, features), float64 targets and weights (n,)."""

    matrix: NDArray[np.float32]
    target: NDArray[np.float64]
    weight: NDArray[np.float64]

    def take(self, rows: NDArray[np.intp]) -> "Sample":
        """Return some of the rows."""
        return Sample(self.matrix[rows], self.target[rows], self.weight[rows])


# A library's own prediction, float64 (n,), of float32 (n, features) by its first trees.
Predict = Callable[[NDArray[np.float32], int], NDArray[np.float64]]
# A library's own Shapley values, float64 (n, features), of float32 (n, features).
Explain = Callable[[NDArray[np.float32]], NDArray[np.float64]]


@dataclass(frozen=True)
class Booster:
    """A fitted booster: its trees, and what its library says itself, the judge of the export."""

    forest: Forest
    staged: Predict
    explain: Explain

    def predict(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the library's own prediction, (n,), by all trees."""
        return self.staged(matrix, len(self.forest.trees))


def fit_xgboost(sample: Sample, parameters: Parameters, trees: int, seed: int) -> Booster:
    """Fit an XGBoost regressor by squared error."""
    fixed = {
        "objective": "reg:squarederror",
        "tree_method": "hist",
        "nthread": THREADS,
        "seed": seed,
    }
    data = xgboost.DMatrix(sample.matrix, sample.target, weight=sample.weight, nthread=THREADS)
    booster = xgboost.train({**parameters, **fixed}, data, trees)
    return Booster(
        from_xgboost(booster),
        lambda x, count: _wide(booster.inplace_predict(x, iteration_range=(0, count))),
        lambda x: _shares(booster.predict(xgboost.DMatrix(x, nthread=THREADS), pred_contribs=True)),
    )


def fit_lightgbm(sample: Sample, parameters: Parameters, trees: int, seed: int) -> Booster:
    """Fit a LightGBM regressor by squared error."""
    fixed = {
        "objective": "regression",
        "num_threads": THREADS,
        "deterministic": True,
        "force_row_wise": True,
        "seed": seed,
        "verbose": -1,
    }
    data = lightgbm.Dataset(sample.matrix, sample.target, weight=sample.weight)
    booster = lightgbm.train({**parameters, **fixed}, data, trees)
    return Booster(
        from_lightgbm(booster),
        lambda x, count: _wide(booster.predict(x, num_iteration=count, num_threads=THREADS)),
        lambda x: _shares(booster.predict(x, pred_contrib=True, num_threads=THREADS)),
    )


def fit_catboost(sample: Sample, parameters: Parameters, trees: int, seed: int) -> Booster:
    """Fit a CatBoost regressor by squared error."""
    model = catboost.CatBoostRegressor(
        **parameters,
        iterations=trees,
        thread_count=THREADS,
        random_seed=seed,
        verbose=False,
        allow_writing_files=False,
    )
    model.fit(sample.matrix, sample.target, sample_weight=sample.weight)
    return Booster(
        from_catboost(model),
        lambda x, count: _wide(model.predict(x, ntree_end=count, thread_count=THREADS)),
        lambda x: _shares(
            model.get_feature_importance(catboost.Pool(x), "ShapValues", thread_count=THREADS)
        ),
    )


def _wide(prediction: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(prediction, np.float64)


def _shares(contributions: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return Shapley values without what is expected, which all libraries put last."""
    return _wide(contributions[:, :-1])


LIBRARY_ERRORS = (
    xgboost.core.XGBoostError,
    lightgbm.basic.LightGBMError,
    catboost.CatBoostError,
)

FITTERS: dict[str, Callable[[Sample, Parameters, int, int], Booster]] = {
    "xgboost": fit_xgboost,
    "lightgbm": fit_lightgbm,
    "catboost": fit_catboost,
}
