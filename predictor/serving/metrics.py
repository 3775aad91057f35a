"""What Prometheus reads. The names that KServe publishes are kept, for its dashboards."""

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    generate_latest,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

# Where several processes have their metrics, by prometheus-client's name for it.
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
# Which of them this one is. Who takes its place goes on in its files, so they do not grow in number
# and no count is lost. Gauges are of a `live` mode: they go with who set them.
WORKER_NUMBER = "PREDICTOR_WORKER_NUMBER"

_number = os.environ.get(WORKER_NUMBER)
if _number is not None:
    values.ValueClass = values.MultiProcessValue(lambda: _number)  # type: ignore[no-untyped-call]

# A small batch takes a tenth of a millisecond.
SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

PREPROCESS_SECONDS = Histogram(
    "request_preprocess_seconds",
    "Validating the rows of a request",
    ["model_name"],
    buckets=SECONDS,
)
PREDICT_SECONDS = Histogram(
    "request_predict_seconds", "Running the model", ["model_name"], buckets=SECONDS
)
POSTPROCESS_SECONDS = Histogram(
    "request_postprocess_seconds", "Encoding a response", ["model_name"], buckets=SECONDS
)
REQUESTS = Counter(
    "predictor_requests", "Requests answered, by route and status code", ["route", "method", "code"]
)
IN_FLIGHT = Gauge(
    "predictor_requests_in_flight",
    "Requests that came, at least in part, and are not answered",
    ["protocol"],
    multiprocess_mode="livesum",
)
CONNECTIONS_CUT = Counter(
    "predictor_connections_cut", "Connections ended for what their clients do", ["reason"]
)
DENIED = Counter("predictor_denied", "Requests that were not let in, by reason", ["reason"])
ROWS = Counter("predictor_rows", "Rows predicted", ["model_name"])
WARNINGS = Counter(
    "predictor_warnings", "Rows answered in doubt, by warning", ["model_name", "warning"]
)
MODEL_INFO = Gauge(
    "predictor_model_info",
    "1 for the model that is served, 0 for one that was",
    ["model_name", "version", "origin"],
    multiprocess_mode="livemax",
)
RELOADS = Counter(
    "predictor_reloads", "Bundles found in the watched folder, by what became of them", ["outcome"]
)
CAPTURED_ROWS = Counter("predictor_captured_rows", "Rows written to the capture's files")
CAPTURE_DROPPED = Counter(
    "predictor_capture_dropped", "Rows of the sample that were not written, by reason", ["reason"]
)
for _reason in ("queue", "disk"):
    CAPTURE_DROPPED.labels(_reason)


class Meter:
    """The metrics of one model; to look one up by its label takes longer than to count."""

    def __init__(self, model_name: str) -> None:
        """Look up what every request is measured by."""
        self.model_name = model_name
        self.preprocess_seconds = PREPROCESS_SECONDS.labels(model_name)
        self.predict_seconds = PREDICT_SECONDS.labels(model_name)
        self.postprocess_seconds = POSTPROCESS_SECONDS.labels(model_name)
        self.rows = ROWS.labels(model_name)

    def warn(self, warning: str) -> None:
        """Count a row that was answered in doubt."""
        WARNINGS.labels(self.model_name, warning).inc()


@cache
def requests(route: str, method: str, code: int | str) -> Counter:
    """Return the counter of the requests to a route that were answered with a status code."""
    return REQUESTS.labels(route, method, code)


def exposition() -> bytes:
    """Return what Prometheus reads: this process's metrics, or those of all workers together."""
    if METRICS_FOLDER not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    registry.register(_Workers(Path(os.environ[METRICS_FOLDER])))
    return generate_latest(registry)


class _Workers(Collector):
    """What the workers have counted in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        files = [str(file) for file in self._folder.glob("*.db") if _has_begun(file)]
        merged: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return merged


def _has_begun(file: Path) -> bool:
    """Tell whether a file has a size: for a moment after it is made it has none."""
    try:
        return file.stat().st_size > 0
    except FileNotFoundError:  # the gauges of a worker that has just ended
        return False
