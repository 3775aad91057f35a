"""What Prometheus reads. The names that KServe publishes are kept, for its dashboards.

Every request is counted at once, so that none is lost with a worker that is killed. What is known
of each by a number, such as its seconds, is only noted at once, and counted before a scrape and
once a second: to count it takes thirty times as long.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Lock
from typing import cast

import numpy as np
from numpy.typing import NDArray
from prometheus_client import (
    PROCESS_COLLECTOR,
    REGISTRY,
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
LAG_SECONDS = (0.0001, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
ROWS_OF_A_BATCH = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384)
# Of whatever unit a target has.
VALUES = (0.0001, 0.001, 0.01, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 10000)


class Tally(Histogram):
    """A histogram that takes note of a number in no time, and counts many at once."""

    # Notes a number; of a tally with labels, each of its children has one.
    note: Callable[[float], None]

    def _metric_init(self) -> None:
        super()._metric_init()
        self._noted: list[float] = []
        self.note = self._noted.append
        self._added = np.zeros(len(self._upper_bounds), np.int64)
        self._added_sum = 0.0
        self._lock_of_added = Lock()

    def count(self) -> None:
        """Count what was noted and added."""
        if not self._is_parent():  # type: ignore[no-untyped-call]
            self.add(self._taken())
            self._write()
            return
        for child in [*self._metrics.values()]:  # another thread may add one
            cast("Tally", child).count()

    def _taken(self) -> NDArray[np.float64]:
        count = len(self._noted)  # other threads may note more meanwhile
        taken = np.array(self._noted[:count], np.float64)
        del self._noted[:count]
        return taken

    def add(self, numbers: NDArray[np.float64], weight: int = 1) -> None:
        """Have some numbers, (n,), counted next time, each as `weight` of them.

        What is not finite is left out: it would make the sum so for ever.
        """
        if not np.isfinite(numbers.sum()):
            numbers = numbers[np.isfinite(numbers)]
        if not len(numbers):
            return
        up_to = [np.count_nonzero(numbers <= bound) for bound in self._upper_bounds]
        with self._lock_of_added:
            self._added += np.diff([0, *up_to]) * weight
            self._added_sum += float(numbers.sum()) * weight

    def _write(self) -> None:
        with self._lock_of_added:
            added, total = self._added.copy(), self._added_sum
            self._added[:], self._added_sum = 0, 0.0
        for place in np.flatnonzero(added):
            self._buckets[place].inc(float(added[place]))
        if total:
            self._sum.inc(total)


PREPROCESS_SECONDS = Tally(
    "request_preprocess_seconds",
    "Validating the rows of a request",
    ["model_name"],
    buckets=SECONDS,
)
PREDICT_SECONDS = Tally(
    "request_predict_seconds", "Running the model", ["model_name"], buckets=SECONDS
)
POSTPROCESS_SECONDS = Tally(
    "request_postprocess_seconds", "Encoding a response", ["model_name"], buckets=SECONDS
)
EXPLAIN_SECONDS = Tally(
    "request_explain_seconds", "Explaining predictions", ["model_name"], buckets=SECONDS
)
REQUESTS = Counter(
    "predictor_requests",
    "Requests answered, by route and status code",
    ["protocol", "route", "method", "code"],
)
REQUEST_SECONDS = Tally(
    "predictor_request_seconds",
    "From a request's headers to its answer",
    ["protocol", "route"],
    buckets=SECONDS,
)
IN_FLIGHT = Gauge(
    "predictor_requests_in_flight",
    "Requests that came, at least in part, and are not answered",
    ["protocol"],
    multiprocess_mode="livesum",
)
REJECTED = Counter("predictor_rejected", "Requests that were too much, by what lacked", ["reason"])
CONNECTIONS_CUT = Counter(
    "predictor_connections_cut", "Connections ended for what their clients do", ["reason"]
)
DENIED = Counter("predictor_denied", "Requests that were not let in, by reason", ["reason"])
INPUT_ERRORS = Counter(
    "predictor_input_errors",
    "Requests that the contract does not allow, by column",
    ["model_name", "column"],
)
ROWS = Counter("predictor_rows", "Rows predicted", ["model_name"])
BATCH_ROWS = Tally(
    "predictor_batch_rows",
    "Rows that were predicted at once",
    ["model_name"],
    buckets=ROWS_OF_A_BATCH,
)
WARNINGS = Counter(
    "predictor_warnings", "Rows answered in doubt, by warning", ["model_name", "warning"]
)
PREDICTION = Tally(
    "predictor_prediction", "Predictions, in the target's unit", ["model_name"], buckets=VALUES
)
INTERVAL_WIDTH = Tally(
    "predictor_interval_width",
    "Widths of intervals, in the target's unit",
    ["model_name"],
    buckets=VALUES,
)
EVENT_LOOP_LAG_SECONDS = Tally(
    "predictor_event_loop_lag_seconds",
    "How late the event loop did what was due, once a second",
    buckets=LAG_SECONDS,
)
MODEL_INFO = Gauge(
    "predictor_model_info",
    "1 for the model that is served, 0 for one that was",
    ["model_name", "version", "origin"],
    multiprocess_mode="livemax",
)
MODEL_CREATED = Gauge(
    "predictor_model_created_timestamp_seconds",
    "When the model that is served was trained",
    ["model_name"],
    multiprocess_mode="livemax",
)
MODEL_LOADED = Gauge(
    "predictor_model_loaded_timestamp_seconds",
    "Since when the model is served",
    ["model_name"],
    multiprocess_mode="livemax",
)
RELOADS = Counter(
    "predictor_reloads", "Bundles found in the watched folder, by what became of them", ["outcome"]
)
DRIFT_ROWS = Counter(
    "predictor_drift_rows",
    "Rows by the bin of the reference profile in which they are",
    ["model_name", "column", "bin"],
)
DRIFT_REFERENCE_RATIO = Gauge(
    "predictor_drift_reference_ratio",
    "A bin's share of the reference, 0 for one of a profile that was",
    ["model_name", "column", "bin"],
    multiprocess_mode="livemax",
)
DRIFT_REFERENCE_ROWS = Gauge(
    "predictor_drift_reference_rows",
    "Rows of the reference",
    ["model_name"],
    multiprocess_mode="livemax",
)
DRIFT_THRESHOLD = Gauge(
    "predictor_drift_threshold",
    "A PSI over this is drift",
    ["model_name", "column"],
    multiprocess_mode="livemax",
)
CAPTURED_ROWS = Counter("predictor_captured_rows", "Rows written to the capture's files")
CAPTURE_DROPPED = Counter(
    "predictor_capture_dropped", "Rows of the sample that were not written, by reason", ["reason"]
)
# The library's own are of one process only.
REGISTRY.unregister(PROCESS_COLLECTOR)
CPU_SECONDS = Counter("process_cpu_seconds", "CPU time, of all workers")
RESIDENT_BYTES = Gauge(
    "process_resident_memory_bytes", "Memory, of all workers", multiprocess_mode="livesum"
)
OPEN_DESCRIPTORS = Gauge(
    "process_open_fds", "Open file descriptors, of all workers", multiprocess_mode="livesum"
)

TALLIES = (
    PREPROCESS_SECONDS,
    PREDICT_SECONDS,
    POSTPROCESS_SECONDS,
    EXPLAIN_SECONDS,
    REQUEST_SECONDS,
    BATCH_ROWS,
    PREDICTION,
    INTERVAL_WIDTH,
    EVENT_LOOP_LAG_SECONDS,
)


def count() -> None:
    """Count what was noted since the last time."""
    for tally in TALLIES:
        tally.count()


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
