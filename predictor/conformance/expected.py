"""What an answer has to be: the protocols' objects, and what a case says when one is not."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

import msgspec

from predictor.conformance.client import Answer
from predictor.errors import JSON_ERRORS

T = TypeVar("T")
Dimension = Annotated[int, msgspec.Meta(ge=0)]
# The table of the specification's section "Tensor Data Types".
Datatype = Literal[
    "BOOL",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "FP16",
    "FP32",
    "FP64",
    "BYTES",
]


class ServerMetadata(msgspec.Struct, frozen=True):
    """The specification's `$metadata_server_response`."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(msgspec.Struct, frozen=True):
    """The specification's `$metadata_tensor`; which names and sizes are allowed is asked apart."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(msgspec.Struct, frozen=True):
    """The specification's `$metadata_model_response`."""

    name: str
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
    versions: list[str] | None = None


class ModelReady(msgspec.Struct, frozen=True):
    """The specification's `$ready_model_response`, and V1's answer for a model."""

    name: str
    ready: bool


class OutputParameters(msgspec.Struct, frozen=True):
    """What the extension for binary data says of an output."""

    binary_data_size: Annotated[int, msgspec.Meta(ge=0)] | None = None


class OutputTensor(msgspec.Struct, frozen=True):
    """The specification's `$response_output`; one without data has them behind the JSON."""

    name: str
    shape: list[Dimension]
    datatype: Datatype
    data: list[object] | None = None
    parameters: OutputParameters | None = None

    @property
    def bytes_behind(self) -> int | None:
        """How many bytes of it are behind the JSON; None for one whose data the JSON has."""
        return self.parameters.binary_data_size if self.parameters else None


class InferResponse(msgspec.Struct, frozen=True):
    """The specification's `$inference_response`; null is let through here, and asked apart."""

    model_name: str
    outputs: list[OutputTensor]
    model_version: str | None = None
    id: str | None = None
    parameters: dict[str, object] | None = None


class Models(msgspec.Struct, frozen=True):
    """V1's list of models."""

    models: list[str]


class Predictions(msgspec.Struct, frozen=True):
    """V1's predictions, one for each instance."""

    predictions: list[object]


class Failure(msgspec.Struct, frozen=True):
    """The one form that the protocols have for errors."""

    error: str


class Violation(Exception):  # noqa: N818 - it is the rule that is broken, not this program
    """A server broke a rule: what it answered, and what was expected."""

    def __init__(self, answer: Answer, expected: str) -> None:
        super().__init__(f"{answer.shown}; expected {expected}")


class Skipped(Exception):  # noqa: N818 - a case that cannot be asked is no error
    """A rule cannot be checked on this server; the message says why."""


def expect(holds: object, answer: Answer, expected: str) -> None:
    """Raise Violation unless something holds."""
    if not holds:
        raise Violation(answer, expected)


def decoded(answer: Answer, kind: type[T]) -> T:
    """Return the object of a successful answer; raises Violation when it is none."""
    expect(answer.status == 200, answer, "status 200")
    return parsed(answer, answer.body, kind)


def parsed(answer: Answer, content: bytes, kind: type[T]) -> T:
    """Return the object in an answer's JSON; raises Violation when it is another."""
    try:
        return msgspec.json.decode(content, type=kind)
    except JSON_ERRORS as error:
        raise Violation(answer, f"another body: {error}") from error


def expect_no_null(answer: Answer, members: Mapping[str, msgspec.Raw]) -> None:
    """Raise Violation when a member of an answer's object is null."""
    found = sorted(name for name, value in members.items() if bytes(value) == b"null")
    expect(not found, answer, f"no null as {', '.join(found)}")


def refused(answer: Answer) -> None:
    """Raise Violation unless an answer is an error in the protocols' form."""
    expect(answer.status >= 400, answer, "an HTTP error status")
    try:
        msgspec.json.decode(answer.body, type=Failure)
    except JSON_ERRORS as error:
        raise Violation(answer, '{"error": string}') from error
