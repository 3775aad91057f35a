"""The whole of training: data → features → stack → fused graph → checked bundle."""

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
import xgboost
from numpy.typing import NDArray

from predictor import __version__, bundle, graph
from predictor.contract import Contract
from predictor.errors import ParityError
from predictor.training import split, stack
from predictor.training.boosters import Sample
from predictor.training.columns import MODEL_NAME
from predictor.training.dataset import Dataset
from predictor.training.features import Features, compute
from predictor.training.fuse import fuse
from predictor.training.scores import score

TREES = 100
GOLDEN_ROWS = 32
# In the target's unit: the libraries add up float32, the graph float64.
PARITY_TOLERANCE = 1e-5
TYPE = "stack of xgboost, lightgbm and catboost"
LIBRARIES = ("numpy", "onnx", "onnxruntime", "lightgbm", "catboost")

SPLITS: dict[str, Callable[[int, int], split.Split]] = {
    "random 80/20": split.at_random,
    "last 20 % by time": lambda rows, _seed: split.by_time(rows),
}


@dataclass(frozen=True)
class Plan:
    """What decides, with the data, what is trained."""

    contract: Contract
    seed: int
    trees: int = TREES


def steps() -> int:
    """Return how often `train` calls its `step`."""
    return (len(SPLITS) + 1) * stack.STEPS


def train(dataset: Dataset, plan: Plan, step: stack.Step) -> tuple[bundle.Manifest, bytes]:
    """Return a bundle's manifest and graph: the same for the same data, plan and libraries.

    The model that is kept is fitted on all rows; the scores are those of models fitted in the same
    way on a part of them. Raises ParityError when the graph is not what the libraries predict.
    """
    found = compute(dataset.columns, plan.contract)
    sample = anchored(found, dataset.target)
    scores = {name: _evaluate(name, dataset, sample, plan, step) for name in SPLITS}
    final = stack.fit(sample, plan.trees, plan.seed, lambda what: step(f"served model: {what}"))
    model = fuse(final.forest, plan.contract).SerializeToString(deterministic=True)
    predictions = _predict(model, dataset.columns, plan.contract)
    manifest = bundle.Manifest(
        format=bundle.FORMAT,
        name=MODEL_NAME,
        version=bundle.version_of(plan.contract, model),
        type=TYPE,
        created=_now(),
        contract=plan.contract,
        files={bundle.MODEL: bundle.digest(model)},
        data=bundle.Data(dataset.source, dataset.sha256, len(dataset.target)),
        seed=plan.seed,
        boosters=_boosters(final),
        scores=scores,
        parity=check_parity(predictions, native_predictions(final, found)),
        versions=_versions(),
        golden=_golden(dataset, predictions, plan),
    )
    return manifest, model


def anchored(found: Features, target: NDArray[np.float64]) -> Sample:
    """Return what the boosters learn: where in its interval the target lies, from −1 to 1.

    A row weighs the square of its interval's half-width, so that the squared error that is
    minimised is that of the target in its own unit.
    """
    width = found.half_width
    position = np.divide(target - found.middle, width, out=np.zeros_like(width), where=width > 0)
    return Sample(found.matrix, np.clip(position, -1, 1), width**2 / np.mean(width**2))


def native_predictions(fitted: stack.Stack, found: Features) -> NDArray[np.float64]:
    """Return what the boosters' own libraries predict, (n,), without the graph."""
    position = np.clip(fitted.predict(found.matrix), -1, 1)
    return found.middle + found.half_width * position


def check_parity(fused: NDArray[np.float64], native: NDArray[np.float64]) -> float:
    """Return the largest difference; raises ParityError, naming the row, when it is too large."""
    difference = np.abs(fused - native)
    row = int(np.argmax(difference))
    largest = float(difference[row])
    if not largest <= PARITY_TOLERANCE:
        message = (
            f"the graph and the libraries disagree on row {row}: {float(fused[row])} and "
            f"{float(native[row])}, apart by {largest:.3g} where {PARITY_TOLERANCE:.0e} is allowed"
        )
        raise ParityError(message)
    return largest


def _evaluate(
    name: str, dataset: Dataset, sample: Sample, plan: Plan, step: stack.Step
) -> bundle.Score:
    """Fit on one part of the rows and score on the other, through the graph."""
    fitted, tested = SPLITS[name](len(dataset.target), plan.seed)
    part = sample.take(fitted)
    model = stack.fit(part, plan.trees, plan.seed, lambda what: step(f"{name}: {what}"))
    fused = fuse(model.forest, plan.contract).SerializeToString()
    prediction = _predict(fused, dataset.columns[tested], plan.contract)
    return score(dataset.target[tested], prediction)


def _predict(model: bytes, columns: NDArray[np.float64], contract: Contract) -> NDArray[np.float64]:
    prediction = graph.run(model, {graph.INPUT: columns}, [contract.target.name])[0]
    return prediction.astype(np.float64, copy=False)


def _golden(dataset: Dataset, predictions: NDArray[np.float64], plan: Plan) -> bundle.Golden:
    """Draw rows to check a server with, written as a client writes them."""
    count = min(GOLDEN_ROWS, len(predictions))
    rows = np.random.default_rng(plan.seed).choice(len(predictions), count, replace=False)
    columns = plan.contract.columns
    return bundle.Golden(
        [
            {c.name: c.decode(v) for c, v in zip(columns, dataset.columns[row], strict=True)}
            for row in rows
        ],
        predictions[rows].tolist(),
    )


def _boosters(fitted: stack.Stack) -> dict[str, bundle.Booster]:
    return {
        name: bundle.Booster(fitted.weights[name], len(booster.forest.trees))
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


def _now() -> str:
    """Return the time, or the one that a reproducible build sets (reproducible-builds.org)."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    return moment.isoformat(timespec="seconds")
