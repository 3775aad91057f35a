"""The exported trees against the libraries themselves, on every side of every threshold."""

import lightgbm
import numpy as np
import pytest
from numpy.typing import NDArray
from spox import Tensor, argument, build

from predictor import graph
from predictor.training.ensemble.boosters import FITTERS, Booster, Sample
from predictor.training.ensemble.forest import Forest, Tree, from_lightgbm
from predictor.training.fuse import sum_of_leaves
from predictor.training.tracks import SMALL

FEATURES = 4


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


def fitted(name: str, sample: Sample, trees: int) -> Booster:
    return FITTERS[name](sample, SMALL[name].parameters, trees, 0)


@pytest.mark.parametrize("name", FITTERS)
@pytest.mark.parametrize("trees", [1, 30])
def test_the_trees_predict_what_their_library_does(name: str, trees: int, sample: Sample) -> None:
    booster = fitted(name, sample, trees)
    rows = np.vstack([sample.matrix, on_and_beside_every_threshold(booster.forest, sample)])
    assert len(booster.forest.trees) == trees
    np.testing.assert_allclose(evaluate(booster.forest, rows), booster.predict(rows), atol=2e-6)


@pytest.mark.parametrize("name", FITTERS)
def test_the_graph_and_the_judge_agree_on_every_side_of_every_threshold(
    name: str, sample: Sample
) -> None:
    forest = fitted(name, sample, 10).forest
    rows = on_and_beside_every_threshold(forest, sample)
    np.testing.assert_allclose(evaluate(forest, rows), forest.predict(rows), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", FITTERS)
def test_the_first_trees_are_what_fewer_would_have_been(name: str, sample: Sample) -> None:
    many, few = fitted(name, sample, 20), fitted(name, sample, 5)
    rows = sample.matrix[:200]
    np.testing.assert_allclose(many.staged(rows, 5), few.predict(rows), atol=1e-12)


def test_a_threshold_off_by_one_float_would_be_seen(sample: Sample) -> None:
    booster = fitted("xgboost", sample, 1)
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
    np.testing.assert_allclose(forest.predict(sample.matrix), 2.5)


def test_a_scaled_forest_predicts_so_much_more(sample: Sample) -> None:
    forest = fitted("catboost", sample, 3).forest
    scaled = evaluate(forest.scaled(-0.3), sample.matrix)
    np.testing.assert_allclose(scaled, -0.3 * evaluate(forest, sample.matrix), atol=1e-12)
