"""The API that people read: one flat row in, one answer out, documented at /docs."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal
from uuid import uuid4

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, create_model

from predictor import __version__
from predictor.bundle import Manifest
from predictor.contract import LOWER, PROBABILITIES, UPPER, WARNINGS, Contract
from predictor.serving.bundles.source import Origin, origin_of
from predictor.serving.decoding.batch import Batch
from predictor.serving.decoding.tensors import answers
from predictor.serving.engine import Doubt, Prediction
from predictor.serving.rest import http
from predictor.serving.rest.answers import explained
from predictor.serving.rest.flat_row import explainable, is_to_be_explained, row_schema, wishes
from predictor.serving.rest.numbers import json_list
from predictor.serving.rest.page import PAGE, add_page
from predictor.serving.rest.ui.what_if import add_what_if
from predictor.serving.service import Service
from predictor.serving.settings import Settings

# Encodes the answer of the model that a manifest is of.
_Encode = Callable[[Manifest, Prediction, list[Doubt]], bytes]


class Health(BaseModel):
    """The server works, and has its model."""

    status: str
    model_loaded: bool
    model_version: str


class Ready(BaseModel):
    """The server takes requests."""

    ready: bool
    model_version: str


class Model(BaseModel):
    """Which model is served, where it came from and since when."""

    name: str
    model_version: str
    model_type: str
    source: str
    origin: Origin
    trained_at: str
    loaded_at: datetime


class Models(BaseModel):
    """The models of this server."""

    models: list[Model]


class Provenance(BaseModel):
    """What made a prediction, from which columns, and when (UTC)."""

    model_version: str
    model_type: str
    prediction_timestamp: datetime
    features_used: list[str]


class IntervalProvenance(Provenance):
    """`interval_coverage` is the share of rows that the intervals are made to hold."""

    interval_coverage: float


class Physics(BaseModel):
    """What the columns say by themselves of the target, and what of it each column gives."""

    contribution: float
    shares: dict[str, float]


class Explanation(BaseModel):
    """Base, physics, all contributions and bounds add up to the prediction, in its unit."""

    prediction: float
    base: float
    physics: Physics | None = None
    contributions: dict[str, float]
    bounds: float


class Error(BaseModel):
    """What is wrong with a request."""

    error: str


ERRORS: dict[int | str, dict[str, Any]] = {
    413: {"description": "The body is too large", "model": Error},
    415: {"description": "The body is not said to be JSON", "model": Error},
    422: {"description": "A row is not what the contract allows", "model": Error},
    503: {"description": "There is too much to do; try again later", "model": Error},
}


NOT_EXPLAINED: dict[int | str, dict[str, Any]] = {
    404: {"description": "An explanation was asked for, and there is none", "model": Error}
}


def plain_api(service: Service, settings: Settings) -> FastAPI:
    """Return the application that carries /docs and the routes in it."""
    manifest = service.engine.manifest
    app = FastAPI(
        title=settings.api_title or f"{manifest.name} predictor",
        version=settings.api_version or __version__,
        description=manifest.contract.target.description,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        # The server makes spans itself, of every route and without a client's words in them.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    add_page(app)
    if settings.ui:
        add_what_if(app, service)
    _add_state(app, service, settings)
    _add_predictions(app, service, settings)
    for kind in (*http.EXPECTED, Exception):
        app.add_exception_handler(kind, _refuse)  # type: ignore[arg-type] # any ASGI app will do
    return app


async def _refuse(_request: Request, error: Exception) -> http.Response:
    return http.refusal(error, invalid_input=422)


def _add_state(app: FastAPI, service: Service, settings: Settings) -> None:
    @app.get("/", include_in_schema=False)
    async def root() -> RedirectResponse:
        return RedirectResponse(PAGE)

    @app.get("/health")
    async def health() -> Health:
        version = service.engine.manifest.version
        return Health(status="healthy", model_loaded=True, model_version=version)

    @app.get("/health/ready")
    async def ready() -> Ready:
        if service.is_ending:
            raise http.ENDING
        return Ready(ready=True, model_version=service.engine.manifest.version)

    @app.get("/models")
    async def models() -> Models:
        engine, manifest = service.engine, service.engine.manifest
        served = Model(
            name=manifest.name,
            model_version=manifest.version,
            model_type=manifest.type,
            source=str(engine.folder.absolute()),
            origin=origin_of(engine.folder, settings),
            trained_at=manifest.created,
            loaded_at=engine.loaded_at,
        )
        return Models(models=[served])


EXPLANATION = "explanation"
PREDICT, PREDICT_BATCH = PLAIN_PREDICTIONS = ("/predict", "/predict/batch")


def _add_predictions(app: FastAPI, service: Service, settings: Settings) -> None:
    manifest = service.engine.manifest
    contract, example = manifest.contract, manifest.golden.rows[0]
    row = row_schema(contract)
    rows = {"type": "array", "items": row, "minItems": 1, "maxItems": settings.max_rows}
    asked = explainable(row, contract) if service.explains else row
    one, many = _answers(contract)

    async def read(request: Request) -> http.Request:
        limit = settings.max_body_bytes
        headers = http.headers_of(request.scope, limit)
        service.check_room(http.declared_bytes(headers))
        return await http.read(request.receive, headers, limit)

    async def respond(
        size_bytes: int, decode: Callable[[], Batch], encode: _Encode, *, explained: bool = False
    ) -> Response:
        content = await service.answer(
            size_bytes,
            lambda engine: (decode(), partial(encode, engine.manifest)),
            explained=explained,
        )
        return Response(content, media_type=http.JSON)

    @app.post(
        PREDICT,
        response_model=one,
        response_model_exclude_unset=True,
        openapi_extra=_body(asked, example),
        responses=ERRORS | NOT_EXPLAINED,
    )
    async def predict(request: Request) -> Response:
        received = await read(request)
        explained = is_to_be_explained(contract, received.body)
        return await respond(
            received.size_bytes,
            lambda: service.rows.decoded([wishes(contract, received.body)[0]]),
            _encode_one,
            explained=explained,
        )

    @app.post(
        PREDICT_BATCH,
        response_model=many,
        openapi_extra=_body(rows, [example]),
        responses=ERRORS,
    )
    async def predict_batch(request: Request) -> Response:
        received = await read(request)
        decode = partial(service.rows.rows, received.body)
        return await respond(received.size_bytes, decode, _encode_many)


def _predicted(contract: Contract) -> str:
    return f"predicted_{contract.target.name}"


def _encode_one(manifest: Manifest, found: Prediction, doubts: list[Doubt]) -> bytes:
    [prediction] = _predictions(manifest.contract, found, doubts)
    if found.explanation:
        [prediction[EXPLANATION]] = explained(manifest, found)
    return msgspec.json.encode(prediction | _provenance(manifest))


def _encode_many(manifest: Manifest, found: Prediction, doubts: list[Doubt]) -> bytes:
    predictions = _predictions(manifest.contract, found, doubts)
    return msgspec.json.encode({"predictions": json_list(predictions)} | _provenance(manifest))


def _predictions(
    contract: Contract, found: Prediction, doubts: list[Doubt]
) -> list[dict[str, object]]:
    """Return each row's answer, with what may be wrong with it."""
    messages: list[list[str]] = [[] for _ in found.values]
    for doubt in doubts:
        messages[doubt.row].append(doubt.warning.message)
    fields: dict[str, list[Any]] = {_predicted(contract): answers(contract.target, found).tolist()}
    if contract.interval:
        fields |= {LOWER: found.lower.tolist(), UPPER: found.upper.tolist()}
    if classes := contract.target.classes:
        likely = found.probabilities.tolist()
        fields[PROBABILITIES] = [dict(zip(classes, row, strict=True)) for row in likely]
    fields[WARNINGS] = messages
    rows = zip(*fields.values(), strict=True)
    return [dict(zip(fields, row, strict=True)) | {"prediction_id": str(uuid4())} for row in rows]


def _answers(contract: Contract) -> tuple[type[BaseModel], type[BaseModel]]:
    """Return the types of the answers to one row and to a list of rows."""
    classes = contract.target.classes
    fields: dict[str, Any] = {_predicted(contract): Literal[classes] if classes else float}
    if contract.interval:
        fields |= {LOWER: float, UPPER: float}
    if classes:
        fields[PROBABILITIES] = dict[str, float]
    fields |= {WARNINGS: list[str], "prediction_id": str}
    provenance = IntervalProvenance if contract.interval else Provenance
    prediction = create_model("Prediction", **fields)
    why: dict[str, Any] = {EXPLANATION: (Explanation | None, None)}
    one = create_model("Predicted", __base__=(prediction, provenance), **why)
    predictions: Any = list[prediction]  # type: ignore[valid-type] # made a line above
    many = create_model("PredictedBatch", __base__=provenance, predictions=predictions)
    return one, many


def _provenance(manifest: Manifest) -> dict[str, object]:
    found = {
        "model_version": manifest.version,
        "model_type": manifest.type,
        "prediction_timestamp": datetime.now(UTC),
        "features_used": manifest.contract.names,
    }
    if manifest.contract.interval:
        found["interval_coverage"] = manifest.intervals.target
    return found


def _body(schema: dict[str, object], example: object) -> dict[str, object]:
    """Describe a request's body in OpenAPI: the contract decodes it, so FastAPI need not."""
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}
