"""The rules of the Open Inference Protocol's inference, for requests that are valid."""

from math import prod

import msgspec

from predictor.conformance.case import case
from predictor.conformance.client import Answer
from predictor.conformance.expected import (
    InferResponse,
    OutputTensor,
    Skipped,
    decoded,
    expect,
    expect_no_null,
    refused,
)
from predictor.conformance.metadata import OIP, UNKNOWN
from predictor.conformance.subject import Subject, posted
from predictor.conformance.values import elements, fits, nested, same

REQUEST = f"{OIP}, Inference Request JSON Object"
RESPONSE = f"{OIP}, Inference Response JSON Object"
OUTPUT = f"{OIP}, Response Output"
DATA = f"{OIP}, Tensor Data"
ID = 'conformance "42" ü'


class _Members(msgspec.Struct, frozen=True):
    outputs: list[dict[str, msgspec.Raw]]


@case("v2.infer", "MUST", RESPONSE)
def infer(subject: Subject) -> None:
    """A successful inference request is indicated by a 200 HTTP status code."""
    answer = subject.send(subject.infer())
    expect(answer.status == 200, answer, "status 200")


@case("v2.infer.response", "MUST", RESPONSE)
def response(subject: Subject) -> None:
    """The body is the response object, with `outputs` of the types that the document gives."""
    answer = subject.send(subject.infer())
    if answer.status != 200:
        message = "v2.infer does not hold"
        raise Skipped(message)
    decoded(answer, InferResponse)


@case("v2.infer.nulls", "MUST", RESPONSE)
def nulls(subject: Subject) -> None:
    """An optional member is a $string or an $object, or it is left out: null is neither."""
    _, answer = subject.response, subject.send(subject.infer())
    for members in (decoded(answer, dict[str, msgspec.Raw]), *decoded(answer, _Members).outputs):
        expect_no_null(answer, members)


@case("v2.infer.model-name", "MUST", RESPONSE)
def model_name(subject: Subject) -> None:
    """The `model_name` is the name of the model used for inference."""
    _, answer = subject.response, subject.send(subject.infer())
    found = decoded(answer, InferResponse).model_name
    expect(found == subject.model, answer, f'model_name "{subject.model}"')


@case("v2.infer.model-version", "MUST", RESPONSE)
def model_version(subject: Subject) -> None:
    """The `model_version` is the specific version used: so one of those announced."""
    versions, found = subject.versions, subject.response.model_version
    if found is None:
        message = "the response names no version"
        raise Skipped(message)
    expect(found in versions, subject.send(subject.infer()), f"a model_version of {versions}")


@case("v2.infer.model-version.unversioned", "SHOULD", RESPONSE)
def no_model_version(subject: Subject) -> None:
    """Servers that do not implement versioning should not provide `model_version`."""
    if subject.metadata.versions:
        message = "the model's metadata announce versions"
        raise Skipped(message)
    found = subject.response.model_version
    expect(found is None, subject.send(subject.infer()), "no model_version")


@case("v2.infer.id", "MUST", REQUEST)
def identifier(subject: Subject) -> None:
    """If `id` is specified, this identifier must be returned in the response."""
    _, answer = subject.response, subject.send(subject.infer(id=ID))
    expect(decoded(answer, InferResponse).id == ID, answer, f"the id {ID!r}")


@case("v2.infer.id.empty", "MUST", REQUEST)
def empty_identifier(subject: Subject) -> None:
    """If `id` is specified, this identifier must be returned: so an empty $string."""
    _, answer = subject.response, subject.send(subject.infer(id=""))
    expect(decoded(answer, InferResponse).id == "", answer, "an empty id")


@case("v2.infer.parameters", "MUST", f"{OIP}, Parameters")
def parameters(subject: Subject) -> None:
    """The `parameters` of a request and of an input hold zero or more pairs: so none, too."""
    expected = subject.response
    inputs = [tensor.altered(parameters={}) for tensor in subject.inputs]
    answer = subject.send(subject.infer(inputs=inputs, parameters={}))
    _expect_same(answer, expected.outputs)


@case("v2.infer.nested", "MUST", DATA)
def nested_data(subject: Subject) -> None:
    """Elements may be in their natural multi-dimensional form, or flattened to one dimension."""
    expected = subject.outputs
    if all(len(tensor.shape) < 2 for tensor in subject.inputs):
        message = "no input of the sample has two dimensions"
        raise Skipped(message)
    for form in (nested, lambda flat, _: flat):
        inputs = [t.altered(data=form(t.flat, t.shape)) for t in subject.inputs]
        _expect_same(subject.send(subject.infer(inputs=inputs)), expected)


@case("v2.infer.coercion", "MUST", DATA)
def coercion(subject: Subject) -> None:
    """An unexpected value is coerced to the required type, or is an error."""
    first, *others = subject.inputs
    unexpected: object = 1 if first.datatype == "BYTES" else "conformance"
    inputs = [first.altered(data=[unexpected, *first.flat[1:]]), *others]
    answer = subject.send(subject.infer(inputs=inputs))
    if answer.status != 200:
        refused(answer)


@case("v2.infer.outputs", "MUST", REQUEST)
def all_outputs(subject: Subject) -> None:
    """Without `outputs`, all outputs produced by the model are returned."""
    told = sorted(tensor.name for tensor in subject.metadata.outputs)
    if not told:
        message = "the metadata describe no outputs"
        raise Skipped(message)
    found = sorted(output.name for output in subject.response.outputs)
    expect(found == told, subject.send(subject.infer()), f"the outputs {told}")


@case("v2.infer.outputs.as-announced", "MUST", f"{OIP}, Model Metadata")
def outputs_as_announced(subject: Subject) -> None:
    """An output has the datatype and the shape of the metadata, where -1 is any size."""
    told = {tensor.name: tensor for tensor in subject.metadata.outputs}
    found = [output for output in subject.outputs if output.name in told]
    if not found:
        message = "the metadata describe none of the outputs"
        raise Skipped(message)
    answer = subject.send(subject.infer())
    for output in found:
        tensor = told[output.name]
        wanted = f"output {output.name} of {tensor.datatype} {tensor.shape}"
        expect(output.datatype == tensor.datatype, answer, wanted)
        expect(_is_of(output.shape, tensor.shape), answer, wanted)


@case("v2.infer.outputs.count", "MUST", OUTPUT)
def data_count(subject: Subject) -> None:
    """Shape and data represent the full shape of the batch: as many elements as it holds."""
    answer = subject.send(subject.infer())
    for output in subject.outputs:
        expected, found = prod(output.shape), len(_elements(output))
        expect(found == expected, answer, f"{expected} elements of {output.name}, not {found}")


@case("v2.infer.outputs.datatype", "MUST", OUTPUT)
def data_of_datatype(subject: Subject) -> None:
    """The `datatype` is that of the tensor's elements."""
    answer = subject.send(subject.infer())
    for output in subject.outputs:
        wanted = f"data of {output.name} that are {output.datatype}"
        expect(fits(output.datatype, _elements(output)), answer, wanted)


@case("v2.infer.outputs.requested", "MUST", f"{OIP}, Request Output")
def requested_output(subject: Subject) -> None:
    """The `outputs` name which output tensors should be returned: each, and no other."""
    for output in subject.outputs:
        answer = subject.send(subject.infer(outputs=[{"name": output.name}]))
        _expect_same(answer, [output])


@case("v2.infer.outputs.order", "SHOULD", "no document; clients rely on it")
def requested_order(subject: Subject) -> None:
    """Outputs come in the order in which they were requested."""
    backwards = subject.outputs[::-1]
    answer = subject.send(subject.infer(outputs=[{"name": o.name} for o in backwards]))
    expect(answer.status == 200, answer, "status 200")
    found = [output.name for output in decoded(answer, InferResponse).outputs]
    expect(found == [o.name for o in backwards], answer, f"{[o.name for o in backwards]}")


@case("v2.infer.version", "MUST", f"{OIP}, Inference")
def infer_version(subject: Subject) -> None:
    """`POST v2/models/<model_name>/versions/<version>/infer` asks for a specific version."""
    for version in subject.versions:
        path = f"{subject.v2_path(version=version)}/infer"
        answer = subject.send(posted(path, {"inputs": subject.inputs}))
        found = decoded(answer, InferResponse).model_version
        expect(found in {None, version}, answer, f'model_version "{version}"')


@case("v2.infer.version.unknown", "MUST", f"{OIP}, Inference Response JSON Error Object")
def infer_unknown_version(subject: Subject) -> None:
    """A failed request has an HTTP error status and `{"error"}`: so for a version not served."""
    path = f"{subject.v2_path(version=UNKNOWN)}/infer"
    refused(subject.send(posted(path, {"inputs": subject.inputs})))


def _elements(output: OutputTensor) -> list[object]:
    return list(elements(output.data or []))


def _is_of(shape: list[int], announced: list[int]) -> bool:
    return len(shape) == len(announced) and all(
        told in {-1, size} for size, told in zip(shape, announced, strict=True)
    )


def _expect_same(answer: Answer, expected: list[OutputTensor]) -> None:
    found = {output.name: output for output in decoded(answer, InferResponse).outputs}
    names = [output.name for output in expected]
    expect(sorted(found) == sorted(names), answer, f"the outputs {names}")
    for output in expected:
        wanted = f"the {output.name} that a plain request gets"
        expect(found[output.name].shape == output.shape, answer, wanted)
        expect(same(_elements(found[output.name]), _elements(output)), answer, wanted)
