"""KServe's V1 protocol, from bytes to bytes."""

import msgspec

from predictor.contract import LOWER, UPPER, WARNINGS
from predictor.serving.batch import Batch
from predictor.serving.engine import Doubt, Engine, Prediction
from predictor.serving.rest.http import Request, Response
from predictor.serving.rest.numbers import json_array
from predictor.serving.service import Encode, Service


def models(engine: Engine) -> Response:
    """Answer `GET /v1/models`."""
    return Response(msgspec.json.encode({"models": [engine.manifest.name]}))


def model(engine: Engine) -> Response:
    """Answer `GET /v1/models/NAME`."""
    return Response(msgspec.json.encode({"name": engine.manifest.name, "ready": True}))


def decode(service: Service, request: Request) -> tuple[Batch, Encode[Response]]:
    """Return the rows of `POST /v1/models/NAME:predict`, and what encodes their answer.

    Raises InvalidInput.
    """
    return service.rows.request(request.body), _encode


def _encode(prediction: Prediction, doubts: list[Doubt]) -> Response:
    """Return the answer; it has warnings only when a row has one."""
    body: dict[str, object] = {
        "predictions": json_array(prediction.values),
        LOWER: json_array(prediction.lower),
        UPPER: json_array(prediction.upper),
    }
    if doubts:
        body[WARNINGS] = [
            {"row": doubt.row, "warning": doubt.warning.name, "message": doubt.warning.message}
            for doubt in doubts
        ]
    return Response(msgspec.json.encode(body))
