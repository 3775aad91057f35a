"""The whole of training: data → features → stack → fused graph → checked bundle."""

import os
import platform
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version

import msgspec
import numpy as np
import xgboost
from numpy.typing import NDArray

from predictor import __version__, bundle, graph
from predictor.errors import DataError
from predictor.profiling import profile_of
from predictor.training import evaluation, explained, parity
from predictor.training.columns import MODEL_NAME
from predictor.training.dataset import Dataset
from predictor.training.ensemble import intervals, stack
from predictor.training.ensemble.boosters import Sample
from predictor.training.ensemble.intervals import Answers
from predictor.training.evaluation import Problem, Tested
from predictor.training.explained import Explained
from predictor.training.features import compute
from predictor.training.fuse import fuse
from predictor.training.report import card
from predictor.training.split import FEWEST_ROWS
from predictor.training.tracks import Track

GOLDEN_ROWS = 32
TYPE = "stack of xgboost, lightgbm and catboost"
LIBRARIES = ("numpy", "onnx", "onnxruntime", "lightgbm", "catboost")


@dataclass(frozen=True)
class Plan:
    """What decides, with the data, what is trained, and its name.

    `tuning_trials` are spent on each booster's parameters; without any the track's own are taken.
    """

    track: Track
    seed: int
    name: str = MODEL_NAME
    tuning_trials: int = 0


@dataclass(frozen=True)
class Trained:
    """What a bundle is made of: its manifest, and its files by their names."""

    manifest: bundle.Manifest
    files: dict[str, bytes]


def steps(dataset: Dataset, plan: Plan) -> int:
    """Return how often `train` calls its `step`."""
    splits = sum(len(s) for s in evaluation.protocols(dataset, plan.seed).values())
    return (splits + 1) * stack.STEPS + plan.tuning_trials * len(plan.track.recipes)


def train(dataset: Dataset, plan: Plan, step: stack.Step) -> Trained:
    """Return a bundle's manifest and files: the same for the same data, plan and libraries.

    The model that is kept is fitted on all rows; the scores are those of models fitted in the same
    way on a part of them. Raises ParityError when the graph is not what the libraries predict.
    """
    problem = problem_of(dataset, plan.track)
    if plan.tuning_trials:
        problem = _tuned(problem, plan, evaluation.prefixed("tuning", step))
    tested = {
        name: evaluation.evaluate(problem, splits, plan.seed, evaluation.prefixed(name, step))
        for name, splits in evaluation.protocols(dataset, plan.seed).items()
    }
    served = _fit(problem, plan.seed, evaluation.prefixed("served model", step))
    manifest = _manifest(problem, plan, tested, served)
    others = card.documents(manifest, problem, tested, served.explained)
    others[bundle.EXPLANATION] = served.explained.content
    digests = {name: bundle.digest(content) for name, content in others.items()}
    whole = msgspec.structs.replace(manifest, files=manifest.files | digests)
    return Trained(whole, {bundle.MODEL: served.graph, **others})


def problem_of(dataset: Dataset, track: Track) -> Problem:
    """Return a dataset as a track sees it.

    What is fitted is where in its interval the target lies. A row weighs the square of its
    interval's half-width, so that the squared error that is minimised is that of the target in its
    own unit; a row of which the features know nothing, or that contradicts itself, weighs nothing.
    """
    found = compute(track.features, dataset.columns, track.contract)
    known, weight = found.teaches, found.weight
    if known.sum() < FEWEST_ROWS:
        message = (
            f"{dataset.source}: the power factors limit the target of {known.sum()} rows without "
            f"contradiction, training takes {FEWEST_ROWS} or more"
        )
        raise DataError(message)
    width = np.where(known, found.half_width, 1)
    distance = np.clip(dataset.target, found.low, found.high) - found.middle
    position = np.where(known, distance / width, 0)
    sample = Sample(found.matrix, position, weight / np.mean(weight))
    return Problem(dataset, track, found, track.group_codes(dataset.columns), sample)


def _tuned(problem: Problem, plan: Plan, step: stack.Step) -> Problem:
    from predictor.training.ensemble import tuning  # which needs an extra of its own

    recipes = tuning.search(problem.sample, plan.track.recipes, plan.tuning_trials, plan.seed, step)
    return replace(problem, track=replace(problem.track, recipes=recipes))


@dataclass(frozen=True)
class _Served:
    """The model that is kept, the graph it became, and what both gave for all rows."""

    stack: stack.Stack
    graph: bytes
    answers: Answers
    native: Answers
    parity: bundle.Parity
    explained: Explained


def _fit(problem: Problem, seed: int, step: stack.Step) -> _Served:
    track, found = problem.track, problem.found
    fitted, calibration = evaluation.fit(problem, seed, step)
    model = fuse(fitted.forest, calibration, track).SerializeToString(deterministic=True)
    outputs = graph.predict(graph.load(model), track.contract, problem.dataset.columns)
    answers = Answers(*outputs[:3])
    position = fitted.predict(found.matrix)
    native = intervals.answer(found, problem.groups, position, calibration)
    judged = parity.check(problem, fitted, calibration, answers, native)
    reasons = explained.explain(problem, fitted, calibration, answers.values, seed)
    judged = msgspec.structs.replace(judged, explanation=reasons.distance)
    return _Served(fitted, model, answers, native, judged, reasons)


def _manifest(
    problem: Problem, plan: Plan, tested: dict[str, Tested], served: _Served
) -> bundle.Manifest:
    dataset, contract = problem.dataset, plan.track.contract
    hard = _hard(problem)
    coverage = {name: evaluation.coverage(problem, t, hard) for name, t in tested.items()}
    return bundle.Manifest(
        format=bundle.FORMAT,
        name=plan.name,
        version=bundle.version_of(contract, served.graph),
        type=TYPE,
        track=plan.track.name,
        created=now(),
        contract=contract,
        files={bundle.MODEL: bundle.digest(served.graph)},
        data=_data(dataset),
        seed=plan.seed,
        tuning_trials=plan.tuning_trials,
        boosters=_boosters(served.stack, problem),
        scores={name: evaluation.scores(problem, each) for name, each in tested.items()},
        intervals=bundle.Intervals(intervals.COVERAGE, coverage),
        parity=served.parity,
        versions=_versions(),
        golden=_golden(dataset, served, plan),
        profile=profile_of(contract, dataset.columns, served.answers.values),
    )


def _data(dataset: Dataset) -> bundle.Data:
    last_day = None if dataset.days is None else str(dataset.days[-1])
    return bundle.Data(dataset.source, dataset.sha256, len(dataset.target), last_day)


def _hard(problem: Problem) -> NDArray[np.bool_]:
    """Return which rows the physics leaves wide open, where there is any."""
    track, dataset = problem.track, problem.dataset
    if track.physics is None:
        return np.zeros(len(dataset.target), np.bool_)
    found = compute(track.physics, dataset.columns, track.contract)
    return found.half_width > evaluation.HARD_KWH


def _golden(dataset: Dataset, served: _Served, plan: Plan) -> bundle.Golden:
    """Draw rows to check a server with, written as a client writes them."""
    count = min(GOLDEN_ROWS, len(dataset.target))
    rows = np.random.default_rng(plan.seed).choice(len(dataset.target), count, replace=False)
    columns, answers = plan.track.contract.columns, served.answers
    return bundle.Golden(
        rows=[
            {c.name: c.decode(v) for c, v in zip(columns, dataset.columns[row], strict=True)}
            for row in rows
        ],
        predictions=answers.values[rows].tolist(),
        lower=answers.lower[rows].tolist(),
        upper=answers.upper[rows].tolist(),
        native=served.native.values[rows].tolist(),
    )


def _boosters(fitted: stack.Stack, problem: Problem) -> dict[str, bundle.Booster]:
    """Describe the boosters; their errors by size are turned back into the target's unit."""
    scale = float(np.mean(problem.found.weight))
    return {
        name: bundle.Booster(
            weight=fitted.weights[name],
            trees=len(booster.forest.trees),
            parameters=dict(problem.track.recipes[name].parameters),
            rmse_by_trees={n: (e * scale) ** 0.5 for n, e in fitted.errors[name].items()},
        )
        for name, booster in fitted.boosters.items()
    }


def _versions() -> dict[str, str]:
    libraries = {name: version(name) for name in LIBRARIES}
    return {
        "predictor": __version__,
        "python": platform.python_version(),
        "xgboost": xgboost.__version__,  # two distributions bring it, see pyproject.toml
        **libraries,
    }


def now() -> str:
    """Return the time, or the one that a reproducible build sets (reproducible-builds.org)."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    return moment.isoformat(timespec="seconds")
