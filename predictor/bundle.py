"""A bundle: the folder that training writes and serving reads.

It holds `model.onnx` and `bundle.json`, the Manifest. Everything in it is data: nothing is
unpickled, and no file is used before its digest was checked.
"""

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec

from predictor.contract import Contract, Name
from predictor.errors import BundleError

FORMAT = 1
MANIFEST = "bundle.json"
MODEL = "model.onnx"


class Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the training rows came from."""

    source: str
    sha256: str
    rows: int


class Booster(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One member of the stack: its share in the sum, and its size."""

    weight: float
    trees: int


class Score(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Errors on rows that were not fitted on, in the target's unit."""

    rmse: float
    mae: float
    rows: int


class Golden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows as a client sends them, and what the graph predicted for them at training."""

    rows: list[dict[str, float | int | str]]
    predictions: list[float]


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is known of a bundle but its graph.

    `files` maps a file's name to its SHA-256; `version` names the content, see `version_of`;
    `created` is UTC, ISO 8601; `parity` is the largest difference seen, in the target's unit,
    between the graph and the boosters' own libraries.
    """

    format: int
    name: Name
    version: str
    type: str
    created: str
    contract: Contract
    files: dict[str, str]
    data: Data
    seed: int
    boosters: dict[str, Booster]
    scores: dict[str, Score]
    parity: float
    versions: dict[str, str]
    golden: Golden


@dataclass(frozen=True)
class Bundle:
    """A bundle whose digests have been checked: its folder, its manifest and its graph's bytes."""

    folder: Path
    manifest: Manifest
    model: bytes


def digest(content: bytes) -> str:
    """Return the SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def version_of(contract: Contract, model: bytes) -> str:
    """Return a version that depends on nothing but what a client sends and gets."""
    return digest(msgspec.json.encode(contract) + model)[:12]


def write(folder: Path, manifest: Manifest, model: bytes) -> None:
    """Write a bundle as a whole; what stood at `folder` is replaced, or kept when writing fails.

    Raises BundleError when `folder` is something else than a bundle, or cannot be written.
    """
    if folder.exists() and not (folder / MANIFEST).is_file():
        message = f"{folder} exists and is not a bundle; choose another folder, or remove it"
        raise BundleError(message)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
            new = Path(scratch, "new")
            new.mkdir()
            (new / MODEL).write_bytes(model)
            text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
            (new / MANIFEST).write_bytes(text + b"\n")
            if folder.exists():
                folder.rename(Path(scratch, "old"))
            new.rename(folder)
    except OSError as error:
        message = f"cannot write the bundle {folder}: {error.strerror}"
        raise BundleError(message) from error


def read(folder: Path) -> Bundle:
    """Read a bundle and check its digests.

    Raises BundleError, saying what is wrong and what to do, when there is none or it is damaged.
    """
    manifest = _manifest(folder)
    model = _content(folder / MODEL)
    if digest(model) != manifest.files.get(MODEL):
        message = f"{folder / MODEL} is damaged: its SHA-256 is not the one in {MANIFEST}"
        raise BundleError(message)
    if version_of(manifest.contract, model) != manifest.version:
        message = (
            f"{folder / MANIFEST} was changed: the contract is not of version {manifest.version}"
        )
        raise BundleError(message)
    return Bundle(folder, manifest, model)


def _manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    if not path.is_file():
        message = f"no bundle at {folder}; make one with: predictor train --output {folder}"
        raise BundleError(message)
    content = _content(path)
    try:
        found = msgspec.json.decode(content, type=_Format).format
        if found != FORMAT:
            message = f"{path} has format {found}, this version of predictor reads {FORMAT}"
            raise BundleError(message)
        return msgspec.json.decode(content, type=Manifest)
    except msgspec.MsgspecError as error:
        message = f"{path} is not a bundle's manifest: {error}"
        raise BundleError(message) from error


class _Format(msgspec.Struct):
    format: int


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise BundleError(message) from error
