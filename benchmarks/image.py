"""Reports what an image weighs, layer by layer: `python -m benchmarks.image IMAGE [--base IMAGE]`.

IMAGE is `oci-archive:FILE`, `oci-dir:FOLDER` or `docker-archive:FILE`, and otherwise one that a
Docker daemon has. Only the standard library is needed. A megabyte is 1,000,000 bytes.
"""

import argparse
import gzip
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import IO, NotRequired, TypedDict

# Returns the file of an image by its name, or nothing.
Open = Callable[[str], IO[bytes] | None]

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
GZIP_FORMAT = 31  # what zlib calls it
LEVEL = 6  # gzip's own default
READ_BYTES = 1 << 20
ATTESTATION = "vnd.docker.reference.type"
MADE_BY_LENGTH = 72
DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


class Descriptor(TypedDict):
    """What the files of an image say of another file."""

    digest: str
    annotations: NotRequired[dict[str, str]]


class OciManifest(TypedDict):
    """An image, or with `manifests` a list of images."""

    config: Descriptor
    layers: list[Descriptor]
    manifests: NotRequired[list[Descriptor]]


class DockerManifest(TypedDict):
    """An image as `docker save` writes it."""

    Config: str
    Layers: list[str]


class Step(TypedDict):
    """What a builder did."""

    created_by: NotRequired[str]
    empty_layer: NotRequired[bool]


class RootFs(TypedDict):
    """The layers by the digests of their tar files."""

    diff_ids: list[str]


class ContainerConfig(TypedDict):
    """How a container of the image runs, and what is written on it."""

    Labels: NotRequired[dict[str, str] | None]
    User: NotRequired[str]
    Entrypoint: NotRequired[list[str] | None]
    Cmd: NotRequired[list[str] | None]


class Config(TypedDict):
    """An image's configuration."""

    os: str
    architecture: str
    config: NotRequired[ContainerConfig]
    rootfs: RootFs
    history: NotRequired[list[Step]]


class ImageError(Exception):
    """An image that cannot be read."""


@dataclass(frozen=True)
class Layer:
    """A layer by the digest of its tar file: what made it, bytes as a tar and bytes by gzip."""

    digest: str
    made_by: str
    size: int
    compressed: int


@dataclass(frozen=True)
class Image:
    """An image for one platform."""

    platform: str
    labels: dict[str, str]
    layers: list[Layer]
    user: str = ""
    command: tuple[str, ...] = ()


def read(image: str) -> list[Image]:
    """Return what an archive, a folder or a Docker daemon has under a name, for each platform.

    Raises ImageError when there is no image.
    """
    with _opened(image) as files:
        found = [_image(files, config, layers) for config, layers in _manifests(image, files)]
    if not found:
        message = f"{image}: holds no image"
        raise ImageError(message)
    return found


def table(image: Image, base: frozenset[str]) -> str:
    """Return an image as a table in Markdown; `base` has the digests of the base's layers."""
    lines = [f"| {image.platform}, made by | MB | MB by gzip |", "| --- | --: | --: |"]
    lines += [
        _row(f"{'base: ' if layer.digest in base else ''}`{_short(layer.made_by)}`", [layer])
        for layer in image.layers
    ]
    own = [layer for layer in image.layers if layer.digest not in base]
    if len(own) < len(image.layers):
        lines += [
            _row("**the base**", [layer for layer in image.layers if layer.digest in base]),
            _row("**all but the base**", own),
        ]
    return "\n".join([*lines, _row("**all**", image.layers)])


def _row(name: str, layers: Iterable[Layer]) -> str:
    sizes = [(layer.size, layer.compressed) for layer in layers]
    megabytes = [sum(column) / 1e6 for column in zip(*sizes, strict=True)] or [0.0, 0.0]
    return f"| {name} | " + " | ".join(f"{value:.1f}" for value in megabytes) + " |"


def _short(made_by: str) -> str:
    """Return a builder's command without what every command begins and ends with."""
    text = " ".join(made_by.split()).removesuffix(" # buildkit").replace("|", "¦")
    text = DIGEST.sub(r"\1", text)
    for start in ("/bin/sh -c ", "#(nop) ", "RUN /bin/sh -c "):
        text = text.removeprefix(start)
    return text if len(text) <= MADE_BY_LENGTH else text[: MADE_BY_LENGTH - 1] + "…"


@contextmanager
def _opened(image: str) -> Iterator[Open]:
    kind, _, path = image.partition(":")
    if kind == "oci-dir":
        yield partial(_in_folder, Path(path))
    elif kind in {"oci-archive", "docker-archive"}:
        with _archive(path) as archive:
            yield partial(_in_archive, archive)
    else:
        with tempfile.TemporaryDirectory() as folder:
            saved = f"{folder}/image.tar"
            _save(image, saved)
            with _archive(saved) as archive:
                yield partial(_in_archive, archive)


def _archive(path: str) -> tarfile.TarFile:
    try:
        return tarfile.open(path)
    except (OSError, tarfile.TarError) as error:
        message = f"{path}: expected the archive of an image: {str(error).splitlines()[0]}"
        raise ImageError(message) from error


def _save(image: str, path: str) -> None:
    try:
        subprocess.run(["docker", "save", "--output", path, image], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        message = (
            f"{image}: expected oci-archive:FILE, oci-dir:FOLDER, docker-archive:FILE "
            f"or an image that Docker has: {error}"
        )
        raise ImageError(message) from error


def _in_folder(folder: Path, name: str) -> IO[bytes] | None:
    path = folder / name
    return path.open("rb") if path.is_file() else None


def _in_archive(archive: tarfile.TarFile, name: str) -> IO[bytes] | None:
    try:
        return archive.extractfile(name)
    except KeyError:
        return None


def _manifests(image: str, files: Open) -> Iterator[tuple[str, list[str]]]:
    """Yield the configuration and the layers of each image, as names of files."""
    if (file := files("manifest.json")) is not None:
        with file:
            manifests: list[DockerManifest] = json.load(file)
        yield from ((manifest["Config"], manifest["Layers"]) for manifest in manifests)
    elif (file := files("index.json")) is not None:
        with file:
            index: OciManifest = json.load(file)
        yield from _listed(files, index)
    else:
        message = f"{image}: expected a manifest.json or an index.json, and found neither"
        raise ImageError(message)


def _listed(files: Open, manifest: OciManifest) -> Iterator[tuple[str, list[str]]]:
    if "manifests" not in manifest:
        yield _blob(manifest["config"]), [_blob(layer) for layer in manifest["layers"]]
        return
    for descriptor in manifest["manifests"]:
        if ATTESTATION not in descriptor.get("annotations", {}):
            with _file(files, _blob(descriptor)) as file:
                below: OciManifest = json.load(file)
            yield from _listed(files, below)


def _blob(descriptor: Descriptor) -> str:
    return "blobs/" + descriptor["digest"].replace(":", "/")


def _file(files: Open, name: str) -> IO[bytes]:
    if (file := files(name)) is None:
        message = f"{name} is named by the image and missing in it"
        raise ImageError(message)
    return file


def _image(files: Open, config_name: str, layer_names: list[str]) -> Image:
    with _file(files, config_name) as file:
        config: Config = json.load(file)
    steps = [step for step in config.get("history", []) if not step.get("empty_layer")]
    made_by = [step.get("created_by", "") for step in steps]
    digests = config["rootfs"]["diff_ids"]
    described = zip_longest(made_by[: len(digests)], digests, fillvalue="")
    layers = [
        Layer(digest, made, *_weighed(files, name))
        for name, (made, digest) in zip(layer_names, described, strict=True)
    ]
    platform = f"{config['os']}/{config['architecture']}"
    run = config.get("config", {})
    command = (*(run.get("Entrypoint") or []), *(run.get("Cmd") or []))
    return Image(platform, run.get("Labels") or {}, layers, run.get("User", ""), command)


def _weighed(files: Open, name: str) -> tuple[int, int]:
    """Return the bytes of a layer as a tar, and by gzip: as it is stored, or else as gzip does."""
    with _file(files, name) as file:
        start = file.read(len(ZSTD))
        if start == ZSTD:
            message = f"{name} is compressed by zstd, expected gzip or nothing"
            raise ImageError(message)
        stored = file.seek(0, 2)
        file.seek(0)
        if not start.startswith(GZIP):
            return stored, _compressed(file)
        with gzip.GzipFile(fileobj=file) as tar:
            return sum(map(len, _chunks(tar))), stored


def _compressed(tar: IO[bytes]) -> int:
    compressor = zlib.compressobj(LEVEL, wbits=GZIP_FORMAT)
    length = sum(len(compressor.compress(chunk)) for chunk in _chunks(tar))
    return length + len(compressor.flush())


def _chunks(file: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    return iter(partial(file.read, READ_BYTES), b"")


def main() -> None:
    """Print the table of an image for each of its platforms."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image")
    parser.add_argument("--base", help="what it was built from, to tell its layers apart")
    arguments = parser.parse_args()
    try:
        base = read(arguments.base) if arguments.base else []
        of_base = frozenset(layer.digest for image in base for layer in image.layers)
        print("\n\n".join(table(image, of_base) for image in read(arguments.image)))
    except ImageError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
