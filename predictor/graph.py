"""Running a graph with ONNX Runtime: the one place that imports it."""

import os
from collections.abc import Mapping

# Since 1.29 ONNX Runtime reports each session to its maker unless this is set before it is
# imported. A plant's server talks to nobody whom its operator did not name.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime
from numpy.typing import NDArray

# The name of every graph's one input: raw columns, float64, (n, columns of the contract).
INPUT = "columns"


def load(model: bytes) -> onnxruntime.InferenceSession:
    """Return a session of a serialized graph whose runs use no thread but the caller's."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(
    model: bytes, inputs: Mapping[str, NDArray[np.floating]], outputs: list[str]
) -> list[NDArray[np.float64]]:
    """Return the named outputs of one run of a serialized graph."""
    results: list[NDArray[np.float64]] = load(model).run(outputs, inputs)
    return results
