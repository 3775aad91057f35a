"""Which request goes where, and what becomes of an error."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from predictor.contract import quote
from predictor.serving import metrics
from predictor.serving.access import answered, expect
from predictor.serving.backlog import ClientGone
from predictor.serving.decoding.batch import Batch
from predictor.serving.decoding.binary import CONTENT_TYPE
from predictor.serving.engine import Engine
from predictor.serving.observability.arrivals import REQUEST_ID, TRACEPARENT, arrived
from predictor.serving.rest import http, v1, v2
from predictor.serving.rest.http import (
    ENDING,
    App,
    Message,
    Receive,
    Request,
    Response,
    Scope,
    Send,
)
from predictor.serving.rest.plain import PLAIN_PREDICTIONS, plain_api
from predictor.serving.security.asgi import guarded
from predictor.serving.security.gate import Gate
from predictor.serving.service import Service
from predictor.serving.settings import Settings
from predictor.serving.steps import Encode

# The protocols that machines speak; everything else belongs to the API that people read.
PROTOCOLS = ("/v1/", "/v2/")
OTHER = "other"
# How a prediction ends if the server is well, if it is not, and if it has too much to do.
CODES = (200, 500, 503)
# What V2 may be sent as: its binary extension is JSON with bytes behind it.
V2_TYPES = (http.JSON_TYPE, CONTENT_TYPE.encode())


@dataclass(frozen=True)
class Predict:
    """A route that predicts: its path, its decoder, what it may be sent as, and if it explains."""

    path: str
    decode: Callable[[Request, Engine], tuple[Batch, Encode[Response]]]
    content_types: tuple[bytes, ...] = (http.JSON_TYPE,)
    explained: bool = False


def application(service: Service, settings: Settings, gate: Gate | None = None) -> App:
    """Return the whole server as one ASGI application, for those whom the gate lets pass."""
    read, predict = reads(service), predictions(service) | explanations(service)
    for route in (*predict, *PLAIN_PREDICTIONS):
        expect(route, "POST", CODES)
    paths = [*read, *predict]
    plain = plain_api(service, settings)
    model = _model(service.engine)

    async def predicted(
        scope: Scope, receive: Receive, route: Predict, version: str | None
    ) -> Response:
        limit = settings.max_body_bytes
        headers = http.headers_of(scope, limit, route.content_types)
        service.check_room(http.declared_bytes(headers))
        if route.explained:
            service.check_room_to_explain()
        request = await http.read(receive, headers, limit)
        decode = partial(_decode, route, request, version)
        return await service.answer(request.size_bytes, decode, explained=route.explained)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path, version, template = _split(scope["path"], model)
        if path in predict:
            _match(scope, "POST", template)
            route = predict[path]
            response = await predicted(scope, receive, route, version)
        elif path in read:
            _match(scope, "GET", template)
            _check(version, service.engine)
            found = read[path]()
            response = await found if isinstance(found, Awaitable) else found
        elif path.startswith(PROTOCOLS):
            raise HTTPException(404, f"nothing is here; there is {', '.join(paths)}")
        else:
            return await plain(scope, receive, send)
        return await response(scope, receive, send)

    return _guarded(app if gate is None else guarded(gate, app))


def reads(service: Service) -> dict[str, Callable[[], Response | Awaitable[Response]]]:
    """Return what answers a GET, by its path."""
    model, name = _model(service.engine), service.engine.manifest.name
    return {
        "/v1/models": lambda: v1.models(service.engine),
        f"/v1/models/{name}": lambda: v1.model(service.engine),
        "/v2": v2.server_metadata,
        "/v2/health/live": lambda: Response(b'{"live":true}'),
        "/v2/health/ready": lambda: _ready(service, Response(b'{"ready":true}')),
        "/metrics": lambda: _exposition(service),
        model: lambda: v2.model_metadata(service.engine),
        f"{model}/ready": lambda: _ready(service, v2.model_ready(service.engine)),
    }


def predictions(service: Service) -> dict[str, Predict]:
    """Return what predicts for a POST, by its path."""
    v1_path = f"/v1/models/{service.engine.manifest.name}:predict"
    v2_path = f"{_model(service.engine)}/infer"
    routes = (
        Predict(v1_path, partial(v1.decode, service)),
        Predict(v2_path, partial(v2.decode, service), V2_TYPES),
    )
    return {route.path: route for route in routes}


def explanations(service: Service) -> dict[str, Predict]:
    """Return what explains predictions for a POST, by its path."""
    path = f"/v1/models/{service.engine.manifest.name}:explain"
    return {path: Predict(path, partial(v1.decode_explained, service), explained=True)}


async def _exposition(service: Service) -> Response:
    """Return all metrics, which takes so long that other requests would notice."""
    service.count()
    text = await asyncio.to_thread(metrics.exposition)
    return Response(text, content_type=CONTENT_TYPE_LATEST)


def _ready(service: Service, response: Response) -> Response:
    """Return the response of what is ready; raises HTTPException once the server is ending."""
    if service.is_ending:
        raise ENDING
    return response


def _model(engine: Engine) -> str:
    """Return the model's path in V2."""
    return f"/v2/models/{engine.manifest.name}"


def _split(path: str, model: str) -> tuple[str, str | None, str]:
    """Return a path without the version of the model, that version, and the path's template."""
    start = f"{model}/versions/"
    if not path.startswith(start):
        return path, None, path
    version, slash, rest = path.removeprefix(start).partition("/")
    return f"{model}{slash}{rest}", version, f"{start}{{version}}{slash}{rest}"


def _check(version: str | None, engine: Engine) -> None:
    """Raise HTTPException when another version than the engine's is asked for."""
    served = engine.manifest.version
    if version not in {None, served}:
        raise HTTPException(404, f"got version {quote(version)}, expected {served}")


def _decode(
    route: Predict, request: Request, version: str | None, engine: Engine
) -> tuple[Batch, Encode[Response]]:
    _check(version, engine)
    return route.decode(request, engine)


def _match(scope: Scope, method: str, template: str) -> None:
    """Note the route that a request is for; raises HTTPException when its method is another."""
    scope["route"] = template
    if scope["method"] != method:
        raise HTTPException(405, f"use {method} here", {"Allow": method})


def _guarded(app: App) -> App:
    """Count what `app` answers, and answer for it when it raises."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        status = 0
        headers = dict(scope["headers"])
        arrival = arrived(headers.get(REQUEST_ID), headers.get(TRACEPARENT))

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                named = [*message.get("headers", []), (REQUEST_ID, arrival.request_id)]
                message = {**message, "headers": named}
            await send(message)

        # RFC 9110, 9.3.2: HEAD is GET without the content, which uvicorn leaves out.
        asked = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        with suppress(asyncio.CancelledError):  # nobody waits for it any more
            try:
                await app(asked, receive, sending)
            except ClientGone:
                return
            except Exception as error:  # noqa: BLE001 - it is logged
                what = f"{scope['method']} {_route(asked)}"
                refusal = http.refused(error, what, arrival, invalid_input=400)
                if not status:
                    await refusal(scope, receive, sending)
            answered(_route(asked), scope["method"], status, arrival)

    return guarded


def _route(scope: Scope) -> str:
    """Return the route that was matched, never what a client made up: labels must be bounded."""
    route = scope.get("route", OTHER)
    return route if isinstance(route, str) else route.path
