"""The gate before the ASGI application."""

import asyncio
import logging

from starlette.exceptions import HTTPException

from predictor.serving import metrics
from predictor.serving.rest.http import App, Receive, Scope, Send
from predictor.serving.security.gate import OPEN_PATHS, Gate
from predictor.serving.security.tls import principal_of
from predictor.serving.security.verdict import Peer, Refusal, address_of

# Where the state of a scope has its connection's peer.
PEER = "peer"
# The rest of a body that is no larger is read, so that its connection can be kept.
SMALL_BYTES = 64 * 1024

logger = logging.getLogger(__name__)


def peer_of(transport: asyncio.BaseTransport) -> Peer:
    """Return the other end of a connection, of which the TLS handshake is over."""
    found = transport.get_extra_info("peername")
    address = address_of(found[0]) if isinstance(found, tuple) else "unknown"
    connection = transport.get_extra_info("ssl_object")
    certificate = connection.getpeercert(binary_form=True) if connection else None
    return Peer(address, principal_of(certificate) if certificate else None)


def guarded(gate: Gate, app: App) -> App:
    """Return an application that answers whom the gate lets pass, and raises for the others.

    That is before a body is read: HTTPException, with the refusal's status and headers.
    """

    async def admitting(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET" or scope["path"] not in OPEN_PATHS:
            headers = dict(scope["headers"])
            peer = scope["state"][PEER]
            verdict = await gate.admit(headers, peer)
            if isinstance(verdict, Refusal):
                metrics.DENIED.labels(verdict.reason).inc()
                logger.debug("refused %s: %s", peer.address, verdict.reason)
                raise HTTPException(verdict.status, verdict.message, _headers(verdict, headers))
        await app(scope, receive, send)

    return admitting


def _headers(refusal: Refusal, asked: dict[bytes, bytes]) -> dict[str, str]:
    found = {}
    if refusal.status == 401:
        found["WWW-Authenticate"] = "Bearer"
    if refusal.retry_seconds:
        found["Retry-After"] = str(refusal.retry_seconds)
    if b"transfer-encoding" in asked or int(asked.get(b"content-length", 0)) > SMALL_BYTES:
        found["Connection"] = "close"  # what is left of the body is never read
    return found
