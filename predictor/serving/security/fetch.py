"""What an identity provider publishes, read with patience for neither its size nor its time."""

import time
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

SECONDS = 5.0
MOST_BYTES = 256 * 1024
CHUNK_BYTES = 16 * 1024

# What reading raises when there is nothing to be read.
ERRORS = (OSError, HTTPException, ValueError)


def is_url(source: str) -> bool:
    """Tell whether a source is a URL, and not a file."""
    return source.startswith(("https://", "http://"))


def read(source: str) -> bytes:
    """Return the content of a URL or a file; raises one of ERRORS when it cannot be had."""
    if not is_url(source):
        with Path(source).open("rb") as file:
            return _bounded(file.read(MOST_BYTES + 1))
    request = Request(source, headers={"Accept": "application/json"})  # noqa: S310 - it is HTTP
    deadline = time.monotonic() + SECONDS
    try:
        with OPENER.open(request, timeout=SECONDS) as response:
            return _until(deadline, response)
    except HTTPError as error:
        error.close()
        message = f"it is answered with status {error.code}"
        raise ValueError(message) from None


def _until(deadline: float, response: IO[bytes]) -> bytes:
    """Return a body; one that trickles in would never time out by itself."""
    content = b""
    while part := response.read1(CHUNK_BYTES):  # type: ignore[attr-defined] # it is HTTP's
        content = _bounded(content + part)
        if time.monotonic() > deadline:
            raise TimeoutError
    return content


def _bounded(content: bytes) -> bytes:
    if len(content) > MOST_BYTES:
        message = f"it is over {MOST_BYTES} bytes"
        raise ValueError(message)
    return content


class _NoRedirect(HTTPRedirectHandler):
    """Takes no other place's word for the keys: a redirect is an error."""

    def redirect_request(self, *_: object) -> None:
        """Follow nothing."""


OPENER = build_opener(_NoRedirect)
