"""From a decoded request to an encoded answer: what every protocol does in between."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from typing import TypeVar

from predictor.serving.backlog import Backlog, Buffers, ClientGone, Overloaded
from predictor.serving.decoding.batch import Batch
from predictor.serving.decoding.rows import RowDecoder
from predictor.serving.decoding.tensors import TensorDecoder
from predictor.serving.engine import Engine
from predictor.serving.settings import Settings
from predictor.serving.steps import Decode, Encode, Steps
from predictor.serving.together import Deliver, Together

# A larger request takes over two milliseconds, and is answered beside the event loop.
SMALL_BYTES = 128 * 1024

Answer = TypeVar("Answer")
# Notes that so many bytes of a request are held.
Take = Callable[[int], None]


class Service:
    """Answers requests with an engine: small ones together, large ones beside the event loop.

    The engine may be replaced, by one of the same contract; a request keeps the one it began with.
    """

    def __init__(self, engine: Engine, settings: Settings, threads: int = 1) -> None:
        """Make the decoders of the engine's contract, and room for `threads` large requests."""
        contract = engine.manifest.contract
        self.rows = RowDecoder(contract, settings.max_rows)
        self.tensors = TensorDecoder(contract, settings.max_rows)
        self.is_ending = False  # then it answers, but is not ready for more
        self.buffers = Buffers(settings.max_buffered_bytes)
        self._small = Backlog(settings.max_wait_seconds)
        self._large = Backlog(settings.max_wait_seconds, threads)
        self._beside = ThreadPoolExecutor(threads, "large-request")
        self.replace(engine)

    def replace(self, engine: Engine) -> None:
        """Answer with another engine from now on; what waits is still the old one's."""
        self.engine = engine
        self._steps = Steps(engine)
        self._together = Together(self._steps, self._small)

    def has_room(self, size_bytes: int) -> bool:
        """Tell whether a request of a size can be held, and would be answered in time."""
        is_large = size_bytes > SMALL_BYTES
        backlog = self._large if is_large else self._small
        return not backlog.is_full and self.buffers.has_room(size_bytes, is_large=is_large)

    @contextmanager
    def arriving(self, size_bytes: int) -> "Iterator[Take]":
        """Yield what notes each part of a request that is held in memory until it is answered.

        Both raise Overloaded: when a request of this size would wait too long, and when too much
        is held.
        """
        if not self.has_room(size_bytes):
            raise Overloaded
        held = 0

        def take(part_bytes: int) -> None:
            nonlocal held
            is_large = max(size_bytes, held + part_bytes) > SMALL_BYTES
            self.buffers.take(part_bytes, is_large=is_large)
            held += part_bytes

        try:
            yield take
        finally:
            self.buffers.give_back(held)

    async def answer(self, size_bytes: int, decode: "Decode[Answer]") -> Answer:
        """Return the encoded answer to a request of a size; raises InvalidInput or Overloaded."""
        if size_bytes > SMALL_BYTES:
            return await self._answer_large(size_bytes, decode)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def decode_if_wanted(engine: Engine) -> tuple[Batch, Encode[Answer]]:
            if future.done():  # its client has gone, or would have it no more
                raise ClientGone
            return decode(engine)

        self.submit(size_bytes, decode_if_wanted, partial(_settle, future))
        return await future

    def submit(self, size_bytes: int, decode: "Decode[Answer]", deliver: Deliver) -> None:
        """Have `deliver` called with the answer to a small request, or with its error."""
        try:
            self._together.submit(size_bytes, decode, deliver)
        except Overloaded as error:
            deliver(error)

    async def _answer_large(self, size_bytes: int, decode: "Decode[Answer]") -> Answer:
        self._large.add(size_bytes)
        loop, since = asyncio.get_running_loop(), perf_counter()
        work = partial(self._answer_beside, self._steps, size_bytes, since, decode)
        try:
            return await loop.run_in_executor(self._beside, work)
        finally:
            self._large.remove(1, size_bytes)

    def _answer_beside(
        self, steps: Steps, size_bytes: int, since: float, decode: "Decode[Answer]"
    ) -> Answer:
        self._large.check_age(since)
        start = perf_counter()
        batch, encode = steps.decode(decode)
        answer = steps.encode(steps.predict(batch), encode)
        self._large.learn(1, size_bytes, perf_counter() - start)
        return answer


def _settle(future: "asyncio.Future[Answer]", outcome: Answer | Exception) -> None:
    if future.done():  # its client has gone
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
