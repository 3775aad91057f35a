import errno
import os
from pathlib import Path

import msgspec
import pytest

from predictor import bundle
from predictor.errors import BundleError
from predictor.training.pipeline import Trained


@pytest.fixture
def folder(trained: Trained, tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    bundle.write(folder, trained.manifest, trained.files)
    return folder


def test_what_was_written_is_read(trained: Trained, folder: Path) -> None:
    read = bundle.read(folder)
    assert (read.manifest, read.model) == (trained.manifest, trained.files[bundle.MODEL])


def test_a_bundle_holds_data_only(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    assert {"bundle.json", "model.onnx", "model-card.md"} <= names
    assert {Path(name).suffix for name in names} == {".json", ".onnx", ".md", ".png"}


def test_a_missing_bundle_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="predictor train --output"):
        bundle.read(tmp_path / "none")


def test_one_changed_byte_of_the_graph_is_found(folder: Path) -> None:
    model = bytearray((folder / bundle.MODEL).read_bytes())
    model[len(model) // 2] ^= 1
    (folder / bundle.MODEL).write_bytes(model)
    with pytest.raises(BundleError, match="damaged"):
        bundle.read(folder)


def test_a_missing_graph_is_named(folder: Path) -> None:
    (folder / bundle.MODEL).unlink()
    with pytest.raises(BundleError, match=r"cannot read .*model\.onnx: No such file"):
        bundle.read(folder)


def test_a_changed_contract_is_found(folder: Path) -> None:
    text = (folder / bundle.MANIFEST).read_text()
    (folder / bundle.MANIFEST).write_text(text.replace('"maximum": 100.0', '"maximum": 200.0'))
    with pytest.raises(BundleError, match="was changed"):
        bundle.read(folder)


NESTED = b'{"format": 1, "x": ' + b"[" * 100_000


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"format": 2}', b'{"format": "one"}', b'{"format": "\xff"}', NESTED],
)
def test_a_manifest_that_is_none_is_refused(folder: Path, content: bytes) -> None:
    (folder / bundle.MANIFEST).write_bytes(content)
    with pytest.raises(BundleError, match="not a bundle's manifest"):
        bundle.read(folder)


def test_a_later_format_is_refused_by_its_number(folder: Path) -> None:
    (folder / bundle.MANIFEST).write_text('{"format": 9, "anything": "else"}')
    with pytest.raises(BundleError, match="has format 9, this version of predictor reads 2"):
        bundle.read(folder)


def test_a_second_bundle_replaces_the_first(trained: Trained, folder: Path) -> None:
    (folder / "leftover").touch()
    bundle.write(folder, msgspec.structs.replace(trained.manifest, seed=1), trained.files)
    assert bundle.read(folder).manifest.seed == 1
    assert not (folder / "leftover").exists()
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize(
    "golden",
    [
        {"rows": [], "predictions": [], "lower": [], "upper": [], "native": []},
        {
            "rows": [{"co2": 0}],
            "predictions": [1.0, 2.0],
            "lower": [1.0],
            "upper": [1.0],
            "native": [1.0],
        },
    ],
)
def test_golden_rows_without_their_predictions_are_refused(
    trained: Trained, folder: Path, golden: dict[str, object]
) -> None:
    fields = msgspec.to_builtins(trained.manifest) | {"golden": golden}
    (folder / bundle.MANIFEST).write_bytes(msgspec.json.encode(fields))
    with pytest.raises(BundleError, match=r"golden rows and .* predictions, expected as many"):
        bundle.read(folder)


def test_a_failed_write_leaves_the_bundle_that_was_there(
    trained: Trained, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def fail_at_the_last_step(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail_at_the_last_step)
    with pytest.raises(BundleError, match="No space left on device"):
        bundle.write(folder, trained.manifest, trained.files)
    assert bundle.read(folder).manifest == trained.manifest
    assert list(folder.parent.iterdir()) == [folder]


def test_what_a_link_leads_to_is_replaced_and_the_link_kept(trained: Trained, folder: Path) -> None:
    link = folder.parent / "link"
    link.symlink_to(folder)
    bundle.write(link, msgspec.structs.replace(trained.manifest, seed=1), trained.files)
    assert link.is_symlink()
    assert bundle.read(folder).manifest.seed == 1


def test_an_empty_folder_may_become_a_bundle(trained: Trained, tmp_path: Path) -> None:
    bundle.write(tmp_path, trained.manifest, trained.files)
    assert bundle.read(tmp_path).manifest == trained.manifest


def test_a_folder_that_is_no_bundle_is_left_alone(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(BundleError, match="is not a bundle"):
        bundle.write(tmp_path, trained.manifest, trained.files)
    assert (tmp_path / "precious").exists()


def test_a_file_in_the_way_is_left_alone(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(BundleError, match="cannot write"):
        bundle.write(tmp_path / "file" / "bundle", trained.manifest, trained.files)
    assert (tmp_path / "file").read_text() == "precious"
