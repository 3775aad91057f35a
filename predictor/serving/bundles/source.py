"""Where the bundle that is served comes from."""

import logging
from pathlib import Path
from typing import Literal

from predictor import bundle, signature
from predictor.bundle import Bundle
from predictor.errors import MissingBundleError, SettingsError
from predictor.serving.settings import Settings

# The image's own, what KServe's storage initializer has brought, or a folder of somebody else's.
Origin = Literal["embedded", "storage", "external"]

# Where KServe's storage initializer, or an image with a model in it, puts a model.
STORAGE = Path("/mnt/models")

logger = logging.getLogger(__name__)


def bundle_of(settings: Settings) -> Bundle:
    """Return the bundle to begin with: that of the settings or, if told so, the embedded one.

    Only one that is missing is replaced, never one that is damaged. Raises BundleError or
    SettingsError.
    """
    if settings.fallback_to_embedded and not settings.embedded_bundle:
        message = "FALLBACK_TO_EMBEDDED is true, and EMBEDDED_BUNDLE names no folder"
        raise SettingsError(message)
    try:
        return read(Path(settings.bundle), settings)
    except MissingBundleError as error:
        if not settings.fallback_to_embedded:
            raise
        embedded = settings.embedded_bundle
        logger.warning("%s; meanwhile the embedded one, %s, is served instead", error, embedded)
        return read(Path(embedded), settings)


def read(folder: Path, settings: Settings) -> Bundle:
    """Return the bundle in a folder, with the signature that is required.

    Raises BundleError or SettingsError.
    """
    required = settings.require_signature
    is_signed = signature.verifier(Path(required)) if required else None
    return bundle.read(folder, is_signed)


def origin_of(folder: Path, settings: Settings) -> Origin:
    """Return the origin of what is in a folder; a volume over the embedded bundle hides it."""
    embedded = settings.embedded_bundle
    if embedded and folder.absolute() == Path(embedded).absolute() and not folder.is_mount():
        return "embedded"
    return "storage" if folder.absolute().is_relative_to(STORAGE) else "external"
