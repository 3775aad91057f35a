"""A process that answers: one engine, one event loop, REST and gRPC."""

import asyncio
import gc
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import msgspec
import uvicorn
from prometheus_client import disable_created_metrics

from predictor.errors import PredictorError, SettingsError
from predictor.serving import access
from predictor.serving.bundles import reload
from predictor.serving.bundles.source import bundle_of
from predictor.serving.engine import Engine
from predictor.serving.grpc import server as grpc_server
from predictor.serving.processes.child import READY
from predictor.serving.rest.express import ExpressProtocol
from predictor.serving.rest.routes import application, predictions
from predictor.serving.service import Service
from predictor.serving.settings import LOG_FORMAT, Settings

BACKLOG = 2048
# Python lets a thread that computes go on for this long while another waits. The default, 5 ms, is
# what a probe would wait at each step of its answer beside a large request.
SWITCH_SECONDS = 0.0005


def work(
    settings: Settings, listener: socket.socket, threads: int, ready: Callable[[Engine], None]
) -> None:
    """Serve a bundle on a bound socket until SIGTERM or SIGINT, then finish what was asked.

    `ready` is called once both protocols are listened for. Raises BundleError or SettingsError
    when it cannot start; nothing was answered by then.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call] # they would double what is scraped
    sys.setswitchinterval(SWITCH_SECONDS)
    _allow_descriptors()
    seen = reload.look(settings)
    # Nothing but the service holds the engine, so that one that is replaced is gone.
    service = Service(Engine(bundle_of(settings)), settings, threads)
    if settings.access_log:
        access.log_lines()
    watcher = reload.Watcher(service, settings, seen)

    def started() -> None:
        watcher.start()
        ready(service.engine)

    server = _Server(_config(service, settings), service, settings, started)
    gc.collect()
    gc.freeze()  # what is here now stays: no later collection need look at it
    # uvicorn drains on SIGTERM and then raises it once more: to end so is to end well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn's server, and gRPC's beside it."""

    def __init__(
        self,
        config: uvicorn.Config,
        service: Service,
        settings: Settings,
        ready: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._service = service
        self._settings = settings
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._grpc = grpc_server.make_server(self._service, self._settings)
        grpc_server.listen(self._grpc, self._settings)
        await self._grpc.start()
        for listener in sockets or []:
            _listen(listener)
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        drained = self._grpc.stop(self._settings.drain_seconds)
        await asyncio.gather(super().shutdown(sockets), drained)


def _allow_descriptors() -> None:
    """Allow as many open files as may be allowed: the usual 1024 are a thousand connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _listen(listener: socket.socket) -> None:
    """Listen, which uvloop would try without a word when another has taken the port meanwhile."""
    try:
        listener.listen(BACKLOG)
    except OSError as error:
        message = f"cannot listen on {listener.getsockname()}: {error.strerror}"
        raise SettingsError(message) from error


def _config(service: Service, settings: Settings) -> uvicorn.Config:
    routes = {path.encode(): route for path, route in predictions(service).items()}
    protocol = partial(ExpressProtocol, service, routes, settings.max_body_bytes)
    return uvicorn.Config(
        application(service, settings),
        http=protocol,  # type: ignore[arg-type] # it makes what uvicorn takes a type for
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=settings.drain_seconds,
    )


def main(arguments: list[str]) -> int:
    """Be one of several workers: settings as JSON, the socket's descriptor, threads.

    It says on its standard output that it is ready, or in a sentence why it cannot be. It ends when
    its standard input does: then the process that started it is no more.
    """
    settings = msgspec.json.decode(arguments[0], type=Settings)
    logging.basicConfig(level=settings.log_level, format=LOG_FORMAT)
    listener = socket.socket(fileno=int(arguments[1]))

    def ready(_engine: Engine) -> None:
        asyncio.get_running_loop().add_reader(sys.stdin, _answer_ping)
        _say(READY)

    try:
        work(settings, listener, int(arguments[2]), ready)
    except (PredictorError, OSError) as error:  # OSError: a shared library that the system lacks
        _say(" ".join(f"{error}".split()).encode() + b"\n")
        return 1
    return 0


def _answer_ping() -> None:
    """Give back what was asked, or end when there is nobody to ask any more."""
    if asked := os.read(sys.stdin.fileno(), 4096):
        _say(asked)
    else:
        asyncio.get_running_loop().remove_reader(sys.stdin)
        signal.raise_signal(signal.SIGTERM)


def _say(line: bytes) -> None:
    with suppress(BrokenPipeError):  # who started it is no more, so it is about to end
        os.write(sys.stdout.fileno(), line)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
