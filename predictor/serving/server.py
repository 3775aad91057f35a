"""The process: a bundle is loaded and checked first, then a socket is opened."""

import logging
import signal
import socket
import sys
from pathlib import Path

import msgspec
import uvicorn
from prometheus_client import disable_created_metrics

from predictor import bundle, signature
from predictor.errors import SettingsError
from predictor.serving import metrics
from predictor.serving.engine import Engine
from predictor.serving.rest.routes import application
from predictor.serving.service import Service
from predictor.serving.settings import Settings

BACKLOG = 2048

logger = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Serve a bundle until SIGTERM or SIGINT, then finish the requests in flight.

    Raises BundleError or SettingsError when it cannot start; nothing was answered by then.
    """
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(message)s")
    disable_created_metrics()  # type: ignore[no-untyped-call] # they would double what is scraped
    required = settings.require_signature
    is_signed = signature.verifier(Path(required)) if required else None
    engine = Engine(bundle.read(Path(settings.bundle), is_signed))
    manifest = engine.manifest
    metrics.MODEL_INFO.labels(manifest.name, manifest.version).set(1)
    app = application(Service(engine, settings.max_rows), settings)
    # uvicorn drains on SIGTERM and then raises it once more: to end so is to end well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with _listen(settings) as listener:
        url = _url(settings.listen_host, listener.getsockname()[1])
        logger.info(
            "serving %s %s of %s on %s", manifest.name, manifest.version, engine.source, url
        )
        logger.info("try %s", _example(engine, url))
        uvicorn.Server(_config(app, settings)).run(sockets=[listener])


def _config(app: object, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type] # uvicorn's own ASGI types are closed, ours are ASGI's open ones
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=settings.drain_seconds,
    )


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.listen_host else socket.AF_INET
    try:
        return socket.create_server(
            (settings.listen_host, settings.port), family=family, backlog=BACKLOG
        )
    except OSError as error:
        message = f"cannot listen on {settings.listen_host} port {settings.port}: {error.strerror}"
        raise SettingsError(message) from error


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _example(engine: Engine, url: str) -> str:
    """Return a command that asks this server for a prediction."""
    row = msgspec.json.encode({"instances": engine.manifest.golden.rows[:1]}).decode()
    path = f"{url}/v1/models/{engine.manifest.name}:predict"
    return f"curl {path} -H 'Content-Type: application/json' -d '{row}'"
