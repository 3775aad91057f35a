"""JSON Web Tokens: whose they are, if they are genuine, for this server, and of now."""

import time
from collections import OrderedDict
from dataclasses import dataclass

import jwt

from predictor.serving.security.key_set import ALGORITHMS, Key, KeySet
from predictor.serving.security.verdict import (
    EXPIRED,
    INVALID,
    NAMELESS,
    NO_KEYS,
    NOT_OURS,
    UNKNOWN_KEY,
    Verdict,
    is_principal,
)

LEEWAY_SECONDS = 60
LONGEST_TOKEN = 6144  # bytes; gRPC takes 8 KiB of metadata, and of more only some
# To verify a token takes longer than to predict a row, so a genuine one is verified once.
REMEMBERED = 4096


@dataclass(frozen=True)
class Audience:
    """Whose tokens are taken, and for whom they must be made."""

    issuer: str
    audience: str


class Tokens:
    """Judges tokens by the keys that it was last given, and remembers the genuine ones."""

    def __init__(self, expected: Audience) -> None:
        """Begin without keys, with which no token can be judged."""
        self._expected = expected
        self._keys: KeySet = {}
        self._genuine: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def use(self, keys: KeySet) -> None:
        """Judge by other keys from now on; if any has changed, nothing is remembered."""
        if keys != self._keys:
            self._genuine.clear()
        self._keys = keys

    def judge(self, token: bytes, digest: bytes) -> Verdict:
        """Return a token's subject; the token is remembered by its digest."""
        known = self._genuine.get(digest)
        if known is None:
            return self._verify(token, digest)
        principal, end = known
        if time.time() >= end:
            del self._genuine[digest]
            return EXPIRED
        self._genuine.move_to_end(digest)
        return principal

    def _verify(self, token: bytes, digest: bytes) -> Verdict:
        try:
            key = self._key(token)
            claims = key if key is None else self._claims(token, key)
        except jwt.ExpiredSignatureError:
            return EXPIRED
        except (
            jwt.InvalidAudienceError,
            jwt.InvalidIssuerError,
            jwt.ImmatureSignatureError,
            jwt.InvalidIssuedAtError,
            jwt.MissingRequiredClaimError,
        ):
            return NOT_OURS
        except (jwt.PyJWTError, ValueError, OverflowError, RecursionError):
            return INVALID
        if claims is None:
            return UNKNOWN_KEY if self._keys else NO_KEYS
        principal, end = claims
        if not is_principal(principal):
            return NAMELESS
        self._remember(digest, principal, end)
        return principal

    def _key(self, token: bytes) -> Key | None:
        """Return the key that a token says it is signed with, if it is here."""
        if len(token) > LONGEST_TOKEN:
            raise jwt.DecodeError
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in ALGORITHMS.values():
            raise jwt.InvalidAlgorithmError
        return self._keys.get(header.get("kid"))

    def _claims(self, token: bytes, key: Key) -> tuple[str, float]:
        """Return a genuine token's subject, and when it is no longer taken."""
        claims = jwt.decode(
            token,
            key.loaded,
            [key.algorithm],  # whatever the token says: no other is this key's
            options={"require": ["exp", "sub"]},
            audience=self._expected.audience,
            issuer=self._expected.issuer,
            leeway=LEEWAY_SECONDS,
        )
        return str(claims["sub"]), int(claims["exp"]) + LEEWAY_SECONDS

    def _remember(self, digest: bytes, principal: str, end: float) -> None:
        self._genuine[digest] = principal, end
        if len(self._genuine) > REMEMBERED:
            self._genuine.popitem(last=False)
