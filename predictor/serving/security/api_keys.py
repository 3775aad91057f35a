"""API keys: a file of principals and their keys, of which only digests are kept."""

from hashlib import sha256
from pathlib import Path

from predictor.errors import SettingsError
from predictor.serving.security.verdict import is_principal

LEAST_CHARACTERS = 16
MOST_CHARACTERS = 1024
MOST_BYTES = 1024 * 1024

# The principals by the SHA-256 of their keys: to look one up takes as long for any other key.
ApiKeys = dict[bytes, str]


def read(path: Path) -> ApiKeys:
    """Return the keys of a file; raises SettingsError, which names a line and never a key."""
    found: ApiKeys = {}
    for number, line in enumerate(_lines(path), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            _add(found, line)
        except ValueError as error:
            message = f"API_KEYS_FILE, line {number}: {error}"
            raise SettingsError(message) from None
    if not found:
        message = "API_KEYS_FILE has no keys; to let nobody in, put in one that nobody has"
        raise SettingsError(message)
    return found


def _lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        message = f"API_KEYS_FILE cannot be read: {error.strerror}"
        raise SettingsError(message) from None
    if len(content) > MOST_BYTES:
        message = f"API_KEYS_FILE is over {MOST_BYTES} bytes"
        raise SettingsError(message)
    # What is not ASCII becomes a character that no key has, and its line is named.
    return content.decode("utf-8", "replace").split("\n")


def _add(keys: ApiKeys, line: str) -> None:
    """Add a line's principal by the digest of its key; raises ValueError."""
    fields = line.split()
    if len(fields) != 2:
        message = f"got {len(fields)} words, expected a principal and a key"
        raise ValueError(message)
    principal, key = fields
    if not is_principal(principal) or "\ufffd" in principal:
        message = "the principal is not a short, printable name"
        raise ValueError(message)
    if not LEAST_CHARACTERS <= len(key) <= MOST_CHARACTERS:
        expected = f"expected {LEAST_CHARACTERS} to {MOST_CHARACTERS}"
        message = f"the key has {len(key)} characters, {expected}"
        raise ValueError(message)
    if not (key.isascii() and key.isprintable()):
        message = "the key has characters that are not printable ASCII"
        raise ValueError(message)
    if keys.setdefault(sha256(key.encode()).digest(), principal) != principal:
        message = "its key is another principal's too"
        raise ValueError(message)
