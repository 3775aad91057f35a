"""The stack by the three libraries themselves, with a pandas DataFrame for each request."""

import json
from pathlib import Path

import catboost
import lightgbm
import numpy as np
import pandas as pd
import xgboost
from graph import session


class Native:
    """The stack that benchmarks/refit.py saved in a folder, in the libraries' own formats."""

    def __init__(self, folder):
        folder = Path(folder)
        about = json.loads((folder / "stack.json").read_text())
        self.name, self._names, self._labels = about["name"], about["names"], about["labels"]
        self._weights, self._group = about["weights"], about["group"]
        self._usual = np.array(about["usual"])
        self._features = session(str(folder / "features.onnx"))
        self._xgboost = xgboost.Booster({"nthread": 1}, model_file=folder / "xgboost.ubj")
        self._lightgbm = lightgbm.Booster(model_file=folder / "lightgbm.txt")
        self._catboost = catboost.CatBoostRegressor().load_model(str(folder / "catboost.cbm"))

    def answer(self, rows):
        """Return V1's answer to rows, objects by the columns' names."""
        frame = pd.DataFrame(rows, columns=self._names)
        for name, codes in self._labels.items():
            frame[name] = frame[name].map(codes)
        columns = frame.to_numpy(np.float64)
        matrix, *parts = self._features.run(None, {"columns": columns})
        middle, half_width, low, high, known = (
            np.broadcast_to(np.ravel(part), len(columns)) for part in parts
        )
        lower, usual = self._usual[columns[:, self._group].astype(int)].T
        placed = np.clip(middle + half_width * self._position(matrix), low, high)
        # Where the features leave a row no place it has what is usual.
        found = np.where(known, placed, usual + np.maximum(low - lower, 0))
        return {"predictions": found.tolist()}

    def _position(self, matrix):
        return (
            self._weights["xgboost"] * self._xgboost.inplace_predict(matrix)
            + self._weights["lightgbm"] * self._lightgbm.predict(matrix, num_threads=1)
            + self._weights["catboost"] * self._catboost.predict(matrix, thread_count=1)
        )
