"""A bundle's graph as a user of any framework would run it: rows in, answers out, no checks."""

import json
from pathlib import Path

import numpy as np
import onnxruntime


def session(path):
    """Return a session that uses no thread but the caller's."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class Columns:
    """The columns of a row in order, and the numbers that their labels stand for."""

    def __init__(self, manifest):
        columns = manifest["contract"]["columns"]
        self.names = [column["name"] for column in columns]
        self.codes = {column["name"]: column.get("labels", {}) for column in columns}
        self._labelled = [(self.names.index(name), c) for name, c in self.codes.items() if c]

    def matrix(self, rows):
        """Return rows, objects by the columns' names, as float64 (n, columns)."""
        cells = [[row[name] for name in self.names] for row in rows]
        for row in cells:
            for index, codes in self._labelled:
                row[index] = codes.get(row[index], row[index])
        return np.array(cells, np.float64)


class Graph:
    """The graph of the bundle in a folder."""

    def __init__(self, folder):
        manifest = json.loads(Path(folder, "bundle.json").read_text())
        self.name = manifest["name"]
        self.columns = Columns(manifest)
        self.outputs = [manifest["contract"]["target"]["name"], "lower", "upper"]
        self._session = session(str(Path(folder, "model.onnx")))

    def run(self, matrix):
        """Return the target and the ends of its interval, float64 (n,) each, by their names."""
        found = self._session.run(self.outputs, {"columns": matrix})
        return dict(zip(self.outputs, found, strict=True))

    def answer(self, rows):
        """Return a JSON answer to rows: the keys are V1's of this project."""
        values, lower, upper = (
            end.tolist() for end in self.run(self.columns.matrix(rows)).values()
        )
        return {"predictions": values, "lower": lower, "upper": upper}
