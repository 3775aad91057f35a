"""Rows in, predictions out: what every protocol does between its decoding and its encoding."""

import numpy as np

from predictor.contract import RowWarning
from predictor.serving import metrics
from predictor.serving.batch import encode
from predictor.serving.engine import Engine, Prediction


def answer(engine: Engine, rows: object, max_rows: int) -> Prediction:
    """Validate decoded rows and predict them, measuring both; raises InvalidInput."""
    name = engine.manifest.name
    with metrics.PREPROCESS_SECONDS.labels(name).time():
        batch = encode(engine.manifest.contract, rows, max_rows)
    with metrics.PREDICT_SECONDS.labels(name).time():
        prediction = engine.predict(batch)
    metrics.ROWS.labels(name).inc(len(batch.columns))
    if prediction.warnings.any():
        _count(engine, prediction)
    return prediction


def warnings_of(engine: Engine, prediction: Prediction) -> list[tuple[int, RowWarning]]:
    """Return the number of each row that is in doubt with its warning, row by row."""
    known = engine.manifest.contract.warnings
    return [(int(row), known[kind]) for row, kind in np.argwhere(prediction.warnings)]


def _count(engine: Engine, prediction: Prediction) -> None:
    counts = prediction.warnings.sum(axis=0).tolist()
    for warning, count in zip(engine.manifest.contract.warnings, counts, strict=True):
        metrics.WARNINGS.labels(engine.manifest.name, warning.name).inc(count)
