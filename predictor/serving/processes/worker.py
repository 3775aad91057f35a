"""A process that answers: one engine, one event loop, REST and gRPC."""

import asyncio
import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import FrameType

import msgspec
import uvicorn
from prometheus_client import disable_created_metrics

from predictor.errors import PredictorError, SettingsError
from predictor.serving import access
from predictor.serving.bundles import reload
from predictor.serving.bundles.source import bundle_of
from predictor.serving.connections.accepting import Acceptor
from predictor.serving.connections.drain import drain
from predictor.serving.connections.listeners import open_again
from predictor.serving.connections.watch import Watch
from predictor.serving.engine import Engine
from predictor.serving.grpc import drain as grpc_drain
from predictor.serving.grpc import server as grpc_server
from predictor.serving.observability import capture, logs, traces
from predictor.serving.observability.pulse import Pulse
from predictor.serving.processes.child import READY
from predictor.serving.rest.express import ExpressProtocol
from predictor.serving.rest.routes import application, predictions
from predictor.serving.security.secured import OPEN, Security, secured
from predictor.serving.service import Service
from predictor.serving.settings import Settings

BACKLOG = 2048
# So many objects are made before those that were made since are looked at for garbage: a few of
# thousands of connections that wait are no reason to look at all of them.
YOUNG_OBJECTS = 50_000
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
    sample = capture.of(settings)
    service = Service(Engine(bundle_of(settings)), settings, threads, sample)
    if settings.access_log:
        access.log_lines()
    security = secured(settings)
    watcher = reload.Watcher(service, settings, seen)

    def started() -> None:
        watcher.start()
        ready(service.engine)

    server = _Server(service, settings, started, security)
    gc.collect()
    gc.freeze()  # what is here now stays: no later collection need look at it
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)
    # uvicorn drains on SIGTERM and then raises it once more: to end so is to end well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with traces.exported("https" if settings.tls_cert_file else "http"), capture.running(sample):
        server.run(sockets=[listener])
        if server.interrupted:  # of which uvicorn's own word may get lost in the event loop's end
            raise KeyboardInterrupt


class _Server(uvicorn.Server):
    """uvicorn's server, and gRPC's beside it."""

    def __init__(
        self,
        service: Service,
        settings: Settings,
        ready: Callable[[], None],
        security: Security = OPEN,
    ) -> None:
        self._watch = Watch(settings)
        self._pulse = Pulse(service.count)
        super().__init__(_config(service, settings, self._watch, security))
        self._security = security
        self._service = service
        self._settings = settings
        self._ready = ready
        self.interrupted = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(logs.loop_failed)
        security = self._security
        await security.start()
        self._grpc = grpc_server.make_server(self._service, self._settings, security.gate)
        grpc_server.listen(self._grpc, self._settings, security.tls)
        await self._grpc.grpc.start()
        for listener in sockets or []:
            _listen(listener)
        await super().startup(sockets)
        acceptor = Acceptor(sockets or [], self._protocol, self.config.ssl)
        self._watch.accept_others = acceptor.accept
        self._watch.start()
        self._pulse.start()
        self._ready()

    def _protocol(self) -> asyncio.Protocol:
        state = self.lifespan.state
        return self.config.http_protocol_class(  # type: ignore[call-arg] # they are uvicorn's own
            config=self.config, server_state=self.server_state, app_state=state
        )

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit |= self.should_exit  # it is the second time
        self.interrupted |= sig == signal.SIGINT
        super().handle_exit(sig, frame)
        if self.started:  # else it ends as soon as it is
            self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        """Say that the server is not ready, and with every answer that it is the last."""
        if not self._service.is_ending:
            self._service.is_ending = True
            self._watch.begin_drain()
            self._ending = self._loop.create_task(self._grpc.health.enter_graceful_shutdown())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._end()
        seconds, listeners = self._settings.drain_seconds, sockets or []
        await asyncio.gather(
            drain(self._watch, self.servers, listeners, seconds, lambda: self.force_exit),
            grpc_drain.drain(
                self._grpc.grpc, self._grpc.calls, self._settings, lambda: self.force_exit
            ),
        )
        self._security.stop()
        self._pulse.count()


def _allow_descriptors() -> None:
    """Allow as many open files as may be allowed: the usual 1024 are a thousand connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # a sandbox may not let it; then they are as many as before
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _listen(listener: socket.socket) -> None:
    """Listen, which uvloop would try without a word when another has taken the port meanwhile."""
    open_again(listener)
    try:
        listener.listen(BACKLOG)
    except OSError as error:
        message = f"cannot listen on {listener.getsockname()}: {error.strerror}"
        raise SettingsError(message) from error


def _config(
    service: Service, settings: Settings, watch: Watch, security: Security
) -> uvicorn.Config:
    routes = {path.encode(): route for path, route in predictions(service).items()}
    gate = security.gate
    protocol = partial(ExpressProtocol, watch, service, routes, settings.max_body_bytes, gate)
    config = uvicorn.Config(
        application(service, settings, gate),
        http=protocol,  # type: ignore[arg-type] # it makes what uvicorn takes a type for
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error" if settings.log_level == "ERROR" else "warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
    )
    config.load()
    config.ssl = security.tls.context if security.tls else None
    return config


def main(arguments: list[str]) -> int:
    """Be one of several workers: settings as JSON, the socket's descriptor, threads.

    It says on its standard output that it is ready, or in a sentence why it cannot be. It ends when
    its standard input does: then the process that started it is no more.
    """
    settings = msgspec.json.decode(arguments[0], type=Settings)
    logs.configure(settings.log_format, settings.log_level)
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
