"""The Open Inference Protocol over gRPC, black box, through a real channel."""

from collections.abc import Callable
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from predictor import __version__
from predictor.bundle import Manifest
from predictor.contract import Row
from predictor.serving.grpc import inference_pb2 as pb
from predictor.training.columns import CONTRACT

SERVICE = "inference.GRPCInferenceService"
Call = Callable[..., Any]
Refusal = tuple[str, str]
NUMPY = {"FP64": "<f8", "INT64": "<i8", "INT8": "<i1"}


@pytest.fixture(scope="session")
def call(channel: grpc.Channel) -> Call:
    """Return what calls a method, by its name, with its request's fields or with raw bytes."""

    def call(method: str, request: bytes | None = None, /, **fields: object) -> object:
        message: Message = getattr(pb, f"{method}Request")(**fields)
        ask = channel.unary_unary(
            f"/{SERVICE}/{method}",
            request_serializer=None,
            response_deserializer=getattr(pb, f"{method}Response").FromString,
        )
        return ask(message.SerializeToString() if request is None else request, timeout=10)

    return call


def columns(*rows: Row) -> list[dict[str, Any]]:
    """Return rows as a tensor for each column, with typed contents."""
    found = []
    for column in CONTRACT.columns:
        values: list[Any] = [row[column.name] for row in rows]
        contents: dict[str, list[Any]]
        if type(values[0]) is str:
            datatype, contents = "BYTES", {"bytes_contents": [str(v).encode() for v in values]}
        elif column.datatype == "INT64":
            datatype, contents = "INT64", {"int64_contents": values}
        else:
            datatype, contents = "FP64", {"fp64_contents": values}
        shape = [len(rows)]
        tensor = {"name": column.name, "datatype": datatype, "shape": shape, "contents": contents}
        found.append(tensor)
    return found


def raw(tensor: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Return a tensor without its contents, and those as raw bytes."""
    [values] = tensor["contents"].values()
    if tensor["datatype"] == "BYTES":
        content = b"".join(len(value).to_bytes(4, "little") + value for value in values)
    else:
        content = np.array(values, NUMPY[tensor["datatype"]]).tobytes()
    return {key: value for key, value in tensor.items() if key != "contents"}, content


def refusal(call: Call, method: str, request: bytes | None = None, /, **fields: object) -> Refusal:
    with pytest.raises(grpc.RpcError) as error:
        call(method, request, **fields)
    return error.value.code().name, str(error.value.details())


def test_the_server_is_live_and_ready_and_tells_what_it_is(call: Call) -> None:
    assert call("ServerLive").live
    assert call("ServerReady").ready
    metadata = call("ServerMetadata")
    assert (metadata.name, metadata.version) == ("energy-predictor", __version__)


def test_metadata_are_those_of_rest(call: Call, client: httpx.Client, manifest: Manifest) -> None:
    assert call("ModelReady", name="energy").ready
    for version in ("", manifest.version):
        found = call("ModelMetadata", name="energy", version=version)
        expected = client.get("/v2/models/energy").json()
        assert (found.name, found.platform) == (expected["name"], expected["platform"])
        assert list(found.versions) == expected["versions"]
        for side in ("inputs", "outputs"):
            tensors = [(t.name, t.datatype, list(t.shape)) for t in getattr(found, side)]
            assert tensors == [(t["name"], t["datatype"], t["shape"]) for t in expected[side]]


def test_golden_rows_get_their_answers_as_contents(call: Call, manifest: Manifest) -> None:
    golden = manifest.golden
    answer = call("ModelInfer", model_name="energy", id="7", inputs=columns(*golden.rows))
    assert (answer.model_name, answer.model_version, answer.id) == ("energy", manifest.version, "7")
    values, lower, upper, warnings = answer.outputs
    assert list(values.contents.fp64_contents) == golden.predictions
    assert list(lower.contents.fp64_contents) == golden.lower
    assert list(upper.contents.fp64_contents) == golden.upper
    assert list(warnings.contents.bool_contents) == [False] * 3 * len(golden.rows)
    assert list(warnings.shape) == [len(golden.rows), 3]
    assert not answer.raw_output_contents


def test_golden_rows_get_their_answers_as_raw_bytes(call: Call, manifest: Manifest) -> None:
    golden = manifest.golden
    matrix = np.array(CONTRACT.encode_rows(golden.rows))
    whole = {"name": "rows", "datatype": "FP64", "shape": matrix.shape}
    bare, contents = zip(*map(raw, columns(*golden.rows)), strict=True)
    for inputs, raws in ((bare, contents), ([whole], [matrix.tobytes()])):
        answer = call("ModelInfer", model_name="energy", inputs=inputs, raw_input_contents=raws)
        assert not any(output.HasField("contents") for output in answer.outputs)
        values, lower, upper = (
            np.frombuffer(content).tolist() for content in answer.raw_output_contents[:3]
        )
        assert (values, lower, upper) == (golden.predictions, golden.lower, golden.upper)


def test_only_the_outputs_that_are_asked_for_come_back(call: Call, row: Row) -> None:
    inputs = columns(row)
    asked = [{"name": "upper"}] * 3  # an answer must not grow with what is only asked again
    answer = call("ModelInfer", model_name="energy", inputs=inputs, outputs=asked)
    assert [output.name for output in answer.outputs] == ["upper"]
    fields: dict[str, Any] = {
        "model_name": "energy",
        "inputs": inputs,
        "outputs": [{"name": "price"}],
    }
    code, details = refusal(call, "ModelInfer", **fields)
    assert code == "INVALID_ARGUMENT"
    assert details == 'got output "price", expected one of usage_kwh, lower, upper, warnings'


@pytest.mark.parametrize(
    ("column", "change", "message"),
    [
        ("co2", {"datatype": "BOOL"}, 'input co2: got datatype "BOOL", expected FP16'),
        ("co2", {"datatype": "FP80"}, 'input co2: got datatype "FP80", expected FP16'),
        ("co2", {"datatype": "FP16"}, "input co2: FP16 has no contents, and must be raw"),
        ("co2", {"shape": [2]}, "input co2: got 1 elements, expected shape [2]"),
        ("co2", {"shape": [1, 2]}, "input co2: got shape [1, 2], expected [n] or [n, 1]"),
        ("co2", {"shape": [1] * 9}, "input 2: its name or its shape is too long"),
        ("co2", {"name": "c" * 201}, "input 2: its name or its shape is too long"),
        ("co2", {"name": "CO2"}, 'got input "CO2", expected only lagging_reactive_power'),
        ("co2", {"contents": {}}, "input co2: got 0 elements, expected shape [1]"),
        ("co2", {"contents": {"fp64_contents": [-1]}}, "row 0, column co2: got -1, expected a"),
        ("co2", {"contents": {"fp64_contents": [np.nan]}}, "row 0, column co2: got nan, expected"),
        ("nsm", {"contents": {"int64_contents": [86400]}}, "row 0, column nsm: got 86400, expe"),
        (
            "nsm",
            {"datatype": "INT8", "contents": {"int_contents": [128]}},
            "input nsm, element 0: got 128, expected INT8",
        ),
        (
            "load_type",
            {"contents": {"bytes_contents": [b"Heavy"]}},
            'row 0, column load_type: got "Heavy", expected one of Light, Medium, Maximum',
        ),
        (
            "load_type",
            {"contents": {"bytes_contents": [b"\xff"]}},
            "input load_type, element 0: got bytes that are not UTF-8",
        ),
    ],
)
def test_a_wrong_tensor_is_an_invalid_argument_and_named(
    call: Call, row: Row, column: str, change: dict[str, Any], message: str
) -> None:
    inputs = [t | change if t["name"] == column else t for t in columns(row)]
    code, details = refusal(call, "ModelInfer", model_name="energy", inputs=inputs)
    assert code == "INVALID_ARGUMENT"
    assert details.startswith(message)


def test_contents_are_either_typed_or_raw(call: Call, row: Row) -> None:
    fields: dict[str, Any] = {"model_name": "energy", "inputs": columns(row)}
    code, details = refusal(call, "ModelInfer", raw_input_contents=[b""] * 8, **fields)
    assert (code, details.split(": ")[1][:15]) == ("INVALID_ARGUMENT", "expected either")
    code, details = refusal(call, "ModelInfer", raw_input_contents=[b""], **fields)
    assert details == "got 1 raw input contents, expected 8, one for each input"


def test_no_rows_and_too_many_are_refused(call: Call, row: Row) -> None:
    _, details = refusal(call, "ModelInfer", model_name="energy", inputs=columns(*[row] * 101))
    assert details == "got 101 rows, expected from 1 to 100"
    empty = [t | {"shape": [0], "contents": {}} for t in columns(row)]
    _, details = refusal(call, "ModelInfer", model_name="energy", inputs=empty)
    assert details == "got 0 rows, expected from 1 to 100"


@pytest.mark.parametrize("name", ["ModelReady", "ModelMetadata", "ModelInfer"])
def test_another_model_or_version_is_not_found(call: Call, name: str) -> None:
    model, version = (
        ("model_name", "model_version") if name == "ModelInfer" else ("name", "version")
    )
    assert refusal(call, name, **{model: "x"}) == ("NOT_FOUND", 'got "x", expected energy')
    code, details = refusal(call, name, **{model: "energy", version: "1"})
    assert code == "NOT_FOUND"
    assert details.startswith('got "1", expected ')


def test_bytes_that_are_no_message_are_an_invalid_argument(call: Call) -> None:
    code, details = refusal(call, "ModelInfer", b"\xff\xff")
    assert (code, details) == (
        "INVALID_ARGUMENT",
        "the message is not an inference.ModelInferRequest",
    )


def test_a_message_over_the_limit_is_resource_exhausted(call: Call) -> None:
    code, _ = refusal(call, "ModelInfer", bytes(100_001))
    assert code == "RESOURCE_EXHAUSTED"


def test_health_is_told_of_the_server_and_of_its_service(channel: grpc.Channel) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    for service in ("", SERVICE):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_reflection_lists_the_services(channel: grpc.Channel) -> None:
    found = set(ProtoReflectionDescriptorDatabase(channel).get_services())
    assert found >= {SERVICE, "grpc.health.v1.Health"}


def test_calls_are_counted_by_their_status(call: Call, client: httpx.Client) -> None:
    labels = f'code="NOT_FOUND",method="GRPC",protocol="grpc",route="/{SERVICE}/ModelReady"'
    sample = f"predictor_requests_total{{{labels}}} "

    def count() -> float:
        lines = client.get("/metrics").text.splitlines()
        return sum(float(line.removeprefix(sample)) for line in lines if line.startswith(sample))

    before = count()
    refusal(call, "ModelReady", name="x")
    assert count() == before + 1
