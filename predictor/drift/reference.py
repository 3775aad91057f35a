"""What rows are compared with: a bundle's profile, or one that is made of a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from predictor import bundle
from predictor.contract import Contract
from predictor.drift import sample
from predictor.errors import BundleError, SettingsError
from predictor.profile import Profile
from predictor.profiling import profile_of


@dataclass(frozen=True)
class Reference:
    """What is compared with: where it came from, its contract and its profile."""

    source: str
    contract: Contract
    profile: Profile


def read(
    path: Path, contract: Contract | None, standard: Contract, names: Mapping[str, str]
) -> Reference:
    """Read a bundle's folder, or a file with the columns of `contract`, or of `standard`.

    Raises SettingsError when a bundle is given another contract, DataError or BundleError when it
    cannot be read.
    """
    if not path.is_dir():
        found = contract or standard
        rows = sample.read(path, found, names)
        target = None if rows.has_gaps else rows.target
        return Reference(str(path), found, profile_of(found, rows.columns, target))
    if contract is not None:
        message = f"{path} is a bundle and has its columns: give no --bundle and no --contract"
        raise SettingsError(message)
    manifest = bundle.read(path).manifest
    if manifest.profile is None:
        message = f"{path} has no profile: train it anew, or give a file of its rows instead"
        raise BundleError(message)
    source = f"{path}, version {manifest.version}"
    return Reference(source, manifest.contract, manifest.profile)
