"""The public keys of an identity provider: a JSON Web Key Set (RFC 7517)."""

from dataclasses import dataclass, field

import jwt
import msgspec

from predictor.errors import JSON_ERRORS, SettingsError
from predictor.serving.security import fetch

# The kinds of keys, each with the one algorithm that it may be used for.
ALGORITHMS = {"RSA": "RS256", "EC": "ES256"}
CURVE = "P-256"
LEAST_RSA_BITS = 2048


class _Jwk(msgspec.Struct, frozen=True, omit_defaults=True):
    """A public key; parts of private ones are not even read."""

    kty: str
    kid: str | None = None
    use: str = "sig"
    alg: str | None = None
    crv: str | None = None
    n: str | None = None
    e: str | None = None
    x: str | None = None
    y: str | None = None


class _Jwks(msgspec.Struct, frozen=True):
    keys: list[_Jwk]


@dataclass(frozen=True)
class Key:
    """A key that verifies with one algorithm; it equals another that was published the same."""

    published: _Jwk
    loaded: jwt.PyJWK = field(compare=False)
    algorithm: str


# By their ids, which a set of one key may do without.
KeySet = dict[str | None, Key]


def read(source: str) -> KeySet:
    """Return the keys that are at a URL or in a file; raises SettingsError when there are none."""
    try:
        return parse(fetch.read(source))
    except fetch.ERRORS as error:
        message = f"JWT_JWKS cannot be read: {error!a}"  # another host's words may be in it
        raise SettingsError(message) from None


def parse(content: bytes) -> KeySet:
    """Return the usable keys of a set in JSON; raises ValueError when there are none."""
    try:
        found = msgspec.json.decode(content, type=_Jwks).keys
        keys = {key.kid: _loaded(key) for key in found if _is_usable(key)}
    except JSON_ERRORS:
        message = "it is no JSON Web Key Set"
        raise ValueError(message) from None
    except jwt.PyJWTError:
        message = "a key in it cannot be read"
        raise ValueError(message) from None
    if not keys:
        message = "it has no key for RS256 or ES256"
        raise ValueError(message)
    return keys


def _is_usable(key: _Jwk) -> bool:
    algorithm = ALGORITHMS.get(key.kty)
    return (
        algorithm is not None
        and key.use == "sig"
        and key.alg in {None, algorithm}
        and (key.kty != "EC" or key.crv == CURVE)
    )


def _loaded(published: _Jwk) -> Key:
    algorithm = ALGORITHMS[published.kty]
    loaded = jwt.PyJWK(msgspec.to_builtins(published), algorithm)
    if published.kty == "RSA" and loaded.key.key_size < LEAST_RSA_BITS:
        message = f"an RSA key in it has under {LEAST_RSA_BITS} bits"
        raise ValueError(message)
    return Key(published, loaded, algorithm)
