"""Where a bundle's files are read from, and from where they are not."""

import os
import threading
from pathlib import Path

import pytest

from predictor import bundle
from predictor.errors import BundleError, MissingBundleError
from predictor.folder import opened
from predictor.training.pipeline import Trained
from tests.bundles import another_version, written
from tests.mounted import Mounted


@pytest.fixture
def folder(trained: Trained, tmp_path: Path) -> Path:
    bundle.write(tmp_path / "bundle", trained.manifest, trained.files)
    return tmp_path / "bundle"


@pytest.fixture
def mounted(trained: Trained, tmp_path: Path) -> Mounted:
    """Return a bundle as Kubernetes mounts the files of a ConfigMap."""
    mounted = Mounted(tmp_path / "mounted")
    mounted.put(written(trained))
    return mounted


def refusal(folder: Path) -> str:
    with pytest.raises(BundleError) as error:
        bundle.read(folder)
    return str(error.value)


def test_a_volume_of_kubernetes_is_read_from_behind_its_links(
    trained: Trained, mounted: Mounted
) -> None:
    assert bundle.read(mounted.path).manifest == trained.manifest


def test_a_flip_while_a_bundle_is_read_does_not_mix_two_versions(
    trained: Trained, mounted: Mounted
) -> None:
    with opened(mounted.path, bundle.MANIFEST) as files:
        mounted.put(written(another_version(trained, 1)), keep_old=True)
        assert bundle.read_from(files).manifest == trained.manifest
    assert bundle.read(mounted.path).manifest != trained.manifest


def test_a_folder_that_is_replaced_while_it_is_read_does_not_mix_two_versions(
    trained: Trained, folder: Path
) -> None:
    other = another_version(trained, 1)
    with opened(folder, bundle.MANIFEST) as files:
        content = files.content(bundle.MANIFEST, 2**20)
        folder.rename(folder.with_name("old"))
        bundle.write(folder, other.manifest, other.files)
        assert files.content(bundle.MANIFEST, 2**20) == content
        assert bundle.read_from(files).manifest == trained.manifest


@pytest.mark.parametrize("target", ["/etc/passwd", "../elsewhere", "model-card.md"])
def test_a_link_in_the_place_of_a_file_is_not_followed(folder: Path, target: str) -> None:
    (folder.parent / "elsewhere").write_bytes((folder / bundle.MODEL).read_bytes())
    (folder / bundle.MODEL).unlink()
    (folder / bundle.MODEL).symlink_to(target)
    assert refusal(folder) == f"{folder / bundle.MODEL} is a link, and a bundle's files are none"


@pytest.mark.parametrize(
    "links",
    [
        {"bundle.json": "/etc/passwd"},
        {"bundle.json": "../real/bundle.json"},
        {"bundle.json": "other.json"},
        {"bundle.json": "./bundle.json"},
        {"bundle.json": "../bundle/bundle.json"},
        {"bundle.json": "..data/bundle.json", "..data": "../real"},
        {"bundle.json": "..data/bundle.json", "..data": ".."},
        {"bundle.json": "a/b/bundle.json", "a": "../real"},
    ],
)
def test_a_manifest_behind_links_out_of_the_folder_is_refused(
    trained: Trained, folder: Path, links: dict[str, str]
) -> None:
    bundle.write(folder.parent / "real", trained.manifest, trained.files)
    (folder / bundle.MANIFEST).rename(folder / "other.json")
    for name, target in links.items():
        (folder / name).symlink_to(target)
    path = folder / bundle.MANIFEST
    assert refusal(folder) == f"{path} is a link, and leads out of its folder"


def test_a_chain_of_links_is_not_followed_further(trained: Trained, mounted: Mounted) -> None:
    bundle.write(mounted.path.parent / "real", trained.manifest, trained.files)
    (mounted.path / "again").symlink_to("../real")
    (mounted.path / "..data").unlink()
    (mounted.path / "..data").symlink_to("again")
    assert "cannot read" in refusal(mounted.path)


@pytest.mark.parametrize("name", [bundle.MANIFEST, bundle.MODEL])
def test_a_pipe_is_refused_without_waiting_for_who_writes_to_it(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(refusal(folder)), daemon=True)
    reader.start()
    reader.join(timeout=10)
    assert found == [f"{folder / name} is not a file"]


def test_a_folder_in_the_place_of_a_file_is_refused(folder: Path) -> None:
    (folder / bundle.MODEL).unlink()
    (folder / bundle.MODEL).mkdir()
    assert refusal(folder) == f"{folder / bundle.MODEL} is not a file"


@pytest.mark.parametrize("name", [bundle.MANIFEST, bundle.MODEL])
def test_a_file_that_is_too_large_is_refused_before_it_is_read(folder: Path, name: str) -> None:
    most = bundle.MOST_BYTES[name]
    os.truncate(folder / name, most + 1)  # it takes no room on the disk
    assert refusal(folder) == f"{folder / name} has {most + 1} bytes, and may have {most}"


@pytest.mark.parametrize("where", ["none", "empty", "file"])
def test_where_there_is_no_manifest_there_is_no_bundle(tmp_path: Path, where: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(MissingBundleError, match="no bundle at"):
        bundle.read(tmp_path / where)


def test_a_manifest_that_leads_nowhere_is_not_missing_but_wrong(mounted: Mounted) -> None:
    (mounted.path / "..data").unlink()
    with pytest.raises(BundleError, match="cannot read") as error:
        bundle.read(mounted.path)
    assert not isinstance(error.value, MissingBundleError)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_nothing_stays_open(folder: Path, mounted: Mounted) -> None:
    before = open_files()
    for path in (folder, mounted.path):
        bundle.read(path)
    (folder / bundle.MODEL).unlink()
    refusal(folder)
    (folder / bundle.MODEL).mkdir()
    refusal(folder)
    assert open_files() == before
