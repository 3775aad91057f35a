"""Who is this, and may it pass: decided once, for REST and for gRPC."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from predictor.serving.security.api_keys import ApiKeys
from predictor.serving.security.rate import Rates
from predictor.serving.security.verdict import (
    INVALID,
    MISSING,
    NAMELESS,
    NO_CERTIFICATE,
    UNKNOWN_KEY,
    Peer,
    Verdict,
)

# All that is open to everybody: what a probe asks, which has no credentials. Paths are open to GET.
OPEN_PATHS = frozenset({"/v2/health/live", "/v2/health/ready", "/health", "/health/ready"})
OPEN_METHODS = frozenset(
    {
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
        "/inference.GRPCInferenceService/ServerLive",
        "/inference.GRPCInferenceService/ServerReady",
    }
)

AUTHORIZATION = b"authorization"
API_KEY = b"x-api-key"
BEARER = b"bearer "


async def _nothing() -> None:
    """Renew nothing."""


@dataclass
class Gate:
    """What the settings ask for: a certificate, either a key or a token, and some patience.

    `tokens` judges a token, which comes with its digest; `renewed` waits for new keys of tokens, if
    there may be any.
    """

    needs_certificate: bool = False
    api_keys: ApiKeys | None = None
    tokens: Callable[[bytes, bytes], Verdict] | None = None
    rates: Rates | None = None
    renewed: Callable[[], Awaitable[None]] = _nothing

    @property
    def needs_peer(self) -> bool:
        """Whether a principal is told by its connection, and not by what it sends."""
        return self.api_keys is None and self.tokens is None

    def use_api_keys(self, api_keys: ApiKeys) -> None:
        """Let in who has these keys from now on, and nobody else by a key."""
        self.api_keys = api_keys

    async def admit(self, headers: Mapping[bytes, bytes], peer: Peer) -> Verdict:
        """Return who asks; if a token is signed with an unknown key, it is looked for first."""
        verdict = self.judge(headers, peer)
        if verdict is UNKNOWN_KEY:
            await self.renewed()
            verdict = self.judge(headers, peer)
        return verdict

    def judge(self, headers: Mapping[bytes, bytes], peer: Peer) -> Verdict:
        """Return who asks, by what is known at this moment, and count it against its rate."""
        if self.needs_certificate and peer.certified is None:
            return NO_CERTIFICATE
        verdict = self._of_connection(peer) if self.needs_peer else self._of_headers(headers)
        if self.rates is None or not isinstance(verdict, str):
            return verdict
        return self.rates.judge(verdict)

    def _of_connection(self, peer: Peer) -> Verdict:
        if not self.needs_certificate:
            return peer.address
        return peer.certified or NAMELESS

    def _of_headers(self, headers: Mapping[bytes, bytes]) -> Verdict:
        sent = _sent(headers)
        if not sent:
            return MISSING
        digest = sha256(sent).digest()
        if self.api_keys is not None:
            principal = self.api_keys.get(digest)
            if principal is not None:
                return principal
        return INVALID if self.tokens is None else self.tokens(sent, digest)


def _sent(headers: Mapping[bytes, bytes]) -> bytes:
    """Return the key or the token of a request, or nothing."""
    sent = headers.get(AUTHORIZATION, b"")
    if sent[: len(BEARER)].lower() == BEARER:
        return sent[len(BEARER) :].strip()
    return headers.get(API_KEY, b"").strip()
