"""What explains a prediction, held against Shapley's own definition."""

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from math import factorial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from predictor import bundle, graph
from predictor.contract import Column, Contract, Row, Target
from predictor.errors import BundleError
from predictor.explanation import Explainer, Explanation
from predictor.training import explained as explained_module
from predictor.training.dataset import Dataset
from predictor.training.ensemble.forest import Forest, Tree
from predictor.training.ensemble.intervals import Calibration
from predictor.training.explained import graph_of
from predictor.training.pipeline import problem_of
from predictor.training.tracks import ANCHORED, of_columns

COLUMNS = 4
# Thresholds that several trees share, and rows that lie on them.
VALUES = st.integers(-3, 3).map(float)
LAGGING, LEADING = (0, 3), (1, 4)


@st.composite
def trees(draw: st.DrawFn, depth: int = 4) -> Tree:
    """Draw a tree; a node's cover is the sum of those below it, and may be nothing."""
    tree = Tree()

    def grow(left_to_grow: int) -> tuple[int, float]:
        if not left_to_grow or draw(st.booleans()):
            tree.leaves.append(draw(st.floats(-10, 10)))
            tree.leaf_covers.append(float(draw(st.integers(0, 9))))
            return ~(len(tree.leaves) - 1), tree.leaf_covers[-1]
        number = len(tree.features)
        tree.features.append(draw(st.integers(0, COLUMNS - 1)))
        tree.thresholds.append(np.float32(draw(VALUES)))
        for part in (tree.left, tree.right, tree.covers):
            part.append(0)
        tree.left[number], left = grow(left_to_grow - 1)
        tree.right[number], right = grow(left_to_grow - 1)
        tree.covers[number] = left + right
        return number, left + right

    grow(depth)
    return tree


def expected(tree: Tree, row: list[float], known: frozenset[int], node: int | None = None) -> float:
    """Return what a tree expects of a row of which some features are known: the definition."""
    if node is None:
        node = 0 if tree.features else ~0
    if node < 0:
        return tree.leaves[~node]
    feature, children = tree.features[node], (tree.left[node], tree.right[node])
    if feature in known:
        child = children[int(row[feature] > tree.thresholds[node])]
        return expected(tree, row, known, child)
    covers = [tree.covers[c] if c >= 0 else tree.leaf_covers[~c] for c in children]
    shares = [c / sum(covers) for c in covers] if sum(covers) else [0.5, 0.5]
    values = [expected(tree, row, known, child) for child in children]
    return shares[0] * values[0] + shares[1] * values[1]


def shapley(forest: Forest, row: list[float], player: int) -> float:
    others = [feature for feature in range(COLUMNS) if feature != player]
    total = 0.0
    for size in range(COLUMNS):
        weight = factorial(size) * factorial(COLUMNS - size - 1) / factorial(COLUMNS)
        for coalition in map(frozenset, combinations(others, size)):
            for tree in forest.trees:
                gain = expected(tree, row, coalition | {player}) - expected(tree, row, coalition)
                total += weight * gain
    return total


def plain_contract() -> Contract:
    columns = tuple(Column(f"c{number}", "FP64", "", "") for number in range(COLUMNS))
    return Contract(columns, Target("y", "kWh", ""))


@pytest.fixture(scope="module")
def nothing_told(month: Dataset) -> Dataset:
    """Return rows of the plain contract, for there must be some."""
    return replace(month, columns=month.columns[:, :COLUMNS])


@settings(deadline=None, max_examples=40)
@given(
    forest=st.lists(trees(), max_size=3),
    rows=st.lists(st.tuples(*[VALUES] * COLUMNS), max_size=4),
)
def test_contributions_are_the_values_that_shapley_defines(
    nothing_told: Dataset, forest: list[Tree], rows: list[tuple[float, ...]]
) -> None:
    track = of_columns(plain_contract(), group=None)
    problem = problem_of(nothing_told, track)
    content = graph_of(problem, Forest(forest, 7.0), Calibration(np.ones(1), np.zeros((1, 3))))
    found = Explainer(track.contract, content).explain(np.array(rows).reshape(-1, COLUMNS))
    for number, row in enumerate(rows):
        wanted = [shapley(Forest(forest), list(row), player) for player in range(COLUMNS)]
        assert found.contributions[number] == pytest.approx(wanted, abs=1e-9)
    sums = Forest(forest, 7.0).predict(np.array(rows).reshape(-1, COLUMNS))
    assert found.predictions == pytest.approx(sums, abs=1e-9)
    assert not found.has_physics
    assert not found.physics.any()


@pytest.fixture(scope="module")
def served(bundle_folder: Path) -> bundle.Bundle:
    return bundle.read(bundle_folder)


@pytest.fixture(scope="module")
def explainer(served: bundle.Bundle) -> Explainer:
    assert served.explanation
    return Explainer(served.manifest.contract, served.explanation)


def explained(
    explainer: Explainer, columns: NDArray[np.float64], contract: Contract, **changed: float
) -> Explanation:
    """Explain rows of which some columns are changed."""
    columns = columns.copy()
    for name, value in changed.items():
        columns[:, contract.names.index(name)] = value
    return explainer.explain(columns)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"leading_reactive_power": 0.0, "leading_power_factor": 100.0},
        {"lagging_reactive_power": 0.0, "lagging_power_factor": 100.0},
        # Both pairs limit nothing: what is usual for the load type answers.
        {"lagging_power_factor": 100.0, "leading_power_factor": 100.0},
        # They contradict each other, or are no energy at all.
        {"lagging_reactive_power": 900.0},
        {"lagging_power_factor": 0.0, "leading_power_factor": 0.0},
    ],
)
def test_an_explanation_adds_up_to_the_prediction(
    served: bundle.Bundle, explainer: Explainer, dataset: Dataset, change: dict[str, float]
) -> None:
    contract = served.manifest.contract
    columns = dataset.columns[::97].copy()
    for name, value in change.items():
        columns[:, contract.names.index(name)] = value
    found = explainer.explain(columns)
    predictions = graph.predict(graph.load(served.model), contract, columns).values
    assert np.abs(found.predictions - predictions).max() < 1e-9
    assert np.abs(found.shares.sum(axis=1) - found.physics).max() < 1e-9


def test_a_pair_that_says_nothing_has_no_share(
    explainer: Explainer, dataset: Dataset, contract: Contract
) -> None:
    silent = {"leading_reactive_power": 0.0, "leading_power_factor": 100.0}
    told = dataset.columns[dataset.columns[:, 0] > 0][:50]
    shares = explained(explainer, told, contract, **silent).shares
    assert not shares[:, LEADING].any()
    assert shares[:, LAGGING[0]] == pytest.approx(shares[:, LAGGING[1]])
    assert shares[:, LAGGING[0]].all()


def test_two_pairs_that_say_the_same_share_alike(
    explainer: Explainer, contract: Contract, dataset: Dataset
) -> None:
    same = {f"{side}_{what}": value for side in ("lagging", "leading") for what, value in SAID}
    shares = explained(explainer, dataset.columns[:3], contract, **same).shares
    assert shares[0, 0]
    assert shares[:, LAGGING + LEADING] == pytest.approx(np.full((3, 4), shares[0, 0]))


SAID = (("reactive_power", 30.0), ("power_factor", 80.0))


def test_where_nothing_is_known_the_group_is_the_reason(
    explainer: Explainer, contract: Contract, dataset: Dataset
) -> None:
    nothing = {f"{side}_power_factor": 100.0 for side in ("lagging", "leading")}
    nothing |= {f"{side}_reactive_power": 0.0 for side in ("lagging", "leading")}
    found = explained(explainer, dataset.columns[:100], contract, **nothing)
    by_others = np.delete(found.contributions, contract.names.index("load_type"), axis=1)
    assert not by_others.any()
    assert found.contributions.any()
    assert np.abs(found.physics).max() < 1e-9


def test_rows_are_explained_alike_alone_and_together(
    explainer: Explainer, dataset: Dataset
) -> None:
    together = explainer.explain(dataset.columns[:300])
    alone = [explainer.explain(dataset.columns[number : number + 1]) for number in range(300)]
    by_column = np.array([each.contributions[0] for each in alone])
    assert together.contributions == pytest.approx(by_column, abs=1e-12)
    assert together.shares == pytest.approx(np.array([each.shares[0] for each in alone]), abs=1e-12)


def test_what_is_told_of_a_row_names_every_column(
    explainer: Explainer, contract: Contract, row: Row
) -> None:
    columns = np.array(contract.encode_rows([row]))
    found = explainer.explain(columns)
    [told] = found.rows(contract.names, found.predictions)
    assert list(told) == ["prediction", "base", "physics", "contributions", "bounds"]
    assert told["contributions"] == dict(
        zip(contract.names, found.contributions[0].tolist(), strict=True)
    )


def test_an_explanation_that_is_none_is_refused(contract: Contract, served: bundle.Bundle) -> None:
    with pytest.raises(BundleError, match="the explanation cannot be run"):
        Explainer(contract, served.model)


Break = Callable[[dict[str, NDArray[np.generic]]], object]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda m: m.update(silences=np.repeat(m["silences"], 9, axis=0)), "silences are over 6"),
        (lambda m: m.update(silences=m["silences"] * np.nan), "a player has no columns"),
        (lambda m: m.update(owners=m["owners"][:, 1:]), "owners is (13, 7), expected (13, 8)"),
        (lambda m: m.update(features=m["features"] + 13), "a condition is of no feature"),
        (lambda m: m.update(sizes=m["sizes"] + 1), "sizes are not those of the conditions"),
        (lambda m: m.update(group=np.int64(8)), "the group is of no column"),
    ],
)
def test_an_explanation_that_would_mislead_or_never_end_is_refused(
    contract: Contract, month: Dataset, damage: Break, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = explained_module._of_the_model

    def damaged(*given: Any) -> dict[str, NDArray[np.generic]]:  # noqa: ANN401 - handed on
        found = {name: np.asarray(value) for name, value in model(*given).items()}
        damage(found)
        return found

    monkeypatch.setattr(explained_module, "_of_the_model", damaged)
    tree = Tree([0], [np.float32(10)], [~0], [~1], [-0.5, 0.5], [], [2.0], [1.0, 1.0])
    problem = problem_of(month, ANCHORED)
    content = graph_of(problem, Forest([tree]), Calibration(np.ones(3), np.zeros((3, 3))))
    with pytest.raises(BundleError, match=re.escape(said)):
        Explainer(contract, content)


def test_features_belong_to_the_columns_that_they_are_computed_of(
    contract: Contract, month: Dataset
) -> None:
    """One tree on the feature `low`, of which four columns know: each has a quarter."""
    problem = problem_of(month, ANCHORED)
    low = len(contract.names) + 1
    tree = Tree([low], [np.float32(10)], [~0], [~1], [-0.5, 0.5], [], [2.0], [1.0, 1.0])
    calibration = Calibration(np.ones(3), np.zeros((3, 3)))
    content = graph_of(problem, Forest([tree]), calibration)
    found = Explainer(contract, content).explain(month.columns[problem.found.known])
    quarters = found.contributions[:, LAGGING + LEADING]
    half_widths = problem.found.half_width[problem.found.known]
    assert np.abs(quarters) == pytest.approx(np.repeat(half_widths[:, None] / 8, 4, axis=1))
    assert not np.delete(found.contributions, LAGGING + LEADING, axis=1).any()
