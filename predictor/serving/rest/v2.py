"""The Open Inference Protocol (KServe's V2) over REST, from bytes to bytes."""

from dataclasses import dataclass
from typing import Any

import msgspec
from numpy.typing import NDArray

from predictor import __version__
from predictor.contract import WARNINGS, Contract, quote
from predictor.errors import JSON_ERRORS, InvalidInput
from predictor.serving import binary, metrics
from predictor.serving.answer import answer
from predictor.serving.engine import Engine
from predictor.serving.rest import http
from predictor.serving.tensors import NONE, InputTensor, Parameters, binary_data, rows

HEADER = binary.HEADER.lower().encode()


class RequestedOutput(msgspec.Struct, frozen=True):
    """An output that the client wants; without any it gets all."""

    name: str
    parameters: Parameters = NONE


class Request(msgspec.Struct, frozen=True):
    """An inference request; what else it holds is not for this server."""

    inputs: list[InputTensor]
    id: str | None = None
    outputs: list[RequestedOutput] = []
    parameters: Parameters = NONE


class OutputTensor(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tensor of a response."""

    name: str
    datatype: str
    shape: list[int]
    data: list[float] | list[bool] | None = None
    parameters: Parameters = NONE


class Response(msgspec.Struct, frozen=True, omit_defaults=True):
    """An inference response."""

    model_name: str
    model_version: str
    outputs: list[OutputTensor]
    id: str | None = None


@dataclass(frozen=True)
class _Tensor:
    """What metadata tell of a tensor; −1 is any number of rows."""

    name: str
    datatype: str
    shape: tuple[int, ...]


def server_metadata() -> bytes:
    """Return the body of `GET /v2`."""
    return msgspec.json.encode(
        {
            "name": "energy-predictor",
            "version": __version__,
            "extensions": ["binary_tensor_data"],
        }
    )


def model_metadata(engine: Engine) -> bytes:
    """Return the body of `GET /v2/models/NAME`."""
    contract = engine.manifest.contract
    return msgspec.json.encode(
        {
            "name": engine.manifest.name,
            "versions": [engine.manifest.version],
            "platform": "onnx",
            "inputs": [_Tensor(c.name, c.datatype, (-1,)) for c in contract.columns],
            "outputs": _outputs(contract),
        }
    )


def model_ready(engine: Engine) -> bytes:
    """Return the body of `GET /v2/models/NAME/ready`."""
    return msgspec.json.encode({"name": engine.manifest.name, "ready": True})


def infer(engine: Engine, request: http.Request, max_rows: int) -> http.Response:
    """Return the answer to `POST /v2/models/NAME/infer`; raises InvalidInput."""
    length = request.headers.get(HEADER)
    content, behind = binary.split(request.body, length) if length else (request.body, b"")
    asked = _decode(content)
    inputs = _with_data(asked.inputs, behind)
    contract, manifest = engine.manifest.contract, engine.manifest
    wanted = _wanted(contract.outputs, asked)
    found, _ = answer(engine, rows(contract, inputs), max_rows)
    with metrics.POSTPROCESS_SECONDS.labels(manifest.name).time():
        ends = (found.values, found.lower, found.upper, found.warnings)
        arrays = dict(zip(contract.outputs, ends, strict=False))  # which may have no warnings
        outputs = [
            _output(name, arrays[name], as_bytes=as_bytes) for name, as_bytes in wanted.items()
        ]
        response = Response(manifest.name, manifest.version, [o for o, _ in outputs], asked.id)
        return _encoded(response, b"".join(blob for _, blob in outputs))


def _encoded(response: Response, behind: bytes) -> http.Response:
    """Return a response; only one with tensors behind its JSON says how long that is."""
    content = msgspec.json.encode(response)
    if all(output.parameters is NONE for output in response.outputs):
        return http.Response(content)
    headers = {binary.HEADER: str(len(content))}
    return http.Response(content + behind, content_type=binary.CONTENT_TYPE, headers=headers)


def _wanted(known: list[str], request: Request) -> dict[str, bool]:
    """Return the names of the outputs that are asked for, and whether each is to be bytes."""
    default = request.parameters.binary_data_output
    wanted = {}
    for output in request.outputs or [RequestedOutput(name) for name in known]:
        if output.name not in known:
            message = f"got output {quote(output.name)}, expected one of {', '.join(known)}"
            raise InvalidInput(message)
        asked = output.parameters.binary_data
        wanted[output.name] = default if asked is None else asked
    return wanted


def _with_data(inputs: list[InputTensor], behind: bytes) -> list[InputTensor]:
    """Return the inputs, each with its data, of which some are bytes behind the JSON."""
    found = []
    for tensor in inputs:
        size = tensor.parameters.binary_data_size
        if (size is None) == (tensor.data is None):
            message = f"input {tensor.name}: expected either data or the size of binary data"
            raise InvalidInput(message)
        if size is not None:
            if size > len(behind):
                got = f"got {len(behind)} bytes behind the JSON"
                message = f"input {tensor.name}: {got}, expected {size} or more"
                raise InvalidInput(message)
            content, behind = behind[:size], behind[size:]
            found.append(msgspec.structs.replace(tensor, data=binary_data(tensor, content)))
        else:
            found.append(tensor)
    if behind:
        message = f"got {len(behind)} bytes behind the JSON that are no input's"
        raise InvalidInput(message)
    return found


def _decode(body: bytes) -> Request:
    try:
        return msgspec.json.decode(body, type=Request)
    except msgspec.ValidationError as error:
        message = f"the body is not an inference request: {error}"
        raise InvalidInput(message) from error
    except JSON_ERRORS as error:
        message = f"the body is not JSON that can be read: {error}"
        raise InvalidInput(message) from error


def _outputs(contract: Contract) -> list[_Tensor]:
    flags = _Tensor(WARNINGS, "BOOL", (-1, len(contract.warnings)))
    return [
        flags if name == WARNINGS else _Tensor(name, "FP64", (-1,)) for name in contract.outputs
    ]


def _output(name: str, array: NDArray[Any], *, as_bytes: bool) -> tuple[OutputTensor, bytes]:
    """Return an output as the JSON has it, and what of it is behind the JSON."""
    datatype = "BOOL" if name == WARNINGS else "FP64"
    shape = list(array.shape)
    if as_bytes:
        content = binary.encode(array, datatype)
        parameters = Parameters(binary_data_size=len(content))
        return OutputTensor(name, datatype, shape, parameters=parameters), content
    return OutputTensor(name, datatype, shape, array.ravel().tolist()), b""
