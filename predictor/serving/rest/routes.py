"""Which request goes where, and what becomes of an error."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from predictor.errors import InvalidInput
from predictor.serving import metrics
from predictor.serving.binary import CONTENT_TYPE
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
from predictor.serving.service import Service
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
    respond: Callable[[Request], Awaitable[Response]]
    content_types: tuple[str, ...] = (http.JSON,)


def application(service: Service, settings: Settings) -> App:
    """Return the whole server as one ASGI application."""
    routes = _routes(service)
    plain = plain_api(service, settings)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path not in routes and not path.startswith(PROTOCOLS):
            return await plain(scope, receive, send)
        route = _find(routes, scope)
        request = Request()
        if route.method == "POST":
            limit = settings.max_body_bytes
            request = await http.read(scope, receive, limit, route.content_types)
        response = await route.respond(request)
        return await response(scope, receive, send)

    return _guarded(app)


def _routes(service: Service) -> dict[str, Route]:
    manifest = service.engine.manifest
    served = f"/v2/models/{manifest.name}"
    return {
        **_v1(service, f"/v1/models/{manifest.name}"),
        "/v2": _get(v2.server_metadata),
        **_v2(service, served),
        **_v2(service, f"{served}/versions/{manifest.version}"),
        "/v2/health/live": _get(lambda: b'{"live":true}'),
        "/v2/health/ready": _get(lambda: b'{"ready":true}'),
        "/metrics": _get(metrics.exposition, CONTENT_TYPE_LATEST),
    }


def _get(body: Callable[[], bytes], content_type: str = http.JSON) -> Route:
    async def respond(_request: Request) -> Response:
        return Response(body(), content_type=content_type)

    return Route("GET", respond)


def _v1(service: Service, model: str) -> dict[str, Route]:
    return {
        "/v1/models": _get(partial(v1.models, service.engine)),
        model: _get(partial(v1.model, service.engine)),
        f"{model}:predict": Route("POST", partial(v1.predict, service)),
    }


def _v2(service: Service, model: str) -> dict[str, Route]:
    return {
        model: _get(partial(v2.model_metadata, service.engine)),
        f"{model}/ready": _get(partial(v2.model_ready, service.engine)),
        f"{model}/infer": Route("POST", partial(v2.infer, service), V2_TYPES),
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
        metrics.requests(_route(asked), scope["method"], status).inc()

    return guarded


def _route(scope: Scope) -> str:
    """Return the route that was matched, never what a client made up: labels must be bounded."""
    route = scope.get("route", OTHER)
    return route if isinstance(route, str) else route.path
