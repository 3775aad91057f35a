"""A bundle, loaded and checked: the thing that predicts."""

from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import numpy as np
from numpy.typing import NDArray

from predictor import graph
from predictor.bundle import Bundle, Golden
from predictor.contract import RowWarning
from predictor.errors import BundleError
from predictor.explanation import Explainer, Explanation
from predictor.serving.decoding.batch import Batch, encode

# How far an explanation's sum may be from the prediction, as a share of the largest one.
EXPLAINED_TOLERANCE = 1e-9


class NoExplanation(Exception):  # noqa: N818 - it is no error of the request or of the server
    """The model's predictions cannot be explained, or not here."""

    def __init__(self, reason: str = "the model was written without explanations") -> None:
        super().__init__(reason)


class Prediction(msgspec.Struct, frozen=True, gc=False):
    """The answers to a batch: float64, (n,), in the target's unit, and where doubts are.

    `lower` and `upper` are the ends of the rows' intervals, `probabilities` of their classes, (n,
    classes), and the answer then a class's place; what the contract has not is empty. `warnings` is
    a boolean for each row and each warning of the contract, (n, warnings), and none is set unless
    `is_doubtful`. The `explanation` is there where it was asked for.
    """

    values: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    warnings: NDArray[np.bool_]
    is_doubtful: bool
    explanation: Explanation | None = None

    @property
    def ends(self) -> tuple[NDArray[np.float64], ...]:
        """The answers, and the lower and the upper ends of their intervals, if they have any."""
        return (self.values, self.lower, self.upper) if len(self.lower) else (self.values,)

    def part(self, start: int, end: int) -> "Prediction":
        """Return the answers to the rows from `start` to before `end`."""
        return Prediction(
            self.values[start:end],
            self.lower[start:end],
            self.upper[start:end],
            self.probabilities[start:end],
            self.warnings[start:end],
            self.is_doubtful,
        )


@dataclass(frozen=True)
class Doubt:
    """What may be wrong with a row, by its number."""

    row: int
    warning: RowWarning


class Engine:
    """One version of the model, ready to predict; nothing in it changes."""

    def __init__(self, bundle: Bundle) -> None:
        """Load a bundle's graph, and predict its golden rows.

        Raises BundleError when the graph cannot be run, or does not predict what it did at
        training.
        """
        self.manifest = bundle.manifest
        self.folder = bundle.folder
        self.loaded_at = datetime.now(UTC)
        try:
            self._session = graph.load(bundle.model)
            self.explainer = _explainer(bundle)
            wrong = self._disagreement(bundle.manifest.golden)
        except Exception as error:  # ONNX Runtime's errors have no base class of their own
            message = f"{self.folder} cannot be run: {error}"
            raise BundleError(message) from error
        if wrong:
            message = f"{self.folder} does not predict what it did at training: {wrong}"
            raise BundleError(message)

    def predict(self, batch: Batch) -> Prediction:
        """Return the predictions for a batch's rows, in their order."""
        outputs = graph.predict(self._session, self.manifest.contract, batch.columns)
        return Prediction(*outputs, is_doubtful=bool(outputs[-1].any()))

    def explain(self, batch: Batch) -> Explanation:
        """Return what the predictions for a batch's rows come from; raises NoExplanation."""
        if self.explainer is None:
            raise NoExplanation
        return self.explainer.explain(batch.columns)

    def doubts(self, prediction: Prediction) -> list[Doubt]:
        """Return the doubts about a prediction, row by row; mostly there are none."""
        if not prediction.is_doubtful:
            return []
        known = self.manifest.contract.warnings
        return [Doubt(int(row), known[kind]) for row, kind in np.argwhere(prediction.warnings)]

    def _disagreement(self, golden: Golden) -> str:
        """Predict the golden rows as a client would ask for them; say how they are not as kept."""
        batch = encode(self.manifest.contract, golden.rows, len(golden.rows))
        outputs = graph.predict(self._session, self.manifest.contract, batch.columns)
        graph.check(outputs, self.manifest.contract, len(batch.columns))
        if self.explainer:
            self._check_sums(batch, outputs.values)
        return golden.disagreement(outputs.by_name())

    def _check_sums(self, batch: Batch, predictions: NDArray[np.float64]) -> None:
        """Raise BundleError when explanations do not add up to the predictions."""
        found = self.explain(batch)
        sums = (found.predictions - predictions, found.shares.sum(axis=1) - found.physics)
        apart = np.abs(sums).max()
        if not apart <= EXPLAINED_TOLERANCE * np.abs(predictions).max():
            message = f"{self.folder}: what explains a golden row misses its prediction by {apart}"
            raise BundleError(message)


def _explainer(bundle: Bundle) -> Explainer | None:
    """Return what explains a bundle's predictions, if it has been written with it."""
    if bundle.explanation is None:
        return None
    return Explainer(bundle.manifest.contract, bundle.explanation)
