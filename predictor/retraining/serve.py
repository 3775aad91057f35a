"""Runs by schedule and by webhook, one at a time, for as long as this process lives."""

import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Thread

# Before Prefect, whose reports to its maker it switches off.
from predictor.retraining.flow import Order, require_server, retrain  # isort: split

from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments import arun_deployment
from prefect.types.entrypoint import EntrypointType

from predictor.errors import SettingsError
from predictor.retraining import webhook

SHORTEST_SECRET = 16
# While one run is at work, another would learn the same.
ONE_AT_A_TIME = ConcurrencyLimitConfig(
    limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW
)


@dataclass(frozen=True)
class Webhook:
    """Where alerts are taken, and the file of the secret that they must come with."""

    host: str
    port: int
    secret_file: Path


def serve(name: str, order: Order, cron: str | None, hook: Webhook | None) -> None:
    """Register the flow with Prefect's server under a name, and run what it schedules.

    Raises SettingsError when no server is named, or the webhook cannot be had.
    """
    require_server()
    if hook:
        _listen(name, hook)
    retrain.serve(
        name,
        cron=cron,
        parameters={"order": asdict(order)},
        global_limit=ONE_AT_A_TIME,
        entrypoint_type=EntrypointType.MODULE_PATH,
        print_starting_message=False,
    )


def webhook_of(address: str | None, secret_file: Path | None) -> Webhook | None:
    """Return the webhook of the two options, if they are given; raises SettingsError."""
    if address is None and secret_file is None:
        return None
    if address is None or secret_file is None:
        message = "--webhook and --webhook-secret need each other: give both, or neither"
        raise SettingsError(message)
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        message = f"--webhook is {address!r}, expected HOST:PORT"
        raise SettingsError(message)
    return Webhook(host.strip("[]"), int(port), secret_file)


def _listen(name: str, hook: Webhook) -> None:
    """Take alerts in a thread, which ends with the process."""

    async def start(key: str) -> str:
        run = await arun_deployment(
            f"{retrain.name}/{name}", timeout=0, as_subflow=False, idempotency_key=key
        )
        return str(run.id)

    server = webhook.server(_secret(hook.secret_file), start)
    listener = _bound(hook)
    Thread(target=server.run, args=([listener],), name="webhook", daemon=True).start()


def _secret(file: Path) -> str:
    try:
        secret = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        message = f"the webhook's secret cannot be read: {error}"
        raise SettingsError(message) from error
    if len(secret) < SHORTEST_SECRET:
        expected = f"{SHORTEST_SECRET} or more"
        message = f"{file}: got a secret of {len(secret)} characters, expected {expected}"
        raise SettingsError(message)
    return secret


def _bound(hook: Webhook) -> socket.socket:
    try:
        return socket.create_server((hook.host, hook.port))
    except OSError as error:
        message = f"cannot listen on {hook.host}:{hook.port}: {error.strerror}"
        raise SettingsError(message) from error
