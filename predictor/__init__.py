"""Train a boosting ensemble, fuse it into one ONNX graph, and serve it."""

__version__ = "0.1.0"
