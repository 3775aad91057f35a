"""Faults of V2's answers, as JSON and as binary data."""

from dataclasses import replace
from typing import Any

import msgspec

from predictor.conformance.client import JSON, Answer, Request
from tests.protocol.faults.altering import (
    Alter,
    Body,
    Fault,
    answered,
    body_of,
    edited,
    errors,
    is_to,
    put,
    rewritten,
    when,
)
from tests.protocol.faults.v2 import ERROR, INFER, LENGTH

ORDER = ["usage_kwh", "lower", "upper", "warnings"]


def no_datatype(body: Body) -> None:
    for output in body["outputs"]:
        output.pop("datatype")


def misshapen(body: Body) -> None:
    for output in body["outputs"]:
        if output["name"] == "usage_kwh":
            output["shape"] = [99]


def flags_as_numbers(body: Body) -> None:
    for output in body["outputs"]:
        if output["datatype"] == "BOOL":
            output["data"] = [int(value) for value in output["data"]]


def in_its_own_order(body: Body) -> None:
    body["outputs"].sort(key=lambda output: ORDER.index(output["name"]))


def all_outputs(body: Body) -> None:
    body.pop("outputs", None)


def without_parameter(value: object) -> Any:  # noqa: ANN401 - an edit of any JSON
    """Return an edit that leaves out `binary_data` where it has a value."""

    def edit(body: Body) -> None:
        for output in body.get("outputs", []):
            if output.get("parameters", {}).get("binary_data") is value:
                output.pop("parameters")

    return edit


def has_no_parameters(request: Request) -> bool:
    return is_to(request, INFER) and body_of(request).get("parameters") == {}


def binary(change: Any) -> Alter:  # noqa: ANN401 - what changes an answer
    """Change answers that have binary data."""

    def alter(_: Request, answer: Answer) -> Answer:
        return change(answer) if LENGTH.lower() in answer.headers else answer

    return alter


def without_length(answer: Answer) -> Answer:
    rest = {name: value for name, value in answer.headers.items() if name != LENGTH.lower()}
    return replace(answer, headers=rest)


def parts(answer: Answer) -> tuple[Body, bytes]:
    length = int(answer.headers[LENGTH.lower()])
    return msgspec.json.decode(answer.body[:length]), answer.body[length:]


def joined(answer: Answer, body: Body, behind: bytes) -> Answer:
    content = msgspec.json.encode(body)
    headers = {**answer.headers, LENGTH.lower(): str(len(content))}
    return replace(answer, body=content + behind, headers=headers)


def backwards(answer: Answer) -> Answer:
    body, behind = parts(answer)
    return joined(answer, body, behind[::-1])


def padded(answer: Answer) -> Answer:
    body, behind = parts(answer)
    found = b""
    for output in body["outputs"]:
        if "parameters" in output:
            size = output["parameters"]["binary_data_size"]
            found, behind = found + behind[:size] + b"\0", behind[size:]
            output["parameters"]["binary_data_size"] = size + 1
    return joined(answer, body, found)


JSON_FAULTS = (
    Fault(
        "success is another status",
        ("v2.infer",),
        lambda r, a: replace(a, status=202) if is_to(r, INFER) and a.status == 200 else a,
    ),
    Fault("outputs have no datatype", ("v2.infer.response",), edited(INFER, no_datatype)),
    Fault(
        "what is not there is null", ("v2.infer.nulls",), edited(INFER, put("parameters", to=None))
    ),
    Fault(
        "another model answers",
        ("v2.infer.model-name",),
        edited(INFER, put("model_name", to="power")),
    ),
    Fault(
        "the id is lost",
        ("v2.infer.id", "v2.infer.id.empty"),
        edited(INFER, lambda body: body.pop("id", None)),
    ),
    Fault(
        "an empty id is replaced",
        ("v2.infer.id.empty",),
        edited(INFER, lambda body: body.update(id=body.get("id") or "17")),
    ),
    Fault("parameters are refused", ("v2.infer.parameters",), when(has_no_parameters, 400, ERROR)),
    Fault(
        "a shape is not the data's",
        ("v2.infer.outputs.count",),
        edited(INFER, misshapen),
    ),
    Fault("flags are numbers", ("v2.infer.outputs.datatype",), edited(INFER, flags_as_numbers)),
    Fault(
        "a datatype is not the announced one",
        ("v2.infer.outputs.as-announced",),
        edited(INFER, put("outputs", 0, "datatype", to="FP32")),
    ),
    Fault(
        "requested outputs are ignored",
        (
            "v2.infer.outputs.requested",
            "v2.infer.outputs.order",
            "v2.infer.outputs.unknown",
            "v2.infer.outputs.no-name",
            "v2.binary.output.one",
            "v2.binary.output.override",
        ),
        divert=rewritten(INFER, all_outputs),
    ),
    Fault(
        "outputs have an order of their own",
        ("v2.infer.outputs.order",),
        edited(INFER, in_its_own_order),
    ),
)
BINARY_FAULTS = (
    Fault(
        "the length of the JSON is not told",
        ("v2.binary.output.all", "v2.binary.output.one", "v2.binary.output.size"),
        binary(without_length),
    ),
    Fault(
        "binary data are called JSON",
        ("v2.binary.output.content-type",),
        binary(lambda a: replace(a, headers={**a.headers, "content-type": JSON})),
    ),
    Fault(
        "binary data are refused",
        ("v2.binary.input", "v2.binary.input.mixed"),
        when(lambda r: LENGTH in r.headers, 400, ERROR),
    ),
    Fault(
        "binary_data does not override",
        ("v2.binary.output.override",),
        divert=rewritten(INFER, without_parameter(value=False)),
    ),
    Fault(
        "binary_data is ignored",
        ("v2.binary.output.one",),
        divert=rewritten(INFER, without_parameter(value=True)),
    ),
    Fault(
        "binary_data_output is ignored",
        ("v2.binary.output.all", "v2.binary.output.content-type"),
        divert=rewritten(
            INFER, lambda body: body.get("parameters", {}).pop("binary_data_output", None)
        ),
    ),
    Fault(
        "bytes are in another order",
        ("v2.binary.output.all", "v2.binary.output.one"),
        binary(backwards),
    ),
    Fault(
        "elements are padded",
        ("v2.binary.output.all", "v2.binary.output.size"),
        binary(padded),
    ),
)
FAULTS = (*JSON_FAULTS, *BINARY_FAULTS)


def is_flat(request: Request) -> bool:
    inputs = body_of(request).get("inputs")
    return is_to(request, INFER) and type(inputs) is list and type(inputs[0]["data"][0]) is float


# Faults that only a sample with a matrix, nested, can find.
OF_A_MATRIX = (
    Fault("flat data are refused", ("v2.infer.nested",), when(is_flat, 400, ERROR)),
    Fault(
        "ragged data are taken",
        ("v2.infer.input.data.ragged",),
        errors(INFER, lambda _, answer: answered(answer, 200, {})),
    ),
)
