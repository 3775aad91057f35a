"""The server that is judged, with a model of it and a request that the model answers."""

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar
from urllib.parse import quote

import msgspec

from predictor.conformance.client import JSON, Answer, Client, NoAnswer, Request
from predictor.conformance.expected import (
    InferResponse,
    ModelMetadata,
    OutputTensor,
    Predictions,
    ServerMetadata,
    Skipped,
    Violation,
    decoded,
)
from predictor.conformance.sample import Sample, Tensor

T = TypeVar("T")
NO_SAMPLE = "no sample request has {}: give --request or --bundle"
BINARY = "binary_tensor_data"


@dataclass(frozen=True)
class Subject:
    """A server, the name of a model that it serves, and a request that this one answers.

    What one rule is about, another may stand on: the properties raise Skipped, so that one fault
    is told once, by the rule that it breaks.
    """

    client: Client
    model: str
    sample: Sample
    announced: bool = True  # whether an extension is only asked about where it is announced

    def send(self, request: Request) -> Answer:
        """Return the answer to a request; raises NoAnswer."""
        return self.client.send(request)

    def get(self, path: str) -> Answer:
        """Return the answer to a GET; raises NoAnswer."""
        return self.send(Request("GET", path))

    def v1_path(self, model: str = "") -> str:
        """Return the path of a model in V1."""
        return f"/v1/models/{quote(model or self.model, safe='')}"

    def v2_path(self, model: str = "", version: str = "") -> str:
        """Return the path of a model in V2."""
        path = f"/v2/models/{quote(model or self.model, safe='')}"
        return f"{path}/versions/{quote(version, safe='')}" if version else path

    @property
    def instances(self) -> list[object]:
        """The sample's rows for V1."""
        if self.sample.instances is None:
            raise Skipped(NO_SAMPLE.format("instances"))
        return self.sample.instances

    @property
    def inputs(self) -> list[Tensor]:
        """The sample's tensors for V2."""
        if self.sample.inputs is None:
            raise Skipped(NO_SAMPLE.format("inputs"))
        return self.sample.inputs

    def predict(self, **members: object) -> Request:
        """Return V1's prediction of the sample, with members added."""
        return posted(f"{self.v1_path()}:predict", {"instances": self.instances, **members})

    def infer(self, **members: object) -> Request:
        """Return V2's inference on the sample, with members added or replaced."""
        return posted(f"{self.v2_path()}/infer", {"inputs": self.inputs, **members})

    @cached_property
    def predictions(self) -> list[object]:
        """V1's predictions for the sample."""
        found = self._found("v1.predict.predictions", self.predict(), Predictions)
        return found.predictions

    @cached_property
    def response(self) -> InferResponse:
        """V2's response for the sample."""
        return self._found("v2.infer.response", self.infer(), InferResponse)

    @property
    def outputs(self) -> list[OutputTensor]:
        """V2's outputs for the sample, one or more."""
        if not self.response.outputs:
            message = "the model gives no output"
            raise Skipped(message)
        return self.response.outputs

    @cached_property
    def metadata(self) -> ModelMetadata:
        """What V2 tells of the model."""
        return self._found("v2.model-metadata", Request("GET", self.v2_path()), ModelMetadata)

    @property
    def versions(self) -> list[str]:
        """The versions that may be asked for explicitly, one or more."""
        if not self.metadata.versions:
            message = "the model's metadata announce no versions"
            raise Skipped(message)
        return self.metadata.versions

    @cached_property
    def extensions(self) -> list[str]:
        """The extensions that the server announces."""
        found = self._found("v2.server-metadata", Request("GET", "/v2"), ServerMetadata)
        return found.extensions

    def _found(self, rule: str, request: Request, kind: type[T]) -> T:
        try:
            return decoded(self.send(request), kind)
        except (Violation, NoAnswer) as error:
            message = f"{rule} does not hold"
            raise Skipped(message) from error

    def require_binary(self) -> None:
        """Raise Skipped unless the server is to have the extension for binary data."""
        if self.announced and BINARY not in self.extensions:
            message = f"the server does not announce {BINARY}"
            raise Skipped(message)


def posted(path: str, body: object) -> Request:
    """Return a POST of an object as JSON."""
    return raw(path, msgspec.json.encode(body))


def raw(path: str, content: bytes) -> Request:
    """Return a POST of some bytes, which say that they are JSON."""
    return Request("POST", path, content, {"Content-Type": JSON})
