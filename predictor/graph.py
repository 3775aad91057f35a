"""Running a graph with ONNX Runtime: the one place that imports it."""

import os
from collections.abc import Mapping
from typing import NamedTuple

# Since 1.29 ONNX Runtime reports each session to its maker unless this is set before it is
# imported. A plant's server talks to nobody whom its operator did not name.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from predictor.contract import (
    INPUT,
    LOWER,
    PREDICTION,
    PROBABILITIES,
    PROBABILITY,
    UPPER,
    WARNINGS,
    Contract,
)
from predictor.errors import BundleError
from predictor.inspection import fault

# ONNX Runtime reads a tensor that a graph says is in another file from the folder of the process.
# This is one that cannot be: a bundle's graph has all its data in it.
NOWHERE = f"{os.devnull}/none"

NO_ENDS = np.empty(0)


class Outputs(NamedTuple):
    """What a graph gives for n rows.

    The target, and the ends of its interval: float64 (n,); a class is its place among them all. The
    classes' probabilities: float64 (n, classes). The warnings: boolean (n, warnings). What the
    contract has not is empty.
    """

    values: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    warnings: NDArray[np.bool_]

    def by_name(self) -> dict[str, list[float]]:
        """Return the answers by their names, as a bundle keeps those to its golden rows."""
        found = {PREDICTION: self.values, LOWER: self.lower, UPPER: self.upper}
        found[PROBABILITY] = of_the_class(self.values, self.probabilities)
        return {name: each.tolist() for name, each in found.items()}


def of_the_class(
    values: NDArray[np.float64], probabilities: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return each row's probability of the class that is predicted, (n,); empty without classes."""
    if not probabilities.size:
        return np.empty(0)
    places = values.astype(np.intp)[:, None]
    return np.take_along_axis(probabilities, places, axis=1)[:, 0]


def load(model: bytes) -> onnxruntime.InferenceSession:
    """Return a session of a serialized graph whose runs use no thread but the caller's.

    Raises BundleError, before ONNX Runtime sees the graph, when it could lead out of itself.
    """
    wrong = fault(model)
    if wrong:
        message = f"the graph {wrong}"
        raise BundleError(message)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Bytes may be of ONNX Runtime's own format too, which nobody has looked into.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", NOWHERE
    )
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(
    model: bytes, inputs: Mapping[str, NDArray[np.floating]], outputs: list[str]
) -> list[NDArray[np.float64]]:
    """Return the named outputs of one run of a serialized graph."""
    results: list[NDArray[np.float64]] = load(model).run(outputs, inputs)
    return results


def predict(
    session: onnxruntime.InferenceSession, contract: Contract, columns: NDArray[np.float64]
) -> Outputs:
    """Return the outputs for raw columns, (n, columns of the contract)."""
    names, rows = contract.outputs, len(columns)
    found = dict(zip(names, session.run(names, {INPUT: columns}), strict=True))
    return Outputs(
        found[contract.target.name],
        found.get(LOWER, NO_ENDS),
        found.get(UPPER, NO_ENDS),
        found[PROBABILITIES] if contract.target.classes else np.empty((rows, 0)),
        found[WARNINGS] if contract.warnings else np.empty((rows, 0), np.bool_),
    )


def check(outputs: Outputs, contract: Contract, rows: int) -> None:
    """Raise BundleError when a graph's outputs are not of the kind that a contract promises."""
    classes = len(contract.target.classes)
    number = f"float64 {(rows,)}"
    end = number if contract.interval else f"float64 {(0,)}"
    likely = f"float64 {(rows, classes)}"
    expected = (number, end, end, likely, f"bool {(rows, len(contract.warnings))}")
    for output, wanted in zip(outputs, expected, strict=True):
        found = f"{output.dtype} {output.shape}"
        if found != wanted:
            message = f"the graph has an output of {found}, expected {wanted}"
            raise BundleError(message)
    if classes and not np.isin(outputs.values, np.arange(classes)).all():
        message = f"the graph predicts what is no place among {classes} classes"
        raise BundleError(message)
