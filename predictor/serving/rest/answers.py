"""What V1 answers, before it is JSON."""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from predictor.contract import LOWER, UPPER, WARNINGS
from predictor.serving.engine import Doubt, Prediction


def answer(
    version: str,
    prediction: Prediction,
    doubts: list[Doubt],
    listed: Callable[[NDArray[Any]], object],
) -> dict[str, object]:
    """Return the answer, with arrays as `listed` makes them; it has warnings only for doubts."""
    body = {
        "predictions": listed(prediction.values),
        LOWER: listed(prediction.lower),
        UPPER: listed(prediction.upper),
        "model_version": version,
    }
    if doubts:
        body[WARNINGS] = [
            {"row": doubt.row, "warning": doubt.warning.name, "message": doubt.warning.message}
            for doubt in doubts
        ]
    return body
