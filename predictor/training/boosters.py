"""The three boosters of the stack, each fitted by its own library and kept as its trees."""

from collections.abc import Callable
from dataclasses import dataclass

import catboost
import lightgbm
import numpy as np
import xgboost
from numpy.typing import NDArray

from predictor.training.forest import Forest, from_catboost, from_lightgbm, from_xgboost

LEARNING_RATE = 0.06
DEPTH = 4
# One thread: these fits are small, the result cannot depend on the machine's cores, and OpenMP's
# spinning threads slow each other down a hundredfold when the machine has other work.
THREADS = 1


@dataclass(frozen=True)
class Sample:
    """What a booster is fitted on: float32 (n, features), float64 targets and weights (n,)."""

    matrix: NDArray[np.float32]
    target: NDArray[np.float64]
    weight: NDArray[np.float64]

    def take(self, rows: NDArray[np.intp]) -> "Sample":
        """Return some of the rows."""
        return Sample(self.matrix[rows], self.target[rows], self.weight[rows])


@dataclass(frozen=True)
class Booster:
    """A fitted booster: its trees, and its library's own prediction, the judge of the export."""

    forest: Forest
    predict: Callable[[NDArray[np.float32]], NDArray[np.float64]]


def fit_xgboost(sample: Sample, trees: int, seed: int) -> Booster:
    """Fit an XGBoost regressor by squared error."""
    parameters = {
        "objective": "reg:squarederror",
        "max_depth": DEPTH,
        "learning_rate": LEARNING_RATE,
        "min_child_weight": 20,
        "tree_method": "hist",
        "nthread": THREADS,
        "seed": seed,
    }
    data = xgboost.DMatrix(sample.matrix, sample.target, weight=sample.weight, nthread=THREADS)
    booster = xgboost.train(parameters, data, trees)
    return Booster(from_xgboost(booster), lambda x: _wide(booster.inplace_predict(x)))


def fit_lightgbm(sample: Sample, trees: int, seed: int) -> Booster:
    """Fit a LightGBM regressor by squared error."""
    parameters = {
        "objective": "regression",
        "max_depth": DEPTH,
        "num_leaves": 2**DEPTH,
        "learning_rate": LEARNING_RATE,
        "min_data_in_leaf": 20,
        "num_threads": THREADS,
        "deterministic": True,
        "force_row_wise": True,
        "seed": seed,
        "verbose": -1,
    }
    data = lightgbm.Dataset(sample.matrix, sample.target, weight=sample.weight)
    booster = lightgbm.train(parameters, data, trees)
    return Booster(from_lightgbm(booster), lambda x: _wide(booster.predict(x, num_threads=THREADS)))


def fit_catboost(sample: Sample, trees: int, seed: int) -> Booster:
    """Fit a CatBoost regressor by squared error."""
    model = catboost.CatBoostRegressor(
        iterations=trees,
        depth=DEPTH,
        learning_rate=LEARNING_RATE,
        thread_count=THREADS,
        random_seed=seed,
        verbose=False,
        allow_writing_files=False,
    )
    model.fit(sample.matrix, sample.target, sample_weight=sample.weight)
    return Booster(from_catboost(model), lambda x: _wide(model.predict(x, thread_count=THREADS)))


def _wide(prediction: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(prediction, np.float64)


LIBRARY_ERRORS = (
    xgboost.core.XGBoostError,
    lightgbm.basic.LightGBMError,
    catboost.CatBoostError,
)

FITTERS: dict[str, Callable[[Sample, int, int], Booster]] = {
    "xgboost": fit_xgboost,
    "lightgbm": fit_lightgbm,
    "catboost": fit_catboost,
}
