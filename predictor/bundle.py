"""A bundle: the folder that training writes and serving reads.

It holds `model.onnx`, `bundle.json`, which is the Manifest, a model card, `explanation.onnx` if its
predictions can be explained, and the manifest's signature if it was given a key. Everything in it
is data: nothing is unpickled, and no file is used before its digest was checked.
"""

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from predictor.contract import LOWER, PREDICTION, PROBABILITY, UPPER, Contract, Name, Row
from predictor.errors import JSON_ERRORS, BundleError, UnsignedBundleError
from predictor.folder import Folder, opened
from predictor.profile import Profile
from predictor.signature import IsSigned, Sign

FORMAT = 2
MANIFEST = "bundle.json"
SIGNATURE = "bundle.json.sig"
MODEL = "model.onnx"
EXPLANATION = "explanation.onnx"
# Far more than any bundle needs, and no more than a process has room for.
MOST_BYTES = {
    MANIFEST: 8 * 2**20,
    SIGNATURE: 2**10,
    MODEL: 256 * 2**20,
    EXPLANATION: 256 * 2**20,
}
OTHERS_MOST_BYTES = 64 * 2**20
# The same graph in float64: no more may differ than the order in which a build adds the leaves.
# As a share of the largest prediction.
GOLDEN_TOLERANCE = 1e-11


# A file lies in the bundle's own folder.
FileName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z")]


class Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the training rows came from, and the day of the last, ISO 8601, where they have days.

    Bundles of before 0.2 do not say which day that is.
    """

    source: str
    sha256: str
    rows: int
    last_day: str | None = None


class Booster(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One member of the stack: its share in the sum, its size, and its library's parameters.

    `rmse_by_trees` is its error on rows it was not fitted on, in the target's unit, by number of
    trees: what each size would have cost.
    """

    weight: float
    trees: int
    parameters: dict[str, float | int | str]
    rmse_by_trees: dict[int, float]


class Score(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Errors on rows that were not fitted on, in the target's unit and in percent.

    `cv_rmse_percent` is the RMSE over the mean of the target; `mape_percent` leaves out rows whose
    target is 0. What would be divided by 0 is null.
    """

    rmse: float
    mae: float
    cv_rmse_percent: float | None
    r2: float | None
    mape_percent: float | None
    rows: int


class Coverage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many of some rows their interval held, as a share, and its mean width."""

    share: float
    width: float
    rows: int


class Intervals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The share of rows that intervals are made to hold, and what they held, by protocol."""

    target: float
    coverage: dict[str, dict[str, Coverage]]


NO_INTERVALS = Intervals(0.0, {})


class Parity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The largest differences of the graph over `rows` rows, in the target's unit.

    `float64`: from the sum of leaves without ONNX; `native`: from the libraries' own predictions,
    of which `tolerance` is allowed; `explanation`: of the contributions of some rows' columns, from
    the libraries' own.
    """

    float64: float
    native: float
    tolerance: float
    rows: int
    explanation: float | None = None


class Golden(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Rows as a client sends them, what the graph gave for them, and what the libraries did.

    A class among `predictions` is its place in the target's classes. `lower` and `upper` are there
    where there are intervals. `probabilities` and `native` are of the class that is predicted,
    where there are classes: the probability that the graph gives it, and the libraries do.
    """

    rows: list[Row]
    predictions: list[float]
    native: list[float]
    lower: list[float] = []
    upper: list[float] = []
    probabilities: list[float] = []

    def __post_init__(self) -> None:
        """Refuse rows without their predictions; msgspec makes it an error of the manifest."""
        found = [len(self.predictions), len(self.native)]
        found += [len(kept) for kept in (self.lower, self.upper, self.probabilities) if kept]
        if not self.rows or any(count != len(self.rows) for count in found):
            counts = f"{len(self.rows)} golden rows and {found} predictions"
            message = f"{counts}, expected as many of each, and one or more"
            raise ValueError(message)

    @property
    def answers(self) -> dict[str, list[float]]:
        """What is kept of the graph's answers, by its name; what there is none of is empty."""
        return {
            PREDICTION: self.predictions,
            LOWER: self.lower,
            UPPER: self.upper,
            PROBABILITY: self.probabilities,
        }

    def disagreement(self, answers: Mapping[str, Sequence[float]]) -> str:
        """Return in words how answers for the rows, as `answers`, differ from those kept."""
        tolerance = GOLDEN_TOLERANCE * max(map(abs, (*self.predictions, *self.probabilities)))
        for what, kept in self.answers.items():
            wrong = _first_difference(answers.get(what, ()), kept, tolerance)
            if wrong:
                return f"{what} of {wrong}"
        return ""

    def distance_from_the_libraries(self, answers: Mapping[str, Sequence[float]]) -> float:
        """Return the largest difference between answers for the rows and the libraries'."""
        found = answers[PROBABILITY if self.probabilities else PREDICTION]
        return max(abs(a - b) for a, b in zip(found, self.native, strict=True))


def _first_difference(found: Sequence[float], kept: Sequence[float], tolerance: float) -> str:
    if len(found) != len(kept):
        return f"{len(kept)} golden rows: there are {len(found)}"
    for row, (got, expected) in enumerate(zip(found, kept, strict=True)):
        if not abs(got - expected) <= tolerance:  # NaN is never near
            return f"golden row {row} is {got!r}, expected {expected!r}"
    return ""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All that is known of a bundle but its files.

    `files` maps a file's name to its SHA-256; `version` names the content, see `version_of`;
    `created` is UTC, ISO 8601; `scores` are by protocol and then by model; older bundles have no
    `profile`. Of a model that was not trained here there are no `boosters`, `scores` and
    `intervals`, but the `metrics` that its team measured.
    """

    format: int
    name: Name
    version: str
    type: str
    track: str
    created: str
    contract: Contract
    files: dict[FileName, str]
    data: Data
    seed: int = 0
    tuning_trials: int = 0
    boosters: dict[str, Booster] = {}
    scores: dict[str, dict[str, Score]] = {}
    metrics: dict[str, float] = {}
    intervals: Intervals = NO_INTERVALS
    parity: Parity
    versions: dict[str, str]
    golden: Golden
    profile: Profile | None = None


@dataclass(frozen=True)
class Bundle:
    """A bundle whose digests have been checked: its folder, its manifest and its graph's bytes.

    `explanation` are the bytes of what its predictions are explained by, if they can be.
    """

    folder: Path
    manifest: Manifest
    model: bytes
    explanation: bytes | None = None


def digest(content: bytes) -> str:
    """Return the SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def version_of(contract: Contract, model: bytes) -> str:
    """Return a version that depends on nothing but what a client sends and gets."""
    content = hashlib.sha256(msgspec.json.encode(contract))
    content.update(model)  # which may be large: it is not copied
    return content.hexdigest()[:12]


def check_target(folder: Path) -> None:
    """Raise BundleError when `write` would not replace what stands at `folder`."""
    if folder.exists() and not (folder / MANIFEST).is_file() and not _is_empty(folder):
        message = f"{folder} exists and is not a bundle; choose another folder, or remove it"
        raise BundleError(message)


def write(
    folder: Path, manifest: Manifest, files: Mapping[str, bytes], sign: Sign | None = None
) -> None:
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
            text = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
            signature = {SIGNATURE: sign(text)} if sign else {}
            for name, content in {**files, MANIFEST: text, **signature}.items():
                (new / name).write_bytes(content)
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


def read(folder: Path, is_signed: IsSigned | None = None) -> Bundle:
    """Read a bundle's manifest and graph, and check their digests and, if asked, the signature.

    Raises BundleError, saying what is wrong and what to do, when it is damaged, MissingBundleError
    when there is none, and UnsignedBundleError when its signature is not there or not the key's.
    """
    with opened(folder, MANIFEST) as files:
        return read_from(files, is_signed)


def read_from(files: Folder, is_signed: IsSigned | None = None) -> Bundle:
    """Read the bundle in an open folder, as `read` does."""
    path = files.path / MANIFEST
    content = files.content(MANIFEST, MOST_BYTES[MANIFEST])
    if is_signed:
        _check_signature(files, content, is_signed)
    manifest = _decoded(path, content)
    model = content_of(files, MODEL, manifest)
    if version_of(manifest.contract, model) != manifest.version:
        message = f"{path} was changed: the contract is not of version {manifest.version}"
        raise BundleError(message)
    is_explained = EXPLANATION in manifest.files
    explanation = content_of(files, EXPLANATION, manifest) if is_explained else None
    return Bundle(files.path, manifest, model, explanation)


def content_of(files: Folder, name: str, manifest: Manifest) -> bytes:
    """Return a file of a bundle; raises BundleError when its digest is not the manifest's."""
    content = files.content(name, MOST_BYTES.get(name, OTHERS_MOST_BYTES))
    if digest(content) != manifest.files.get(name):
        message = f"{files.path / name} is damaged: its SHA-256 is not the one in {MANIFEST}"
        raise BundleError(message)
    return content


def _check_signature(files: Folder, content: bytes, is_signed: IsSigned) -> None:
    if SIGNATURE not in files.names():
        message = f"{files.path} is not signed; sign it with: predictor train --sign KEY"
        raise UnsignedBundleError(message)
    if not is_signed(content, files.content(SIGNATURE, MOST_BYTES[SIGNATURE])):
        message = f"{files.path / SIGNATURE} is not the required key's signature of {MANIFEST}"
        raise UnsignedBundleError(message)


def _decoded(path: Path, content: bytes) -> Manifest:
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
