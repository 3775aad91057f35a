"""The Open Inference Protocol (KServe's V2) over REST, from bytes to bytes."""

from functools import partial

import msgspec
from msgspec import UNSET

from predictor import __version__
from predictor.errors import InvalidInput
from predictor.serving.decoding import binary
from predictor.serving.decoding.batch import Batch
from predictor.serving.decoding.elements import elements
from predictor.serving.decoding.tensors import (
    PLATFORM,
    SERVER_NAME,
    Output,
    Tensor,
    metadata,
    outputs,
    wanted,
    wrong,
)
from predictor.serving.engine import Doubt, Engine, Prediction
from predictor.serving.rest import http, messages
from predictor.serving.rest.messages import NONE, InputTensor, OutputTensor, Parameters, Response
from predictor.serving.rest.numbers import json_array
from predictor.serving.service import Service
from predictor.serving.steps import Encode

HEADER = binary.HEADER.lower().encode()


def server_metadata() -> http.Response:
    """Answer `GET /v2`."""
    extensions = ["binary_tensor_data"]
    return _json({"name": SERVER_NAME, "version": __version__, "extensions": extensions})


def model_metadata(engine: Engine) -> http.Response:
    """Answer `GET /v2/models/NAME`."""
    names = {"name": engine.manifest.name, "versions": [engine.manifest.version]}
    return _json({**names, "platform": PLATFORM, **metadata(engine.manifest.contract)})


def model_ready(engine: Engine) -> http.Response:
    """Answer `GET /v2/models/NAME/ready`."""
    return _json({"name": engine.manifest.name, "ready": True})


def _json(body: dict[str, object]) -> http.Response:
    return http.Response(msgspec.json.encode(body))


def decode(
    service: Service, request: http.Request, engine: Engine
) -> tuple[Batch, Encode[http.Response]]:
    """Return the rows of `POST /v2/models/NAME/infer`, and what encodes their answer.

    Raises InvalidInput.
    """
    length, body = request.headers.get(HEADER), request.body
    content, behind = binary.split(body, length) if length else (body, b"")
    asked = messages.decode(content)
    names = _wanted(engine.manifest.contract.outputs, asked)
    batch = service.tensors.batch(_tensors(asked.inputs, behind))
    return batch, partial(_encode, engine, asked.id, names)


def _encode(
    engine: Engine,
    identifier: str | None,
    names: dict[str, bool],
    prediction: Prediction,
    _doubts: list[Doubt],
) -> http.Response:
    """Return a response; only one with tensors behind its JSON says how long that is."""
    found = outputs(engine.manifest.contract, prediction)
    blobs = [binary.encode(found[n].array) if as_bytes else None for n, as_bytes in names.items()]
    tensors = [_output(found[name], blob) for name, blob in zip(names, blobs, strict=True)]
    manifest = engine.manifest
    content = msgspec.json.encode(Response(manifest.name, manifest.version, tensors, identifier))
    behind = [blob for blob in blobs if blob is not None]
    if not behind:
        return http.Response(content)
    headers = {binary.HEADER: str(len(content))}
    return http.Response(b"".join([content, *behind]), 200, binary.CONTENT_TYPE, headers)


def _output(output: Output, blob: bytes | None) -> OutputTensor:
    """Return an output as the JSON has it."""
    data = json_array(output.array) if blob is None else UNSET
    parameters = NONE if blob is None else Parameters(binary_data_size=len(blob))
    return OutputTensor(output.name, output.datatype, output.array.shape, data, parameters)


def _wanted(known: list[str], request: messages.Request) -> dict[str, bool]:
    """Return the names of the outputs that are asked for, and whether each is to be bytes."""
    names = wanted(known, [output.name for output in request.outputs])
    asked = {output.name: output.parameters.binary_data for output in request.outputs}
    default = request.parameters.binary_data_output
    return {name: default if asked.get(name) is None else bool(asked[name]) for name in names}


def _tensors(inputs: list[InputTensor], behind: bytes) -> list[Tensor]:
    """Return the inputs, each with what reads its data, of which some are bytes behind the JSON."""
    found, start = [], 0
    for tensor in inputs:
        name, datatype, shape, size = tensor.name, tensor.datatype, tensor.shape, _size(tensor)
        if tensor.data is not UNSET:
            read = partial(elements, name, datatype, shape, tensor.data)
        else:
            if size > len(behind) - start:
                got = f"got {len(behind) - start} bytes behind the JSON"
                raise wrong(name, f"{got}, expected {size} or more")
            read = partial(binary.elements, name, datatype, behind[start : start + size])
        found.append(Tensor(name, datatype, shape, read))
        start += size
    if start < len(behind):
        message = f"got {len(behind) - start} bytes behind the JSON that are no input's"
        raise InvalidInput(message)
    return found


def _size(tensor: InputTensor) -> int:
    """Return how many bytes behind the JSON are a tensor's."""
    size = tensor.parameters.binary_data_size
    if (size is None) == (tensor.data is UNSET):
        raise wrong(tensor.name, "expected either data or the size of binary data")
    return size or 0
