"""What V1 answers, before it is JSON."""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from predictor.bundle import Manifest
from predictor.contract import LOWER, PROBABILITIES, UPPER, WARNINGS
from predictor.serving.decoding.tensors import answers
from predictor.serving.engine import Doubt, NoExplanation, Prediction


def answer(
    manifest: Manifest,
    prediction: Prediction,
    doubts: list[Doubt],
    listed: Callable[[NDArray[Any]], object],
) -> dict[str, object]:
    """Return the answer, with arrays as `listed` makes them; it has warnings only for doubts."""
    contract = manifest.contract
    body: dict[str, object] = {"predictions": listed(answers(contract.target, prediction))}
    if contract.target.classes:
        body[PROBABILITIES] = listed(prediction.probabilities)
    if contract.interval:
        body[LOWER], body[UPPER] = listed(prediction.lower), listed(prediction.upper)
    return body | about(manifest, doubts)


def about(manifest: Manifest, doubts: list[Doubt]) -> dict[str, object]:
    """Return which version has answered, and what may be wrong with rows, if anything may."""
    version: dict[str, object] = {"model_version": manifest.version}
    if not doubts:
        return version
    told = [{"row": d.row, "warning": d.warning.name, "message": d.warning.message} for d in doubts]
    return version | {WARNINGS: told}


def explained(manifest: Manifest, prediction: Prediction) -> list[dict[str, object]]:
    """Return what explains each row's prediction; raises NoExplanation when nothing does."""
    if prediction.explanation is None:
        raise NoExplanation
    return prediction.explanation.rows(manifest.contract.names, prediction.values)
