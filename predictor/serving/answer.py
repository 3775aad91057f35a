"""Rows in, predictions out: what every protocol does between its decoding and its encoding."""

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
    return prediction
