"""The rules of the extension for binary data, for servers that announce it."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from math import prod

from predictor.conformance.case import case, refusal
from predictor.conformance.client import Answer, Request
from predictor.conformance.expected import InferResponse, OutputTensor, expect, parsed
from predictor.conformance.sample import Tensor
from predictor.conformance.subject import Subject
from predictor.conformance.values import same

EXTENSION = "KServe, Binary Tensor Data Extension"
HEADER = "Inference-Header-Content-Length"
CONTENT_TYPE = "application/octet-stream"
FORMATS = {
    "BOOL": "?",
    **dict(zip(("FP16", "FP32", "FP64"), "efd", strict=True)),
    **dict(zip(("INT8", "INT16", "INT32", "INT64"), "bhiq", strict=True)),
    **dict(zip(("UINT8", "UINT16", "UINT32", "UINT64"), "BHIQ", strict=True)),
}
SIZE = "binary_data_size"
ALL = {"binary_data_output": True}


@dataclass(frozen=True)
class _Split:
    """An answer's outputs, and each one's bytes behind the JSON."""

    answer: Answer
    outputs: list[OutputTensor]
    behind: list[bytes]

    @property
    def binary(self) -> list[str]:
        """The names of the outputs that came as binary data."""
        return [output.name for output in self.outputs if output.bytes_behind is not None]


@case("v2.binary.input", "MUST", EXTENSION)
def binary_input(subject: Subject) -> None:
    """An input with `binary_data_size` has its data behind the JSON, little-endian."""
    subject.require_binary()
    expected = subject.outputs
    _expect_same(_split(subject.send(_request(subject, subject.inputs))), expected)


@case("v2.binary.input.mixed", "MUST", EXTENSION)
def mixed_inputs(subject: Subject) -> None:
    """One or more tensors are binary data, in the order of the JSON; the others are JSON."""
    subject.require_binary()
    expected = subject.outputs
    for tensor in subject.inputs:
        _expect_same(_split(subject.send(_request(subject, [tensor]))), expected)


@case("v2.binary.output.all", "MUST", EXTENSION)
def binary_outputs(subject: Subject) -> None:
    """With `binary_data_output` all outputs are binary data, in the order of the JSON."""
    subject.require_binary()
    expected = subject.outputs
    found = _split(subject.send(subject.infer(parameters=ALL)))
    names = [output.name for output in expected]
    expect(found.binary == names, found.answer, f"{names} as binary data")
    _expect_same(found, expected)


@case("v2.binary.output.one", "MUST", EXTENSION)
def one_binary_output(subject: Subject) -> None:
    """With `binary_data` an output is binary data; one without it is JSON."""
    subject.require_binary()
    expected = subject.outputs
    first, *others = [{"name": output.name} for output in expected]
    outputs = [{**first, "parameters": {"binary_data": True}}, *others]
    found = _split(subject.send(subject.infer(outputs=outputs)))
    expect(found.binary == [expected[0].name], found.answer, f"{expected[0].name} alone as bytes")
    _expect_same(found, expected)


@case("v2.binary.output.override", "MUST", EXTENSION)
def overridden_output(subject: Subject) -> None:
    """If `binary_data` is specified on an output it overrides `binary_data_output`."""
    subject.require_binary()
    expected = subject.outputs[:1]
    outputs = [{"name": expected[0].name, "parameters": {"binary_data": False}}]
    found = _split(subject.send(subject.infer(outputs=outputs, parameters=ALL)))
    expect(not found.binary, found.answer, "the output as JSON")
    _expect_same(found, expected)


@case("v2.binary.output.size", "MUST", EXTENSION)
def binary_data_size(subject: Subject) -> None:
    """An element has the native size of its datatype, without stride or padding."""
    subject.require_binary()
    _ = subject.outputs
    found = _split(subject.send(subject.infer(parameters=ALL)))
    for output, blob in zip(found.outputs, found.behind, strict=True):
        if output.datatype in FORMATS and output.bytes_behind is not None:
            size = prod(output.shape) * struct.calcsize(f"<{FORMATS[output.datatype]}")
            expect(len(blob) == size, found.answer, f"{size} bytes of {output.name}")


@case("v2.binary.output.content-type", "SHOULD", f"{EXTENSION}, Examples")
def content_type(subject: Subject) -> None:
    """A response with binary data is `application/octet-stream`, as in the page's examples."""
    subject.require_binary()
    _ = subject.outputs
    answer = subject.send(subject.infer(parameters=ALL))
    found = answer.headers.get("content-type", "")
    expect(found.startswith(CONTENT_TYPE), answer, f"content-type {CONTENT_TYPE}, not {found!r}")


@refusal("v2.binary.input.less", "MUST", EXTENSION)
def bytes_missing(subject: Subject) -> Request:
    """`binary_data_size` is the size of the data, in bytes: a byte less is not all of it."""
    subject.require_binary()
    request = _request(subject, subject.inputs)
    return replace(request, body=(request.body or b"")[:-1])


@refusal("v2.binary.input.more", "SHOULD", EXTENSION)
def bytes_left_over(subject: Subject) -> Request:
    """The body is the JSON followed by the tensors' data: a byte more is no tensor's."""
    subject.require_binary()
    request = _request(subject, subject.inputs)
    return replace(request, body=(request.body or b"") + b"\0")


@refusal("v2.binary.header.long", "MUST", EXTENSION)
def header_too_long(subject: Subject) -> Request:
    """The header gives the length of the JSON object: it is not over the body's."""
    subject.require_binary()
    request = _request(subject, subject.inputs)
    return replace(request, headers={**request.headers, HEADER: str(len(request.body or b"") + 1)})


@refusal("v2.binary.header.word", "MUST", EXTENSION)
def header_no_number(subject: Subject) -> Request:
    """The header gives the length of the JSON object: a word is none."""
    subject.require_binary()
    request = _request(subject, subject.inputs)
    return replace(request, headers={**request.headers, HEADER: "many"})


@refusal("v2.binary.header.missing", "MUST", EXTENSION)
def header_missing(subject: Subject) -> Request:
    """If any binary data is present, the header must be provided."""
    subject.require_binary()
    request = _request(subject, subject.inputs)
    return replace(request, headers={"Content-Type": CONTENT_TYPE})


def _request(subject: Subject, binary: list[Tensor]) -> Request:
    """Return the sample's request with some tensors as bytes behind the JSON."""
    inputs: list[object] = []
    blobs: list[bytes] = []
    for tensor in subject.inputs:
        if tensor in binary:
            blobs.append(_packed(tensor))
            inputs.append(tensor.without("data") | {"parameters": {SIZE: len(blobs[-1])}})
        else:
            inputs.append(tensor)
    plain = subject.infer(inputs=inputs)
    content = plain.body or b""
    headers = {"Content-Type": CONTENT_TYPE, HEADER: str(len(content))}
    return replace(plain, body=content + b"".join(blobs), headers=headers)


def _packed(tensor: Tensor) -> bytes:
    if tensor.datatype == "BYTES":
        texts = [str(text).encode() for text in tensor.flat]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return struct.pack(f"<{len(tensor.flat)}{FORMATS[tensor.datatype]}", *tensor.flat)


def _unpacked(datatype: str, blob: bytes) -> list[object]:
    """Return the elements of binary data; bytes that are none of one are left out."""
    if datatype == "BYTES":
        return list(_texts(blob))
    element = struct.Struct(f"<{FORMATS[datatype]}")
    whole = len(blob) - len(blob) % element.size
    return [value for (value,) in element.iter_unpack(blob[:whole])]


def _texts(blob: bytes) -> Iterator[str]:
    start = 0
    while start < len(blob):
        end = start + 4 + int.from_bytes(blob[start : start + 4], "little")
        yield blob[start + 4 : end].decode(errors="replace")
        start = end


def _split(answer: Answer) -> _Split:
    """Return an answer's parts; raises Violation when its lengths do not add up."""
    expect(answer.status == 200, answer, "status 200")
    text = answer.headers.get(HEADER.lower(), str(len(answer.body)))
    expect(text.isdecimal() and len(text) < 20, answer, f"a number as {HEADER}, not {text!r}")
    content, rest = answer.body[: int(text)], answer.body[int(text) :]
    outputs = parsed(answer, content, InferResponse).outputs
    sizes = [output.bytes_behind or 0 for output in outputs]
    wanted = f"{sum(sizes)} bytes behind the JSON, not {len(rest)}"
    expect(sum(sizes) == len(rest), answer, wanted)
    ends = list(accumulate(sizes))
    return _Split(answer, outputs, [rest[e - n : e] for e, n in zip(ends, sizes, strict=True)])


def _expect_same(found: _Split, expected: list[OutputTensor]) -> None:
    names = [output.name for output in expected]
    expect([o.name for o in found.outputs] == names, found.answer, f"the outputs {names}")
    for wanted, output, blob in zip(expected, found.outputs, found.behind, strict=True):
        data = output.data or _unpacked(output.datatype, blob)
        expect(same(data, wanted.data or []), found.answer, f"the {output.name} that JSON gets")
