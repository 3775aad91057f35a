"""Traces, for those who name a collector: OpenTelemetry is imported for nobody else."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from predictor.serving import settings

if TYPE_CHECKING:
    from predictor.serving.observability.spans import Spans

# How long the end of a server waits for its last spans to be taken.
FLUSH_SECONDS = 1

logger = logging.getLogger(__name__)

# What makes a span of each request that was answered, while there is a collector.
spans: "Spans | None" = None


@contextmanager
def exported(scheme: str) -> Iterator[None]:
    """Have a span sent for each sampled request that is answered in here, if that is wanted.

    `scheme` is that of HTTP. Without the libraries that it takes there is a warning: what a
    platform sets for all of its pods should stop none of them.
    """
    global spans  # noqa: PLW0603 - as loggers are found by everyone, so is this
    if settings.traces_wanted():
        try:
            from predictor.serving.observability.spans import Spans
        except ModuleNotFoundError as error:
            logger.warning(
                "no traces, for %s is not installed: pip install 'energy-predictor[otel]'",
                error.name,
            )
        else:
            spans = Spans(scheme)
    try:
        yield
    finally:
        if spans:
            # A collector that is away would be waited for longer than a pod has to end.
            last = threading.Thread(target=spans.shut_down, daemon=True)
            last.start()
            last.join(FLUSH_SECONDS)
            spans = None
