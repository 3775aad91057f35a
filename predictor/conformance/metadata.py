"""The rules of the Open Inference Protocol's health and metadata."""

from typing import get_args

import msgspec

from predictor.conformance.case import case
from predictor.conformance.client import Answer
from predictor.conformance.expected import (
    Datatype,
    ModelMetadata,
    ModelReady,
    ServerMetadata,
    Skipped,
    decoded,
    expect,
    expect_no_null,
    parsed,
    refused,
)
from predictor.conformance.subject import Subject

OIP = "Open Inference Protocol, inference_rest.md"
REQUIRED = "KServe, Predict Protocol Version 2, required_api.md"
UNKNOWN = "conformance-unknown"
DATATYPES = frozenset(get_args(Datatype))
PLATFORMS = frozenset(
    {
        "tensorrt_plan",
        "tensorflow_graphdef",
        "tensorflow_savedmodel",
        "onnx_onnxv1",
        "pytorch_torchscript",
        "mxnet_mxnet",
        "caffe2_netdef",
    }
)


@case("v2.live", "MUST", f"{REQUIRED}, Health")
def live(subject: Subject) -> None:
    """`GET v2/health/live`: a 200 status code indicates true."""
    answer = subject.get("/v2/health/live")
    expect(answer.status == 200, answer, "status 200")


@case("v2.live.body", "SHOULD", f"{OIP}, Server Live; {REQUIRED}, Health")
def live_body(subject: Subject) -> None:
    """The body is `{"live": $bool}`, or, in the older document, empty."""
    answer = subject.get("/v2/health/live")
    if answer.body:
        found = parsed(answer, answer.body, dict[str, bool])
        expect(found == {"live": True}, answer, '{"live": true} or no body')


@case("v2.ready", "MUST", f"{REQUIRED}, Health")
def ready(subject: Subject) -> None:
    """`GET v2/health/ready`: a 200 status code indicates that all the models are ready."""
    answer = subject.get("/v2/health/ready")
    expect(answer.status == 200, answer, "status 200")


@case("v2.ready.body", "SHOULD", f"{OIP}, Server Ready; KServe, V2 Protocol; {REQUIRED}, Health")
def ready_body(subject: Subject) -> None:
    """The body is `{"live": $bool}` in the first, `{"ready": $bool}` in the second, or empty."""
    answer = subject.get("/v2/health/ready")
    if answer.body:
        found = parsed(answer, answer.body, dict[str, bool])
        expect(found in ({"ready": True}, {"live": True}), answer, '{"ready": true} or no body')


@case("v2.model-ready", "MUST", f"{REQUIRED}, Health")
def model_ready(subject: Subject) -> None:
    """`GET v2/models/<model_name>/ready`: a 200 status code indicates true."""
    answer = subject.get(f"{subject.v2_path()}/ready")
    expect(answer.status == 200, answer, "status 200")


@case("v2.model-ready.body", "SHOULD", f"{OIP}, Model Ready; {REQUIRED}, Health")
def model_ready_body(subject: Subject) -> None:
    """The body is `{"name": $string, "ready": $bool}`, or, in the older document, empty."""
    answer = subject.get(f"{subject.v2_path()}/ready")
    if answer.body:
        found = parsed(answer, answer.body, ModelReady)
        expect(found == ModelReady(subject.model, ready=True), answer, "that the model is ready")


@case("v2.model-ready.unknown", "MUST", f"{REQUIRED}, Health")
def unknown_model_ready(subject: Subject) -> None:
    """A 4xx status code indicates false: so for a model that is not there."""
    answer = subject.get(f"{subject.v2_path(UNKNOWN)}/ready")
    expect(400 <= answer.status < 500, answer, "a status 4xx")


@case("v2.server-metadata", "MUST", f"{OIP}, Server Metadata")
def server_metadata(subject: Subject) -> None:
    """A 200 has `{"name": $string, "version": $string, "extensions": [$string, ...]}`."""
    decoded(subject.get("/v2"), ServerMetadata)


@case("v2.model-metadata", "MUST", f"{OIP}, Model Metadata")
def model_metadata(subject: Subject) -> None:
    """A 200 has name, platform, `inputs` and `outputs`, these with name, datatype and shape."""
    decoded(subject.get(subject.v2_path()), ModelMetadata)


@case("v2.model-metadata.nulls", "MUST", f"{OIP}, Model Metadata")
def metadata_nulls(subject: Subject) -> None:
    """The optional `versions` are an array of $string, or they are left out: null is neither."""
    answer, _ = _metadata(subject)
    expect_no_null(answer, decoded(answer, dict[str, msgspec.Raw]))


@case("v2.model-metadata.name", "MUST", f"{OIP}, Model Metadata")
def metadata_name(subject: Subject) -> None:
    """The `name` is the name of the model."""
    answer, _ = _metadata(subject)
    expect(subject.metadata.name == subject.model, answer, f'the name "{subject.model}"')


@case("v2.model-metadata.datatypes", "MUST", f"{OIP}, Tensor Data Types")
def metadata_datatypes(subject: Subject) -> None:
    """A tensor's datatype is one of the table's: BOOL, UINT8 to FP64, BYTES."""
    answer, found = _metadata(subject)
    names = {tensor.datatype for tensor in [*found.inputs, *found.outputs]}
    expect(names <= DATATYPES, answer, f"datatypes of the table, not {sorted(names - DATATYPES)}")


@case("v2.model-metadata.shapes", "MUST", f"{OIP}, Model Metadata")
def metadata_shapes(subject: Subject) -> None:
    """Variable-size dimensions are specified as -1; the others are sizes."""
    answer, found = _metadata(subject)
    sizes = [size for tensor in [*found.inputs, *found.outputs] for size in tensor.shape]
    expect(all(size >= -1 for size in sizes), answer, "sizes from -1 on")


@case("v2.model-metadata.platform", "SHOULD", f"{OIP}, Platforms")
def metadata_platform(subject: Subject) -> None:
    """Names of platforms are `<project>_<format>`, of a list; they are information only."""
    answer, found = _metadata(subject)
    expect(found.platform in PLATFORMS, answer, f"a platform of {', '.join(sorted(PLATFORMS))}")


@case("v2.model-metadata.inputs", "SHOULD", f"{OIP}, Model Metadata")
def metadata_inputs(subject: Subject) -> None:
    """The metadata's `inputs` are those required by the model: so those of the sample."""
    answer, found = _metadata(subject)
    if not found.inputs:
        message = "the metadata describe no inputs"
        raise Skipped(message)
    sent = sorted((tensor.name, tensor.datatype) for tensor in subject.inputs)
    told = sorted((tensor.name, tensor.datatype) for tensor in found.inputs)
    expect(told == sent, answer, f"the inputs {sent}")


@case("v2.model-metadata.unknown", "MUST", f"{OIP}, Model Metadata Response JSON Error Object")
def unknown_model_metadata(subject: Subject) -> None:
    """A failed request has an HTTP error status, and must have the body `{"error": $string}`."""
    refused(subject.get(subject.v2_path(UNKNOWN)))


@case("v2.model-metadata.case", "MUST", f"{REQUIRED}, HTTP/REST")
def metadata_of_other_case(subject: Subject) -> None:
    """All strings in all contexts are case-sensitive: so the model's name."""
    other = subject.model.swapcase()
    if other == subject.model:
        message = "the model's name has no letters"
        raise Skipped(message)
    refused(subject.get(subject.v2_path(other)))


@case("v2.version", "MUST", f"{OIP}, Model Metadata")
def version(subject: Subject) -> None:
    """The `versions` are those that may be explicitly requested via the endpoint."""
    for name in subject.versions:
        answer = subject.get(subject.v2_path(version=name))
        found = decoded(answer, ModelMetadata)
        expect(found.name == subject.model, answer, f'the name "{subject.model}"')


@case("v2.version.ready", "MUST", f"{REQUIRED}, Health")
def version_ready(subject: Subject) -> None:
    """`GET v2/models/<model_name>/versions/<version>/ready`: a 200 indicates true."""
    for name in subject.versions:
        answer = subject.get(f"{subject.v2_path(version=name)}/ready")
        expect(answer.status == 200, answer, "status 200")


@case("v2.version.unknown", "MUST", f"{OIP}, Model Metadata Response JSON Error Object")
def unknown_version(subject: Subject) -> None:
    """A failed request has an HTTP error status and `{"error"}`: so for a version not served."""
    refused(subject.get(subject.v2_path(version=UNKNOWN)))


def _metadata(subject: Subject) -> tuple[Answer, ModelMetadata]:
    """Return the model's metadata, and the answer that they came in."""
    _ = subject.metadata
    answer = subject.get(subject.v2_path())
    return answer, decoded(answer, ModelMetadata)
