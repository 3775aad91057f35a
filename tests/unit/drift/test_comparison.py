from dataclasses import replace

import numpy as np
import pytest

from predictor.contract import Contract
from predictor.drift.comparison import Comparison, Finding, compare
from predictor.drift.reference import Reference
from predictor.drift.sample import Sample
from predictor.profile import chance_limit, psi
from predictor.profiling import WINDOW_ROWS, profile_of
from predictor.training.dataset import Dataset


@pytest.fixture(scope="module")
def reference(contract: Contract, dataset: Dataset) -> Reference:
    return Reference("year", contract, profile_of(contract, dataset.columns, dataset.target))


@pytest.fixture
def month_of_rows(dataset: Dataset, generator: np.random.Generator) -> Sample:
    """Return rows of one window, drawn from the whole year."""
    rows = generator.integers(0, len(dataset.target), WINDOW_ROWS)
    return Sample("month", dataset.columns[rows], dataset.target[rows])


def column(found: Comparison, name: str) -> Finding:
    return next(each for each in found.columns if each.name == name)


def shifted(sample: Sample, place: int, by: float) -> Sample:
    columns = sample.columns.copy()
    columns[:, place] += by
    return replace(sample, columns=columns)


def test_rows_of_the_year_do_not_drift(reference: Reference, month_of_rows: Sample) -> None:
    found = compare(reference, month_of_rows)
    assert not found.drift
    assert [each.name for each in found.columns] == [bins.name for bins in reference.profile.bins]
    assert found.rows == found.window_rows == WINDOW_ROWS


def test_a_shift_drifts_in_its_column_alone(reference: Reference, month_of_rows: Sample) -> None:
    spread = month_of_rows.columns[:, 0].std()
    found = compare(reference, shifted(month_of_rows, 0, spread))
    assert [each.name for each in found.columns if each.drift] == ["lagging_reactive_power"]
    assert found.drift


def test_a_shift_in_one_window_of_many_is_found_there(
    reference: Reference, month_of_rows: Sample
) -> None:
    usual, moved = month_of_rows.columns, shifted(month_of_rows, 0, 16.0).columns
    sample = Sample("three", np.concatenate([usual, moved, usual]), None)
    finding = column(compare(reference, sample), "lagging_reactive_power")
    assert [window.drift for window in finding.windows] == [False, True, False]
    assert finding.worst == 1
    assert finding.psi == finding.windows[1].psi
    bins = reference.profile.bins[0]
    assert finding.psi == psi(bins, bins.count(moved[:, 0]).tolist())


@pytest.mark.parametrize(
    ("rows", "sizes"),
    [(2688, [1000, 1000, 688]), (2400, [1000, 1400]), (400, [400]), (1, [1])],
)
def test_rows_are_cut_into_windows_and_none_is_left_out(
    reference: Reference, month_of_rows: Sample, rows: int, sizes: list[int]
) -> None:
    part = Sample("part", month_of_rows.columns[:rows], None)
    for finding in compare(reference, part, window_rows=1000).columns:
        assert [window.rows for window in finding.windows] == sizes
        assert sum(finding.current) == rows
        assert [window.start for window in finding.windows] == [0, 1000, 2000][: len(sizes)]


def test_a_given_threshold_is_every_columns(reference: Reference, dataset: Dataset) -> None:
    rows = slice(0, WINDOW_ROWS)
    january = Sample("january", dataset.columns[rows], dataset.target[rows])
    strict, calibrated = compare(reference, january, threshold=0.1), compare(reference, january)
    assert {each.threshold for each in strict.columns} == {0.1}
    assert all(each.drift == ((each.psi or 0) > 0.1) for each in strict.columns)
    assert strict.drift
    assert not column(calibrated, "lagging_power_factor").drift


def test_few_rows_are_allowed_what_chance_gives_them(
    reference: Reference, month_of_rows: Sample
) -> None:
    few = Sample("few", month_of_rows.columns[:50], month_of_rows.target)
    finding = column(compare(reference, few), "nsm")
    assert finding.threshold == reference.profile.bins[5].threshold
    [window] = finding.windows
    assert window.limit == chance_limit(10, 50, 35_040) > finding.threshold


def test_rows_without_an_answer_are_not_counted(
    reference: Reference, month_of_rows: Sample
) -> None:
    assert month_of_rows.target is not None
    target = month_of_rows.target.copy()
    target[1000:] = np.nan
    found = compare(reference, replace(month_of_rows, target=target), window_rows=1000)
    usage = column(found, "usage_kwh")
    assert [sum(window.counts) for window in usage.windows] == [1000, 0, 0]
    assert [window.psi is None for window in usage.windows] == [False, True, True]
    assert usage.worst == 0


def test_without_answers_the_target_is_left_out(
    reference: Reference, month_of_rows: Sample
) -> None:
    found = compare(reference, replace(month_of_rows, target=None))
    assert [each.name for each in found.columns] == list(reference.contract.names)


def test_times_are_those_of_the_windows_first_rows(
    reference: Reference, month_of_rows: Sample
) -> None:
    times = tuple(f"2026-01-01T00:00:00.{row:06}Z" for row in range(WINDOW_ROWS))
    found = compare(reference, replace(month_of_rows, times=times), window_rows=1344)
    assert [w.time for w in found.columns[0].windows] == [times[0], times[1344]]
