"""KServe's V1 protocol, from bytes to bytes."""

import msgspec

from predictor.contract import LOWER, UPPER, WARNINGS
from predictor.errors import InvalidInput
from predictor.serving import metrics
from predictor.serving.answer import Doubt, answer
from predictor.serving.engine import Engine, Prediction
from predictor.serving.rest.http import decode_json

ROWS_KEYS = ("instances", "inputs")


def models(engine: Engine) -> bytes:
    """Return the body of `GET /v1/models`."""
    return msgspec.json.encode({"models": [engine.manifest.name]})


def model(engine: Engine) -> bytes:
    """Return the body of `GET /v1/models/NAME`."""
    return msgspec.json.encode({"name": engine.manifest.name, "ready": True})


def predict(engine: Engine, body: bytes, max_rows: int) -> bytes:
    """Return the body that answers `POST /v1/models/NAME:predict`; raises InvalidInput."""
    prediction, doubts = answer(engine, _rows(decode_json(body)), max_rows)
    with metrics.POSTPROCESS_SECONDS.labels(engine.manifest.name).time():
        return msgspec.json.encode(_body(prediction, doubts))


def _body(prediction: Prediction, doubts: list[Doubt]) -> dict[str, object]:
    """Return the answer; it has warnings only when a row has one."""
    body: dict[str, object] = {
        "predictions": prediction.values.tolist(),
        LOWER: prediction.lower.tolist(),
        UPPER: prediction.upper.tolist(),
    }
    if doubts:
        body[WARNINGS] = [
            {"row": doubt.row, "warning": doubt.warning.name, "message": doubt.warning.message}
            for doubt in doubts
        ]
    return body


def _rows(request: object) -> object:
    if type(request) is dict:
        for key in ROWS_KEYS:
            if key in request:
                return request[key]
    message = 'expected an object with "instances", a list of rows'
    raise InvalidInput(message)
