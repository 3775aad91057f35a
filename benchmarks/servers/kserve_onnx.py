"""KServe's SDK with the same graph, by V1 and by V2."""

import os

import kserve_server
import numpy as np
from graph import Graph
from kserve import InferOutput, InferResponse, Model
from kserve.utils.utils import generate_uuid


class Energy(Model):
    """The graph of a bundle."""

    def __init__(self, graph):
        super().__init__(graph.name)
        self._graph = graph
        self.ready = True

    def __reduce__(self):
        """Have each worker load the graph itself: a session cannot be sent to it."""
        return _served, ()

    def predict(self, payload, _headers=None):
        """Answer a V1 or a V2 request."""
        if isinstance(payload, dict):
            return self._graph.answer(payload["instances"])
        found = self._graph.run(self._matrix(payload))
        return InferResponse(
            response_id=payload.id or generate_uuid(),
            model_name=self.name,
            infer_outputs=[self._output(payload, name, values) for name, values in found.items()],
            use_binary_outputs=payload.use_binary_outputs,
            requested_outputs=payload.request_outputs,
        )

    def _output(self, payload, name, values):
        output = InferOutput(name, list(values.shape), "FP64", values)
        if payload.from_grpc:  # where the SDK takes no arrays
            output.set_data_from_numpy(values, binary_data=True)
        return output

    def _matrix(self, payload):
        """Return the rows of one matrix, or of a tensor for each column."""
        if len(payload.inputs) == 1:
            return payload.inputs[0].as_numpy()
        return np.column_stack([self._column(name, payload) for name in self._graph.columns.names])

    def _column(self, name, payload):
        tensor = payload.get_input_by_name(name)
        if tensor.datatype != "BYTES":
            return tensor.as_numpy()
        codes = self._graph.columns.codes[name]
        return [codes[label] for label in tensor.as_numpy().ravel()]


def _served():
    return Energy(Graph(os.environ["BUNDLE"]))


if __name__ == "__main__":
    kserve_server.serve(_served())
