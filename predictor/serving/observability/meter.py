"""What is measured of one model: how long its steps take, and what it is asked and answers."""

from collections.abc import Iterable, Sequence
from random import SystemRandom
from threading import Lock
from time import monotonic

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Counter

from predictor.bundle import Manifest
from predictor.profile import Bins
from predictor.serving import metrics

Numbers = NDArray[np.float64]

# So many rows are binned in a quarter of a millisecond; until they are, they are held.
MOST_ROWS = 2048
# When more rows come in a second, so many of them are looked at, and weighed for all: what they are
# is known well enough by them, and to look at every one would take a tenth of its answer's time.
LOOKED_AT = 500
RATE_SECONDS = 0.5
# What a refused request is counted under that is wrong as a whole, or names no column of the
# contract: labels must not be made up by clients.
OTHER = "other"


class Meter:
    """The metrics of one model; to look one up by its label takes longer than to note a number.

    Rows are offered as they are predicted, by any thread, and looked at together later. All are
    counted; which bins they are in is estimated without bias where more than LOOKED_AT come in a
    second: of so many rows one is looked at, each as likely as any other, and stands for them.
    """

    def __init__(self, manifest: Manifest) -> None:
        """Look up what every request is measured by; all that is counted begins with 0."""
        name = manifest.name
        self.note_preprocess = metrics.PREPROCESS_SECONDS.labels(name).note
        self.note_predict = metrics.PREDICT_SECONDS.labels(name).note
        self.note_postprocess = metrics.POSTPROCESS_SECONDS.labels(name).note
        self.note_explain = metrics.EXPLAIN_SECONDS.labels(name).note
        self._note_batch = metrics.BATCH_ROWS.labels(name).note
        self._rows = metrics.ROWS.labels(name)
        contract = manifest.contract
        # The place of a class is no quantity: how often each comes is counted with the bins.
        has_number = not contract.target.classes
        self._predictions = metrics.PREDICTION.labels(name) if has_number else None
        self._widths = metrics.INTERVAL_WIDTH.labels(name) if contract.interval else None
        self._errors = {
            column: metrics.INPUT_ERRORS.labels(name, column)
            for column in (*manifest.contract.names, OTHER)
        }
        self._warnings = {
            warning.name: metrics.WARNINGS.labels(name, warning.name)
            for warning in manifest.contract.warnings
        }
        self._binned = _binned(manifest)
        _show_reference(manifest)
        self._lock = Lock()
        # Rows are copied to where there always is room for them: to hold what ONNX Runtime gave, or
        # a copy that is allocated, makes it take other memory each time, which slows it down.
        self._held = np.empty((MOST_ROWS, len(contract.names)))
        self._held_answers = np.empty((3 if contract.interval else 1, MOST_ROWS))
        self._held_rows = 0
        self._by_column = np.empty((len(contract.names), MOST_ROWS))
        self._offered = 0
        self._recent, self._since = 0, monotonic()
        self._stride = 1
        self._random = SystemRandom().random  # the image has no numpy.random

    def warn(self, warning: str) -> None:
        """Count a row that was answered in doubt."""
        self._warnings[warning].inc()

    def refuse(self, column: str) -> None:
        """Count a request that the contract does not allow, by the column that is wrong."""
        self._errors.get(column, self._errors[OTHER]).inc()

    def offer(self, columns: Numbers, answers: Sequence[Numbers]) -> None:
        """Take note of rows that were predicted at once, and of their answers.

        `columns` is (n, columns of the contract), `answers` are what was predicted and, if there
        are intervals, their lower and their upper ends, each (n,).
        """
        rows = len(columns)
        self._note_batch(rows)
        with self._lock:
            self._offered += rows
            if self._stride > 1:
                first = int(self._random() * self._stride)
                if first >= rows:
                    return
                columns = columns[first :: self._stride]
                answers = [numbers[first :: self._stride] for numbers in answers]
                rows = len(columns)
            if self._held_rows + rows > MOST_ROWS:
                self._bin_held()
            if rows > MOST_ROWS:
                for start in range(0, rows, MOST_ROWS):
                    part = slice(start, start + MOST_ROWS)
                    self._bin(columns[part], [numbers[part] for numbers in answers])
                return
            start, self._held_rows = self._held_rows, self._held_rows + rows
            self._held[start : self._held_rows] = columns
            for held, numbers in zip(self._held_answers, answers, strict=True):
                held[start : self._held_rows] = numbers

    def _bin_held(self) -> None:
        """Look at the rows that are held, and hold none."""
        rows, self._held_rows = self._held_rows, 0
        self._bin(self._held[:rows], self._held_answers[:, :rows])

    def _bin(self, columns: Numbers, answers: Iterable[Numbers]) -> None:
        values, *ends = answers
        if self._predictions:
            self._predictions.add(values, self._stride)
        if self._widths:
            lower, upper = ends
            with np.errstate(invalid="ignore"):  # infinite ends are left out there
                self._widths.add(upper - lower, self._stride)
        by_column = self._by_column[:, : len(columns)]
        by_column[:] = columns.T
        for binned in self._binned:
            binned.add(values if binned.place is None else by_column[binned.place], self._stride)

    def count(self) -> None:
        """Count the rows that were offered since the last time."""
        with self._lock:
            if self._held_rows:
                self._bin_held()
            for binned in self._binned:
                binned.count()
            self._rows.inc(self._offered)
            self._recent, self._offered = self._recent + self._offered, 0
            self._learn_rate()

    def _learn_rate(self) -> None:
        """Look at fewer rows, or at more, from now on."""
        now = monotonic()
        if now - self._since >= RATE_SECONDS:
            rate = self._recent / (now - self._since)
            self._stride = max(1, round(rate / LOOKED_AT))
            self._recent, self._since = 0, now

    def retire(self, successor: "Meter") -> None:
        """Let go of the reference's bins that the model after this one does not have."""
        for labels in self.bins - successor.bins:
            metrics.DRIFT_REFERENCE_RATIO.labels(*labels).set(0)

    @property
    def bins(self) -> set[tuple[str, str, str]]:
        """The labels of the reference's bins: model, column, bin."""
        return {labels for binned in self._binned for labels in binned.labels}


class _Binned:
    """How many rows are in each bin of a column of the contract, or of the target."""

    def __init__(self, model_name: str, bins: Bins, place: int | None) -> None:
        """Take the place of the column among the contract's, None for the target."""
        self.place = place
        self.labels = [(model_name, bins.name, label) for label in bins.labels]
        self._count = bins.count
        self._added = np.zeros(len(bins.labels), np.int64)
        self._rows: list[Counter] = [metrics.DRIFT_ROWS.labels(*each) for each in self.labels]

    def add(self, values: Numbers, weight: int) -> None:
        """Look in which bins some values are, each of which stands for `weight`."""
        self._added += self._count(values) * weight

    def count(self) -> None:
        """Count what was added."""
        for place in np.flatnonzero(self._added):
            self._rows[place].inc(float(self._added[place]))
        self._added[:] = 0


def _binned(manifest: Manifest) -> list[_Binned]:
    """Return what counts a bundle's rows against its profile; an old bundle has none."""
    if manifest.profile is None:
        return []
    places = {name: place for place, name in enumerate(manifest.contract.names)}
    return [_Binned(manifest.name, bins, places.get(bins.name)) for bins in manifest.profile.bins]


def _show_reference(manifest: Manifest) -> None:
    """Export what the counts are compared with."""
    if manifest.profile is None:
        return
    metrics.DRIFT_REFERENCE_ROWS.labels(manifest.name).set(manifest.profile.rows)
    for bins in manifest.profile.bins:
        metrics.DRIFT_THRESHOLD.labels(manifest.name, bins.name).set(bins.threshold)
        for label, ratio in zip(bins.labels, bins.ratios, strict=True):
            metrics.DRIFT_REFERENCE_RATIO.labels(manifest.name, bins.name, label).set(ratio)
