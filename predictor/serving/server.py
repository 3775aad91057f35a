"""From settings to a running server: which ports, and how many processes."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from predictor import cpus
from predictor.bundle import Bundle, Manifest
from predictor.serving.bundles.source import bundle_of, origin_of
from predictor.serving.observability import logs
from predictor.serving.observability.lines import fields
from predictor.serving.processes import ports, workers
from predictor.serving.processes.ports import address
from predictor.serving.settings import Settings

logger = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Serve a bundle until SIGTERM or SIGINT, then finish the requests in flight.

    Raises BundleError, SettingsError or ServerError when it cannot start; nothing was answered by
    then.
    """
    logs.configure(settings.log_format, settings.log_level)
    allowed = cpus.limit()
    # A limit is there to be used up; without one a server should not take a whole machine.
    count = settings.workers or max(1, int(allowed or 1))
    threads = max(1, cpus.count(allowed) // count)
    with ports.bound(settings.listen_host, settings.port, settings.grpc_port, count) as bound:
        used = msgspec.structs.replace(settings, port=bound.http, grpc_port=bound.grpc)
        limit = "none" if allowed is None else f"{allowed:g}"
        logger.info("CPU limit: %s; workers: %d; threads of each: %d", limit, count, threads)
        if count > 1:
            announce = _announcement(used, bundle_of(used))  # a bad one starts no process
            workers.keep(used, bound.listeners, threads, announce)
        else:
            from predictor.serving.processes.worker import work

            work(used, bound.listeners[0], threads, lambda e: _announce(used, e.manifest, e.folder))


def _announcement(settings: Settings, bundle: Bundle) -> Callable[[], None]:
    """Return what says that a bundle is served, without its graph."""
    return partial(_announce, settings, bundle.manifest, bundle.folder)


def _announce(settings: Settings, manifest: Manifest, folder: Path) -> None:
    """Say what is served where, and how to try it."""
    scheme = "https" if settings.tls_cert_file else "http"
    url = f"{scheme}://{address(settings.listen_host, settings.port)}"
    grpc = f"gRPC on {address(settings.listen_host, settings.grpc_port)}"
    source = f"{folder.absolute()} ({origin_of(folder, settings)})"
    logger.info(
        "serving %s %s of %s on %s, %s",
        *(manifest.name, manifest.version, source, url, grpc),
        extra=fields(model_name=manifest.name, model_version=manifest.version),
    )
    logger.info("try %s", _example(manifest, url))


def _example(manifest: Manifest, url: str) -> str:
    """Return a command that asks this server for a prediction."""
    row = msgspec.json.encode({"instances": manifest.golden.rows[:1]}).decode()
    path = f"{url}/v1/models/{manifest.name}:predict"
    return f"curl {path} -H 'Content-Type: application/json' -d '{row}'"
