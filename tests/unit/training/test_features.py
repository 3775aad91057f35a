"""The physics, against the same formulas in NumPy and against the data."""

import numpy as np
import pytest
from numpy.typing import NDArray
from spox import build

from predictor import graph
from predictor.contract import INPUT, Contract
from predictor.training.dataset import Dataset
from predictor.training.features import (
    Features,
    anchored,
    checked,
    columns_argument,
    compute,
    plain,
)

Rows = NDArray[np.float64]


@pytest.fixture(scope="module")
def found(dataset: Dataset, contract: Contract) -> Features:
    return compute(anchored, dataset.columns, contract)


def test_the_interval_holds_every_reading_of_the_year(dataset: Dataset, found: Features) -> None:
    outside = np.abs(dataset.target - found.middle) - found.half_width
    assert np.max(outside) < 1e-9


def test_the_interval_is_that_of_both_power_factors(dataset: Dataset, found: Features) -> None:
    reactive, factor = dataset.columns[:, :2], dataset.columns[:, 3:5]
    low = np.maximum(factor - 0.005, 0) / 100
    high = np.minimum(factor + 0.005, 100) / 100
    with np.errstate(divide="ignore", invalid="ignore"):
        least = (reactive * low / np.sqrt((1 - low) * (1 + low))).max(axis=1)
        most = np.where(high < 1, reactive * high / np.sqrt((1 - high) * (1 + high)), np.inf)
    most = most.min(axis=1)
    assert np.isfinite(most).all()
    np.testing.assert_allclose(found.middle, (least + most) / 2, rtol=1e-12)
    np.testing.assert_allclose(found.half_width, (most - least) / 2, rtol=1e-6, atol=1e-12)


def test_the_weekend_starts_on_saturday(dataset: Dataset, found: Features) -> None:
    day, weekend = dataset.columns[:, 6], found.matrix[:, 8]
    np.testing.assert_array_equal(weekend, day >= 5)


def reading(lagging: float, leading: float, lagging_factor: float, leading_factor: float) -> Rows:
    return np.array([[lagging, leading, 0, lagging_factor, leading_factor, 0, 0, 0]], np.float64)


def limit(reactive: float, percent: float) -> float:
    return float(reactive * percent / np.sqrt(100**2 - percent**2))


def test_two_perfect_power_factors_are_known_to_say_nothing(contract: Contract) -> None:
    found = compute(anchored, reading(3, 4, 100, 100), contract)
    assert not found.known[0]
    assert found.half_width[0] == 0
    assert found.low[0] == pytest.approx(limit(4, 99.995))


def test_without_reactive_energy_only_the_other_factor_counts(contract: Contract) -> None:
    found = compute(anchored, reading(3, 0, 80, 100), contract)
    assert found.known[0]
    assert found.low[0] == pytest.approx(limit(3, 79.995))
    assert found.high[0] == pytest.approx(limit(3, 80.005))


def test_intervals_that_do_not_meet_are_both_taken_in(contract: Contract) -> None:
    found = compute(anchored, reading(3, 10, 80, 90), contract)
    assert found.low[0] == pytest.approx(limit(3, 79.995))
    assert found.high[0] == pytest.approx(limit(10, 90.005))
    assert found.middle[0] == pytest.approx((found.low[0] + found.high[0]) / 2)


def test_an_unlimited_interval_above_the_other_is_taken_in_to_its_lower_end(
    contract: Contract,
) -> None:
    found = compute(anchored, reading(3, 10, 80, 100), contract)
    assert found.known[0]
    assert found.low[0] == pytest.approx(limit(3, 79.995))
    assert found.high[0] == pytest.approx(limit(10, 99.995))


def doubts(columns: Rows, contract: Contract) -> Rows:
    argument = columns_argument(contract)
    warnings = anchored(argument, contract).warnings
    assert warnings is not None
    model = build({INPUT: argument}, {"warnings": warnings}).SerializeToString()
    return graph.run(model, {INPUT: columns}, ["warnings"])[0]


def test_no_row_of_the_year_is_in_doubt(dataset: Dataset, contract: Contract) -> None:
    assert not doubts(dataset.columns, contract).any()


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (reading(3, 0, 80, 100), [False, False, False]),
        (reading(3, 10, 80, 90), [True, False, False]),
        (reading(3, 2.25 + 0.005, 80, 87.16), [False, False, False]),
        (reading(3, 0, 0.8, 100), [False, True, False]),
        (reading(3, 0, 1, 100), [False, True, False]),
        (reading(0, 0, 0, 100), [False, False, False]),
        (reading(3, 0, 100, 100), [False, False, True]),
    ],
)
def test_a_row_is_warned_of_by_what_is_wrong_with_it(
    row: Rows, expected: list[bool], contract: Contract
) -> None:
    assert doubts(row, contract).tolist() == [expected]


def test_plain_features_are_the_columns_and_leave_the_target_free(
    dataset: Dataset, contract: Contract
) -> None:
    columns = dataset.columns[:50]
    for builder in (plain, checked):
        found = compute(builder, columns, contract)
        np.testing.assert_array_equal(found.matrix, columns.astype(np.float32))
        assert (found.middle == 0).all()
        assert (found.half_width == 1).all()
        assert (found.low == 0).all()
        assert (found.high > 1e300).all()
        assert found.known.all()


def test_no_row_that_the_contract_allows_gives_a_feature_that_is_no_number(
    contract: Contract, generator: np.random.Generator
) -> None:
    bounds = [
        (column.minimum, column.maximum) if column.datatype != "BYTES" else (0, 2)
        for column in contract.columns
    ]
    low, high = np.array(bounds).T
    corners = np.where(generator.random((2000, len(bounds))) < 0.5, low, high)
    inside = generator.uniform(low, high, (2000, len(bounds)))
    found = compute(anchored, np.vstack([corners, inside]), contract)
    assert np.isfinite(found.matrix).all()
    assert np.isfinite(found.middle).all()
    assert np.isfinite(found.half_width).all()
