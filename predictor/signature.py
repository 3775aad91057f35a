"""Ed25519 signatures of a bundle's manifest, which holds the digest of everything else.

The keys are PEM files and the signature is its 64 bytes, so that OpenSSL can make and check them.
"""

from collections.abc import Callable
from pathlib import Path

from predictor.errors import SettingsError

Sign = Callable[[bytes], bytes]
# Whether a signature, the second argument, is this key's for the first.
IsSigned = Callable[[bytes, bytes], bool]


def signer(path: Path) -> Sign:
    """Return what signs with the private key in a PEM file; raises SettingsError without one."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = _load(path, lambda content: load_pem_private_key(content, password=None))
    if not isinstance(key, Ed25519PrivateKey):
        raise _wrong(path, "private")
    return key.sign


def verifier(path: Path) -> IsSigned:
    """Return what checks with the public key in a PEM file; raises SettingsError without one."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = _load(path, load_pem_public_key)
    if not isinstance(key, Ed25519PublicKey):
        raise _wrong(path, "public")

    def is_signed(content: bytes, signature: bytes) -> bool:
        try:
            key.verify(signature, content)
        except InvalidSignature:
            return False
        return True

    return is_signed


def _load(path: Path, parse: Callable[[bytes], object]) -> object:
    """Return the key in a file, or nothing when there is none in it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"cannot read the key {path}: {error.strerror}"
        raise SettingsError(message) from error
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return parse(content)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it is encrypted
        return None


def _wrong(path: Path, kind: str) -> SettingsError:
    return SettingsError(f"{path} is not an unencrypted Ed25519 {kind} key in PEM")
