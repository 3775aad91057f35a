"""The steps from a request to its answer, each timed, with one engine."""

from collections.abc import Callable
from time import perf_counter
from typing import TypeVar

import msgspec

from predictor.errors import InvalidInput
from predictor.serving.decoding.batch import Batch
from predictor.serving.engine import Doubt, Engine, Prediction
from predictor.serving.observability.capture import Capture
from predictor.serving.observability.meter import Meter

Answer = TypeVar("Answer")
Encode = Callable[[Prediction, list[Doubt]], Answer]
# What a request asks of an engine, and how its answer is to be encoded.
Decode = Callable[[Engine], tuple[Batch, Encode[Answer]]]


class Steps:
    """Decodes, predicts and encodes; what each raises is the request's own error."""

    def __init__(self, engine: Engine, capture: Capture | None = None) -> None:
        """Take the engine that is asked, and what keeps a sample of its answers, if anything."""
        self._engine = engine
        self._capture = capture
        self.meter = Meter(engine.manifest)

    def decode(self, decode: Decode[Answer]) -> tuple[Batch, Encode[Answer]]:
        """Return a request's rows, and what encodes their answer."""
        start = perf_counter()
        try:
            return decode(self._engine)
        except InvalidInput as error:
            self.meter.refuse(error.column)
            raise
        finally:
            self.meter.note_preprocess(perf_counter() - start)

    def predict(self, batch: Batch, requests: int = 1) -> Prediction:
        """Return the predictions for the rows of one or more requests."""
        start = perf_counter()
        prediction = self._engine.predict(batch)
        seconds = perf_counter() - start
        for _ in range(requests):
            self.meter.note_predict(seconds)
        self.meter.offer(batch.columns, prediction.ends)
        if self._capture:
            self._capture.offer(self._engine.manifest, batch.columns, prediction.ends)
        return prediction

    def explain(self, batch: Batch) -> Prediction:
        """Return the predictions for a request's rows, and what explains them.

        They are questions about rows, such as what if, and not the plant's readings: they are left
        out of what drift is measured by and of captures.
        """
        start = perf_counter()
        prediction = self._engine.predict(batch)
        explanation = self._engine.explain(batch)
        self.meter.note_explain(perf_counter() - start)
        return msgspec.structs.replace(prediction, explanation=explanation)

    def encode(self, prediction: Prediction, encode: Encode[Answer]) -> Answer:
        """Return the encoded answer of a request."""
        doubts = self._engine.doubts(prediction)
        for doubt in doubts:
            self.meter.warn(doubt.warning.name)
        start = perf_counter()
        try:
            return encode(prediction, doubts)
        finally:
            self.meter.note_postprocess(perf_counter() - start)
