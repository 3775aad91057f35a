"""KServe's V1 protocol, from bytes to bytes."""

from functools import partial

import msgspec

from predictor.serving.decoding.batch import Batch
from predictor.serving.engine import Doubt, Engine, Prediction
from predictor.serving.rest.answers import about, answer, explained
from predictor.serving.rest.http import Request, Response
from predictor.serving.rest.numbers import json_list, json_rows
from predictor.serving.service import Service
from predictor.serving.steps import Encode


def models(engine: Engine) -> Response:
    """Answer `GET /v1/models`."""
    return Response(msgspec.json.encode({"models": [engine.manifest.name]}))


def model(engine: Engine) -> Response:
    """Answer `GET /v1/models/NAME`."""
    return Response(msgspec.json.encode({"name": engine.manifest.name, "ready": True}))


def decode(service: Service, request: Request, engine: Engine) -> tuple[Batch, Encode[Response]]:
    """Return the rows of `POST /v1/models/NAME:predict`, and what encodes their answer.

    Raises InvalidInput.
    """
    return service.rows.request(request.body), partial(_encode, engine)


def decode_explained(
    service: Service, request: Request, engine: Engine
) -> tuple[Batch, Encode[Response]]:
    """Return the rows of `POST /v1/models/NAME:explain`, and what encodes their explanations.

    Raises InvalidInput.
    """
    return service.explained_rows.request(request.body), partial(_encode_explained, engine)


def _encode_explained(engine: Engine, prediction: Prediction, doubts: list[Doubt]) -> Response:
    body: dict[str, object] = {"explanations": json_list(explained(engine.manifest, prediction))}
    return Response(msgspec.json.encode(body | about(engine.manifest, doubts)))


def _encode(engine: Engine, prediction: Prediction, doubts: list[Doubt]) -> Response:
    return Response(msgspec.json.encode(answer(engine.manifest, prediction, doubts, json_rows)))
