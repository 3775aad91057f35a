"""Raw columns → features → trees → energy and its interval, as one ONNX graph."""

import numpy as np
import onnx
import spox.opset.ai.onnx.ml.v5 as ml
import spox.opset.ai.onnx.v21 as op
from numpy.typing import NDArray
from spox import Var, build

from predictor.contract import INPUT, LOWER, UPPER, WARNINGS
from predictor.training.ensemble.forest import Forest, Tree
from predictor.training.ensemble.intervals import Calibration
from predictor.training.features import FeatureVars, columns_argument
from predictor.training.tracks import Track

# TreeEnsemble's codes, ai.onnx.ml version 5.
SUM, NO_TRANSFORM, LESS_OR_EQUAL = 1, 0, 0


def fuse(forest: Forest, calibration: Calibration, track: Track) -> onnx.ModelProto:
    """Return the graph: input `columns`, float64 (n, columns).

    Its outputs are the target and the ends of its interval, float64 (n,), and if the track has
    warnings a boolean for each of them, (n, warnings). No answer leaves its bounds, whatever the
    forest says.
    """
    columns = columns_argument(track.contract)
    found = track.features(columns, track.contract)
    position = op.add(sum_of_leaves(found.matrix, forest), op.const(np.float64(forest.bias)))
    code = group_code(columns, track)
    reach = np.outer(calibration.reach, [0, -1, 1])
    usual = of_group(calibration.usual[:, [1, 0, 2]], code)
    answers = op.where(
        found.known,
        _answers(found, position, of_group(reach, code)),
        op.add(usual, rise_of_the_usual(found, usual)),
    )
    outputs = {
        name: op.gather(answers, op.const(np.int64(number)), axis=1)
        for number, name in enumerate((track.contract.target.name, LOWER, UPPER))
    }
    if found.warnings is not None:
        outputs[WARNINGS] = found.warnings
    return build({INPUT: columns}, outputs)


def _answers(found: FeatureVars, position: Var, reach: Var) -> Var:
    """Return the target and the ends of its interval, (n, 3), where the features know the row."""
    placed = op.add(found.middle, op.mul(found.half_width, position))
    value = op.min([op.max([placed, found.low]), found.high])
    ends = op.add(value, op.mul(found.half_width, reach))
    return op.min([op.max([ends, found.low]), found.high])


def rise_of_the_usual(found: FeatureVars, usual: Var) -> Var:
    """Return how far what a row's group usually has must move up to begin at its lower bound.

    `usual` is (n, 3), its lower end in the middle; what is returned is (n, 1).
    """
    lower = op.gather(usual, op.const(np.array([1], np.int64)), axis=1)
    return op.max([op.sub(found.low, lower), op.const(np.float64(0))])


def group_code(columns: Var, track: Track) -> Var:
    """Return the code of each row's group: int64, (n,), or one of zero for all."""
    if track.group is None:
        return op.const(np.zeros(1, np.int64))
    index = track.contract.names.index(track.group)
    return op.cast(op.gather(columns, op.const(np.int64(index)), axis=1), to=np.int64)


def of_group(values: NDArray[np.float64], code: Var) -> Var:
    """Return for each row the line of `values`, (groups, k), that is its group's: (n, k)."""
    return op.gather(op.const(values), code)


def sum_of_leaves(matrix: Var, forest: Forest) -> Var:
    """Return the sum of the leaves, float64 (n, 1): thresholds, leaves and sum are double."""
    return sums_of_leaves(matrix, [forest], takes_missing=False)


def sums_of_leaves(matrix: Var, forests: list[Forest], *, takes_missing: bool) -> Var:
    """Return the sum of each forest's leaves, float64 (n, forests), as `sum_of_leaves` does.

    NaN takes each node's own way if the graph `takes_missing`.
    """
    trees = [_with_a_root(tree) for forest in forests for tree in forest.trees]
    targets = [t for t, forest in enumerate(forests) for tree in forest.trees for _ in tree.leaves]
    nodes, roots = _joined(trees)
    return ml.tree_ensemble(
        op.cast(matrix, to=np.float64),
        aggregate_function=SUM,
        post_transform=NO_TRANSFORM,
        n_targets=len(forests),
        tree_roots=roots,
        nodes_featureids=nodes.features,
        nodes_splits=np.array(nodes.thresholds, np.float64),
        nodes_modes=np.full(len(nodes.features), LESS_OR_EQUAL, np.uint8),
        nodes_trueleafs=[int(child < 0) for child in nodes.left],
        nodes_truenodeids=[max(child, ~child) for child in nodes.left],
        nodes_falseleafs=[int(child < 0) for child in nodes.right],
        nodes_falsenodeids=[max(child, ~child) for child in nodes.right],
        leaf_targetids=targets,
        leaf_weights=np.array(nodes.leaves, np.float64),
        nodes_missing_value_tracks_true=list(map(int, nodes.missing_left))
        if takes_missing
        else None,
    )


def _with_a_root(tree: Tree) -> Tree:
    """Give a tree of one leaf the inner node that the operator asks for."""
    return tree if tree.features else Tree([0], [0.0], [~0], [~0], tree.leaves, [False])


def _joined(trees: list[Tree]) -> tuple[Tree, list[int]]:
    """Return the trees' nodes and leaves in one numbering, and the numbers of the roots."""
    nodes, roots = Tree(), []
    for tree in trees:
        root, first_leaf = len(nodes.features), len(nodes.leaves)
        roots.append(root)
        for children, joined in ((tree.left, nodes.left), (tree.right, nodes.right)):
            joined.extend(c + root if c >= 0 else c - first_leaf for c in children)
        nodes.features.extend(tree.features)
        nodes.thresholds.extend(tree.thresholds)
        nodes.leaves.extend(tree.leaves)
        nodes.missing_left.extend(tree.missing_left)
    return nodes, roots
