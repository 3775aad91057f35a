"""Explanations against what XGBoost, LightGBM and CatBoost say themselves."""

import numpy as np
import pytest

from predictor.errors import ParityError
from predictor.explanation import Explainer
from predictor.training import explained, parity
from predictor.training.dataset import Dataset
from predictor.training.ensemble.boosters import FITTERS
from predictor.training.ensemble.forest import Forest
from predictor.training.ensemble.intervals import Calibration
from predictor.training.pipeline import Trained, problem_of
from predictor.training.tracks import ANCHORED, RAW

ROWS = 1000


@pytest.mark.parametrize("name", FITTERS)
def test_contributions_are_the_librarys_own(
    name: str, dataset: Dataset, generator: np.random.Generator
) -> None:
    problem = problem_of(dataset, RAW)
    booster = FITTERS[name](problem.sample, RAW.recipes[name].parameters, 60, 1)
    calibration = Calibration(np.ones(3), np.zeros((3, 3)))
    content = explained.graph_of(problem, booster.forest, calibration)
    rows = generator.choice(len(dataset.target), ROWS, replace=False)
    found = Explainer(RAW.contract, content).explain(dataset.columns[rows])
    native = booster.explain(problem.found.matrix[rows])
    # XGBoost adds up float32: a share of what it predicts.
    allowed = 1e-6 * np.abs(booster.predict(problem.found.matrix[rows])).max()
    assert np.abs(native).max() > 1
    assert np.abs(found.contributions - native).max() <= allowed


def test_a_bundle_says_how_far_its_contributions_are_from_the_libraries(trained: Trained) -> None:
    assert trained.manifest.parity.explanation is not None
    assert 0 < trained.manifest.parity.explanation < 1e-6


def test_contributions_that_are_not_the_libraries_are_refused(month: Dataset) -> None:
    problem = problem_of(month, ANCHORED)
    calibration = Calibration(np.ones(3), np.zeros((3, 3)))
    content = explained.graph_of(problem, Forest([], 0.1), calibration)
    found = Explainer(ANCHORED.contract, content).explain(month.columns)
    native = np.zeros_like(found.contributions)
    assert parity.explanation(found, found.predictions, native, 1e-9) == 0
    native[17, 2] = 1e-6
    with pytest.raises(ParityError, match="libraries' own disagree on row 17"):
        parity.explanation(found, found.predictions, native, 1e-9)


def test_an_explanation_that_does_not_add_up_is_refused(month: Dataset) -> None:
    problem = problem_of(month, ANCHORED)
    calibration = Calibration(np.ones(3), np.zeros((3, 3)))
    content = explained.graph_of(problem, Forest([], 0.1), calibration)
    found = Explainer(ANCHORED.contract, content).explain(month.columns)
    wrong = found.predictions.copy()
    wrong[5] += 1
    with pytest.raises(ParityError, match="a prediction and what explains it disagree on row 5"):
        parity.explanation(found, wrong, found.contributions, 1e-9)
