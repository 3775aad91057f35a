"""KServe's V1 protocol, from bytes to bytes."""

import msgspec

from predictor.contract import LOWER, UPPER, WARNINGS
from predictor.serving.engine import Doubt, Engine, Prediction
from predictor.serving.rest.http import Request, Response
from predictor.serving.rest.numbers import json_array
from predictor.serving.service import Service


def models(engine: Engine) -> bytes:
    """Return the body of `GET /v1/models`."""
    return msgspec.json.encode({"models": [engine.manifest.name]})


def model(engine: Engine) -> bytes:
    """Return the body of `GET /v1/models/NAME`."""
    return msgspec.json.encode({"name": engine.manifest.name, "ready": True})


async def predict(service: Service, request: Request) -> Response:
    """Return the answer to `POST /v1/models/NAME:predict`; raises InvalidInput."""
    body = request.body
    return Response(await service.answer(len(body), lambda: (service.rows.request(body), _encode)))


def _encode(prediction: Prediction, doubts: list[Doubt]) -> bytes:
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
    return msgspec.json.encode(body)
