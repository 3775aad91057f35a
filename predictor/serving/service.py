"""From a decoded request to an encoded answer: what every protocol does in between."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import NamedTuple, TypeVar

from predictor.serving import metrics
from predictor.serving.backlog import (
    EXPLAINED_SECONDS_PER_BYTE,
    SMALL_BYTES,
    Backlog,
    Buffers,
    ClientGone,
    Lack,
    Overloaded,
)
from predictor.serving.decoding.batch import Batch
from predictor.serving.decoding.rows import RowDecoder
from predictor.serving.decoding.tensors import TensorDecoder
from predictor.serving.engine import Engine, NoExplanation, Prediction
from predictor.serving.observability.capture import Capture, Dropped
from predictor.serving.observability.meter import Meter
from predictor.serving.settings import Settings
from predictor.serving.steps import Decode, Encode, Steps
from predictor.serving.together import Deliver, Together

Answer = TypeVar("Answer")


class Service:
    """Answers requests with an engine: small ones together, large ones beside the event loop.

    The engine may be replaced, by one of the same contract; a request keeps the one it began with.
    """

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        threads: int = 1,
        capture: Capture | None = None,
    ) -> None:
        """Make the decoders of the engine's contract, and room for `threads` large requests."""
        contract = engine.manifest.contract
        self._capture = capture
        self.rows = RowDecoder(contract, settings.max_rows)
        self.tensors = TensorDecoder(contract, settings.max_rows)
        self.is_ending = False  # then it answers, but is not ready for more
        self.buffers = Buffers(settings.max_buffered_bytes)
        self._small = Backlog(settings.max_wait_seconds)
        self._large = _Lane(Backlog(settings.max_wait_seconds, threads), _pool(threads, "large"))
        dear = Backlog(settings.max_wait_seconds, 1, EXPLAINED_SECONDS_PER_BYTE)
        self._explained = _Lane(dear, _pool(1, "explained"))
        self._explains = settings.explain
        most = min(settings.max_rows, settings.max_explained_rows)
        self.explained_rows = RowDecoder(contract, most)
        for lack in Lack:
            metrics.REJECTED.labels(lack)  # which is 0 from the beginning
        for reason in Dropped:
            metrics.CAPTURE_DROPPED.labels(reason)
        self._meters: deque[Meter] = deque(maxlen=2)  # of this engine, and of the one before
        self.replace(engine)

    def replace(self, engine: Engine) -> None:
        """Answer with another engine from now on; what waits is still the old one's."""
        self.count()
        self.engine = engine
        self._steps = Steps(engine, self._capture)
        if self._meters:
            self._meters[-1].retire(self._steps.meter)
        self._meters.append(self._steps.meter)
        self._together = Together(self._steps, self._small)

    def count(self) -> None:
        """Count in the metrics what was noted since the last time."""
        for meter in self._meters:
            meter.count()
        metrics.count()

    def lack(self, size_bytes: int) -> Lack | None:
        """Return what there is too little of to hold a request of a size and answer it in time."""
        is_large = size_bytes > SMALL_BYTES
        if (self._large.backlog if is_large else self._small).is_full:
            return Lack.QUEUE
        return None if self.buffers.has_room(size_bytes, is_large=is_large) else Lack.MEMORY

    def check_room(self, size_bytes: int) -> None:
        """Raise Overloaded when there is no room for a request of a size."""
        if lack := self.lack(size_bytes):
            raise Overloaded(lack)

    def check_room_to_explain(self) -> None:
        """Raise Overloaded or NoExplanation when a request's rows would not be explained."""
        self.check_explains()
        if self._explained.backlog.is_full:
            raise Overloaded(Lack.QUEUE)

    @property
    def explains(self) -> bool:
        """Whether predictions are explained."""
        return self._explains and self.engine.explainer is not None

    def check_explains(self) -> None:
        """Raise NoExplanation when predictions are not explained."""
        if not self._explains:
            reason = "this server explains no predictions: its setting EXPLAIN is false"
            raise NoExplanation(reason)
        if self.engine.explainer is None:
            raise NoExplanation

    async def answer(
        self, size_bytes: int, decode: "Decode[Answer]", *, explained: bool = False
    ) -> Answer:
        """Return the encoded answer to a request of a size, its predictions explained or not.

        Raises InvalidInput, Overloaded or NoExplanation.
        """
        if explained:
            self.check_explains()
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def decode_if_wanted(engine: Engine) -> tuple[Batch, Encode[Answer]]:
            if future.done():  # its client has gone, or would have it no more
                raise ClientGone
            return decode(engine)

        deliver = partial(_settle, future)
        if explained:
            predict = self._steps.explain
            self._submit_beside(self._explained, size_bytes, decode_if_wanted, predict, deliver)
        else:
            self.submit(size_bytes, decode_if_wanted, deliver)
        return await future

    def submit(self, size_bytes: int, decode: "Decode[Answer]", deliver: Deliver) -> None:
        """Have `deliver` called with the answer to a request of a size, or with its error."""
        if size_bytes > SMALL_BYTES:
            predict = self._steps.predict
            self._submit_beside(self._large, size_bytes, decode, predict, deliver)
            return
        try:
            self._together.submit(size_bytes, decode, deliver)
        except Overloaded as error:
            deliver(error)

    def _submit_beside(
        self,
        lane: "_Lane",
        size_bytes: int,
        decode: "Decode[Answer]",
        predict: Callable[[Batch], Prediction],
        deliver: Deliver,
    ) -> None:
        """Have a request answered beside the event loop, in its turn in a lane."""
        try:
            lane.backlog.add(size_bytes)
        except Overloaded as error:
            deliver(error)
            return
        since, steps = perf_counter(), self._steps

        def work() -> Answer:
            if lane.backlog.is_late(since):
                raise Overloaded(Lack.LATE)
            start = perf_counter()
            batch, encode = steps.decode(decode)
            answer = steps.encode(predict(batch), encode)
            lane.backlog.learn(1, size_bytes, perf_counter() - start)
            return answer

        answering = asyncio.get_running_loop().run_in_executor(lane.pool, work)

        def answered(done: "asyncio.Future[Answer]") -> None:
            lane.backlog.remove(1, size_bytes)
            deliver(done.exception() or done.result())

        answering.add_done_callback(answered)


class _Lane(NamedTuple):
    """Where requests wait for threads of their own."""

    backlog: Backlog
    pool: ThreadPoolExecutor


def _pool(threads: int, what: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, f"{what}-request")


def _settle(future: "asyncio.Future[Answer]", outcome: Answer | Exception) -> None:
    if future.done():  # its client has gone
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
