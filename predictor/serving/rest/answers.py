"""What V1 answers, before it is JSON."""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from predictor.bundle import Manifest
from predictor.contract import LOWER, PROBABILITIES, UPPER, WARNINGS
from predictor.serving.decoding.tensors import answers
from predictor.serving.engine import Doubt, Prediction


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
    body["model_version"] = manifest.version
    if doubts:
        body[WARNINGS] = [
            {"row": doubt.row, "warning": doubt.warning.name, "message": doubt.warning.message}
            for doubt in doubts
        ]
    return body
