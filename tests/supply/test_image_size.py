"""What `make image-size` reports of images whose layers are known."""

import gzip
import io
import json
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from benchmarks import image
from tests.paths import ROOT

BASE, OWN = bytes(3_000_000), b"".join(n.to_bytes(4, "big") for n in range(500_000))
HISTORY: list[dict[str, object]] = [
    {"created_by": "/bin/sh -c #(nop) ADD dir:0 in /"},
    {"created_by": "ENV A=1", "empty_layer": True},
    {"created_by": f"RUN /bin/sh -c make | tee {64 * '0'} # buildkit"},
]
Write = Callable[[Path], str]


def digest(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"


def config(layers: list[bytes], architecture: str = "amd64") -> bytes:
    found = {
        "os": "linux",
        "architecture": architecture,
        "config": {"Labels": {"a": "b"}, "User": "7:7", "Entrypoint": ["run"], "Cmd": ["it"]},
        "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
        "history": HISTORY,
    }
    return json.dumps(found).encode()


def descriptor(content: bytes, **annotations: str) -> dict[str, object]:
    return {"digest": digest(content), "size": len(content), "annotations": annotations}


def oci(folder: Path, *manifests: dict[str, object], blobs: list[bytes]) -> Path:
    """Write an OCI layout."""
    (folder / "blobs" / "sha256").mkdir(parents=True)
    (folder / "index.json").write_text(json.dumps({"manifests": manifests}))
    for blob in blobs:
        (folder / "blobs" / digest(blob).replace(":", "/")).write_bytes(blob)
    return folder


def one_image(layers: list[bytes], architecture: str = "amd64") -> tuple[bytes, list[bytes]]:
    """Return an image's manifest, and its other files; its layers are compressed."""
    blobs = [config(layers, architecture), *(gzip.compress(layer, 9, mtime=0) for layer in layers)]
    first, *others = [descriptor(blob) for blob in blobs]
    return json.dumps({"config": first, "layers": others}).encode(), blobs


def in_folder(folder: Path) -> str:
    manifest, blobs = one_image([BASE, OWN])
    return f"oci-dir:{oci(folder / 'layout', descriptor(manifest), blobs=[manifest, *blobs])}"


def in_archive(folder: Path) -> str:
    in_folder(folder)
    with tarfile.open(folder / "oci.tar", "w") as archive:
        for name in ("index.json", "blobs"):
            archive.add(folder / "layout" / name, name)
    return f"oci-archive:{folder}/oci.tar"


def as_docker_saves(folder: Path) -> str:
    """Write an image as `docker save` does, whose layers are not compressed."""
    listed = [{"Config": "config.json", "Layers": ["1/layer.tar", "2/layer.tar"]}]
    files = {
        "manifest.json": json.dumps(listed).encode(),
        "config.json": config([BASE, OWN]),
        "1/layer.tar": BASE,
        "2/layer.tar": OWN,
    }
    with tarfile.open(folder / "docker.tar", "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return f"docker-archive:{folder}/docker.tar"


@pytest.mark.parametrize("write", [in_folder, in_archive, as_docker_saves])
def test_every_layer_has_its_sizes_and_the_step_that_made_it(write: Write, tmp_path: Path) -> None:
    [found] = image.read(write(tmp_path))
    assert found.platform == "linux/amd64"
    assert found.labels == {"a": "b"}
    assert (found.user, found.command) == ("7:7", ("run", "it"))
    made_by = [step["created_by"] for step in HISTORY if "empty_layer" not in step]
    assert [layer.made_by for layer in found.layers] == made_by
    assert [layer.digest for layer in found.layers] == [digest(BASE), digest(OWN)]
    assert [layer.size for layer in found.layers] == [3_000_000, 2_000_000]


def test_a_compressed_layer_counts_as_it_is_stored(tmp_path: Path) -> None:
    [found] = image.read(in_folder(tmp_path))
    stored = [len(gzip.compress(layer, 9, mtime=0)) for layer in (BASE, OWN)]
    assert [layer.compressed for layer in found.layers] == stored


def test_a_layer_that_is_not_compressed_counts_as_gzip_would_store_it(tmp_path: Path) -> None:
    [found] = image.read(as_docker_saves(tmp_path))
    by_gzip = [len(zlib.compress(layer, 6, wbits=31)) for layer in (BASE, OWN)]
    assert [layer.compressed for layer in found.layers] == by_gzip


def test_each_platform_is_reported_and_no_attestation(tmp_path: Path) -> None:
    first, second = one_image([BASE], "amd64"), one_image([BASE, OWN], "arm64")
    about = b'{"config": {}, "layers": [{"digest": "sha256:0"}]}'
    listed = [descriptor(first[0]), descriptor(second[0])]
    attested = descriptor(about, **{"vnd.docker.reference.type": "attestation-manifest"})
    below = json.dumps({"manifests": [*listed, attested]}).encode()
    blobs = [below, first[0], second[0], about, *first[1], *second[1]]
    folder = oci(tmp_path / "layout", descriptor(below), blobs=blobs)
    found = image.read(f"oci-dir:{folder}")
    assert [(one.platform, len(one.layers)) for one in found] == [
        ("linux/amd64", 1),
        ("linux/arm64", 2),
    ]


def test_the_table_tells_the_base_from_the_rest(tmp_path: Path) -> None:
    [found] = image.read(as_docker_saves(tmp_path))
    compressed = len(zlib.compress(OWN, 6, wbits=31)) / 1e6
    assert image.table(found, frozenset({digest(BASE)})).splitlines() == [
        "| linux/amd64, made by | MB | MB by gzip |",
        "| --- | --: | --: |",
        "| base: `ADD dir:0 in /` | 3.0 | 0.0 |",
        f"| `make ¦ tee 000000000000` | 2.0 | {compressed:.1f} |",
        "| **the base** | 3.0 | 0.0 |",
        f"| **all but the base** | 2.0 | {compressed:.1f} |",
        f"| **all** | 5.0 | {compressed:.1f} |",
    ]


def test_without_a_base_the_table_has_one_sum(tmp_path: Path) -> None:
    [found] = image.read(as_docker_saves(tmp_path))
    assert "base" not in image.table(found, frozenset())


def test_a_long_command_is_cut() -> None:
    layer = image.Layer("sha256:0", "RUN " + "x" * 500, 0, 0)
    lines = image.table(image.Image("linux/amd64", {}, [layer]), frozenset()).splitlines()
    assert all(len(line) < 100 for line in lines)
    assert "xxx…" in lines[2]


def without_layer(folder: Path) -> str:
    manifest, [about, *_] = one_image([BASE])
    layout = oci(folder / "layout", descriptor(manifest), blobs=[manifest, about])
    return f"oci-dir:{layout}"


def by_zstd(folder: Path) -> str:
    layer = b"\x28\xb5\x2f\xfd rest"
    about = config([layer])
    listed = {"config": descriptor(about), "layers": [descriptor(layer)]}
    manifest = json.dumps(listed).encode()
    layout = oci(folder / "layout", descriptor(manifest), blobs=[manifest, about, layer])
    return f"oci-dir:{layout}"


def empty_folder(folder: Path) -> str:
    return f"oci-dir:{folder}"


def no_image(folder: Path) -> str:
    return f"oci-dir:{oci(folder / 'layout', blobs=[])}"


def no_archive(folder: Path) -> str:
    (folder / "text.tar").write_text("text")
    return f"oci-archive:{folder}/text.tar"


def no_file(folder: Path) -> str:
    return f"docker-archive:{folder}/none.tar"


@pytest.mark.parametrize(
    ("write", "complaint"),
    [
        (without_layer, "is named by the image and missing in it"),
        (by_zstd, "is compressed by zstd, expected gzip or nothing"),
        (empty_folder, "expected a manifest.json or an index.json, and found neither"),
        (no_image, "holds no image"),
        (no_archive, "text.tar: expected the archive of an image"),
        (no_file, "none.tar: expected the archive of an image"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_sentence(
    write: Write, complaint: str, tmp_path: Path
) -> None:
    name = write(tmp_path)
    command = [sys.executable, "-S", "-m", "benchmarks.image", name]  # no library is at hand
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert complaint in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_name_that_docker_does_not_know_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(image.ImageError, match="expected oci-archive:FILE, oci-dir:FOLDER"):
        image.read("energy-predictor:0.1.0")
