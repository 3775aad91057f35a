"""Running a graph with ONNX Runtime: the one place that imports it."""

import os
from collections.abc import Mapping

# Since 1.29 ONNX Runtime reports each session to its maker unless this is set before it is
# imported. A plant's server talks to nobody whom its operator did not name.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from predictor.contract import INPUT, Contract
from predictor.errors import BundleError
from predictor.inspection import fault

# ONNX Runtime reads a tensor that a graph says is in another file from the folder of the process.
# This is one that cannot be: a bundle's graph has all its data in it.
NOWHERE = f"{os.devnull}/none"

# The target, the ends of its interval, float64 (n,), and the warnings, boolean (n, warnings).
Outputs = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]


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
    values, lower, upper, *rest = session.run(contract.outputs, {INPUT: columns})
    return values, lower, upper, rest[0] if rest else np.empty((len(columns), 0), np.bool_)


def check(outputs: Outputs, contract: Contract, rows: int) -> None:
    """Raise BundleError when a graph's outputs are not of the kind that a contract promises."""
    number, flags = f"float64 {(rows,)}", f"bool {(rows, len(contract.warnings))}"
    for output, wanted in zip(outputs, (number, number, number, flags), strict=True):
        found = f"{output.dtype} {output.shape}"
        if found != wanted:
            message = f"the graph has an output of {found}, expected {wanted}"
            raise BundleError(message)
