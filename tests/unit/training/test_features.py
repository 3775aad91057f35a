"""The physics, against the same formulas in NumPy and against the data."""

import numpy as np
import pytest

from predictor.contract import Contract
from predictor.training.dataset import Dataset
from predictor.training.features import Features, compute


@pytest.fixture(scope="module")
def found(dataset: Dataset, contract: Contract) -> Features:
    return compute(dataset.columns, contract)


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


def test_two_perfect_power_factors_leave_the_lower_end(contract: Contract) -> None:
    row = np.array([[3.0, 4.0, 0, 100, 100, 0, 0, 0]])
    found = compute(row, contract)
    assert found.half_width[0] == 0
    assert found.middle[0] == pytest.approx(4 * 0.99995 / np.sqrt(1 - 0.99995**2))


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
    found = compute(np.vstack([corners, inside]), contract)
    assert np.isfinite(found.matrix).all()
    assert np.isfinite(found.middle).all()
    assert np.isfinite(found.half_width).all()
