"""A custom runtime of MLServer with the same graph."""

import os

from graph import Graph
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Energy(MLModel):
    """The graph of a bundle."""

    async def load(self) -> bool:
        """Load the graph."""
        self._graph = Graph(os.environ["BUNDLE"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer a request whose one tensor is the matrix of all columns."""
        found = self._graph.run(NumpyCodec.decode_input(payload.inputs[0]))
        outputs = [NumpyCodec.encode_output(name, values) for name, values in found.items()]
        return InferenceResponse(model_name=self.name, id=payload.id, outputs=outputs)
