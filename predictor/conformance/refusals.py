"""Inference requests that a server has to refuse, each wrong in one way alone."""

from predictor.conformance.case import refusal
from predictor.conformance.client import Request
from predictor.conformance.expected import Skipped
from predictor.conformance.infer import DATA, REQUEST
from predictor.conformance.metadata import OIP, REQUIRED, UNKNOWN
from predictor.conformance.sample import Tensor
from predictor.conformance.subject import Subject, posted, raw

INPUT = f"{OIP}, Request Input"
DATATYPES = f"{OIP}, Tensor Data Types"
ERROR = f"{OIP}, Inference Response JSON Error Object"
JSON = "RFC 8259, The JavaScript Object Notation"


@refusal("v2.infer.unknown-model", "MUST", ERROR)
def unknown_model(subject: Subject) -> Request:
    """A failed inference request has an HTTP error status, and must have `{"error": string}`."""
    return posted(f"{subject.v2_path(UNKNOWN)}/infer", {"inputs": subject.inputs})


@refusal("v2.infer.not-json", "MUST", REQUEST)
def not_json(subject: Subject) -> Request:
    """The request object is required in the HTTP body: half an object is none."""
    return raw(f"{subject.v2_path()}/infer", b'{"inputs": [')


@refusal("v2.infer.empty", "MUST", REQUEST)
def empty(subject: Subject) -> Request:
    """The request object is required in the HTTP body: an empty body has none."""
    return raw(f"{subject.v2_path()}/infer", b"")


@refusal("v2.infer.array", "MUST", REQUEST)
def array(subject: Subject) -> Request:
    """The request is an object: an array is none."""
    return posted(f"{subject.v2_path()}/infer", subject.inputs)


@refusal("v2.infer.not-utf-8", "MUST", f"{JSON}, section 8.1")
def not_utf_8(subject: Subject) -> Request:
    """JSON text must be encoded using UTF-8."""
    valid = subject.infer(id="ü").body or b""
    return raw(f"{subject.v2_path()}/infer", valid.replace("ü".encode(), b"\xff"))


@refusal("v2.infer.nan", "SHOULD", f"{JSON}, section 6")
def not_a_number(subject: Subject) -> Request:
    """Numeric values such as Infinity and NaN are not permitted."""
    tensor = _decimal(subject)
    valid = _altered(subject, tensor, data=["NaN!", *tensor.flat[1:]]).body or b""
    return raw(f"{subject.v2_path()}/infer", valid.replace(b'"NaN!"', b"NaN"))


@refusal("v2.infer.deep", "SHOULD", f"{JSON}, section 9")
def deep(subject: Subject) -> Request:
    """An implementation may set limits on the depth of nesting: what is over it is refused."""
    return raw(f"{subject.v2_path()}/infer", b'{"inputs": ' + b"[" * 20_000)


@refusal("v2.infer.no-inputs", "MUST", REQUEST)
def no_inputs(subject: Subject) -> Request:
    """The member `inputs` is not optional."""
    return posted(f"{subject.v2_path()}/infer", {"id": "conformance"})


@refusal("v2.infer.inputs-object", "MUST", REQUEST)
def inputs_object(subject: Subject) -> Request:
    """The member `inputs` is an array: an object is none."""
    return subject.infer(inputs={"columns": subject.inputs})


@refusal("v2.infer.missing-input", "MUST", f"{OIP}, Model Metadata")
def missing_input(subject: Subject) -> Request:
    """A model's inputs are required: one less is not enough."""
    return subject.infer(inputs=subject.inputs[1:])


@refusal("v2.infer.unknown-input", "SHOULD", f"{OIP}, Model Metadata")
def unknown_input(subject: Subject) -> Request:
    """A model's inputs are those of its metadata: one of another name is no input of it."""
    stranger = subject.inputs[0].altered(name=UNKNOWN)
    return subject.infer(inputs=[stranger, *subject.inputs[1:]])


@refusal("v2.infer.input.no-name", "MUST", INPUT)
def no_name(subject: Subject) -> Request:
    """The member `name` of an input is not optional."""
    return _without(subject, "name")


@refusal("v2.infer.input.no-shape", "MUST", INPUT)
def no_shape(subject: Subject) -> Request:
    """The member `shape` of an input is not optional."""
    return _without(subject, "shape")


@refusal("v2.infer.input.no-datatype", "MUST", INPUT)
def no_datatype(subject: Subject) -> Request:
    """The member `datatype` of an input is not optional."""
    return _without(subject, "datatype")


@refusal("v2.infer.input.no-data", "MUST", INPUT)
def no_data(subject: Subject) -> Request:
    """The member `data` of an input is not optional."""
    return _without(subject, "data")


@refusal("v2.infer.input.datatype", "MUST", DATATYPES)
def unknown_datatype(subject: Subject) -> Request:
    """A datatype is one of the table's: FP128 is none."""
    return _altered(subject, subject.inputs[0], datatype="FP128")


@refusal("v2.infer.input.datatype.case", "MUST", f"{REQUIRED}, HTTP/REST")
def datatype_in_small_letters(subject: Subject) -> Request:
    """All strings in all contexts are case-sensitive: so the names of datatypes."""
    first = subject.inputs[0]
    return _altered(subject, first, datatype=first.datatype.lower())


@refusal("v2.infer.input.shape.negative", "MUST", INPUT)
def negative_shape(subject: Subject) -> Request:
    """Each dimension must be an integer representable as an unsigned 64-bit one: -1 is none."""
    first = subject.inputs[0]
    return _altered(subject, first, shape=[-1, *first.shape[1:]])


@refusal("v2.infer.input.shape.huge", "MUST", INPUT)
def huge_shape(subject: Subject) -> Request:
    """Each dimension must be representable as an unsigned 64-bit integer: 2^64 is not."""
    first = subject.inputs[0]
    return _altered(subject, first, shape=[2**64, *first.shape[1:]])


@refusal("v2.infer.input.shape.fraction", "MUST", INPUT)
def fractional_shape(subject: Subject) -> Request:
    """Each dimension must be an integer."""
    first = subject.inputs[0]
    return _altered(subject, first, shape=[first.shape[0] + 0.5, *first.shape[1:]])


@refusal("v2.infer.input.data.less", "MUST", INPUT)
def data_missing(subject: Subject) -> Request:
    """Shape and data must represent the full contents: data of one element less do not."""
    return _altered(subject, subject.inputs[0], data=subject.inputs[0].flat[:-1])


@refusal("v2.infer.input.data.more", "MUST", INPUT)
def data_left_over(subject: Subject) -> Request:
    """Shape and data must represent the full contents: data of one element more do not."""
    flat = subject.inputs[0].flat
    return _altered(subject, subject.inputs[0], data=[*flat, flat[-1]])


@refusal("v2.infer.input.data.scalar", "MUST", DATA)
def data_no_array(subject: Subject) -> Request:
    """Tensor data given explicitly is provided in a JSON array."""
    return _altered(subject, subject.inputs[0], data=1)


@refusal("v2.infer.input.data.ragged", "MUST", DATA)
def ragged_data(subject: Subject) -> Request:
    """Elements are nested as the shape says, or flat: rows of unlike lengths are neither."""
    tensor = _matrix(subject)
    flat = tensor.flat
    return _altered(subject, tensor, data=[flat[:1], flat[1:]])


@refusal("v2.infer.input.data.null", "SHOULD", DATA)
def null_element(subject: Subject) -> Request:
    """Each element is a number, a string or a boolean: null is none."""
    first = subject.inputs[0]
    return _altered(subject, first, data=[None, *first.flat[1:]])


@refusal("v2.infer.outputs.unknown", "MUST", f"{OIP}, Request Output")
def unknown_output(subject: Subject) -> Request:
    """The requested outputs must be returned: one that the model has not, cannot."""
    return subject.infer(outputs=[{"name": UNKNOWN}])


@refusal("v2.infer.outputs.no-name", "MUST", f"{OIP}, Request Output")
def output_without_name(subject: Subject) -> Request:
    """The member `name` of a requested output is not optional."""
    return subject.infer(outputs=[{}])


@refusal("v2.infer.id.number", "SHOULD", REQUEST)
def id_that_is_a_number(subject: Subject) -> Request:
    """The `id` is a $string: a number is none."""
    return subject.infer(id=42)


def _altered(subject: Subject, tensor: Tensor, **members: object) -> Request:
    """Return the sample's request with some members of one tensor changed."""
    changed = tensor.altered(**members)
    return subject.infer(inputs=[changed if t is tensor else t for t in subject.inputs])


def _without(subject: Subject, member: str) -> Request:
    """Return the sample's request with one member of its first tensor left out."""
    first, *others = subject.inputs
    return subject.infer(inputs=[first.without(member), *others])


def _decimal(subject: Subject) -> Tensor:
    for tensor in subject.inputs:
        if tensor.datatype.startswith("FP"):
            return tensor
    message = "no input of the sample is of decimal numbers"
    raise Skipped(message)


def _matrix(subject: Subject) -> Tensor:
    for tensor in subject.inputs:
        if len(tensor.shape) == 2 and min(tensor.shape) > 1:
            return tensor
    message = "no input of the sample has two rows and two columns"
    raise Skipped(message)
