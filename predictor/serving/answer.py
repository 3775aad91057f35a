"""Rows in, predictions out: what every protocol does between its decoding and its encoding."""

from dataclasses import dataclass

import numpy as np

from predictor.contract import RowWarning
from predictor.serving import metrics
from predictor.serving.batch import encode
from predictor.serving.engine import Engine, Prediction


@dataclass(frozen=True)
class Doubt:
    """What may be wrong with a row, by its number."""

    row: int
    warning: RowWarning


def answer(engine: Engine, rows: object, max_rows: int) -> tuple[Prediction, list[Doubt]]:
    """Validate decoded rows and predict them, measuring both; raises InvalidInput.

    Returns the doubts row by row beside the prediction; mostly there are none.
    """
    name = engine.manifest.name
    with metrics.PREPROCESS_SECONDS.labels(name).time():
        batch = encode(engine.manifest.contract, rows, max_rows)
    with metrics.PREDICT_SECONDS.labels(name).time():
        prediction = engine.predict(batch)
    metrics.ROWS.labels(name).inc(len(batch.columns))
    doubts = _doubts(engine, prediction) if prediction.warnings.any() else []
    for doubt in doubts:
        metrics.WARNINGS.labels(name, doubt.warning.name).inc()
    return prediction, doubts


def _doubts(engine: Engine, prediction: Prediction) -> list[Doubt]:
    known = engine.manifest.contract.warnings
    return [Doubt(int(row), known[kind]) for row, kind in np.argwhere(prediction.warnings)]
