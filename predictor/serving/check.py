"""Asking a running server for the predictions that a bundle's golden rows must give."""

import time
from urllib.request import Request, urlopen

import msgspec

from predictor.bundle import Bundle
from predictor.errors import ServerError

TIMEOUT_SECONDS = 10.0
POLL_SECONDS = 0.5
TOLERANCE = 1e-9


class _Predictions(msgspec.Struct):
    predictions: list[float]


def check(url: str, bundle: Bundle, wait_seconds: float = 0) -> str:
    """Send the golden rows to the server at `url` by V1, and say that they came back right.

    A server that does not answer well is asked again for `wait_seconds`: a Service whose pods have
    just become ready is known to a cluster's name servers and proxies a moment later. Raises
    ServerError when it stays so, or predicts something else.
    """
    golden = bundle.manifest.golden
    body = msgspec.json.encode({"instances": golden.rows})
    target = f"{url}/v1/models/{bundle.manifest.name}:predict"
    found = _predictions(target, body, time.monotonic() + wait_seconds)
    if len(found) != len(golden.predictions):
        message = f"{url} gave {len(found)} predictions for {len(golden.predictions)} rows"
        raise ServerError(message)
    for row, (got, expected) in enumerate(zip(found, golden.predictions, strict=True)):
        if not abs(got - expected) <= TOLERANCE:
            message = f"{url} predicts {got!r} for golden row {row}, expected {expected!r}"
            raise ServerError(message)
    return f"{url} predicts all {len(found)} golden rows of version {bundle.manifest.version}"


def _predictions(url: str, body: bytes, deadline: float) -> list[float]:
    while True:
        try:
            return msgspec.json.decode(_post(url, body), type=_Predictions).predictions
        except (OSError, msgspec.MsgspecError) as error:  # a URLError is an OSError
            if time.monotonic() >= deadline:
                message = f"{url} gives no predictions: {error}"
                raise ServerError(message) from error
        time.sleep(POLL_SECONDS)


def _post(url: str, body: bytes) -> bytes:
    request = Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - the operator's
    with urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
        content: bytes = response.read()
    return content
