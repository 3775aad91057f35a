"""Asking a running server for the predictions that a bundle's golden rows must give."""

import time
from http.client import HTTPException
from urllib.request import ProxyHandler, Request, build_opener

import msgspec

from predictor.bundle import Bundle
from predictor.errors import JSON_ERRORS, ServerError

TIMEOUT_SECONDS = 10.0
POLL_SECONDS = 0.5
# The server is asked itself, whatever proxy the environment names for the way out.
OPENER = build_opener(ProxyHandler({}))


class _Predictions(msgspec.Struct):
    predictions: list[float]
    lower: list[float]
    upper: list[float]


def check(url: str, bundle: Bundle, wait_seconds: float = 0) -> str:
    """Send the golden rows to the server at `url` by V1, and say that they came back right.

    A server that does not answer well is asked again for `wait_seconds`: a Service whose pods have
    just become ready is known to a cluster's name servers and proxies a moment later. Raises
    ServerError when it stays so, or predicts something else.
    """
    golden = bundle.manifest.golden
    body = msgspec.json.encode({"instances": golden.rows})
    target = f"{url.rstrip('/')}/v1/models/{bundle.manifest.name}:predict"
    found = _predictions(target, body, time.monotonic() + wait_seconds)
    wrong = golden.disagreement(found.predictions, found.lower, found.upper)
    if wrong:
        message = f"{url} does not predict what its bundle does: {wrong}"
        raise ServerError(message)
    return f"{url} predicts all {len(golden.rows)} golden rows of version {bundle.manifest.version}"


def _predictions(url: str, body: bytes, deadline: float) -> _Predictions:
    while True:
        try:
            return msgspec.json.decode(_post(url, body), type=_Predictions)
        except (OSError, ValueError, HTTPException, *JSON_ERRORS) as error:
            if time.monotonic() >= deadline:
                message = f"{url} gives no predictions: {error}"
                raise ServerError(message) from error
        time.sleep(POLL_SECONDS)


def _post(url: str, body: bytes) -> bytes:
    request = Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - as asked
    with OPENER.open(request, timeout=TIMEOUT_SECONDS) as response:
        content: bytes = response.read()
    return content
