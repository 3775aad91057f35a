"""Requests of one moment, predicted at once."""

import asyncio
from collections.abc import Callable

import numpy as np

from predictor.serving.decoding.batch import Batch
from predictor.serving.engine import Prediction

# A run of the graph costs about as much as forty of its rows, so that to share one is worth most
# for a few rows. No run is so long that a probe would notice.
FEW_ROWS = 64
MOST_ROWS = 1024


Outcome = Prediction | Exception


class Together:
    """Runs the batches that arrive in one turn of the event loop as one, and adds no waiting."""

    def __init__(self, predict: Callable[[Batch], Prediction]) -> None:
        """Take what runs the model."""
        self._predict = predict
        self._waiting: list[tuple[Batch, Callable[[Outcome], None]]] = []
        self._rows = 0

    def submit(self, batch: Batch, deliver: Callable[[Outcome], None]) -> None:
        """Have `deliver` called with a batch's predictions, or with what the model raises."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._run)
        self._waiting.append((batch, deliver))
        self._rows += len(batch.columns)
        if len(batch.columns) > FEW_ROWS or self._rows >= MOST_ROWS:
            self._run()

    def _run(self) -> None:
        """Run what is waiting, and give each its part."""
        waiting, self._waiting, self._rows = self._waiting, [], 0
        if not waiting:  # it has been run as soon as it was enough
            return
        try:
            prediction = self._predict(_joined([batch for batch, _ in waiting]))
        except Exception as error:  # noqa: BLE001 - it is each waiting request's own
            for _, deliver in waiting:
                deliver(error)
            return
        start = 0
        for batch, deliver in waiting:
            end = start + len(batch.columns)
            deliver(prediction.part(start, end))
            start = end


def _joined(batches: list[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]
    return Batch(np.concatenate([batch.columns for batch in batches]))
