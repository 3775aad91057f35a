from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from predictor.training.ensemble.intervals import COVERAGE, Calibration, answer, calibrate
from predictor.training.features import Features

Numbers = NDArray[np.float64]


def free(rows: int) -> Features:
    """Return features that know every row, and leave its target free."""
    ones = np.ones(rows)
    return Features(
        np.empty((rows, 0), np.float32), 0 * ones, ones, -1e9 * ones, 1e9 * ones, ones > 0, ones > 0
    )


def held(found: Features, groups: NDArray[np.intp], target: Numbers, c: Calibration) -> float:
    answers = answer(found, groups, np.zeros(len(target)), c)
    return float(np.mean((answers.lower <= target) & (target <= answers.upper)))


def test_new_rows_of_each_group_lie_in_their_intervals_as_often_as_promised(
    generator: np.random.Generator,
) -> None:
    spread = np.array([0.1, 3.0])
    groups = generator.integers(0, 2, 20_000)
    target = generator.normal(size=20_000) * spread[groups]
    old, new = np.arange(10_000), np.arange(10_000, 20_000)
    found = calibrate(free(10_000), groups[old], 2, target[old], np.zeros(10_000))
    for code in (0, 1):
        rows = new[groups[new] == code]
        share = held(free(len(rows)), groups[rows], target[rows], found)
        assert share == pytest.approx(COVERAGE, abs=0.015)


def test_the_reach_is_the_rank_that_holds_one_row_more() -> None:
    target = np.arange(1.0, 20.0)  # of 19 residuals, ⌈20 · 0.9⌉ = the 18th
    groups = np.zeros(19, np.intp)
    assert calibrate(free(19), groups, 1, target, np.zeros(19)).reach.tolist() == [18.0]


def test_a_row_that_contradicts_itself_is_no_measure_of_others() -> None:
    groups, target = np.zeros(20, np.intp), np.append(np.arange(1.0, 20.0), 1e6)
    sound = np.arange(20) < 19
    found = calibrate(replace(free(20), sound=sound), groups, 1, target, np.zeros(20))
    assert found.reach.tolist() == [18.0]


def test_a_group_with_too_few_rows_has_the_reach_of_all() -> None:
    target = np.concatenate([np.arange(1.0, 101.0), [500.0]])
    groups = np.array([0] * 100 + [1])
    found = calibrate(free(101), groups, 2, target, np.zeros(101))
    assert found.reach.tolist() == [91.0, 92.0]


def test_a_group_without_rows_has_what_is_usual_for_all() -> None:
    target = np.arange(101.0)
    groups = np.array([0] * 100 + [2])
    found = calibrate(free(101), groups, 4, target, np.zeros(101))
    for code in (1, 3):
        np.testing.assert_allclose(found.usual[code], [5, 50, 95])
        assert found.reach[code] == 91


def test_no_answer_leaves_its_bounds() -> None:
    ones = np.ones(3)
    found = Features(
        np.empty((3, 0), np.float32), 5 * ones, ones, 4 * ones, 6 * ones, ones > 0, ones > 0
    )
    calibration = Calibration(np.array([1.5]), np.array([[0.0, 1.0, 2.0]]))
    answers = answer(found, np.zeros(3, np.intp), np.array([-7.0, 0.0, 7.0]), calibration)
    assert answers.values.tolist() == [4, 5, 6]
    assert answers.lower.tolist() == [4, 4, 4.5]
    assert answers.upper.tolist() == [5.5, 6, 6]


def test_an_unknown_row_gets_what_its_group_usually_has_from_its_lower_bound_on() -> None:
    low = np.array([0.0, 1.5, 9.0])
    found = Features(np.empty((3, 0), np.float32), low, 0 * low, low, low, low < 0, low >= 0)
    calibration = Calibration(np.array([1.0]), np.array([[1.0, 2.0, 3.0]]))
    answers = answer(found, np.zeros(3, np.intp), np.zeros(3), calibration)
    assert answers.lower.tolist() == [1, 1.5, 9]
    assert answers.values.tolist() == [2, 2.5, 10]
    assert answers.upper.tolist() == [3, 3.5, 11]
