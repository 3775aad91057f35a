"""Searching each booster's parameters with Optuna, by the folds that the stack uses."""

from collections.abc import Callable, Mapping

import numpy as np
import optuna

from predictor.training.ensemble.boosters import Recipe, Sample
from predictor.training.ensemble.stack import Step, cross_fit

# Where parameters are searched: whole numbers between whole numbers, else on a logarithmic scale.
Space = dict[str, tuple[float, float]]
SPACES: dict[str, Space] = {
    "xgboost": {
        "max_depth": (3, 8),
        "learning_rate": (0.02, 0.3),
        "min_child_weight": (1, 50),
        "reg_lambda": (0.1, 10.0),
    },
    "lightgbm": {
        "num_leaves": (8, 64),
        "learning_rate": (0.02, 0.3),
        "min_data_in_leaf": (5, 100),
        "lambda_l2": (0.01, 10.0),
    },
    "catboost": {"depth": (3, 8), "learning_rate": (0.02, 0.3), "l2_leaf_reg": (0.5, 10.0)},
}


def search(
    sample: Sample, recipes: Mapping[str, Recipe], trials: int, seed: int, step: Step
) -> dict[str, Recipe]:
    """Return the recipes with the parameters that predicted unseen rows best, of so many trials.

    The first trial is the recipe as it is, so that what is found is no worse on the folds.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    found = {}
    for name, recipe in recipes.items():

        def error(candidate: Recipe, name: str = name) -> float:
            [staged] = cross_fit(sample, {name: candidate}, seed, lambda _: None).values()
            step(name)
            return float(np.min(staged.errors.mean(axis=0)))

        found[name] = _best(SPACES[name], recipe, trials, seed, error)
    return found


def _best(
    space: Space, recipe: Recipe, trials: int, seed: int, error: Callable[[Recipe], float]
) -> Recipe:
    """Return the recipe with the least error of so many, itself the first of them."""
    least = error(recipe)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))

    def objective(trial: optuna.Trial) -> float:
        found = {key: _suggest(trial, key, *ends) for key, ends in space.items()}
        return error(Recipe({**recipe.parameters, **found}, recipe.sizes))

    study.optimize(objective, n_trials=trials - 1)
    if trials == 1 or study.best_value >= least:
        return recipe
    return Recipe({**recipe.parameters, **study.best_params}, recipe.sizes)


def _suggest(trial: optuna.Trial, key: str, low: float, high: float) -> float | int:
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(key, low, high)
    return trial.suggest_float(key, low, high, log=True)
