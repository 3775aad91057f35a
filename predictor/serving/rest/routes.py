"""Which request goes where, and what becomes of an error."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import perf_counter

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from predictor.serving import metrics
from predictor.serving.access import answered
from predictor.serving.decoding.batch import Batch
from predictor.serving.decoding.binary import CONTENT_TYPE
from predictor.serving.engine import Engine
from predictor.serving.rest import http, v1, v2
from predictor.serving.rest.http import (
    App,
    ClientGone,
    Message,
    Receive,
    Request,
    Response,
    Scope,
    Send,
)
from predictor.serving.rest.plain import plain_api
from predictor.serving.security.asgi import guarded
from predictor.serving.security.gate import Gate
from predictor.serving.service import Encode, Service
from predictor.serving.settings import Settings

# The protocols that machines speak; everything else belongs to the API that people read.
PROTOCOLS = ("/v1/", "/v2/")
OTHER = "other"
# What V2 may be sent as: its binary extension is JSON with bytes behind it.
V2_TYPES = (http.JSON_TYPE, CONTENT_TYPE.encode())


@dataclass(frozen=True)
class Predict:
    """A route that predicts: its path, its decoder, and what it may be sent as."""

    path: str
    decode: Callable[[Request], tuple[Batch, Encode[Response]]]
    content_types: tuple[bytes, ...] = (http.JSON_TYPE,)


def application(service: Service, settings: Settings, gate: Gate | None = None) -> App:
    """Return the whole server as one ASGI application, for those whom the gate lets pass."""
    read, predict = reads(service), predictions(service)
    paths = [*read, *predict]
    plain = plain_api(service, settings)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path in predict:
            _match(scope, "POST")
            route = predict[path]
            request = await http.read(scope, receive, settings.max_body_bytes, route.content_types)
            decode = partial(route.decode, request)
            response = await service.answer(request.size_bytes, decode)
        elif path in read:
            _match(scope, "GET")
            response = read[path]()
        elif path.startswith(PROTOCOLS):
            raise HTTPException(404, f"nothing is here; there is {', '.join(paths)}")
        else:
            return await plain(scope, receive, send)
        return await response(scope, receive, send)

    return _guarded(app if gate is None else guarded(gate, app))


def reads(service: Service) -> dict[str, Callable[[], Response]]:
    """Return what answers a GET, by its path."""
    engine, name = service.engine, service.engine.manifest.name
    found: dict[str, Callable[[], Response]] = {
        "/v1/models": partial(v1.models, engine),
        f"/v1/models/{name}": partial(v1.model, engine),
        "/v2": v2.server_metadata,
        "/v2/health/live": lambda: Response(b'{"live":true}'),
        "/v2/health/ready": lambda: Response(b'{"ready":true}'),
        "/metrics": lambda: Response(metrics.exposition(), content_type=CONTENT_TYPE_LATEST),
    }
    for model in _models(engine):
        found[model] = partial(v2.model_metadata, engine)
        found[f"{model}/ready"] = partial(v2.model_ready, engine)
    return found


def predictions(service: Service) -> dict[str, Predict]:
    """Return what predicts for a POST, by its path."""
    v1_path = f"/v1/models/{service.engine.manifest.name}:predict"
    v2_paths = [f"{model}/infer" for model in _models(service.engine)]
    routes = [
        Predict(v1_path, partial(v1.decode, service)),
        *(Predict(path, partial(v2.decode, service), V2_TYPES) for path in v2_paths),
    ]
    return {route.path: route for route in routes}


def _models(engine: Engine) -> tuple[str, str]:
    """Return the paths of the model and of its version in V2."""
    model = f"/v2/models/{engine.manifest.name}"
    return model, f"{model}/versions/{engine.manifest.version}"


def _match(scope: Scope, method: str) -> None:
    """Note the route that a request is for; raises HTTPException when its method is another."""
    scope["route"] = scope["path"]
    if scope["method"] != method:
        raise HTTPException(405, f"use {method} here", {"Allow": method})


def _guarded(app: App) -> App:
    """Count what `app` answers, and answer for it when it raises."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        status, start = 0, perf_counter()

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        # RFC 9110, 9.3.2: HEAD is GET without the content, which uvicorn leaves out.
        asked = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        try:
            await app(asked, receive, sending)
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001 - it is logged
            refusal = http.refused(error, f"{scope['method']} {_route(asked)}", invalid_input=400)
            if not status:
                await refusal(scope, receive, sending)
        answered(_route(asked), scope["method"], status, start)

    return guarded


def _route(scope: Scope) -> str:
    """Return the route that was matched, never what a client made up: labels must be bounded."""
    route = scope.get("route", OTHER)
    return route if isinstance(route, str) else route.path
