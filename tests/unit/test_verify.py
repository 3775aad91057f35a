"""`verify` against bundles that were made wrong on purpose, with digests that fit."""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, external_data_helper, helper, numpy_helper

from predictor import bundle, cli
from predictor.contract import RowWarning
from predictor.errors import BundleError
from predictor.serving.engine import Engine
from predictor.training.pipeline import Trained
from predictor.verify import verify

Change = Callable[[ModelProto], None]


def rewritten(trained: Trained, folder: Path, change: Change) -> Path:
    """Write the bundle with a changed graph, and every digest as it should be."""
    model = onnx.load_model_from_string(trained.files[bundle.MODEL])
    change(model)
    content = model.SerializeToString()
    manifest = msgspec.structs.replace(
        trained.manifest,
        files=trained.manifest.files | {bundle.MODEL: bundle.digest(content)},
        version=bundle.version_of(trained.manifest.contract, content),
    )
    bundle.write(folder, manifest, {**trained.files, bundle.MODEL: content})
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(BundleError) as error:
        list(verify(folder))
    return str(error.value)


def test_a_good_bundle_passes_with_a_sentence_for_each_check(
    bundle_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["verify", str(bundle_folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert all(line.startswith("ok: ") for line in lines)
    assert "parity with the libraries" in lines[-1]


def test_a_bad_bundle_is_one_sentence_and_an_exit_code(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle.write(tmp_path / "b", trained.manifest, trained.files)
    (tmp_path / "b" / "model-card.md").write_text("It is perfect.")
    assert cli.main(["verify", str(tmp_path / "b")]) == 1
    assert "model-card.md is damaged" in capsys.readouterr().err


def test_a_file_that_the_manifest_does_not_name_is_found(trained: Trained, tmp_path: Path) -> None:
    bundle.write(tmp_path / "b", trained.manifest, trained.files)
    (tmp_path / "b" / "run.pkl").touch()
    assert "does not name: run.pkl" in refusal(tmp_path / "b")


def test_data_outside_the_graph_are_refused(trained: Trained, tmp_path: Path) -> None:
    def change(model: ModelProto) -> None:
        tensor = numpy_helper.from_array(np.zeros(4), "secret")
        external_data_helper.set_external_data(tensor, "/etc/passwd")
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        model.graph.initializer.append(tensor)

    message = refusal(rewritten(trained, tmp_path / "b", change))
    assert "reads 1 of its tensors from other files" in message


def test_data_outside_the_graph_are_found_inside_an_operator_too(
    trained: Trained, tmp_path: Path
) -> None:
    def change(model: ModelProto) -> None:
        constant = next(node for node in model.graph.node if node.op_type == "Constant")
        tensor = constant.attribute[0].t
        external_data_helper.set_external_data(tensor, "weights.bin")

    message = refusal(rewritten(trained, tmp_path / "b", change))
    assert "reads 1 of its tensors from other files" in message


def outside(name: str) -> TensorProto:
    """Return a tensor of one number that lies in the file secret.bin."""
    tensor = numpy_helper.from_array(np.zeros(1), name)
    external_data_helper.set_external_data(tensor, "secret.bin", offset=0, length=8)
    tensor.ClearField("raw_data")
    return tensor


def add_to_the_target(model: ModelProto, *nodes: onnx.NodeProto) -> None:
    """Let nodes whose last makes `more` add that to the target."""
    target = model.graph.output[0].name
    for node in model.graph.node:
        node.output[:] = ["before" if name == target else name for name in node.output]
    total = helper.make_node("Add", ["before", "more"], [target])
    model.graph.node.extend([*nodes, total])


def hide_in_a_branch(model: ModelProto) -> None:
    kind = helper.make_tensor_value_info
    branches = [
        helper.make_graph([], name, [], [kind(name, TensorProto.DOUBLE, [1])], [outside(name)])
        for name in ("one", "other")
    ]
    true = helper.make_node(
        "Constant", [], ["true"], value=numpy_helper.from_array(np.ones((), np.bool_))
    )
    chosen = helper.make_node(
        "If", ["true"], ["more"], then_branch=branches[0], else_branch=branches[1]
    )
    add_to_the_target(model, true, chosen)


def hide_in_a_sparse_constant(model: ModelProto) -> None:
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "indices")
    sparse = helper.make_sparse_tensor(outside("values"), indices, [1])
    constant = helper.make_node("Constant", [], ["more"])
    constant.attribute.append(helper.make_attribute("sparse_value", sparse))
    add_to_the_target(model, constant)


@pytest.mark.parametrize("hide", [hide_in_a_branch, hide_in_a_sparse_constant])
def test_data_hidden_deep_in_the_graph_are_found_and_never_read(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hide: Change
) -> None:
    monkeypatch.chdir(tmp_path)
    np.array([7.0]).tofile("secret.bin")
    folder = rewritten(trained, tmp_path / "b", hide)
    assert "of its tensors from other files" in refusal(folder)
    with pytest.raises(BundleError, match="cannot be run"):
        Engine(bundle.read(folder))


def test_an_operator_of_another_domain_is_refused(trained: Trained, tmp_path: Path) -> None:
    def change(model: ModelProto) -> None:
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
        one = helper.make_node(
            "Constant", [], ["one"], value=numpy_helper.from_array(np.array(1, np.float32))
        )
        gelu = helper.make_node("Gelu", ["one"], ["gelu"], domain="com.microsoft")
        model.graph.node.extend([one, gelu])

    message = refusal(rewritten(trained, tmp_path / "b", change))
    assert "operators of other domains: com.microsoft" in message


def test_a_graph_without_the_warnings_that_the_contract_has_is_refused(
    trained: Trained, tmp_path: Path
) -> None:
    def change(model: ModelProto) -> None:
        del model.graph.output[3]

    folder = rewritten(trained, tmp_path / "b", change)
    assert "cannot be run" in refusal(folder)


@pytest.mark.parametrize("count", [0, 5])
def test_a_graph_with_other_warnings_than_the_contract_is_refused(
    trained: Trained, tmp_path: Path, count: int
) -> None:
    contract = trained.manifest.contract
    warnings = tuple(RowWarning(f"number_{n}", "") for n in range(count))
    other = msgspec.structs.replace(contract, warnings=warnings)
    manifest = msgspec.structs.replace(
        trained.manifest,
        contract=other,
        version=bundle.version_of(other, trained.files[bundle.MODEL]),
    )
    bundle.write(tmp_path / "b", manifest, trained.files)
    if count:
        assert "expected bool (32, 5)" in refusal(tmp_path / "b")
        with pytest.raises(BundleError, match=r"expected bool \(32, 5\)"):
            Engine(bundle.read(tmp_path / "b"))
    else:
        assert list(verify(tmp_path / "b"))


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", "a\0b", "", ".hidden", "a\n"])
def test_a_file_outside_the_folder_is_not_looked_at(
    trained: Trained, tmp_path: Path, name: str
) -> None:
    manifest = msgspec.structs.replace(trained.manifest, files={name: "0" * 64})
    bundle.write(tmp_path / "b", manifest, trained.files)
    assert "is not a bundle's manifest" in refusal(tmp_path / "b")


def test_what_is_no_file_is_not_read(trained: Trained, tmp_path: Path) -> None:
    bundle.write(tmp_path / "b", trained.manifest, trained.files)
    (tmp_path / "b" / "model-card.md").unlink()
    os.mkfifo(tmp_path / "b" / "model-card.md")
    assert "model-card.md is not a file" in refusal(tmp_path / "b")


def test_an_imported_domain_is_refused_without_an_operator_of_it(
    trained: Trained, tmp_path: Path
) -> None:
    def change(model: ModelProto) -> None:
        model.opset_import.append(helper.make_opsetid("example.org", 1))

    message = refusal(rewritten(trained, tmp_path / "b", change))
    assert "operators of other domains: example.org" in message


def test_a_graph_that_is_none_is_refused(trained: Trained, tmp_path: Path) -> None:
    def change(model: ModelProto) -> None:
        model.graph.node[0].op_type = "NoSuchOperator"

    assert "is not a valid graph" in refusal(rewritten(trained, tmp_path / "b", change))


def test_a_graph_that_predicts_something_else_is_refused(trained: Trained, tmp_path: Path) -> None:
    def change(model: ModelProto) -> None:
        trees = next(node for node in model.graph.node if node.op_type == "TreeEnsemble")
        weights = next(a for a in trees.attribute if a.name == "leaf_weights")
        changed = numpy_helper.from_array(numpy_helper.to_array(weights.t) + 0.01)
        weights.t.CopyFrom(changed)

    message = refusal(rewritten(trained, tmp_path / "b", change))
    assert "does not predict what it did at training: prediction of golden row" in message


@pytest.mark.parametrize("where", ["golden", "parity"])
def test_a_bundle_too_far_from_the_libraries_is_refused(
    trained: Trained, tmp_path: Path, where: str
) -> None:
    manifest = trained.manifest
    if where == "golden":
        golden = manifest.golden
        far = msgspec.structs.replace(golden, native=[value + 1e-3 for value in golden.native])
        manifest = msgspec.structs.replace(manifest, golden=far)
    else:
        parity = msgspec.structs.replace(manifest.parity, native=1e-3)
        manifest = msgspec.structs.replace(manifest, parity=parity)
    bundle.write(tmp_path / "b", manifest, trained.files)
    assert "from the libraries on" in refusal(tmp_path / "b")
