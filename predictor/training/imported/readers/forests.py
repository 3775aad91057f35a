"""scikit-learn's trees, in the one form that can be exported exactly."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from predictor.errors import ExperimentError
from predictor.training.ensemble.forest import Forest, Tree
from predictor.training.imported.readers.trees import Link, Trees

SINGLE = (DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor)
MEANS = (ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor)
BOOSTED = (GradientBoostingClassifier, GradientBoostingRegressor)
BINNED = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)

LINKS: dict[str, Link] = {"IdentityLink": "identity", "LogLink": "exp"}
# A fitted model of scikit-learn, which has no types. Some of what its answers are made of has no
# public name; the gate sees it when that changes.
Estimator = Any


def are_trees(model: Estimator) -> bool:
    """Whether a model is one that `trees_of` takes."""
    return isinstance(model, SINGLE + MEANS + BOOSTED + BINNED)


def trees_of(model: Estimator) -> Trees:
    """Return a fitted model's trees; raises ExperimentError when they cannot be exported."""
    if isinstance(model, SINGLE):
        return _means([model], model)
    if isinstance(model, MEANS):
        return _means(model.estimators_, model)
    if isinstance(model, BOOSTED):
        return _boosted(model)
    return _binned(model)


def _means(estimators: Iterable[Estimator], model: Estimator) -> Trees:
    """Return trees whose mean is the answer: of classes each has the share of its rows."""
    if model.n_outputs_ > 1:
        message = f"a {type(model).__name__} predicts several targets, expected one"
        raise ExperimentError(message)
    found = list(estimators)
    outputs = len(model.classes_) if hasattr(model, "classes_") else 1
    forests = [
        Forest([_tree(each.tree_, output, 1 / len(found)) for each in found])
        for output in range(outputs)
    ]
    return Trees(forests, "shares" if outputs > 1 else "identity", in_float32=True)


def _boosted(model: Estimator) -> Trees:
    if not type(model.init_).__name__.startswith("Dummy") and model.init_ != "zero":
        message = (
            "a GradientBoosting model begins with another model (init), which is not supported"
        )
        raise ExperimentError(message)
    biases = model._raw_predict_init(np.zeros((1, model.n_features_in_), np.float32))[0]
    forests = [
        Forest([_tree(each.tree_, 0, model.learning_rate) for each in stage], float(bias))
        for stage, bias in zip(model.estimators_.T, biases, strict=True)
    ]
    factor = 2.0 if getattr(model, "loss", "") == "exponential" else 1.0
    return Trees([forest.scaled(factor) for forest in forests], in_float32=True)


def _tree(found: Any, output: int, factor: float) -> Tree:  # noqa: ANN401 - Cython's, without types
    """Renumber a tree's nodes, which are inner nodes and leaves in one list.

    Of a tree that several classes share, `output` is the class.
    """
    is_leaf = found.children_left < 0
    numbers = _renumbered(is_leaf)
    inner = ~is_leaf
    values = found.value[:, 0, min(output, found.value.shape[2] - 1)]
    return Tree(
        features=found.feature[inner].tolist(),
        thresholds=found.threshold[inner].tolist(),
        left=numbers[found.children_left[inner]].tolist(),
        right=numbers[found.children_right[inner]].tolist(),
        leaves=(factor * values[is_leaf]).tolist(),
        missing_left=found.missing_go_to_left[inner].astype(bool).tolist(),
    )


def _renumbered(is_leaf: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return each node's number among inner nodes, or of a leaf, ~ its number among leaves."""
    return np.where(is_leaf, ~(np.cumsum(is_leaf) - 1), np.cumsum(~is_leaf) - 1)


def _binned(model: Estimator) -> Trees:
    if model.is_categorical_ is not None and np.any(model.is_categorical_):
        message = (
            "a HistGradientBoosting model splits by sets of categories, which is not supported: "
            "encode them before it (OneHotEncoder, OrdinalEncoder), without categorical_features"
        )
        raise ExperimentError(message)
    biases = np.ravel(model._baseline_prediction)
    forests = [
        Forest([_binned_tree(each[output].nodes) for each in model._predictors], float(bias))
        for output, bias in enumerate(biases)
    ]
    return Trees(forests, LINKS.get(type(model._loss.link).__name__, "identity"))


def _binned_tree(nodes: NDArray[np.void]) -> Tree:
    is_leaf = nodes["is_leaf"].astype(bool)
    numbers, inner = _renumbered(is_leaf), nodes[~is_leaf]
    return Tree(
        features=inner["feature_idx"].tolist(),
        thresholds=inner["num_threshold"].tolist(),
        left=numbers[inner["left"]].tolist(),
        right=numbers[inner["right"]].tolist(),
        leaves=nodes["value"][is_leaf].tolist(),
        missing_left=inner["missing_go_to_left"].astype(bool).tolist(),
    )
