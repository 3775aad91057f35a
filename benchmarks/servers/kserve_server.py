"""Starts KServe's SDK for one model: on loopback, and without its log lines of each request."""

import logging
import os
from types import SimpleNamespace

from grpc import aio
from kserve import ModelServer, model_server
from kserve.protocol.grpc import server as grpc_server
from kserve.protocol.rest.multiprocess import server as multiprocess


class LoopbackREST(model_server.RESTServer):
    """The SDK's server for HTTP, which has no setting for its address."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.config.host = "127.0.0.1"

    def run(self, sockets=None):
        """Serve in one of several workers, which has set its log up anew."""
        quiet()
        super().run(sockets)


def quiet():
    """Have no line written for a request."""
    for name in ("kserve", "kserve.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)
    access = logging.getLogger("uvicorn.access")
    access.handlers, access.propagate = [], False


def loopback_grpc(*arguments, **named):
    """Return a gRPC server that listens on loopback, whatever address it is given."""
    server = aio.server(*arguments, **named)
    listen = server.add_insecure_port
    server.add_insecure_port = lambda address: listen(address.replace("[::]", "127.0.0.1"))
    return server


def serve(model):
    """Serve a model until a signal ends it."""
    model_server.RESTServer = multiprocess.RESTServer = LoopbackREST
    grpc_server.aio = SimpleNamespace(server=loopback_grpc)
    server = ModelServer(
        http_port=int(os.environ["PORT"]),
        grpc_port=int(os.environ["GRPC_PORT"]),
        workers=int(os.environ.get("WORKERS", "1")),
        enable_latency_logging=False,
    )
    quiet()
    server.start([model])
