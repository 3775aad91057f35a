"""Watching a server from outside while its bundle changes."""

import time
from collections.abc import Callable

import httpx
from prometheus_client.parser import text_string_to_metric_families

from predictor.training.pipeline import Trained
from tests.bundles import written
from tests.mounted import Mounted, Plain
from tests.protocol.process import Server

# Often, so that a test is short; and nothing is refused because the machine is slow.
SETTINGS = {"RELOAD_SECONDS": "0.1", "MAX_WAIT_SECONDS": "60"}


def metric(server: Server, name: str, label: str) -> dict[str, float]:
    """Return a metric's values by one of its labels."""
    families = text_string_to_metric_families(httpx.get(f"{server.url}/metrics", timeout=60).text)
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return {sample.labels[label]: sample.value for sample in samples}


def outcomes(server: Server) -> dict[str, float]:
    """Return how often each thing became of what was found in the folder."""
    return metric(server, "predictor_reloads_total", "outcome")


def served(server: Server) -> dict[str, str]:
    [model] = httpx.get(f"{server.url}/models", timeout=60).json()["models"]
    return dict(model)


def wait(server: Server, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline, server.log.read_text()
        time.sleep(0.01)


def wait_for_version(server: Server, version: str) -> None:
    wait(server, lambda: served(server)["model_version"] == version)


def wait_for_outcome(server: Server, outcome: str, count: float) -> None:
    wait(server, lambda: outcomes(server)[outcome] >= count)


def lines(server: Server, part: str) -> list[str]:
    return [line for line in server.log.read_text().splitlines() if part in line]


def wait_until_loaded(server: Server, folder: Plain | Mounted, version: Trained) -> None:
    folder.put(written(version))
    wait_for_version(server, version.manifest.version)
