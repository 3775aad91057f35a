"""The JSON of the Open Inference Protocol's requests and responses."""

from typing import Annotated

import msgspec

from predictor.errors import JSON_ERRORS, InvalidInput
from predictor.serving.decoding.tensors import LONGEST_NAME, LONGEST_SHAPE

Size = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31)]


class Parameters(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the binary data extension asks of a tensor, or of all outputs, and says of one."""

    binary_data_size: Annotated[int, msgspec.Meta(ge=0)] | None = None
    binary_data: bool | None = None
    binary_data_output: bool = False


NONE = Parameters()


class InputTensor(msgspec.Struct, frozen=True):
    """A tensor of a request; its data are decoded when their datatype is known to be right."""

    name: Annotated[str, msgspec.Meta(max_length=LONGEST_NAME)]
    shape: Annotated[list[Size], msgspec.Meta(max_length=LONGEST_SHAPE)]
    datatype: str
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    parameters: Parameters = NONE


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
    """A tensor of a response, without data when they are bytes behind the JSON."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    parameters: Parameters = NONE


class Response(msgspec.Struct, frozen=True, omit_defaults=True):
    """An inference response."""

    model_name: str
    model_version: str
    outputs: list[OutputTensor]
    id: str | None = None


DECODER = msgspec.json.Decoder(Request)


def decode(body: bytes) -> Request:
    """Return an inference request; raises InvalidInput, saying where it is none."""
    try:
        return DECODER.decode(body)
    except msgspec.ValidationError as error:
        message = f"the body is not an inference request: {error}"
        raise InvalidInput(message) from error
    except JSON_ERRORS as error:
        message = f"the body is not JSON that can be read: {error}"
        raise InvalidInput(message) from error
