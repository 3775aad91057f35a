"""The three libraries' own dumps of their trees, in one form that can be exported exactly.

Each library compares float32 features by a rule of its own. Here all of them are `x <= threshold`
in float32: XGBoost's `x < t` is `x <=` the float32 before t, LightGBM's double threshold is rounded
down to float32, and CatBoost's `x > border` is the right-hand side as it stands.
"""

import json
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import catboost
import lightgbm
import numpy as np
import xgboost
from numpy.typing import NDArray

# A library's dump: JSON that it wrote itself a moment ago.
Dump = dict[str, Any]


@dataclass(frozen=True)
class Tree:
    """Inner nodes as parallel lists, the root first; a row goes left when `x <= threshold`.

    A child c >= 0 is the inner node c; a child c < 0 is the leaf ~c, of value `leaves[~c]`. A tree
    of one leaf has no inner node. `missing_left` tells the way of NaN, where a tree was fitted to
    take it; it is empty where NaN is no value.

    `covers` and `leaf_covers` are how much of what a tree was fitted on came to each node and leaf,
    as its library counts it (a sum of hessians, of rows or of weights): what the library explains
    its predictions by. They are empty where nobody asks for explanations.
    """

    features: list[int] = field(default_factory=list)
    thresholds: list[np.float32 | float] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    leaves: list[float] = field(default_factory=list)
    missing_left: list[bool] = field(default_factory=list)
    covers: list[float] = field(default_factory=list)
    leaf_covers: list[float] = field(default_factory=list)

    def predict(self, matrix: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the leaf, (n,), in which each row ends."""
        leaves = np.array(self.leaves, np.float64)
        if not self.features:
            return np.full(len(matrix), leaves[0])
        features, thresholds = np.array(self.features), np.array(self.thresholds, np.float64)
        missing_left = np.array(self.missing_left or [False] * len(features))
        children = np.array([self.right, self.left])
        place = np.zeros(len(matrix), np.intp)
        moving = np.arange(len(matrix))
        while moving.size:
            node = place[moving]
            values = matrix[moving, features[node]]
            goes_left = (values <= thresholds[node]) | (np.isnan(values) & missing_left[node])
            place[moving] = children[goes_left.astype(np.intp), node]
            moving = moving[place[moving] >= 0]
        return leaves[~place]


@dataclass(frozen=True)
class Forest:
    """Trees whose leaves add up, in float64, to the prediction less `bias`."""

    trees: list[Tree]
    bias: float = 0.0

    def predict(self, matrix: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the sum of the leaves, (n,), without any library: the judge of the graph."""
        total = np.full(len(matrix), self.bias, np.float64)
        for tree in self.trees:
            total += tree.predict(matrix)
        return total

    def scaled(self, factor: float) -> "Forest":
        """Return the forest that predicts `factor` times as much."""
        trees = [replace(t, leaves=[factor * leaf for leaf in t.leaves]) for t in self.trees]
        return Forest(trees, factor * self.bias)


def from_xgboost(booster: xgboost.Booster) -> Forest:
    """Return the trees of a booster with one output and numeric features."""
    learner = json.loads(booster.save_raw("json"))["learner"]
    bias = float(learner["learner_model_param"]["base_score"].strip("[]"))
    return Forest([xgboost_tree(t) for t in learner["gradient_booster"]["model"]["trees"]], bias)


def xgboost_tree(dump: Dump) -> Tree:
    """Renumber XGBoost's nodes, which hold inner nodes and leaves in one list."""
    tree, renumbered = Tree(), {}
    hessians = dump["sum_hessian"]
    for node, condition in enumerate(dump["split_conditions"]):
        if dump["left_children"][node] < 0:
            renumbered[node] = ~len(tree.leaves)
            tree.leaves.append(float(np.float32(condition)))
            tree.leaf_covers.append(hessians[node])
        else:
            renumbered[node] = len(tree.features)
            tree.covers.append(hessians[node])
            tree.features.append(dump["split_indices"][node])
            tree.thresholds.append(_before(np.float32(condition)))
            tree.missing_left.append(bool(dump["default_left"][node]))
    inner = [node for node, number in renumbered.items() if number >= 0]
    tree.left.extend(renumbered[dump["left_children"][node]] for node in inner)
    tree.right.extend(renumbered[dump["right_children"][node]] for node in inner)
    return tree


def from_lightgbm(booster: lightgbm.Booster) -> Forest:
    """Return the trees of a booster with one output and numeric features."""
    forest = []
    for info in booster.dump_model()["tree_info"]:
        tree = Tree()
        _add_lightgbm_node(tree, info["tree_structure"])
        forest.append(tree)
    return Forest(forest)


def _add_lightgbm_node(tree: Tree, node: Dump) -> int:
    """Append a node with all below it and return its number."""
    if "split_feature" not in node:
        tree.leaves.append(float(node["leaf_value"]))
        tree.leaf_covers.append(node.get("leaf_count", 0))  # a tree of one leaf has none
        return ~(len(tree.leaves) - 1)
    number = len(tree.features)
    tree.features.append(node["split_feature"])
    tree.thresholds.append(_round_down(node["threshold"]))
    tree.covers.append(node["internal_count"])
    for children in (tree.left, tree.right):
        children.append(0)
    tree.left[number] = _add_lightgbm_node(tree, node["left_child"])
    tree.right[number] = _add_lightgbm_node(tree, node["right_child"])
    return number


def from_catboost(model: catboost.CatBoostRegressor) -> Forest:
    """Return the oblivious trees of a model with one output and numeric features."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.json")
        model.save_model(path, format="json")
        dump = json.loads(path.read_text())
    scale, biases = dump["scale_and_bias"]
    trees = [_covered(catboost_tree(tree, scale), tree) for tree in dump["oblivious_trees"]]
    return Forest(trees, float(biases[0]))  # JSON's 0 is a whole number


def catboost_tree(dump: Dump, scale: float) -> Tree:
    """Unfold an oblivious tree: bit i of a leaf's number tells the outcome of split i.

    The last split decides the highest bit, so it stands at the root; level l of the unfolded tree
    holds 2^l nodes with one and the same split, from number 2^l − 1 on.
    """
    splits = dump["splits"][::-1]
    tree = Tree(leaves=[float(scale * value) for value in dump["leaf_values"]])
    for level, split in enumerate(splits):
        width = 2**level
        tree.features.extend([split["float_feature_index"]] * width)
        tree.thresholds.extend([np.float32(split["border"])] * width)
        below = range(2 * width - 1, 4 * width - 1)
        children = [~leaf for leaf in range(2 * width)] if level == len(splits) - 1 else below
        tree.left.extend(children[0::2])
        tree.right.extend(children[1::2])
    return tree


def _covered(tree: Tree, dump: Dump) -> Tree:
    """Give an unfolded tree its covers: a node's are those of the leaves below it."""
    leaves = np.array(dump["leaf_weights"])
    levels = [leaves.reshape(2**level, -1).sum(axis=1) for level in range(len(dump["splits"]))]
    covers = np.concatenate([[], *levels]).tolist()
    return replace(tree, covers=covers, leaf_covers=leaves.tolist())


def _before(value: np.float32) -> np.float32:
    return np.float32(np.nextafter(value, np.float32(-np.inf)))


def _round_down(value: float) -> np.float32:
    nearest = np.float32(value)
    return nearest if float(nearest) <= value else _before(nearest)
