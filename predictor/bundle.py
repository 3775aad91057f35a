"""A bundle: the folder that training writes and serving reads.

It holds `model.onnx` and `bundle.json`, the Manifest. Everything in it is data: nothing is
unpickled, and no file is used before its digest was checked.
"""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from predictor.contract import Contract, Name, Row
from predictor.errors import JSON_ERRORS, BundleError

FORMAT = 1
MANIFEST = "bundle.json"
MODEL = "model.onnx"
# The same graph in float64: no more may differ than the order in which a build adds the leaves.
GOLDEN_TOLERANCE = 1e-9


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

    rows: list[Row]
    predictions: list[float]

    def __post_init__(self) -> None:
        """Refuse rows without their predictions; msgspec makes it an error of the manifest."""
        if not self.rows or len(self.rows) != len(self.predictions):
            counts = f"{len(self.rows)} golden rows and {len(self.predictions)} predictions"
            message = f"{counts}, expected as many of each, and one or more"
            raise ValueError(message)

    def disagreement(self, found: Sequence[float]) -> str:
        """Return in words how predictions for the rows differ from those kept, or nothing."""
        if len(found) != len(self.predictions):
            return f"{len(found)} predictions for {len(self.predictions)} golden rows"
        for row, (got, expected) in enumerate(zip(found, self.predictions, strict=True)):
            if not abs(got - expected) <= GOLDEN_TOLERANCE:
                return f"golden row {row} gives {got!r}, expected {expected!r}"
        return ""


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


def check_target(folder: Path) -> None:
    """Raise BundleError when `write` would not replace what stands at `folder`."""
    if folder.exists() and not (folder / MANIFEST).is_file() and not _is_empty(folder):
        message = f"{folder} exists and is not a bundle; choose another folder, or remove it"
        raise BundleError(message)


def write(folder: Path, manifest: Manifest, model: bytes) -> None:
    """Write a bundle as a whole; a bundle at `folder` is replaced, or kept when writing fails.

    Raises BundleError when `folder` is something else than a bundle, or cannot be written.
    """
    check_target(folder)
    target = folder.resolve()  # what a link leads to, not the link
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as scratch:
            new, old = Path(scratch, "new"), Path(scratch, "old")
            new.mkdir()
            (new / MODEL).write_bytes(model)
            text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
            (new / MANIFEST).write_bytes(text + b"\n")
            _replace(target, new, old)
    except OSError as error:
        message = f"cannot write the bundle {folder}: {error.strerror}"
        raise BundleError(message) from error


def _replace(target: Path, new: Path, old: Path) -> None:
    """Move `new` to `target`, and what stood there to `old`, or leave all as it was."""
    if target.exists():
        target.rename(old)
    try:
        new.rename(target)
    except BaseException:  # an interrupt too must not leave nothing
        if old.exists():
            old.rename(target)
        raise


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


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
    except JSON_ERRORS as error:
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
