"""What becomes of a folder's files when it is made anew."""

import json
from pathlib import Path

import pytest

from predictor.errors import ExperimentError
from predictor.generation.files import (
    DEPLOYMENT_MANIFEST,
    DeploymentManifest,
    Generator,
    Model,
    Source,
    digest,
)
from predictor.generation.folder import Change, write
from predictor.generation.settings import Settings

FILES = {"README.md": b"one\ntwo\n", "a/b/c.py": b"c", "bundle/model.onnx": b"\xff\x00"}


def made(folder: Path, files: dict[str, bytes], *, is_forced: bool = False) -> Change:
    manifest = DeploymentManifest(
        Generator("energy-predictor", "1"),
        Source("experiment_manifest.json", "0", "steel", ""),
        Model("energy", "1", "stack", "", {}),
        "title",
        "1",
        "image",
        Settings(),
        {name: digest(content) for name, content in files.items()},
    )
    return write(folder, files, manifest, is_forced=is_forced)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != DEPLOYMENT_MANIFEST
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder that was generated."""
    made(tmp_path / "above" / "out", FILES)
    return tmp_path / "above" / "out"


def test_all_files_are_written_and_nothing_beside_them(folder: Path) -> None:
    assert contents(folder) == FILES
    assert list(folder.parent.iterdir()) == [folder]


def test_a_second_run_changes_nothing(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert made(folder, FILES) == Change()
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_an_untouched_file_is_replaced(folder: Path) -> None:
    change = made(folder, FILES | {"README.md": b"new"})
    assert list(change.written) == ["README.md", DEPLOYMENT_MANIFEST]
    assert (folder / "README.md").read_bytes() == b"new"


def test_a_changed_file_is_kept_and_is_no_conflict_while_nothing_new_is_generated(
    folder: Path,
) -> None:
    (folder / "README.md").write_bytes(b"mine")
    change = made(folder, FILES)
    assert (change.kept, change.conflicts, change.written) == (["README.md"], [], {})
    assert (folder / "README.md").read_bytes() == b"mine"


def test_a_changed_file_for_which_there_is_a_new_one_is_a_conflict_each_time(folder: Path) -> None:
    (folder / "README.md").write_bytes(b"one\nmine\n")
    new = FILES | {"README.md": b"one\nnew\n", "a/b/c.py": b"d"}
    for written in ([*["a/b/c.py"], DEPLOYMENT_MANIFEST], []):
        change = made(folder, new)
        assert list(change.written) == written
        [conflict] = change.conflicts
        assert str(conflict).splitlines() == [
            "README.md: kept as it is, though something else is generated now",
            f"  generated before: SHA-256 {digest(FILES['README.md'])[:12]}",
            f"  yours:            SHA-256 {digest(b'one%cmine%c' % (10, 10))[:12]}",
            f"  generated now:    SHA-256 {digest(new['README.md'])[:12]}",
            *("  --- yours", "  +++ generated now", "  @@ -1,2 +1,2 @@"),
            *("   one", "  -mine", "  +new"),
        ]
    assert contents(folder) == new | {"README.md": b"one\nmine\n"}


def test_a_file_of_somebody_in_the_way_of_a_new_one_is_a_conflict_each_time(folder: Path) -> None:
    (folder / "own.txt").write_bytes(b"mine")
    for _ in range(2):
        [conflict] = made(folder, FILES | {"own.txt": b"new"}).conflicts
        assert "generated before: nothing" in str(conflict)
    assert (folder / "own.txt").read_bytes() == b"mine"


def test_force_replaces_what_was_changed(folder: Path) -> None:
    (folder / "README.md").write_bytes(b"mine")
    (folder / "bundle" / "model.onnx").write_bytes(b"mine")
    made(folder, FILES, is_forced=True)
    assert contents(folder) == FILES


def test_what_is_generated_no_more_is_removed_with_its_folder(folder: Path) -> None:
    left = {name: content for name, content in FILES.items() if name != "a/b/c.py"}
    assert made(folder, left).removed == ["a/b/c.py"]
    assert contents(folder) == left
    assert not (folder / "a").exists()


def test_what_is_generated_no_more_is_kept_if_it_was_changed(folder: Path) -> None:
    (folder / "a/b/c.py").write_bytes(b"mine")
    left = {name: content for name, content in FILES.items() if name != "a/b/c.py"}
    assert made(folder, left).kept == ["a/b/c.py"]
    assert contents(folder) == left | {"a/b/c.py": b"mine"}


def test_files_of_somebody_are_left_alone(folder: Path) -> None:
    (folder / "own.txt").write_bytes(b"mine")
    made(folder, FILES | {"README.md": b"new"}, is_forced=True)
    assert (folder / "own.txt").read_bytes() == b"mine"


def test_a_deleted_file_comes_back(folder: Path) -> None:
    (folder / "README.md").unlink()
    made(folder, FILES)
    assert contents(folder) == FILES


@pytest.mark.parametrize(
    ("path", "complaint"),
    [("bundle/model.onnx", "a bundle is served as a whole"), ("a/b", "is in the way: Is a dir")],
)
def test_what_cannot_be_replaced_stops_all_before_anything_is_written(
    folder: Path, path: str, complaint: str
) -> None:
    if path == "bundle/model.onnx":
        (folder / path).write_bytes(b"mine")
    before = contents(folder)
    with pytest.raises(ExperimentError, match=complaint):
        made(folder, {"README.md": b"new", path: b"new"})
    assert contents(folder) == before


def test_a_file_where_a_folder_has_to_be_stops_all(folder: Path) -> None:
    with pytest.raises(ExperimentError, match="is in the way: Not a directory"):
        made(folder, {"AAA": b"new", "README.md/inside": b"new"})
    assert contents(folder) == FILES


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(ExperimentError, match="has files, but no deployment_manifest"):
        made(tmp_path, FILES, is_forced=True)
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_a_manifest_that_cannot_be_read_stops_all(folder: Path) -> None:
    (folder / DEPLOYMENT_MANIFEST).write_bytes(b"{")
    with pytest.raises(ExperimentError, match="cannot be read"):
        made(folder, FILES | {"README.md": b"new"})
    assert contents(folder) == FILES


@pytest.mark.parametrize(
    "name", ["../precious", "/precious", "a/../../precious", "./README.md", "a//b", "", ".", "a\0b"]
)
def test_a_manifest_that_lists_what_is_no_file_of_the_folder_stops_all(
    folder: Path, name: str
) -> None:
    precious = folder.parent / "precious"
    precious.write_bytes(b"mine")
    path = folder / DEPLOYMENT_MANIFEST
    listed = json.loads(path.read_bytes())
    listed["files"][name] = digest(b"mine")
    path.write_text(json.dumps(listed))
    with pytest.raises(ExperimentError, match="is no path of a file in its folder: restore it"):
        made(folder, FILES | {"README.md": b"new"}, is_forced=True)
    assert contents(folder) == FILES
    assert precious.read_bytes() == b"mine"


@pytest.mark.parametrize("left", [FILES, {"README.md": b"new"}])
def test_a_link_in_place_of_a_folder_is_not_followed(folder: Path, left: dict[str, bytes]) -> None:
    elsewhere = folder.parent / "elsewhere"
    (folder / "a").rename(elsewhere)
    (folder / "a").symlink_to(elsewhere)
    (elsewhere / "b" / "c.py").write_bytes(b"c")
    with pytest.raises(ExperimentError, match="out/a is a link, which is not followed"):
        made(folder, left, is_forced=True)
    assert contents(elsewhere) == {"b/c.py": b"c"}
    assert (folder / "README.md").read_bytes() == FILES["README.md"]


def test_a_link_of_somebody_that_leads_nowhere_is_kept(folder: Path) -> None:
    for name in ("README.md", "a/b/c.py"):
        (folder / name).unlink()
        (folder / name).symlink_to("nowhere")
    change = made(folder, {"README.md": b"new", "bundle/model.onnx": FILES["bundle/model.onnx"]})
    assert change.kept == ["README.md", "a/b/c.py"]
    assert [conflict.path for conflict in change.conflicts] == ["README.md"]
    assert (folder / "README.md").readlink() == Path("nowhere")


def test_an_empty_folder_is_filled_and_a_link_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    made(tmp_path / "link", FILES)
    assert contents(tmp_path / "real") == FILES


def test_where_nothing_can_be_written_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ExperimentError, match="Not a directory"):
        made(tmp_path / "file" / "out", FILES)
