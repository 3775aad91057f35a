"""The Protobuf messages: generated from our files, which say what the published ones say."""

import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.protobuf.message import Message

from predictor import parts_pb2
from predictor.serving.grpc import inference_pb2
from tests.paths import ROOT

PROTOS = ["predictor/parts.proto", "predictor/serving/grpc/inference.proto"]
# In a process of its own, for Protobuf takes a name only once.
KSERVES = """
import sys
from kserve.protocol.grpc.grpc_predict_v2_pb2 import DESCRIPTOR
sys.stdout.buffer.write(DESCRIPTOR.serialized_pb)
"""


@pytest.mark.parametrize("proto", PROTOS)
def test_the_generated_code_is_that_of_the_file(tmp_path: Path, proto: str) -> None:
    compiler = [sys.executable, "-W", "ignore", "-m", "grpc_tools.protoc", f"--proto_path={ROOT}"]
    outputs = [f"--python_out={tmp_path}", f"--pyi_out={tmp_path}"]
    subprocess.run([*compiler, *outputs, proto], check=True, cwd=ROOT)
    source = Path(proto)
    for generated in (source.with_name(f"{source.stem}_pb2{end}") for end in (".py", ".pyi")):
        made = tmp_path / generated
        assert (ROOT / generated).read_text() == made.read_text(), "run `make proto`"


def numbers(message: type[Message]) -> dict[str, tuple[int, bool]]:
    """Return the numbers of a message's fields, and whether there are several."""
    return {f.name: (f.number, f.is_repeated) for f in message.DESCRIPTOR.fields}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (parts_pb2.Model, onnx.ModelProto),
        (parts_pb2.OperatorSet, onnx.OperatorSetIdProto),
        (parts_pb2.Graph, onnx.GraphProto),
        (parts_pb2.Node, onnx.NodeProto),
        (parts_pb2.Attribute, onnx.AttributeProto),
        (parts_pb2.Tensor, onnx.TensorProto),
    ],
)
def test_the_parts_of_a_model_are_where_onnx_has_them(
    ours: type[Message], theirs: type[Message]
) -> None:
    assert numbers(ours).items() <= numbers(theirs).items()


def shape(message: DescriptorProto) -> dict[str, object]:
    """Return a message's fields and the messages inside it, by their names."""
    fields = {f.name: (f.number, f.type, f.label, f.type_name) for f in message.field}
    return fields | {inner.name: shape(inner) for inner in message.nested_type}


def test_messages_and_methods_are_those_of_kserve() -> None:
    command = [sys.executable, "-W", "ignore", "-c", KSERVES]
    published = subprocess.run(command, capture_output=True, check=True).stdout
    theirs, ours = FileDescriptorProto.FromString(published), FileDescriptorProto()
    inference_pb2.DESCRIPTOR.CopyToProto(ours)
    known = {message.name: shape(message) for message in theirs.message_type}
    found = {message.name: shape(message) for message in ours.message_type}
    assert found
    assert found == {name: known[name] for name in found}
    methods = {m.name: (m.input_type, m.output_type) for m in theirs.service[0].method}
    assert ours.package == theirs.package
    assert ours.service[0].name == theirs.service[0].name
    for method in ours.service[0].method:
        assert methods[method.name] == (method.input_type, method.output_type)
    # Loading and unloading a model is not for whoever can reach the port.
    assert {name for name in known if not name.startswith("Repository")} == set(found)
