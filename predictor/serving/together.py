"""Small requests in the order they came, those of one moment predicted at once."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Any

import msgspec
import numpy as np

from predictor.serving.backlog import Backlog, Lack, Overloaded
from predictor.serving.decoding.batch import Batch
from predictor.serving.engine import Prediction
from predictor.serving.steps import Decode, Encode, Steps

# A run of the graph costs about as much as forty of its rows, so that to share one is worth most
# for a few rows. No run, with all that is around it, is so long that a probe would notice.
MOST_REQUESTS = 128
ENOUGH_BYTES = 64 * 1024

Deliver = Callable[[Any], None]

logger = logging.getLogger(__name__)


# Left to the garbage collector: what a request raises leads by its traceback to this, and from here
# by `deliver` back to itself.
class _Waiting(msgspec.Struct):
    """A request, its size, since when it waits, and who gets its answer or what it raised."""

    size_bytes: int
    since: float
    decode: Decode[Any]
    deliver: Deliver


class _Decoded(msgspec.Struct):
    batch: Batch
    encode: Encode[Any]
    deliver: Deliver


class Together:
    """Answers requests run by run, and lets the event loop read and probes pass in between."""

    def __init__(self, steps: Steps, backlog: Backlog) -> None:
        """Take what answers, and what knows how much waits."""
        self._steps = steps
        self._backlog = backlog
        self._waiting: deque[_Waiting] = deque()
        self._since = 0.0

    def submit(self, size_bytes: int, decode: Decode[Any], deliver: Deliver) -> None:
        """Have `deliver` called with a request's answer, or with what it raised.

        Alone, that is at the end of this turn of the event loop. Raises Overloaded.
        """
        self._backlog.add(size_bytes)
        now = perf_counter()
        if not self._waiting:
            self._since = now
            asyncio.get_running_loop().call_soon(self._run)
        self._waiting.append(_Waiting(size_bytes, now, decode, deliver))

    def _run(self) -> None:
        """Answer what shares the next run of the graph, and come back for the rest."""
        since, taken = self._since, self._next()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._run)
        self._backlog.remove(len(taken), _size_bytes(taken))
        timely = [request for request in taken if not self._refuse_late(request)]
        self._answer([decoded for request in timely if (decoded := self._decode(request))])
        now = perf_counter()
        if timely:
            # What was read since the last run is part of what a request takes.
            self._backlog.learn(len(timely), _size_bytes(timely), now - since)
        self._since = now

    def _next(self) -> list[_Waiting]:
        """Return the oldest requests, as many as make one run worth its while."""
        taken: list[_Waiting] = []
        size_bytes = 0
        while self._waiting and len(taken) < MOST_REQUESTS and size_bytes < ENOUGH_BYTES:
            taken.append(self._waiting.popleft())
            size_bytes += taken[-1].size_bytes
        return taken

    def _refuse_late(self, request: _Waiting) -> bool:
        """Tell whether a request has waited too long; it is told then."""
        is_late = self._backlog.is_late(request.since)
        if is_late:
            _deliver(request.deliver, Overloaded(Lack.LATE))
        return is_late

    def _decode(self, request: _Waiting) -> _Decoded | None:
        try:
            return _Decoded(*self._steps.decode(request.decode), request.deliver)
        except Exception as error:  # noqa: BLE001 - it is the request's own
            _deliver(request.deliver, error)
            return None

    def _answer(self, decoded: list[_Decoded]) -> None:
        """Run the graph, and give each request its part."""
        if not decoded:
            return
        try:
            batch = _joined([request.batch for request in decoded])
            prediction = self._steps.predict(batch, len(decoded))
        except Exception as error:  # noqa: BLE001 - it is each request's own
            for request in decoded:
                _deliver(request.deliver, error)
            return
        start = 0
        for request in decoded:
            end = start + len(request.batch.columns)
            self._encode(request, prediction.part(start, end))
            start = end

    def _encode(self, request: _Decoded, prediction: Prediction) -> None:
        try:
            answer = self._steps.encode(prediction, request.encode)
        except Exception as error:  # noqa: BLE001 - it is the request's own
            answer = error
        _deliver(request.deliver, answer)


def _size_bytes(requests: list[_Waiting]) -> int:
    return sum(request.size_bytes for request in requests)


def _deliver(deliver: Deliver, outcome: object) -> None:
    """Give a request its answer; if that fails, no other request must suffer from it."""
    try:
        deliver(outcome)
    except Exception:
        logger.exception("an answer could not be delivered")


def _joined(batches: list[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]
    return Batch(np.concatenate([batch.columns for batch in batches]))
