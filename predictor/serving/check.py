"""Asking a running server for the predictions that a bundle's golden rows must give."""

from urllib.error import URLError
from urllib.request import Request, urlopen

import msgspec

from predictor.bundle import Bundle
from predictor.errors import ServerError

TIMEOUT_SECONDS = 10.0
TOLERANCE = 1e-9


class _Predictions(msgspec.Struct):
    predictions: list[float]


def check(url: str, bundle: Bundle) -> str:
    """Send the golden rows to the server at `url` by V1, and say that they came back right.

    Raises ServerError when it cannot be reached, refuses, or predicts something else.
    """
    golden = bundle.manifest.golden
    found = _predict(f"{url}/v1/models/{bundle.manifest.name}:predict", golden.rows)
    if len(found) != len(golden.predictions):
        message = f"{url} gave {len(found)} predictions for {len(golden.predictions)} rows"
        raise ServerError(message)
    for row, (got, expected) in enumerate(zip(found, golden.predictions, strict=True)):
        if not abs(got - expected) <= TOLERANCE:
            message = f"{url} predicts {got!r} for golden row {row}, expected {expected!r}"
            raise ServerError(message)
    return f"{url} predicts all {len(found)} golden rows of version {bundle.manifest.version}"


def _predict(url: str, rows: object) -> list[float]:
    body = msgspec.json.encode({"instances": rows})
    request = Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - the operator's URL
    try:
        with urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
            return msgspec.json.decode(response.read(), type=_Predictions).predictions
    except (URLError, TimeoutError, msgspec.MsgspecError) as error:
        message = f"{url} gives no predictions: {error}"
        raise ServerError(message) from error
