"""What is told of every request that was answered: a count, and a line if it is wanted."""

import logging
from datetime import UTC, datetime
from time import perf_counter

import msgspec

from predictor.serving import metrics

logger = logging.getLogger("predictor.access")
logger.propagate = False
logger.setLevel(logging.WARNING)  # until lines are wanted


def log_lines() -> None:
    """Write a line of JSON for each request to standard error from now on."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)


def answered(route: str, method: str, code: int | str, start: float) -> None:
    """Count a request, and write its line; `start` is what `perf_counter` said when it came.

    A line holds nothing that a client made up: the route is one of the server's.
    """
    metrics.requests(route, method, code).inc()
    if logger.isEnabledFor(logging.INFO):
        line = {
            "time": datetime.now(UTC),
            "method": method,
            "route": route,
            "code": code,
            "milliseconds": round((perf_counter() - start) * 1e3, 3),
        }
        logger.info(msgspec.json.encode(line).decode())
