"""Asking a server on this machine, whatever proxy the environment names."""

from http.client import HTTPException
from urllib.request import ProxyHandler, Request, build_opener

TIMEOUT_SECONDS = 10


def ask(url: str, body: bytes | None = None) -> bytes:
    """Return what a server answers; a body is JSON. Raises OSError, also for an error's status."""
    request = Request(url, body, {"Content-Type": "application/json"})
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=TIMEOUT_SECONDS) as response:
            content: bytes = response.read()
    except HTTPException as error:  # what answers is no HTTP server, or stops in its answer
        message = f"{url} does not answer as HTTP does: {error!r}"
        raise OSError(message) from error
    return content
