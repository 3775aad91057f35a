"""XGBoost's JSON and UBJ files."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from predictor.contract import Contract
from predictor.errors import ExperimentError
from predictor.experiment import Experiment
from predictor.training.ensemble.forest import Dump, Forest, Tree, xgboost_tree
from predictor.training.imported import schema
from predictor.training.imported.model import Answer, Model, Rows, of_numbers, of_probabilities
from predictor.training.imported.readers.trees import Link, Trees

# It adds up float32: half a rounding for each tree, and no less than this, of the largest answer.
TOLERANCE = 1e-5
HALF_ROUNDING = 2.0**-25

LINKS: dict[str, Link] = {
    "reg:squarederror": "identity",
    "reg:squaredlogerror": "identity",
    "reg:absoluteerror": "identity",
    "reg:pseudohubererror": "identity",
    "reg:quantileerror": "identity",
    "reg:logistic": "sigmoid",
    "count:poisson": "exp",
    "reg:gamma": "exp",
    "reg:tweedie": "exp",
}
CLASSES = {"binary:logistic", "multi:softprob", "multi:softmax"}


def read(experiment: Experiment, path: Path, contract: Contract) -> Model:
    """Return the model in a file; raises ExperimentError when it is none that can be exported."""
    booster = _load(path)
    learner = json.loads(booster.save_raw("json"))["learner"]
    objective = learner["objective"]["name"]
    _refuse_others(path, learner, objective)
    order = schema.places(experiment, _names(learner))
    shape = learner["learner_model_param"]
    classes = max(2, int(shape["num_class"])) if objective in CLASSES else 0
    schema.check_scores(experiment, classes)
    rounds = _rounds(booster)
    trees = Trees(
        _forests(learner, objective, rounds, order),
        LINKS.get(objective, "identity"),
        in_float32=True,
    )
    return Model(
        kind=f"xgboost {'classifier' if classes else 'regressor'}",
        graph=trees.graph(contract),
        native=partial(_native, booster, objective, rounds, order, contract),
        tolerance=max(TOLERANCE, HALF_ROUNDING * max(len(f.trees) for f in trees.forests)),
        versions={"xgboost": xgboost.__version__},
        exact=partial(trees.exact, contract),
        splits=trees.splits(len(contract.columns)),
    )


def _load(path: Path) -> xgboost.Booster:
    booster = xgboost.Booster()
    try:
        booster.load_model(path)
    except xgboost.core.XGBoostError as error:
        first = str(error).strip().splitlines()[0]
        message = (
            f"{path} is no model of XGBoost in JSON or UBJ ({first}): "
            "write it with save_model('model.json')"
        )
        raise ExperimentError(message) from error
    return booster


def _refuse_others(path: Path, learner: Dump, objective: str) -> None:
    kind = learner["gradient_booster"]["name"]
    if kind not in {"gbtree", "dart"}:
        message = f"{path} is a {kind}, expected trees: gbtree or dart"
        raise ExperimentError(message)
    if objective not in CLASSES | LINKS.keys():
        known = ", ".join([*LINKS, *sorted(CLASSES)])
        message = f"{path} has the objective {objective}, expected one of {known}"
        raise ExperimentError(message)
    if int(learner["learner_model_param"].get("num_target", 1)) > 1:
        message = f"{path} predicts several numbers, expected one: fit a model for each"
        raise ExperimentError(message)
    trees = _trees(learner)
    if any(int(tree["tree_param"]["size_leaf_vector"]) > 1 for tree in trees):
        message = (
            f"{path} has trees with several answers in a leaf, which are not supported: fit it "
            "with multi_strategy='one_output_per_tree'"
        )
        raise ExperimentError(message)
    if any(any(tree["split_type"]) for tree in trees):
        message = (
            f"{path} splits by sets of categories, which is not supported: fit it on their codes, "
            "without enable_categorical"
        )
        raise ExperimentError(message)


def _ensemble(learner: Dump) -> Dump:
    """Return the trees with what belongs to them; those of dart lie one level deeper."""
    found: Dump = learner["gradient_booster"]
    return found["gbtree"]["model"] if "gbtree" in found else found["model"]  # type: ignore[no-any-return]


def _trees(learner: Dump) -> list[Dump]:
    return list(_ensemble(learner)["trees"])


def _names(learner: Dump) -> list[str]:
    count = int(learner["learner_model_param"]["num_feature"])
    return learner["feature_names"] or [f"f{number}" for number in range(count)]


def _rounds(booster: xgboost.Booster) -> int:
    """Return how many rounds predict: up to the best, where fitting was stopped early."""
    best = booster.attr("best_iteration")
    return booster.num_boosted_rounds() if best is None else int(best) + 1


def _forests(learner: Dump, objective: str, rounds: int, order: list[int]) -> list[Forest]:
    model = _ensemble(learner)
    bases = np.fromstring(learner["learner_model_param"]["base_score"].strip("[]"), sep=",")
    outputs = max(1, int(learner["learner_model_param"]["num_class"]))
    bases = np.broadcast_to(bases, outputs)
    forests = [Forest([], bias) for bias in _margins(bases, objective).tolist()]
    kept = _kept(model, rounds)
    weights = learner["gradient_booster"].get("weight_drop", [1.0] * len(model["trees"]))
    for number in range(kept):
        tree = _placed(xgboost_tree(model["trees"][number]), order, weights[number])
        forests[model["tree_info"][number]].trees.append(tree)
    return forests


def _kept(model: Dump, rounds: int) -> int:
    """Return how many trees are of the first rounds."""
    if "iteration_indptr" in model:
        return int(model["iteration_indptr"][rounds])
    return len(model["trees"])


def _placed(tree: Tree, order: list[int], weight: float) -> Tree:
    features = [order[feature] for feature in tree.features]
    leaves = [leaf * weight for leaf in tree.leaves]
    return Tree(features, tree.thresholds, tree.left, tree.right, leaves, tree.missing_left)


def _margins(bases: NDArray[np.float64], objective: str) -> NDArray[np.float64]:
    """Return what the sums begin with: `base_score` is on the scale of the predictions."""
    if objective in {"binary:logistic", "reg:logistic"}:
        return np.asarray(np.log(bases / (1 - bases)))
    if LINKS.get(objective) == "exp":
        return np.asarray(np.log(bases))
    return bases


def _native(  # noqa: PLR0913, PLR0917 - all but the rows is bound once
    booster: Any,  # noqa: ANN401 - xgboost has no types that mypy sees
    objective: str,
    rounds: int,
    order: list[int],
    contract: Contract,
    rows: Rows,
) -> Answer:
    names = booster.feature_names
    matrix = xgboost.DMatrix(rows[:, order], feature_names=names)
    if objective == "multi:softmax":  # which gives labels alone
        booster.set_param({"objective": "multi:softprob"})
    found = np.asarray(booster.predict(matrix, iteration_range=(0, rounds)), np.float64)
    if not contract.target.classes:
        return of_numbers(contract, found)
    if found.ndim == 1:
        found = np.column_stack([1 - found, found])
    return of_probabilities(found)
