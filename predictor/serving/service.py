"""From a decoded request to an encoded answer: what every protocol does in between."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import TypeVar

from predictor.serving.batch import Batch
from predictor.serving.engine import Doubt, Engine, Prediction
from predictor.serving.metrics import Meter
from predictor.serving.rows import RowDecoder
from predictor.serving.tensors import TensorDecoder
from predictor.serving.together import Together

# A larger request takes over two milliseconds, and is answered beside the event loop.
SMALL_BYTES = 128 * 1024

Answer = TypeVar("Answer")
Encode = Callable[[Prediction, list[Doubt]], Answer]
# What a request asks for, and how its answer is to be encoded.
Decode = Callable[[], tuple[Batch, Encode[Answer]]]


class Service:
    """Answers requests with one engine: small ones together, large ones beside the event loop."""

    def __init__(
        self,
        engine: Engine,
        max_rows: int,
        threads: int = 1,
        in_progress: Callable[[], int] = lambda: 0,
    ) -> None:
        """Make the decoders of the engine's contract, and room for `threads` large requests.

        `in_progress` tells how many requests are being answered, or 0 when that is not known.
        """
        self.engine = engine
        self.rows = RowDecoder(engine.manifest.contract, max_rows)
        self.tensors = TensorDecoder(engine.manifest.contract, max_rows)
        self._meter = Meter(engine.manifest.name)
        self._together = Together(engine.predict, in_progress)
        self._beside = ThreadPoolExecutor(threads, "large-request")

    async def answer(self, size_bytes: int, decode: "Decode[Answer]") -> Answer:
        """Return the encoded answer to a request of a size; raises InvalidInput."""
        if size_bytes > SMALL_BYTES:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._beside, self.answer_now, decode)
        batch, encode = self._decoded(decode)
        start = perf_counter()
        prediction = await self._together.predict(batch)
        self._meter.predict_seconds.observe(perf_counter() - start)
        return self._encoded(prediction, encode)

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
