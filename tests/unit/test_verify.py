"""`verify` against bundles that were made wrong on purpose, with digests that fit."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, external_data_helper, helper, numpy_helper

from predictor import bundle, cli
from predictor.errors import BundleError
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


def test_an_operator_of_another_domain_is_refused(trained: Trained, tmp_path: Path) -> None:
    def change(model: ModelProto) -> None:
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
        model.graph.node.append(helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft"))

    message = refusal(rewritten(trained, tmp_path / "b", change))
    assert "com.microsoft" in message or "not a valid graph" in message


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
