"""The Open Inference Protocol's messages ↔ a Batch and a Prediction."""

from functools import partial
from typing import Any

import numpy as np

from predictor.errors import InvalidInput
from predictor.serving.decoding import binary
from predictor.serving.decoding.batch import Batch
from predictor.serving.decoding.binary import DTYPES
from predictor.serving.decoding.elements import misfit
from predictor.serving.decoding.tensors import (
    LONGEST_NAME,
    LONGEST_SHAPE,
    Elements,
    Output,
    Tensor,
    outputs,
    wanted,
    wrong,
)
from predictor.serving.engine import Doubt, Engine, Prediction
from predictor.serving.grpc.inference_pb2 import (
    InferTensorContents,
    ModelInferRequest,
    ModelInferResponse,
)
from predictor.serving.service import Service
from predictor.serving.steps import Encode

# Where a tensor's elements are, by its datatype.
FIELDS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def decode(
    service: Service, request: ModelInferRequest, engine: Engine
) -> tuple[Batch, Encode[ModelInferResponse]]:
    """Return a request's rows, and what encodes their answer; raises InvalidInput.

    What comes as raw bytes is answered in raw bytes.
    """
    known = engine.manifest.contract.outputs
    names = wanted(known, [output.name for output in request.outputs])
    batch = service.tensors.batch(_tensors(request))
    is_raw = bool(request.raw_input_contents)
    return batch, partial(_encode, engine, request.id, names, is_raw)


def _tensors(request: ModelInferRequest) -> list[Tensor]:
    inputs, raw = request.inputs, request.raw_input_contents
    if raw and len(raw) != len(inputs):
        message = f"got {len(raw)} raw input contents, expected {len(inputs)}, one for each input"
        raise InvalidInput(message)
    found = []
    for index, tensor in enumerate(inputs):
        name, datatype, shape = tensor.name, tensor.datatype, list(tensor.shape)
        if len(name) > LONGEST_NAME or len(shape) > LONGEST_SHAPE:
            message = f"input {index}: its name or its shape is too long"
            raise InvalidInput(message)
        if raw and tensor.HasField("contents"):
            raise wrong(name, "expected either contents or raw input contents")
        if raw:
            read = partial(binary.elements, name, datatype, raw[index])
        else:
            read = partial(_elements, name, datatype, tensor.contents)
        found.append(Tensor(name, datatype, shape, read))
    return found


def _elements(name: str, datatype: str, contents: InferTensorContents) -> Elements:
    """Return the elements that are in the field of their datatype."""
    if datatype not in FIELDS:
        raise wrong(name, f"{datatype} has no contents, and must be raw")
    found = list(getattr(contents, FIELDS[datatype]))
    if datatype == "BYTES":
        return [binary.text(name, number, content) for number, content in enumerate(found)]
    try:
        return np.array(found, DTYPES[datatype])
    except OverflowError:
        raise misfit(name, datatype, found) from None


def _encode(
    engine: Engine,
    identifier: str,
    names: list[str],
    is_raw: bool,  # noqa: FBT001 - it is given by partial
    prediction: Prediction,
    _doubts: list[Doubt],
) -> ModelInferResponse:
    manifest = engine.manifest
    response = ModelInferResponse(
        model_name=manifest.name, model_version=manifest.version, id=identifier
    )
    found = outputs(manifest.contract, prediction)
    for name in names:
        _add(response, found[name], is_raw=is_raw)
    return response


def _add(response: ModelInferResponse, output: Output, *, is_raw: bool) -> None:
    tensor = response.outputs.add(
        name=output.name, datatype=output.datatype, shape=output.array.shape
    )
    if is_raw:
        response.raw_output_contents.append(binary.encode(output.array))
    else:
        field: Any = getattr(tensor.contents, FIELDS[output.datatype])
        elements = output.array.ravel().tolist()
        field.extend(map(str.encode, elements) if output.datatype == "BYTES" else elements)
