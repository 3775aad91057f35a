"""A plant whose first days were trained on, and whose next ones a server captured."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np

from predictor.bundle import Manifest
from predictor.serving.observability import capture
from predictor.training import pipeline
from predictor.training.dataset import Dataset, load
from predictor.training.pipeline import Trained
from predictor.training.tracks import ANCHORED
from tests.conftest import small

# The rows that were known, and those there are now.
KNOWN_ROWS, ROWS = 800, 1200
FIRST_END = datetime(2018, 1, 1, 0, 15, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def trained_on(history: Path) -> Trained:
    """Return a bundle of a file, of few trees."""
    dataset = load(ANCHORED.contract, history)
    return pipeline.train(dataset, pipeline.Plan(small(ANCHORED, 3), seed=42), lambda _: None)


def capture_what_came(folder: Path, manifest: Manifest, dataset: Dataset) -> None:
    """Write the rows that came as a server captures them, and what was used."""
    lines: list[bytes] = []
    usage = ["time,usage_kwh"]
    for number in range(KNOWN_ROWS, ROWS):
        end = FIRST_END + number * QUARTER
        columns, ends = dataset.columns[number : number + 1], (np.zeros(1), np.zeros(1), np.ones(1))
        kept = capture.lines(end.timestamp() + 20, manifest, columns, ends)
        lines.extend(msgspec.json.encode(line) + b"\n" for line in kept)
        usage.append(f"{end.isoformat()},{dataset.target[number]}")
    (folder / "capture-pod-0.jsonl").write_bytes(b"".join(lines))
    (folder / "usage.csv").write_text("\n".join(usage))
