"""From a decoded request to an encoded answer: what every protocol does in between."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import TypeVar

from predictor.serving.decoding.batch import Batch
from predictor.serving.decoding.rows import RowDecoder
from predictor.serving.decoding.tensors import TensorDecoder
from predictor.serving.engine import Doubt, Engine, Prediction
from predictor.serving.metrics import Meter
from predictor.serving.together import Outcome, Together

# A larger request takes over two milliseconds, and is answered beside the event loop.
SMALL_BYTES = 128 * 1024

Answer = TypeVar("Answer")
Encode = Callable[[Prediction, list[Doubt]], Answer]
# What a request asks of an engine, and how its answer is to be encoded.
Decode = Callable[[Engine], tuple[Batch, Encode[Answer]]]
Deliver = Callable[[Answer | Exception], None]


class Service:
    """Answers requests with an engine: small ones together, large ones beside the event loop.

    The engine may be replaced, by one of the same contract; a request keeps the one it began with.
    """

    def __init__(self, engine: Engine, max_rows: int, threads: int = 1) -> None:
        """Make the decoders of the engine's contract, and room for `threads` large requests."""
        self.engine = engine
        self.rows = RowDecoder(engine.manifest.contract, max_rows)
        self.tensors = TensorDecoder(engine.manifest.contract, max_rows)
        self._meter = Meter(engine.manifest.name)
        self._together = Together(engine.predict)
        self._beside = ThreadPoolExecutor(threads, "large-request")

    def replace(self, engine: Engine) -> None:
        """Answer with another engine from now on; what waits is still the old one's."""
        self.engine = engine
        self._together = Together(engine.predict)

    async def answer(self, size_bytes: int, decode: "Decode[Answer]") -> Answer:
        """Return the encoded answer to a request of a size; raises InvalidInput."""
        loop = asyncio.get_running_loop()
        if size_bytes > SMALL_BYTES:
            return await loop.run_in_executor(self._beside, self.answer_now, decode)
        future: asyncio.Future[Answer] = loop.create_future()
        self.submit(decode, partial(_settle, future))
        return await future

    def submit(self, decode: "Decode[Answer]", deliver: "Deliver[Answer]") -> None:
        """Have `deliver` called with the answer to a small request, or with its error.

        That is at the latest at the end of this turn of the event loop.
        """
        engine = self.engine
        try:
            batch, encode = self._decoded(engine, decode)
        except Exception as error:  # noqa: BLE001 - it is the request's own
            deliver(error)
        else:
            finish = partial(self._finish, engine, perf_counter(), encode, deliver)
            self._together.submit(batch, finish)

    def _finish(
        self,
        engine: Engine,
        start: float,
        encode: "Encode[Answer]",
        deliver: "Deliver[Answer]",
        outcome: Outcome,
    ) -> None:
        if isinstance(outcome, Exception):
            deliver(outcome)
            return
        self._meter.predict_seconds.observe(perf_counter() - start)
        try:
            answer = self._encoded(engine, outcome, encode)
        except Exception as error:  # noqa: BLE001 - it is the request's own
            deliver(error)
        else:
            deliver(answer)

    def answer_now(self, decode: "Decode[Answer]") -> Answer:
        """Return the encoded answer to a request by itself; raises InvalidInput."""
        engine = self.engine
        batch, encode = self._decoded(engine, decode)
        start = perf_counter()
        prediction = engine.predict(batch)
        self._meter.predict_seconds.observe(perf_counter() - start)
        return self._encoded(engine, prediction, encode)

    def _decoded(self, engine: Engine, decode: "Decode[Answer]") -> "tuple[Batch, Encode[Answer]]":
        start = perf_counter()
        try:
            return decode(engine)
        finally:
            self._meter.preprocess_seconds.observe(perf_counter() - start)

    def _encoded(self, engine: Engine, prediction: Prediction, encode: "Encode[Answer]") -> Answer:
        self._meter.rows.inc(len(prediction.values))
        doubts = engine.doubts(prediction)
        for doubt in doubts:
            self._meter.warn(doubt.warning.name)
        start = perf_counter()
        try:
            return encode(prediction, doubts)
        finally:
            self._meter.postprocess_seconds.observe(perf_counter() - start)


def _settle(future: "asyncio.Future[Answer]", outcome: Answer | Exception) -> None:
    if future.done():  # its client has gone
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
