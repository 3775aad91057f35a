"""How far predictions are from the truth."""

import numpy as np
from numpy.typing import NDArray

from predictor.bundle import Score


def score(target: NDArray[np.float64], prediction: NDArray[np.float64]) -> Score:
    """Return the root of the mean squared error and the mean absolute error."""
    error = target - prediction
    rmse = float(np.sqrt(np.mean(error**2)))
    return Score(rmse=rmse, mae=float(np.mean(np.abs(error))), rows=len(error))
