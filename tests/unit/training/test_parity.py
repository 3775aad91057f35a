"""The gate, against graphs and trees that were made wrong on purpose."""

from dataclasses import replace

import numpy as np
import pytest

from predictor.bundle import Parity
from predictor.errors import ParityError
from predictor.training import evaluation, parity, pipeline
from predictor.training.dataset import Dataset
from predictor.training.ensemble import intervals
from predictor.training.ensemble.forest import Forest
from predictor.training.ensemble.intervals import Answers, Calibration
from predictor.training.ensemble.stack import Stack
from predictor.training.evaluation import Problem
from predictor.training.tracks import ANCHORED
from tests.conftest import small


@pytest.fixture(scope="module")
def problem(month: Dataset) -> Problem:
    return pipeline.problem_of(month, small(ANCHORED, 5))


@pytest.fixture(scope="module")
def model(problem: Problem) -> tuple[Stack, Calibration]:
    return evaluation.fit(problem, 0, lambda _: None)


@pytest.fixture(scope="module")
def native(problem: Problem, model: tuple[Stack, Calibration]) -> Answers:
    stack, calibration = model
    position = stack.predict(problem.found.matrix)
    return intervals.answer(problem.found, problem.groups, position, calibration)


@pytest.fixture(scope="module")
def exact(problem: Problem, model: tuple[Stack, Calibration]) -> Answers:
    stack, calibration = model
    position = stack.forest.predict(problem.found.matrix)
    return intervals.answer(problem.found, problem.groups, position, calibration)


def check(
    problem: Problem, model: tuple[Stack, Calibration], graph: Answers, native: Answers
) -> Parity:
    return parity.check(problem, *model, graph, native)


def moved(values: np.ndarray, row: int, by: float) -> np.ndarray:
    values = values.copy()
    values[row] += by
    return values


def test_a_right_graph_passes_with_its_differences(
    problem: Problem, model: tuple[Stack, Calibration], exact: Answers, native: Answers
) -> None:
    found = check(problem, model, exact, native)
    assert found.rows == 3000
    assert found.float64 < 1e-12
    assert found.native <= found.tolerance


@pytest.mark.parametrize("end", ["values", "lower", "upper"])
def test_a_graph_off_by_a_billionth_is_refused_with_its_row(
    problem: Problem, model: tuple[Stack, Calibration], exact: Answers, native: Answers, end: str
) -> None:
    wrong = replace(exact, **{end: moved(getattr(exact, end), 1234, 2e-9)})
    with pytest.raises(ParityError, match=rf"graph's {end} and .* on row 1234: .* apart by 2e-09"):
        check(problem, model, wrong, native)


def test_a_graph_that_gives_no_number_is_refused(
    problem: Problem, model: tuple[Stack, Calibration], exact: Answers, native: Answers
) -> None:
    wrong = replace(exact, values=moved(exact.values, 7, np.nan))
    with pytest.raises(ParityError, match="row 7"):
        check(problem, model, wrong, native)


def test_a_booster_whose_trees_were_exported_wrong_is_named(
    problem: Problem, model: tuple[Stack, Calibration], exact: Answers, native: Answers
) -> None:
    stack, calibration = model
    right = stack.boosters["lightgbm"]
    first, *others = right.forest.trees
    far = [leaf + 0.5 for leaf in first.leaves]
    wrong = replace(right, forest=Forest([replace(first, leaves=far), *others], right.forest.bias))
    broken = replace(stack, boosters={**stack.boosters, "lightgbm": wrong})
    with pytest.raises(ParityError, match="exported trees of lightgbm and the library disagree"):
        check(problem, (broken, calibration), exact, native)


def test_libraries_that_say_something_else_are_refused(
    problem: Problem, model: tuple[Stack, Calibration], exact: Answers, native: Answers
) -> None:
    wrong = replace(native, values=moved(native.values, 99, 1e-4))
    with pytest.raises(ParityError, match="the graph and the libraries disagree on row 99"):
        check(problem, model, exact, wrong)
