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
# What a request asks for, and how its answer is to be encoded.
Decode = Callable[[], tuple[Batch, Encode[Answer]]]
Deliver = Callable[[Answer | Exception], None]


class Service:
    """Answers requests with one engine: small ones together, large ones beside the event loop."""

    def __init__(self, engine: Engine, max_rows: int, threads: int = 1) -> None:
        """Make the decoders of the engine's contract, and room for `threads` large requests."""
        self.engine = engine
        self.rows = RowDecoder(engine.manifest.contract, max_rows)
        self.tensors = TensorDecoder(engine.manifest.contract, max_rows)
        self._meter = Meter(engine.manifest.name)
        self._together = Together(engine.predict)
        self._beside = ThreadPoolExecutor(threads, "large-request")

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
        try:
            batch, encode = self._decoded(decode)
        except Exception as error:  # noqa: BLE001 - it is the request's own
            deliver(error)
        else:
            self._together.submit(batch, partial(self._finish, perf_counter(), encode, deliver))

    def _finish(
        self,
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
            answer = self._encoded(outcome, encode)
        except Exception as error:  # noqa: BLE001 - it is the request's own
            deliver(error)
        else:
            deliver(answer)

    def answer_now(self, decode: "Decode[Answer]") -> Answer:
        """Return the encoded answer to a request by itself; raises InvalidInput."""
        batch, encode = self._decoded(decode)
        start = perf_counter()
        prediction = self.engine.predict(batch)
        self._meter.predict_seconds.observe(perf_counter() - start)
        return self._encoded(prediction, encode)

    def _decoded(self, decode: "Decode[Answer]") -> "tuple[Batch, Encode[Answer]]":
        start = perf_counter()
        try:
            return decode()
        finally:
            self._meter.preprocess_seconds.observe(perf_counter() - start)

    def _encoded(self, prediction: Prediction, encode: "Encode[Answer]") -> Answer:
        self._meter.rows.inc(len(prediction.values))
        doubts = self.engine.doubts(prediction)
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
