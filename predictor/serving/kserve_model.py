"""The same engine under KServe's own ModelServer, for those who run their servers with its SDK.

`BUNDLE=bundle python -m predictor.serving.kserve_model` starts one. It needs the package kserve.
"""

import asyncio
import struct
import sys
from functools import partial
from typing import Any

import msgspec
from kserve import InferInput, InferOutput, InferRequest, InferResponse, Model, ModelServer
from kserve.errors import InvalidInput
from kserve.utils.utils import generate_uuid
from msgspec import Raw

from predictor import errors
from predictor.contract import quote
from predictor.serving import settings
from predictor.serving.bundles.source import bundle_of
from predictor.serving.decoding.batch import encode
from predictor.serving.decoding.elements import elements
from predictor.serving.decoding.rows import rows_of
from predictor.serving.decoding.tensors import (
    Elements,
    Output,
    Tensor,
    TensorDecoder,
    metadata,
    outputs,
    wanted,
    wrong,
)
from predictor.serving.engine import Engine, NoExplanation
from predictor.serving.rest.answers import about, answer, explained


class BundleModel(Model):  # type: ignore[misc] # the SDK publishes no types
    """A bundle as KServe's SDK knows models."""

    def __init__(self, engine: Engine, max_rows: int, max_explained_rows: int = 1000) -> None:
        """Take the engine, which is ready, and how many rows a request may hold; 0 is none."""
        super().__init__(engine.manifest.name)
        self._engine = engine
        self._contract = engine.manifest.contract
        self._max_rows = max_rows
        self._max_explained_rows = min(max_rows, max_explained_rows)
        self._tensors = TensorDecoder(self._contract, max_rows)
        self.ready = True

    def get_input_types(self) -> list[dict[str, Any]]:
        """Return V2's metadata of the inputs."""
        return metadata(self._contract)["inputs"]

    def get_output_types(self) -> list[dict[str, Any]]:
        """Return V2's metadata of the outputs."""
        return metadata(self._contract)["outputs"]

    def predict(self, payload: object, *_: object) -> dict[str, object] | InferResponse:
        """Answer a request of V1, a dictionary, or of V2; raises the SDK's own InvalidInput."""
        try:
            return self._infer(payload) if isinstance(payload, InferRequest) else self._v1(payload)
        except errors.InvalidInput as error:
            raise InvalidInput(str(error)) from error

    async def explain(self, payload: object, *_: object) -> dict[str, object]:
        """Answer V1's `:explain`, beside the event loop.

        Raises the SDK's InvalidInput, or NotImplementedError, which it answers with 501.
        """
        return await asyncio.to_thread(self._explained, payload)

    def _explained(self, payload: object) -> dict[str, object]:
        if not self._max_explained_rows:
            message = "this server explains no predictions: its setting EXPLAIN is false"
            raise NotImplementedError(message)
        try:
            batch = encode(self._contract, rows_of(payload), self._max_explained_rows)
            prediction = self._engine.predict(batch)
            found = msgspec.structs.replace(prediction, explanation=self._engine.explain(batch))
        except errors.InvalidInput as error:
            raise InvalidInput(str(error)) from error
        except NoExplanation as error:
            raise NotImplementedError(str(error)) from error
        manifest, doubts = self._engine.manifest, self._engine.doubts(found)
        return {"explanations": explained(manifest, found)} | about(manifest, doubts)

    def _v1(self, payload: object) -> dict[str, object]:
        prediction = self._engine.predict(encode(self._contract, rows_of(payload), self._max_rows))
        doubts = self._engine.doubts(prediction)
        return answer(self._engine.manifest, prediction, doubts, lambda array: array.tolist())

    def _infer(self, request: InferRequest) -> InferResponse:
        asked = request.request_outputs or []
        names = wanted(self._contract.outputs, [output.name for output in asked])
        batch = self._tensors.batch([_tensor(tensor) for tensor in request.inputs])
        found = outputs(self._contract, self._engine.predict(batch))
        return InferResponse(
            request.id or generate_uuid(),  # the SDK cannot answer without
            self.name,
            [_output(found[name], as_bytes=request.use_binary_outputs) for name in names],
            self._engine.manifest.version,
            use_binary_outputs=request.use_binary_outputs,
            requested_outputs=asked,
        )


def _output(output: Output, *, as_bytes: bool) -> InferOutput:
    made = InferOutput(output.name, list(output.array.shape), output.datatype)
    made.set_data_from_numpy(output.array, binary_data=as_bytes)
    return made


def _tensor(tensor: InferInput) -> Tensor:
    return Tensor(tensor.name, tensor.datatype, tensor.shape, partial(_elements, tensor))


def _elements(tensor: InferInput) -> Elements:
    """Return the elements of data that were JSON or typed contents, or else raw bytes."""
    if not tensor.data:
        try:
            array = tensor.as_numpy().ravel()
        except (ValueError, TypeError, struct.error) as error:  # there are none, or wrong ones
            raise wrong(tensor.name, f"it has no data of {tensor.datatype}") from error
        return _texts(tensor, array.tolist()) if tensor.datatype == "BYTES" else array
    data = tensor.data
    if tensor.datatype == "BYTES":
        data = _texts(tensor, data)
    return elements(tensor.name, tensor.datatype, tensor.shape, Raw(msgspec.json.encode(data)))


def _texts(tensor: InferInput, found: list[Any]) -> list[str]:
    try:
        return [text.decode() if type(text) is bytes else _text(tensor, text) for text in found]
    except UnicodeDecodeError as error:
        raise wrong(tensor.name, "got bytes that are not UTF-8") from error


def _text(tensor: InferInput, value: object) -> str:
    if type(value) is not str:
        raise wrong(tensor.name, f"got {quote(value)}, expected a text")
    return value


def main() -> int:
    """Run the SDK's server with the bundle that the environment names; return the exit code."""
    try:
        used = settings.read({})
        engine = Engine(bundle_of(used))
    except errors.PredictorError as error:
        sys.stderr.write(f"predictor: {error}\n")
        return 1
    most_explained = used.max_explained_rows if used.explain else 0
    ModelServer().start([BundleModel(engine, used.max_rows, most_explained)])
    return 0


if __name__ == "__main__":
    sys.exit(main())
