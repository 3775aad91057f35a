"""Profiles of made-up columns, and of the real data: what alarms, and what is found."""

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from predictor.contract import LARGEST, Column, Contract
from predictor.profile import Bins, Profile, psi
from predictor.profiling import WINDOW_ROWS, bins_of, profile_of, target_column, window_counts
from predictor.training.dataset import Dataset

POWER = Column("power", "FP64", "kW", "", minimum=0.0)
DAY = Column("day", "INT64", "number", "", 0.0, 3.0, {"Mon": 0, "Tue": 1, "1st": 1})
LOAD = Column("load", "BYTES", "category", "", labels={"Light": 0, "Low": 0, "Heavy": 1})


@pytest.fixture(scope="module")
def profile(contract: Contract, dataset: Dataset) -> Profile:
    return profile_of(contract, dataset.columns, dataset.target)


def test_a_value_with_much_of_the_mass_has_a_bin_of_its_own() -> None:
    values = np.concatenate([np.zeros(600), np.full(60, 100.0), np.arange(1.0, 341.0)])
    bins = bins_of(POWER, values, 250)
    assert bins.points == (0.0, 100.0)
    assert bins.labels[:3] == ("0", "100", "≤ 34")
    assert bins.labels[-1] == "> 307"
    assert bins.rows[:2] == (600, 61)
    assert len(bins.edges) == 9
    assert set(bins.rows[2:]) <= {33, 34}


def test_edges_have_few_digits_and_stay_apart(generator: np.random.Generator) -> None:
    wide = bins_of(POWER, generator.normal(1000, 300, 5000), 500)
    narrow = bins_of(POWER, generator.normal(99_999, 0.01, 5000), 500)
    assert all(edge == float(f"{edge:.3g}") for edge in wide.edges)
    assert len(narrow.edges) == 9
    assert min(narrow.rows) > 300


def test_whole_numbers_that_are_few_have_a_bin_each_with_their_label() -> None:
    bins = bins_of(DAY, np.array([0.0, 1.0, 1.0, 3.0]), 1)
    assert (bins.points, bins.edges) == ((0.0, 1.0, 2.0, 3.0), ())
    assert bins.labels == ("Mon", "Tue", "2", "3")
    assert bins.rows == (1, 2, 0, 1)


def test_a_label_that_is_another_points_number_is_not_used() -> None:
    column = Column("day", "INT64", "number", "", 0.0, 1.0, {"1": 0})
    assert bins_of(column, np.array([0.0, 1.0]), 1).labels == ("0", "1")


def test_categories_have_a_bin_each_even_those_that_never_came() -> None:
    bins = bins_of(LOAD, np.zeros(8), 2)
    assert (bins.labels, bins.rows) == (("Light", "Heavy"), (8, 0))


@pytest.mark.parametrize("values", [np.full(40, 5.0), np.repeat([0.0, 1.0], 20)])
def test_every_number_has_a_bin_even_where_there_were_few(values: NDArray[np.float64]) -> None:
    bins = bins_of(POWER, values, 10)
    others = np.array([-1.0, 0.5, 7.0, LARGEST, *values])
    assert bins.count(others).sum() == len(others)
    assert bins.threshold > 0


def test_a_column_that_was_always_missing_counts_what_comes_where_it_has_its_place() -> None:
    column = Column("power", "FP64", "kW", "", optional=True)
    bins = bins_of(column, np.full(40, np.nan), 10)
    assert (bins.labels, bins.rows) == (("≤ 0", "> 0", "missing"), (0, 0, 40))
    others = np.array([-1.0, 0.0, 5.0, 7.0, 9.0, np.nan])
    assert bins.count(others).tolist() == [2, 3, 1]
    assert np.bincount(bins.places(others), minlength=3).tolist() == [2, 3, 1]
    assert bins.threshold > 0
    assert drifts(bins, np.arange(1.0, 11.0))


def test_what_is_missing_has_a_label_that_no_category_has() -> None:
    labels = {"missing": 0, "(missing)": 1, "a": 2}
    column = Column("kind", "BYTES", "category", "", labels=labels, optional=True)
    assert bins_of(column, np.array([0.0, 1.0, np.nan]), 1).labels[-1] == "((missing))"


def test_thresholds_have_three_digits_and_are_rounded_up(profile: Profile) -> None:
    found = [bins.threshold for bins in profile.bins]
    assert found == [float(f"{each:.3g}") for each in found]
    assert all(each > 0 for each in found)


def test_sliding_windows_are_counted_as_one_by_one() -> None:
    places = np.random.default_rng(1).integers(0, 3, 100)
    counts = window_counts(places, 3, 56)
    assert counts.tolist() == [
        np.bincount(places[start : start + 56], minlength=3).tolist() for start in range(0, 45, 2)
    ]


def test_the_profile_has_every_column_and_the_target(profile: Profile, contract: Contract) -> None:
    assert tuple(b.name for b in profile.bins) == (*contract.names, contract.target.name)
    assert (profile.rows, profile.window_rows) == (35_040, WINDOW_ROWS)
    assert all(sum(bins.rows) == profile.rows for bins in profile.bins)


def test_the_real_columns_have_the_points_that_are_known(profile: Profile) -> None:
    points = {bins.name: bins.points for bins in profile.bins}
    assert points["lagging_reactive_power"] == points["leading_reactive_power"] == (0.0,)
    assert points["lagging_power_factor"] == points["leading_power_factor"] == (100.0,)
    assert points["nsm"] == ()
    assert points["load_type"] == (0.0, 1.0, 2.0)


def test_a_profile_is_small_and_the_same_again(
    profile: Profile, contract: Contract, dataset: Dataset
) -> None:
    text = msgspec.json.encode(profile)
    assert len(text) < 4000
    assert msgspec.json.decode(text, type=Profile) == profile
    again = profile_of(contract, dataset.columns, dataset.target)
    assert msgspec.json.encode(again) == text


def columns_of(dataset: Dataset) -> list[NDArray[np.float64]]:
    return [*dataset.columns.T, dataset.target]


def drifts(bins: Bins, values: NDArray[np.float64]) -> bool:
    return psi(bins, bins.count(values).tolist()) > bins.threshold


def test_replayed_rows_alarm_in_one_of_a_hundred_windows_at_most(
    profile: Profile, dataset: Dataset, generator: np.random.Generator
) -> None:
    columns, windows, alarms = columns_of(dataset), 500, 0
    for _ in range(windows):
        rows = generator.integers(0, profile.rows, WINDOW_ROWS)
        alarms += any(drifts(b, c[rows]) for b, c in zip(profile.bins, columns, strict=True))
    assert alarms / windows <= 0.01


def test_no_month_of_the_year_alarms_but_where_a_shift_decides(
    profile: Profile, dataset: Dataset
) -> None:
    over = {
        bins.name
        for bins, values in zip(profile.bins, columns_of(dataset), strict=True)
        for start in range(0, profile.rows - WINDOW_ROWS + 1, 96)
        if drifts(bins, values[start : start + WINDOW_ROWS])
    }
    assert over == {"leading_reactive_power", "lagging_power_factor", "usage_kwh"}


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_shift_of_one_standard_deviation_is_found_in_one_window(
    profile: Profile,
    contract: Contract,
    dataset: Dataset,
    generator: np.random.Generator,
    sign: int,
) -> None:
    columns = [*contract.columns, target_column(contract)]
    missed = []
    for column, bins, values in zip(columns, profile.bins, columns_of(dataset), strict=True):
        if bins.edges:
            rows = generator.integers(0, profile.rows, WINDOW_ROWS)
            moved = values[rows] + sign * values.std()
            if not drifts(bins, np.clip(moved, column.minimum, column.maximum)):
                missed.append(column.name)
    assert missed == []


def test_a_category_that_grows_from_5_to_25_percent_is_found_in_one_window(
    generator: np.random.Generator,
) -> None:
    before = generator.choice(2, 35_040, p=[0.95, 0.05]).astype(np.float64)
    bins = bins_of(LOAD, before, WINDOW_ROWS)
    after = generator.choice(2, WINDOW_ROWS, p=[0.75, 0.25]).astype(np.float64)
    assert drifts(bins, after)
    assert not drifts(bins, generator.permutation(before)[:WINDOW_ROWS])


def test_a_load_type_that_grows_by_a_fifth_of_the_rows_is_found_in_one_window(
    profile: Profile, dataset: Dataset, generator: np.random.Generator
) -> None:
    rows = generator.integers(0, profile.rows, WINDOW_ROWS)
    load = dataset.columns[rows, 7]
    moved = np.where(generator.random(WINDOW_ROWS) < 0.2, 2.0, load)
    assert drifts(profile.bins[7], moved)
