"""A forest as the paths to its leaves: what a prediction is explained by."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.training.ensemble.forest import Forest, Tree


@dataclass(frozen=True)
class Paths:
    """The leaves that a row may end in, and what each asks of it.

    `values` and `sizes` are (leaves,): a leaf, and of how many features it asks something. What it
    asks is a run of that length in the other four, all (conditions,): a row passes where `above` <
    its value of `features` <= `up_to`, and of all rows that came so far `ratios` did.
    """

    values: NDArray[np.float64]
    sizes: NDArray[np.int64]
    features: NDArray[np.int64]
    ratios: NDArray[np.float64]
    above: NDArray[np.float32]
    up_to: NDArray[np.float32]


@dataclass(frozen=True)
class _Condition:
    """What a path asks of one feature: all its splits on it together."""

    ratio: float = 1.0
    above: float = -np.inf
    up_to: float = np.inf


_Path = dict[int, _Condition]


def paths_of(forest: Forest) -> Paths:
    """Return the paths to the leaves that count for anything, tree by tree."""
    found = [leaf for tree in forest.trees for leaf in _leaves(tree)]
    conditions = [(f, c.ratio, c.above, c.up_to) for _, path in found for f, c in path.items()]
    features, ratios, above, up_to = np.array(conditions, np.float64).reshape(-1, 4).T
    return Paths(
        np.array([value for value, _ in found], np.float64),
        np.array([len(path) for _, path in found], np.int64),
        features.astype(np.int64),
        ratios,
        above.astype(np.float32),
        up_to.astype(np.float32),
    )


def _leaves(tree: Tree) -> Iterator[tuple[float, _Path]]:
    """Yield each leaf that counts for anything, and what its path asks."""
    waiting: list[tuple[int, _Path]] = [(0 if tree.features else ~0, {})]
    while waiting:
        node, path = waiting.pop()
        if node < 0:
            yield tree.leaves[~node], path
            continue
        feature, threshold = tree.features[node], float(tree.thresholds[node])
        asked = path.get(feature, _Condition())
        for child, above, up_to in (
            (tree.right[node], max(asked.above, threshold), asked.up_to),
            (tree.left[node], asked.above, min(asked.up_to, threshold)),
        ):
            ratio = asked.ratio * _ratio(tree, node, child)
            # Two splits on one feature may exclude each other, and then no row went that way.
            if above < up_to or ratio:
                waiting.append((child, {**path, feature: _Condition(ratio, above, up_to)}))


def _ratio(tree: Tree, node: int, child: int) -> float:
    """Return what share of the rows that came to a node went on to its child."""
    came = tree.covers[node]
    went = tree.covers[child] if child >= 0 else tree.leaf_covers[~child]
    return went / came if came else 0.5
