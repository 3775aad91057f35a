"""Graphs with something hidden in them: no library may see one before it is refused."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import (
    FunctionProto,
    ModelProto,
    NodeProto,
    TensorProto,
    TrainingInfoProto,
    external_data_helper,
    helper,
    numpy_helper,
)

from predictor import bundle, graph
from predictor.errors import BundleError
from predictor.inspection import fault
from predictor.serving.engine import Engine
from predictor.training.pipeline import Trained
from predictor.verify import verify
from tests.bundles import Change, changed, rewritten


def outside(name: str, path: str = "secret.bin") -> TensorProto:
    """Return a tensor of one number that lies in another file."""
    tensor = numpy_helper.from_array(np.zeros(1), name)
    external_data_helper.set_external_data(tensor, path, offset=0, length=8)
    tensor.ClearField("raw_data")
    return tensor


def constant(name: str, value: object) -> NodeProto:
    node = helper.make_node("Constant", [], ["more"])
    node.attribute.append(helper.make_attribute(name, value))
    return node


def add(model: ModelProto, *nodes: NodeProto) -> None:
    """Let nodes whose last makes `more` add that to the target."""
    target = model.graph.output[0].name
    for node in model.graph.node:
        node.output[:] = ["before" if name == target else name for name in node.output]
    model.graph.node.extend([*nodes, helper.make_node("Add", ["before", "more"], [target])])


def read_a_file(model: ModelProto) -> None:
    model.graph.initializer.append(outside("secret", "/etc/passwd"))


def read_a_file_in_an_operator(model: ModelProto) -> None:
    add(model, constant("value", outside("value")))


def read_a_file_without_saying_so(model: ModelProto) -> None:
    tensor = outside("value")
    tensor.ClearField("data_location")
    add(model, constant("value", tensor))


def read_a_file_in_a_branch(model: ModelProto) -> None:
    kind = helper.make_tensor_value_info
    branches = [
        helper.make_graph([], name, [], [kind(name, TensorProto.DOUBLE, [1])], [outside(name)])
        for name in ("one", "other")
    ]
    true = constant("value", numpy_helper.from_array(np.ones((), bool)))
    true.output[0] = "true"
    chosen = helper.make_node(
        "If", ["true"], ["more"], then_branch=branches[0], else_branch=branches[1]
    )
    add(model, true, chosen)


def hold_a_list_of_graphs(model: ModelProto) -> None:
    inner = helper.make_attribute("inner", [helper.make_graph([], "inner", [], [])])
    model.graph.node[0].attribute.append(inner)


def sparse() -> onnx.SparseTensorProto:
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "indices")
    return helper.make_sparse_tensor(outside("values"), indices, [1])


def read_a_file_in_a_sparse_constant(model: ModelProto) -> None:
    add(model, constant("sparse_value", sparse()))


def read_a_file_in_a_sparse_initializer(model: ModelProto) -> None:
    model.graph.sparse_initializer.append(sparse())


def use_an_operator_of_another_domain(model: ModelProto) -> None:
    model.graph.node.append(helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft"))


def import_another_domain(model: ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("example.org\nforged", 1))


def bring_a_function(model: ModelProto) -> None:
    model.functions.append(FunctionProto(name="own", domain="ai.onnx"))


def bring_training_steps(model: ModelProto) -> None:
    model.training_info.append(TrainingInfoProto())


FAULTS = [
    (read_a_file, "reads 1 of its tensors from other files"),
    (read_a_file_in_an_operator, "reads 1 of its tensors from other files"),
    (read_a_file_without_saying_so, "reads 1 of its tensors from other files"),
    (read_a_file_in_a_branch, "has graphs inside its operators"),
    (hold_a_list_of_graphs, "has graphs inside its operators"),
    (read_a_file_in_a_sparse_constant, "has sparse tensors"),
    (read_a_file_in_a_sparse_initializer, "has sparse tensors"),
    (use_an_operator_of_another_domain, 'has operators of other domains: "com.microsoft"'),
    (import_another_domain, r'has operators of other domains: "example.org\nforged"'),
    (bring_a_function, "has functions of its own"),
    (bring_training_steps, "has training steps of its own"),
]


@pytest.mark.parametrize(("hide", "words"), FAULTS)
def test_what_leads_out_of_a_graph_is_refused_in_words_by_all_who_load_it(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hide: Change, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    np.array([7.0]).tofile("secret.bin")
    folder = rewritten(trained, tmp_path / "b", hide)
    with pytest.raises(BundleError) as by_verify:
        list(verify(folder))
    assert str(by_verify.value) == f"{folder / bundle.MODEL} {words}"
    with pytest.raises(BundleError) as by_engine:
        Engine(bundle.read(folder))
    assert str(by_engine.value) == f"{folder} cannot be run: the graph {words}"


@pytest.mark.parametrize("content", [b"\xff" * 100, b"\x3a\x05\x0a", b"\x3b" * 100_000])
def test_what_is_no_message_is_refused(content: bytes) -> None:
    assert fault(content) == "is not a serialized ONNX model"


def test_a_graph_in_a_domain_that_is_no_text_is_refused_in_words(trained: Trained) -> None:
    def name_the_domain(model: ModelProto) -> None:
        model.graph.node[0].domain = "????"

    content = changed(trained, name_the_domain).files[bundle.MODEL].replace(b"????", b"\xff" * 4)
    assert "has operators of other domains" in fault(content)


def test_bytes_of_onnx_runtimes_own_format_are_not_taken_for_it() -> None:
    message = b"\x12\x0a__ORTM____"  # of a producer whose name is that
    assert fault(message) == ""
    with pytest.raises(Exception, match="No graph was found in the protobuf"):
        graph.load(message)


def test_a_plain_graph_has_no_fault(trained: Trained) -> None:
    assert fault(trained.files[bundle.MODEL]) == ""
