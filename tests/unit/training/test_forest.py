"""The exported trees against the libraries themselves, on every side of every threshold."""

from collections.abc import Callable

import lightgbm
import numpy as np
import pytest
from numpy.typing import NDArray
from spox import Tensor, argument, build

from predictor import graph
from predictor.training.boosters import FITTERS, Booster, Sample
from predictor.training.forest import Forest, Tree, from_lightgbm
from predictor.training.fuse import sum_of_leaves

FEATURES = 4
Fitter = Callable[[Sample, int, int], Booster]


def evaluate(forest: Forest, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    rows = argument(Tensor(np.float32, ("n", matrix.shape[1])))
    model = build({"rows": rows}, {"sum": sum_of_leaves(rows, forest)})
    result = graph.run(model.SerializeToString(), {"rows": matrix}, ["sum"])[0][:, 0]
    return result + forest.bias


def on_and_beside_every_threshold(forest: Forest, sample: Sample) -> NDArray[np.float32]:
    """Return rows in which each feature meets each of its thresholds, and both its neighbours."""
    rows = []
    start = sample.matrix[:1].repeat(3, axis=0)
    for tree in forest.trees:
        for feature, threshold in zip(tree.features, tree.thresholds, strict=True):
            row = start.copy()
            below, above = np.float32(-np.inf), np.float32(np.inf)
            row[:, feature] = [
                threshold,
                np.nextafter(threshold, below),
                np.nextafter(threshold, above),
            ]
            rows.append(row)
    return np.concatenate(rows)


@pytest.fixture
def sample(generator: np.random.Generator) -> Sample:
    matrix = generator.normal(size=(4000, FEATURES))
    matrix[:, 1] = np.round(matrix[:, 1], 1)  # ties, as meters give them
    target = np.sin(3 * matrix[:, 0]) + matrix[:, 1] * matrix[:, 2]
    return Sample(matrix.astype(np.float32), target, generator.uniform(0.5, 2, 4000))


@pytest.mark.parametrize("fitter", FITTERS.values(), ids=FITTERS)
@pytest.mark.parametrize("trees", [1, 30])
def test_the_trees_predict_what_their_library_does(
    fitter: Fitter, trees: int, sample: Sample
) -> None:
    booster = fitter(sample, trees, 0)
    rows = np.vstack([sample.matrix, on_and_beside_every_threshold(booster.forest, sample)])
    assert len(booster.forest.trees) == trees
    np.testing.assert_allclose(evaluate(booster.forest, rows), booster.predict(rows), atol=2e-6)


def test_a_threshold_off_by_one_float_would_be_seen(sample: Sample) -> None:
    booster = FITTERS["xgboost"](sample, 1, 0)
    [tree] = booster.forest.trees
    moved = [np.nextafter(t, np.float32(np.inf)) for t in tree.thresholds]
    wrong = Forest([Tree(tree.features, moved, tree.left, tree.right, tree.leaves)])
    rows = on_and_beside_every_threshold(booster.forest, sample)
    assert np.abs(evaluate(wrong, rows) - booster.predict(rows)).max() > 1e-3


def test_a_tree_without_a_split_is_its_leaf(sample: Sample) -> None:
    constant = lightgbm.Dataset(sample.matrix, np.full(len(sample.target), 2.5))
    forest = from_lightgbm(lightgbm.train({"verbose": -1, "num_threads": 1}, constant, 2))
    assert all(not tree.features for tree in forest.trees)
    np.testing.assert_allclose(evaluate(forest, sample.matrix), 2.5)


def test_a_scaled_forest_predicts_so_much_more(sample: Sample) -> None:
    forest = FITTERS["catboost"](sample, 3, 0).forest
    scaled = evaluate(forest.scaled(-0.3), sample.matrix)
    np.testing.assert_allclose(scaled, -0.3 * evaluate(forest, sample.matrix), atol=1e-12)
