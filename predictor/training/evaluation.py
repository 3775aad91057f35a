"""How well models predict rows that they were not fitted on, by several protocols."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.bundle import Coverage, Score
from predictor.training import split
from predictor.training.dataset import Dataset
from predictor.training.ensemble import intervals, stack
from predictor.training.ensemble.boosters import Sample
from predictor.training.ensemble.intervals import Answers, Calibration
from predictor.training.features import Features
from predictor.training.tracks import Track

RANDOM, CROSS_VALIDATION = "random 80/20", "5-fold"
BY_TIME, ROLLING = "last 20 % by time", "rolling two months"
STACK, MEAN, PHYSICS = "stack", "mean of the three", "physics alone"
ALL_ROWS, HARD_ROWS = "all rows", "hard rows"
# Intervals are as good as they are where the bounds say least: half-widths over this, in kWh.
HARD_KWH = 0.5
# An end that float64 puts this far from a target at its very edge holds it; of the largest target.
TOUCHING = 1e-11


@dataclass(frozen=True)
class Problem:
    """A dataset as a track sees it: n rows, the codes of their groups (n,), and what is fitted."""

    dataset: Dataset
    track: Track
    found: Features
    groups: NDArray[np.intp]
    sample: Sample

    def take(self, rows: split.Rows) -> "Problem":
        """Return some of the rows."""
        return Problem(
            self.dataset.take(rows),
            self.track,
            self.found.take(rows),
            self.groups[rows],
            self.sample.take(rows),
        )


@dataclass(frozen=True)
class Tested:
    """A protocol's predictions of the rows that it tested: `rows` are their numbers, (n,).

    `predictions` are by model, (n,); `answers` are the stack's, with its intervals.
    """

    rows: split.Rows
    predictions: dict[str, NDArray[np.float64]]
    answers: Answers


def protocols(dataset: Dataset, seed: int) -> dict[str, list[split.Split]]:
    """Return the splits of each protocol; those by time need to know the rows' days."""
    count = len(dataset.target)
    found = {
        RANDOM: [split.at_random(count, seed)],
        CROSS_VALIDATION: split.folds(count, stack.FOLDS, seed),
    }
    if dataset.days is None:
        return found
    windows = {ROLLING: split.rolling(dataset.days)}
    return found | {BY_TIME: [split.by_time(count)]} | (windows if windows[ROLLING] else {})


def prefixed(name: str, step: stack.Step) -> stack.Step:
    """Return a step that says of what it is one."""
    return lambda what: step(f"{name}: {what}")


def fit(problem: Problem, seed: int, step: stack.Step) -> tuple[stack.Stack, Calibration]:
    """Fit a stack on a problem's rows, and the reach of its intervals."""
    fitted = stack.fit(problem.sample, problem.track.recipes, seed, step)
    calibration = intervals.calibrate(
        problem.found,
        problem.groups,
        len(problem.track.group_names),
        problem.dataset.target,
        fitted.unseen,
    )
    return fitted, calibration


def evaluate(problem: Problem, splits: list[split.Split], seed: int, step: stack.Step) -> Tested:
    """Fit on the first part of every split, and predict its second."""
    parts = []
    for number, (fitted, tested) in enumerate(splits, start=1):
        told = prefixed(f"{number}/{len(splits)}", step)
        model = fit(problem.take(fitted), seed, told)
        parts.append(_predictions(model, problem.take(tested)))
    names = parts[0][0]
    return Tested(
        np.concatenate([tested for _, tested in splits]),
        {name: np.concatenate([found[name] for found, _ in parts]) for name in names},
        Answers(*(np.concatenate([vars(a)[end] for _, a in parts]) for end in vars(parts[0][1]))),
    )


def _predictions(
    model: tuple[stack.Stack, Calibration], problem: Problem
) -> tuple[dict[str, NDArray[np.float64]], Answers]:
    """Return every model's predictions, and the stack's with their intervals."""
    fitted, calibration = model
    matrix = problem.found.matrix

    def answer(position: NDArray[np.float64]) -> Answers:
        return intervals.answer(problem.found, problem.groups, position, calibration)

    positions = {name: booster.predict(matrix) for name, booster in fitted.boosters.items()}
    answers = answer(fitted.predict(matrix))
    mean = np.mean(list(positions.values()), axis=0)
    predictions = {STACK: answers.values} | {
        name: answer(position).values for name, position in {**positions, MEAN: mean}.items()
    }
    if problem.track.has_physics:
        predictions[PHYSICS] = problem.found.middle
    return predictions, answers


def scores(problem: Problem, tested: Tested) -> dict[str, Score]:
    """Return each model's score."""
    target = problem.dataset.target[tested.rows]
    return {name: score(target, found) for name, found in tested.predictions.items()}


def score(target: NDArray[np.float64], prediction: NDArray[np.float64]) -> Score:
    """Return the errors of predictions, (n,)."""
    error = target - prediction
    squares = float(np.mean(error**2))
    mean, variance, rows = float(np.mean(target)), float(np.var(target)), target != 0
    share = np.abs(error[rows] / target[rows])
    return Score(
        rmse=squares**0.5,
        mae=float(np.mean(np.abs(error))),
        cv_rmse_percent=100 * squares**0.5 / abs(mean) if mean else None,
        r2=1 - squares / variance if variance else None,
        mape_percent=100 * float(np.mean(share)) if rows.any() else None,
        rows=len(error),
    )


def coverage(problem: Problem, tested: Tested, hard: NDArray[np.bool_]) -> dict[str, Coverage]:
    """Return what the intervals held, of all rows, of each group, and of `hard` rows."""
    parts: dict[str, NDArray[np.bool_]] = {ALL_ROWS: np.ones(len(tested.rows), np.bool_)}
    groups = problem.groups[tested.rows]
    if problem.track.group:
        parts |= {name: groups == code for code, name in enumerate(problem.track.group_names)}
    parts |= {HARD_ROWS: hard[tested.rows]}
    target, answers = problem.dataset.target[tested.rows], tested.answers
    outside = np.maximum(answers.lower - target, target - answers.upper)
    held = outside <= TOUCHING * np.max(np.abs(target))
    width = answers.upper - answers.lower
    return {
        name: Coverage(float(held[p].mean()), float(width[p].mean()), int(p.sum()))
        for name, p in parts.items()
        if p.any()
    }
