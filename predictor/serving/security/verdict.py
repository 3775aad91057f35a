"""What is known of who asks, and what a gate says to it."""

import ipaddress
from enum import StrEnum

import msgspec

# A principal is written to logs, and is a key of a table: it is short, and on one line.
LONGEST_PRINCIPAL = 256


class Peer(msgspec.Struct, frozen=True):
    """The other end of a connection: its address, and what its verified certificate names.

    The name is empty when the certificate has none that can be taken, and None without one.
    """

    address: str
    certified: str | None = None


class Reason(StrEnum):
    """Why a request may not pass, by its label in the metric."""

    MISSING = "missing"
    CERTIFICATE = "certificate"
    INVALID = "invalid"
    UNKNOWN_KEY = "unknown_key"
    EXPIRED = "expired"
    CLAIMS = "claims"
    PRINCIPAL = "principal"
    NO_KEYS = "no_keys"
    RATE = "rate"


class Refusal(msgspec.Struct, frozen=True):
    """Why a request may not pass: the reason in metrics, the status in HTTP, and a sentence."""

    reason: Reason
    status: int
    message: str
    retry_seconds: int = 0


# A principal, or why there is none.
Verdict = str | Refusal

SEND = "send an API key or a token with the header Authorization: Bearer"
MISSING = Refusal(Reason.MISSING, 401, f"credentials are needed: {SEND}")
NO_CERTIFICATE = Refusal(Reason.CERTIFICATE, 401, "a client certificate is needed")
INVALID = Refusal(Reason.INVALID, 401, "the API key or token is not valid")
# The same to a client; but the key that signed the token may be a new one.
UNKNOWN_KEY = msgspec.structs.replace(INVALID, reason=Reason.UNKNOWN_KEY)
EXPIRED = Refusal(Reason.EXPIRED, 401, "the token has expired")
NOT_OURS = Refusal(Reason.CLAIMS, 401, "the token is not for this server, or not yet")
NAMELESS = Refusal(
    Reason.PRINCIPAL, 403, "the credentials are genuine, but name nobody who can be let in"
)
NO_KEYS = Refusal(Reason.NO_KEYS, 503, "tokens cannot be checked at the moment", retry_seconds=5)


def too_many(retry_seconds: int) -> Refusal:
    """Return the refusal of one who asks too often."""
    message = f"too many requests, try again in {retry_seconds} s"
    return Refusal(Reason.RATE, 429, message, retry_seconds)


def is_principal(name: str) -> bool:
    """Tell whether a name can be a principal: a short text that no log line can be forged with."""
    return 0 < len(name) <= LONGEST_PRINCIPAL and name.isprintable() and name.strip() == name


def address_of(host: str) -> str:
    """Return an address as a principal: of IPv6 the network, in which a client takes any."""
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host if is_principal(host) else "unknown"
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    mapped = found.ipv4_mapped
    return str(mapped or ipaddress.ip_network((found, 64), strict=False))
