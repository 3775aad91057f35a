import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from predictor.profile import Bins, psi

BINS = Bins(
    name="power",
    points=(0.0, 5.0),
    edges=(2.0, 8.0),
    labels=("0", "5", "≤ 2", "(2, 8]", "> 8"),
    rows=(10, 20, 30, 40, 0),
    threshold=0.1,
)
CATEGORIES = Bins("load", (0.0, 1.0), (), ("Light", "Heavy"), (3, 1), 0.1)


def reference_psi(rows: NDArray[np.int64], counts: NDArray[np.int64]) -> float:
    """The definition, in numpy, by another way: with the sum of both directions' divergences."""
    p = (counts + 0.5) / (counts + 0.5).sum()
    q = (rows + 0.5) / (rows + 0.5).sum()
    divergences = np.sum(p * np.log(p / q)) + np.sum(q * np.log(q / p))
    return float(divergences - (len(rows) - 1) * (1 / counts.sum() + 1 / rows.sum()))


def test_values_are_counted_in_their_bins() -> None:
    values = np.array([0.0, 5.0, 5.0, -1.0, 2.0, 2.1, 8.0, 8.1, 1e300])
    assert BINS.count(values).tolist() == [1, 2, 2, 2, 2]


def test_without_edges_only_points_are_counted() -> None:
    assert CATEGORIES.count(np.array([0.0, 1.0, 1.0, 2.0])).tolist() == [1, 2]


def test_no_value_is_counted_nowhere() -> None:
    assert BINS.count(np.array([])).tolist() == [0] * 5


def test_ratios_are_shares_of_which_none_is_zero() -> None:
    assert BINS.ratios == tuple((n + 0.5) / 102.5 for n in (10, 20, 30, 40, 0))


@given(st.data())
def test_psi_is_that_of_numpy(data: st.DataObject) -> None:
    bins = data.draw(st.integers(1, 20))
    count = st.lists(st.integers(0, 10**9), min_size=bins, max_size=bins).filter(any)
    rows, counts = data.draw(count), data.draw(count)
    labels = tuple(map(str, range(bins)))
    found = Bins("x", tuple(map(float, range(bins))), (), labels, tuple(rows), 0.0)
    assert psi(found, counts) == pytest.approx(
        reference_psi(np.array(rows), np.array(counts)), abs=1e-9
    )


def test_psi_of_nothing_is_not_a_number() -> None:
    assert math.isnan(psi(CATEGORIES, [0, 0]))


def test_psi_without_a_change_is_zero_on_average(generator: np.random.Generator) -> None:
    rows = np.array([5000, 3000, 1500, 500])
    bins = Bins("x", (0.0, 1.0, 2.0, 3.0), (), ("a", "b", "c", "d"), tuple(rows.tolist()), 0.0)
    # The reference is itself a sample: what came before the correction is on average 3 (1/n + 1/m).
    found = []
    for _ in range(2000):
        rows = generator.multinomial(10_000, [0.5, 0.3, 0.15, 0.05])
        bins = msgspec.structs.replace(bins, rows=tuple(rows.tolist()))
        found.append(psi(bins, generator.multinomial(500, [0.5, 0.3, 0.15, 0.05]).tolist()))
    assert abs(np.mean(found)) < 0.0006
    assert min(found) < 0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"labels": ("0", "5")}, "2 labels and 5 counts, expected 5 of each"),
        ({"rows": (1, 2)}, "5 labels and 2 counts, expected 5 of each"),
        ({"edges": (8.0, 2.0)}, "points and edges must ascend"),
        ({"points": (5.0, 5.0)}, "points and edges must ascend"),
        ({"labels": ("0", "5", "5", "(2, 8]", "> 8")}, "a label stands for two bins"),
        ({"rows": (-1, 2, 3, 4, 5)}, "counts must not be below 0"),
        ({"rows": (0, 0, 0, 0, 0)}, "not all be 0"),
    ],
)
def test_bins_that_contradict_themselves_are_refused(
    change: dict[str, object], sentence: str
) -> None:
    wrong = {**msgspec.to_builtins(BINS), **change}
    with pytest.raises(msgspec.ValidationError, match=sentence):
        msgspec.convert(wrong, Bins)
