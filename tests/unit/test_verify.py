"""`verify` against bundles that were made wrong on purpose, with digests that fit."""

import os
from pathlib import Path

import msgspec
import pytest
from onnx import ModelProto

from predictor import bundle, cli
from predictor.contract import RowWarning
from predictor.errors import BundleError
from predictor.serving.engine import Engine
from predictor.training.pipeline import Trained
from predictor.verify import verify
from tests.bundles import rewritten, scale_leaves


def refusal(folder: Path) -> str:
    with pytest.raises(BundleError) as error:
        list(verify(folder))
    return str(error.value)


def test_a_good_bundle_passes_with_a_sentence_for_each_check(
    bundle_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["verify", str(bundle_folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
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


def test_a_graph_that_is_none_is_refused(trained: Trained, tmp_path: Path) -> None:
    def change(model: ModelProto) -> None:
        model.graph.node[0].op_type = "NoSuchOperator"

    assert "is not a valid graph" in refusal(rewritten(trained, tmp_path / "b", change))


def test_a_graph_that_predicts_something_else_is_refused(trained: Trained, tmp_path: Path) -> None:
    def change(model: ModelProto) -> None:
        scale_leaves(model, 1.01)

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
