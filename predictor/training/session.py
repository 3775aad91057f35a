"""Running a graph in memory with ONNX Runtime, as serving does: one thread, CPU."""

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray


def run(
    model: bytes, inputs: dict[str, NDArray[np.float64]], outputs: list[str]
) -> list[NDArray[np.float64]]:
    """Return the named outputs of one run of a serialized graph."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    results: list[NDArray[np.float64]] = session.run(outputs, inputs)
    return results
