"""Which request goes where, and what becomes of an error."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from predictor.errors import InvalidInput
from predictor.serving import metrics
from predictor.serving.binary import CONTENT_TYPE
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
from predictor.serving.settings import Settings

logger = logging.getLogger(__name__)

# The protocols that machines speak; everything else belongs to the API that people read.
PROTOCOLS = ("/v1/", "/v2/")
OTHER = "other"
# What a client can bring about; anything else is a fault of this server, and is logged.
CLIENT_ERRORS = (HTTPException, InvalidInput)

# What V2 may be sent as: its binary extension is JSON with bytes behind it.
V2_TYPES = (http.JSON, CONTENT_TYPE)


@dataclass(frozen=True)
class Route:
    """A route of a protocol: its method, its answer to a request, and what that may be sent as."""

    method: str
    respond: Callable[[Request], Response]
    content_types: tuple[str, ...] = (http.JSON,)


def application(engine: Engine, settings: Settings) -> App:
    """Return the whole server as one ASGI application."""
    routes = _routes(engine, settings.max_rows)
    plain = plain_api(engine, settings)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path not in routes and not path.startswith(PROTOCOLS):
            return await plain(scope, receive, send)
        route = _find(routes, scope)
        request = Request()
        if route.method == "POST":
            limit = settings.max_body_bytes
            request = await http.read(scope, receive, limit, route.content_types)
        return await route.respond(request)(scope, receive, send)

    return _guarded(app)


def _routes(engine: Engine, max_rows: int) -> dict[str, Route]:
    served = f"/v2/models/{engine.manifest.name}"
    return {
        **_v1(engine, f"/v1/models/{engine.manifest.name}", max_rows),
        "/v2": Route("GET", lambda _: Response(v2.server_metadata())),
        **_v2(engine, served, max_rows),
        **_v2(engine, f"{served}/versions/{engine.manifest.version}", max_rows),
        "/v2/health/live": Route("GET", lambda _: Response(b'{"live":true}')),
        "/v2/health/ready": Route("GET", lambda _: Response(b'{"ready":true}')),
        "/metrics": Route(
            "GET",
            lambda _: Response(generate_latest(), content_type=CONTENT_TYPE_LATEST),
        ),
    }


def _v1(engine: Engine, model: str, max_rows: int) -> dict[str, Route]:
    return {
        "/v1/models": Route("GET", lambda _: Response(v1.models(engine))),
        model: Route("GET", lambda _: Response(v1.model(engine))),
        f"{model}:predict": Route(
            "POST", lambda request: Response(v1.predict(engine, request.body, max_rows))
        ),
    }


def _v2(engine: Engine, model: str, max_rows: int) -> dict[str, Route]:
    return {
        model: Route("GET", lambda _: Response(v2.model_metadata(engine))),
        f"{model}/ready": Route("GET", lambda _: Response(v2.model_ready(engine))),
        f"{model}/infer": Route(
            "POST", lambda request: v2.infer(engine, request, max_rows), V2_TYPES
        ),
    }


def _find(routes: dict[str, Route], scope: Scope) -> Route:
    """Return the route of a request; raises HTTPException when there is none."""
    path = scope["path"]
    if path not in routes:
        raise HTTPException(404, f"nothing is here; there is {', '.join(routes)}")
    scope["route"] = path
    method = routes[path].method
    if scope["method"] != method:
        raise HTTPException(405, f"use {method} here", {"Allow": method})
    return routes[path]


def _guarded(app: App) -> App:
    """Count what `app` answers, and answer for it when it raises."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        status = 0

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
        except Exception as error:
            if not isinstance(error, CLIENT_ERRORS):
                logger.exception("%s %s failed", scope["method"], _route(asked))
            if not status:
                await http.refusal(error, invalid_input=400)(scope, receive, sending)
        metrics.REQUESTS.labels(_route(asked), scope["method"], status).inc()

    return guarded


def _route(scope: Scope) -> str:
    """Return the route that was matched, never what a client made up: labels must be bounded."""
    route = scope.get("route", OTHER)
    return route if isinstance(route, str) else route.path
