"""Raw columns → features → trees → energy, as one ONNX graph."""

import numpy as np
import onnx
import spox.opset.ai.onnx.ml.v5 as ml
import spox.opset.ai.onnx.v21 as op
from spox import Var, build

from predictor.contract import Contract
from predictor.graph import INPUT
from predictor.training.features import columns_argument, features
from predictor.training.forest import Forest, Tree

# TreeEnsemble's codes, ai.onnx.ml version 5.
SUM, NO_TRANSFORM, LESS_OR_EQUAL = 1, 0, 0


def fuse(forest: Forest, contract: Contract) -> onnx.ModelProto:
    """Return the graph: input `columns`, float64 (n, columns); output the target, float64 (n,).

    The forest says where in its interval the target lies; the interval holds it whatever it says.
    """
    columns = columns_argument(contract)
    found = features(columns, contract)
    position = op.add(sum_of_leaves(found.matrix, forest), op.const(np.float64(forest.bias)))
    position = op.clip(position, op.const(np.float64(-1)), op.const(np.float64(1)))
    energy = op.add(found.middle, op.mul(found.half_width, position))
    flat = op.reshape(energy, op.const(np.array([-1], np.int64)))
    return build({INPUT: columns}, {contract.target.name: flat})


def sum_of_leaves(matrix: Var, forest: Forest) -> Var:
    """Return the sum of the leaves, float64 (n, 1): thresholds, leaves and sum are double."""
    nodes, roots = _joined([_with_a_root(tree) for tree in forest.trees])
    return ml.tree_ensemble(
        op.cast(matrix, to=np.float64),
        aggregate_function=SUM,
        post_transform=NO_TRANSFORM,
        n_targets=1,
        tree_roots=roots,
        nodes_featureids=nodes.features,
        nodes_splits=np.array(nodes.thresholds, np.float64),
        nodes_modes=np.full(len(nodes.features), LESS_OR_EQUAL, np.uint8),
        nodes_trueleafs=[int(child < 0) for child in nodes.left],
        nodes_truenodeids=[max(child, ~child) for child in nodes.left],
        nodes_falseleafs=[int(child < 0) for child in nodes.right],
        nodes_falsenodeids=[max(child, ~child) for child in nodes.right],
        leaf_targetids=[0] * len(nodes.leaves),
        leaf_weights=np.array(nodes.leaves),
    )


def _with_a_root(tree: Tree) -> Tree:
    """Give a tree of one leaf the inner node that the operator asks for."""
    return tree if tree.features else Tree([0], [np.float32(0)], [~0], [~0], tree.leaves)


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
    return nodes, roots
