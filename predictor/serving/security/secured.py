"""From settings to what guards the ports."""

import asyncio
import math
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from predictor.errors import SettingsError
from predictor.serving import metrics
from predictor.serving.security import api_keys, fetch, tls
from predictor.serving.security.api_keys import ApiKeys
from predictor.serving.security.gate import Gate
from predictor.serving.security.rate import Rates
from predictor.serving.security.renewal import Files, Renewal, Url
from predictor.serving.security.tls import Tls, TlsFiles
from predictor.serving.security.verdict import Reason
from predictor.serving.settings import Settings

# What is set alone would leave open what it was meant to close.
NEEDS = (
    ("tls_cert_file", "tls_key_file"),
    ("tls_key_file", "tls_cert_file"),
    ("tls_client_ca_file", "tls_cert_file"),
    ("jwt_jwks", "jwt_issuer"),
    ("jwt_jwks", "jwt_audience"),
    ("jwt_issuer", "jwt_jwks"),
    ("jwt_audience", "jwt_jwks"),
    ("rate_burst", "rate_limit"),
)


@dataclass(frozen=True)
class Security:
    """The gate and TLS, as far as there are any, and what keeps them up to date."""

    gate: Gate | None = None
    tls: Tls | None = None
    renewals: list[Renewal[Any]] = field(default_factory=list)

    async def start(self) -> None:
        """Begin to renew; an identity provider is waited for a moment."""
        for renewal in self.renewals:
            renewal.start()
        await asyncio.gather(*(renewal.round() for renewal in self.renewals))

    def stop(self) -> None:
        """End what `start` began."""
        for renewal in self.renewals:
            renewal.stop()


OPEN = Security()


def secured(settings: Settings) -> Security:
    """Return what the settings ask for; raises SettingsError when that cannot be."""
    for reason in Reason:
        metrics.DENIED.labels(reason)  # which is 0 from the beginning
    for name, needed in NEEDS:
        if getattr(settings, name) and not getattr(settings, needed):
            message = f"setting {name.upper()} needs {needed.upper()}"
            raise SettingsError(message)
    gate = Gate(needs_certificate=bool(settings.tls_client_ca_file), rates=_rates(settings))
    tls_used, renewals = _tls(settings)
    if settings.api_keys_file:
        renewals.append(_api_keys(gate, settings.api_keys_file))
    if settings.jwt_jwks:
        renewals.append(_tokens(gate, settings))
    is_open = gate == Gate()
    return Security(None if is_open else gate, tls_used, renewals)


def _rates(settings: Settings) -> Rates | None:
    if not settings.rate_limit:
        return None
    burst = settings.rate_burst or math.ceil(settings.rate_limit)
    return Rates(settings.rate_limit, burst)


def _tls(settings: Settings) -> tuple[Tls | None, list[Renewal[Any]]]:
    if not settings.tls_cert_file:
        return None, []
    files = TlsFiles(settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file)
    read, source = partial(tls.read, files), Files(*files.paths)
    used = Tls(read())
    return used, [Renewal("TLS_CERT_FILE", source, read, used.use)]


def _api_keys(gate: Gate, path: str) -> Renewal[ApiKeys]:
    renewal = Renewal(
        "API_KEYS_FILE", Files(path), partial(api_keys.read, Path(path)), gate.use_api_keys
    )
    renewal.first()
    return renewal


def _tokens(gate: Gate, settings: Settings) -> Renewal[Any]:
    """Have tokens judged; a file must be there at the start, and a provider may be away."""
    # Their libraries take nine megabytes, which others need not spare.
    from predictor.serving.security import key_set
    from predictor.serving.security.tokens import Audience, Tokens

    tokens = Tokens(Audience(settings.jwt_issuer, settings.jwt_audience))
    gate.tokens = tokens.judge
    read = partial(key_set.read, settings.jwt_jwks)
    is_url = fetch.is_url(settings.jwt_jwks)
    source = Url() if is_url else Files(settings.jwt_jwks)
    renewal = Renewal("JWT_JWKS", source, read, tokens.use)
    gate.renewed = renewal.round
    if not is_url:
        renewal.first()
    return renewal
