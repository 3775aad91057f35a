"""What is told of every request that was answered: a count, a line and a span if wanted."""

import logging
from collections.abc import Callable, Iterable
from functools import cache, partial
from time import perf_counter

from predictor.serving import metrics
from predictor.serving.observability import traces
from predictor.serving.observability.arrivals import Arrival
from predictor.serving.observability.lines import fields

logger = logging.getLogger("predictor.access")
logger.setLevel(logging.WARNING)  # until lines are wanted


@cache
def _measures(
    route: str, method: str, code: int | str
) -> tuple[Callable[[], None], Callable[[float], None]]:
    """Return what counts a request, and what notes how long it took."""
    protocol = "grpc" if method == "GRPC" else "http"
    counter = metrics.REQUESTS.labels(protocol, route, method, code)
    # The counter's own `inc` first looks whether it has labels and whether what is added is a
    # number over 0, which takes as long as to count.
    count = partial(counter._value.inc, 1)  # noqa: SLF001
    return count, metrics.REQUEST_SECONDS.labels(protocol, route).note


def expect(route: str, method: str, codes: Iterable[int | str]) -> None:
    """Begin with 0 what a route's requests are counted by.

    A rate sees no rise in a counter that comes into being with its first failures.
    """
    for code in codes:
        _measures(route, method, code)


def log_lines() -> None:
    """Write a line for each request from now on, whatever the level of the log."""
    logger.setLevel(logging.INFO)


def answered(route: str, method: str, code: int | str, arrival: Arrival) -> None:
    """Count a request, write its line and make its span.

    They hold nothing that a client made up but its id for the request: the route is one of the
    server's.
    """
    count, note_seconds = _measures(route, method, code)
    count()
    note_seconds(perf_counter() - arrival.start)
    trace_id = traces.spans.add(route, method, code, arrival) if traces.spans else None
    if logger.isEnabledFor(logging.INFO):
        traced = {"trace_id": trace_id} if trace_id else {}
        of_request = fields(
            method=method,
            route=route,
            code=code,
            milliseconds=round((perf_counter() - arrival.start) * 1e3, 3),
            request_id=arrival.request_id.decode(),
            **traced,
        )
        logger.info("answered", extra=of_request)
