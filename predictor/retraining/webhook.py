"""Where Alertmanager tells of drift, upon which a run is started."""

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Literal

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from predictor.errors import JSON_ERRORS

PATH = "/alerts"
# Alertmanager sends a group of alerts at once.
MOST_BYTES = 256 * 1024
BODY_SECONDS = 10.0
# In the name of every alert about drift, in whatever case.
DRIFT = "drift"

# Starts a run under a key, unless one was started under it before, and returns its id.
Start = Callable[[str], Awaitable[str]]
Now = Callable[[], datetime]

logger = logging.getLogger(__name__)


class Alert(msgspec.Struct, frozen=True, rename="camel"):
    """One alert; `starts_at` is when it began to fire."""

    status: str
    labels: dict[str, str]
    starts_at: str

    @property
    def is_drift(self) -> bool:
        """Whether it fires, and is about drift."""
        return self.status == "firing" and DRIFT in self.labels.get("alertname", "").lower()


class Notification(msgspec.Struct, frozen=True, rename="camel"):
    """What Alertmanager posts, as far as it is needed here."""

    version: Literal["4"]
    group_key: str
    alerts: list[Alert]


def server(secret: str, start: Start) -> uvicorn.Server:
    """Return a server of the application.

    It takes any number of connections: to count those that do not say the secret would let them
    keep out the one that does.
    """
    config = uvicorn.Config(application(secret, start), lifespan="off", log_level="warning")
    return uvicorn.Server(config)


def application(secret: str, start: Start, now: Now = lambda: datetime.now(UTC)) -> Starlette:
    """Return what answers Alertmanager: 202 when a run was started, 200 when there is no need.

    A status from 500 on makes Alertmanager try again.
    """
    expected = f"Bearer {secret}".encode()

    async def receive(request: Request) -> JSONResponse:
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, expected):
            return _error(401, "the Authorization header has not the secret")
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _body(request)
        except TimeoutError:
            return _error(408, f"the body did not come within {BODY_SECONDS:g} seconds")
        if body is None:
            return _error(413, f"a body may have {MOST_BYTES} bytes")
        try:
            notification = msgspec.json.decode(body, type=Notification)
        except JSON_ERRORS as error:
            return _error(400, f"the body is not Alertmanager's, of version 4: {error}")
        return await _started(notification, start, now())

    return Starlette(routes=[Route(PATH, receive, methods=["POST"])])


async def _body(request: Request) -> bytes | None:
    """Return what came, or nothing when it is too much."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            return None
    return bytes(body)


async def _started(notification: Notification, start: Start, now: datetime) -> JSONResponse:
    firing = [alert for alert in notification.alerts if alert.is_drift]
    if not firing:
        return JSONResponse({"run": None})
    try:
        run = await start(key(notification, firing, now))
    except Exception as error:  # noqa: BLE001 - Prefect's errors have no base class
        logger.error("no run could be started: %s", error)  # noqa: TRY400 - a line is enough
        return _error(503, "Prefect did not take the run")
    return JSONResponse({"run": run}, 202)


def key(notification: Notification, firing: list[Alert], now: datetime) -> str:
    """Return the same for what is told again on one day: of several Alertmanagers, or by one."""
    since = max(alert.starts_at for alert in firing)
    text = f"{notification.group_key} {since} {now:%Y-%m-%d}"
    return hashlib.sha256(text.encode()).hexdigest()


def _error(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"error": sentence}, status)
