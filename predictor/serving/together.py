"""Requests of one moment, predicted at once."""

import asyncio
from collections.abc import Callable

import numpy as np

from predictor.serving.batch import Batch
from predictor.serving.engine import Prediction

# A run of the graph costs about as much as forty of its rows, so that to share one is worth most
# for a few rows. No run is so long that a probe would notice.
FEW_ROWS = 64
MOST_ROWS = 1024


class Together:
    """Runs the batches that arrive in one turn of the event loop as one, and adds no waiting."""

    def __init__(
        self, predict: Callable[[Batch], Prediction], in_progress: Callable[[], int]
    ) -> None:
        """Take the model, and what tells how many requests are being answered, or 0."""
        self._predict = predict
        self._in_progress = in_progress
        self._waiting: list[tuple[Batch, asyncio.Future[Prediction]]] = []
        self._rows = 0

    async def predict(self, batch: Batch) -> Prediction:
        """Return the predictions for a batch's rows; raises what the model raises."""
        if len(batch.columns) > FEW_ROWS or (self._in_progress() == 1 and not self._waiting):
            return self._predict(batch)
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._run)
        future: asyncio.Future[Prediction] = loop.create_future()
        self._waiting.append((batch, future))
        self._rows += len(batch.columns)
        if self._rows >= MOST_ROWS or len(self._waiting) == self._in_progress():
            self._run()  # there is nobody to wait for
        return await future

    def _run(self) -> None:
        """Run what is waiting, and give each its part."""
        waiting, self._waiting, self._rows = self._waiting, [], 0
        if not waiting:  # it has been run as soon as it was enough
            return
        try:
            prediction = self._predict(_joined([batch for batch, _ in waiting]))
        except Exception as error:  # noqa: BLE001 - it is each waiting request's own
            for _, future in waiting:
                if not future.done():
                    future.set_exception(error)
            return
        start = 0
        for batch, future in waiting:
            end = start + len(batch.columns)
            if not future.done():  # its client may have gone
                future.set_result(prediction.part(start, end))
            start = end


def _joined(batches: list[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]
    return Batch(np.concatenate([batch.columns for batch in batches]))
