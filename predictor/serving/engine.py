"""A bundle, loaded and checked: the thing that predicts."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from predictor import graph
from predictor.bundle import Bundle, Golden
from predictor.errors import BundleError
from predictor.serving.batch import Batch, encode


@dataclass(frozen=True)
class Prediction:
    """The answers to a batch: float64, (n,), in the target's unit."""

    values: NDArray[np.float64]


class Engine:
    """One version of the model, ready to predict; nothing in it changes."""

    def __init__(self, bundle: Bundle) -> None:
        """Load a bundle's graph, and predict its golden rows.

        Raises BundleError when the graph cannot be run, or does not predict what it did at
        training.
        """
        self.manifest = bundle.manifest
        self.source = bundle.folder.resolve()
        self.loaded_at = datetime.now(UTC)
        self._outputs = [bundle.manifest.contract.target.name]
        try:
            self._session = graph.load(bundle.model)
            self._check(bundle.manifest.golden)
        except BundleError:
            raise
        except Exception as error:  # ONNX Runtime's errors have no base class of their own
            message = f"{self.source} cannot be run: {error}"
            raise BundleError(message) from error

    def predict(self, batch: Batch) -> Prediction:
        """Return the predictions for a batch's rows, in their order."""
        return Prediction(self._session.run(self._outputs, {graph.INPUT: batch.columns})[0])

    def _check(self, golden: Golden) -> None:
        """Predict the golden rows as a client would ask for them."""
        batch = encode(self.manifest.contract, golden.rows, len(golden.rows))
        wrong = golden.disagreement(self.predict(batch).values.tolist())
        if wrong:
            message = f"{self.source} does not predict what it did at training: {wrong}"
            raise BundleError(message)
