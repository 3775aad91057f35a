"""Putting a candidate where a server looks for its bundle."""

from pathlib import Path

from predictor import bundle, signature
from predictor.bundle import Manifest
from predictor.errors import BundleError
from predictor.training.pipeline import Trained


def publish(folder: Path, trained: Trained, compared: Manifest, key: Path | None) -> None:
    """Replace the bundle in a folder as a whole, signed if there is a private key.

    Raises BundleError when it is no longer the one that the candidate was compared with, or cannot
    be written.
    """
    found = bundle.read(folder).manifest
    if found != compared:
        message = (
            f"{folder} holds version {found.version} by now, but the candidate was compared with "
            f"{compared.version}: run it again"
        )
        raise BundleError(message)
    write(folder, trained, key)


def write(folder: Path, trained: Trained, key: Path | None) -> None:
    """Write a candidate to a folder; raises BundleError."""
    sign = signature.signer(key) if key else None
    bundle.write(folder, trained.manifest, trained.files, sign)
