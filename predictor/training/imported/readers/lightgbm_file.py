"""LightGBM's text files."""

from functools import partial
from pathlib import Path

import lightgbm
import numpy as np

from predictor.contract import Contract
from predictor.errors import ExperimentError
from predictor.experiment import Experiment
from predictor.training.ensemble.forest import Dump, Forest, Tree
from predictor.training.imported import schema
from predictor.training.imported.model import Answer, Model, Rows, of_numbers, of_probabilities
from predictor.training.imported.readers import lightgbm_text
from predictor.training.imported.readers.trees import ZERO, Link, Trees

# It adds up float64: no more may differ than the order in which leaves are added.
TOLERANCE = 1e-9

LINKS: dict[str, Link] = {
    "regression": "identity",
    "regression_l1": "identity",
    "huber": "identity",
    "fair": "identity",
    "quantile": "identity",
    "mape": "identity",
    "poisson": "exp",
    "gamma": "exp",
    "tweedie": "exp",
    "cross_entropy": "sigmoid",
}
CLASSES = {"binary", "multiclass"}


def read(experiment: Experiment, path: Path, contract: Contract) -> Model:
    """Return the model in a file; raises ExperimentError when it is none that can be exported."""
    booster = _load(path)
    dump = booster.dump_model()
    objective, *options = dump.get("objective", "").split()
    if objective not in CLASSES | LINKS.keys():
        known = ", ".join([*LINKS, *sorted(CLASSES)])
        message = f"{path} has the objective {objective or 'none'}, expected one of {known}"
        raise ExperimentError(message)
    order = schema.places(experiment, dump["feature_names"])
    classes = max(2, int(dump["num_class"])) if objective in CLASSES else 0
    schema.check_scores(experiment, classes)
    trees = _trees(dump, order, options)
    return Model(
        kind=f"lightgbm {'classifier' if classes else 'regressor'}",
        graph=trees.graph(contract),
        native=partial(_native, booster, order, contract),
        tolerance=TOLERANCE,
        versions={"lightgbm": lightgbm.__version__},
        exact=partial(trees.exact, contract),
        splits=trees.splits(len(contract.columns)),
    )


def _load(path: Path) -> lightgbm.Booster:
    text = lightgbm_text.checked(path)
    try:
        return lightgbm.Booster(model_str=text)
    except lightgbm.basic.LightGBMError as error:
        message = (
            f"{path} is no model of LightGBM in its text form ({error}): "
            "write it with booster.save_model('model.txt')"
        )
        raise ExperimentError(message) from error


def _trees(dump: Dump, order: list[int], options: list[str]) -> Trees:
    """Return the trees: tree i adds to sum i modulo the number of sums."""
    sums = int(dump["num_tree_per_iteration"])
    forests = [Forest([]) for _ in range(sums)]
    reader = _Reader(order)
    for number, info in enumerate(dump["tree_info"]):
        forests[number % sums].trees.append(reader.tree(info["tree_structure"]))
    factor = 1.0
    for option in options:
        name, _, value = option.partition(":")
        factor *= float(value) if name == "sigmoid" else 1.0
    if dump["average_output"]:
        factor /= max(1, len(dump["tree_info"]) // sums)
    name = dump["objective"].split()[0]
    link: Link = "signed square" if "sqrt" in options else LINKS.get(name, "identity")
    scaled = [forest.scaled(factor) for forest in forests]
    return Trees(scaled, link, zero_is_missing=reader.zero_is_missing)


class _Reader:
    """What turns LightGBM's nested nodes into trees, whose features are the contract's columns."""

    def __init__(self, order: list[int]) -> None:
        self._order = order
        self.zero_is_missing = False

    def tree(self, root: Dump) -> Tree:
        found = Tree()
        self._add(found, root)
        return found

    def _add(self, tree: Tree, node: Dump) -> int:
        """Append a node with all below it and return its number."""
        if "split_feature" not in node:
            tree.leaves.append(float(node["leaf_value"]))
            return ~(len(tree.leaves) - 1)
        number = len(tree.features)
        tree.features.append(self._feature(node))
        tree.thresholds.append(_beyond_zero(float(node["threshold"])))
        tree.missing_left.append(_takes_missing_left(node))
        for children in (tree.left, tree.right):
            children.append(0)
        tree.left[number] = self._add(tree, node["left_child"])
        tree.right[number] = self._add(tree, node["right_child"])
        return number

    def _feature(self, node: Dump) -> int:
        place = self._order[node["split_feature"]]
        if node["missing_type"] != "Zero":
            return place
        self.zero_is_missing = True
        return place + len(self._order)


def _takes_missing_left(node: Dump) -> bool:
    """Return the way of NaN, which a node that was fitted without any takes for 0."""
    if node["missing_type"] == "None":
        return bool(node["threshold"] >= 0)
    return bool(node["default_left"])


def _beyond_zero(threshold: float) -> float:
    """Move a threshold that is next to 0 to where it parts values as it does those made 0.

    LightGBM takes all values from -ZERO to ZERO for 0 before it compares.
    """
    if not -ZERO <= threshold < ZERO:
        return threshold
    return ZERO if threshold >= 0 else float(np.nextafter(-ZERO, -np.inf))


def _native(booster: lightgbm.Booster, order: list[int], contract: Contract, rows: Rows) -> Answer:
    found = np.asarray(booster.predict(rows[:, order], num_threads=1), np.float64)
    if not contract.target.classes:
        return of_numbers(contract, found)
    if found.ndim == 1:
        found = np.column_stack([1 - found, found])
    return of_probabilities(found)
