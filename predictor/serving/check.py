"""Asking a running server whether it is ready, counts, and predicts what its bundle does."""

import re
import ssl
import time
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.request import HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

import msgspec

from predictor.bundle import Bundle
from predictor.contract import LOWER, PREDICTION, PROBABILITY, UPPER
from predictor.errors import JSON_ERRORS, ServerError, SettingsError

TIMEOUT_SECONDS = 10.0
POLL_SECONDS = 0.5
VERSION = re.compile(r'^predictor_model_info\{.*version="([^"]*)".*\} 1(?:\.0)?$', re.MULTILINE)


class _Numbers(msgspec.Struct):
    predictions: list[float]
    lower: list[float] = []
    upper: list[float] = []


class _Classes(msgspec.Struct):
    predictions: list[str]
    probabilities: list[list[float]]


class _Ready(msgspec.Struct):
    ready: bool


@dataclass(frozen=True)
class Credentials:
    """Files of what a server asks for.

    `ca` holds the authority of its certificate, `credential` a key or a token, and `certificate`
    and `key` are the client's own.
    """

    ca: Path | None = None
    credential: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def headers(self) -> dict[str, str]:
        """Return what a request carries."""
        if self.credential is None:
            return {}
        return {"Authorization": f"Bearer {self.credential.read_text().strip()}"}

    def opener(self) -> OpenerDirector:
        """Return what asks the server itself, whatever proxy the environment names.

        Raises SettingsError when a file is none.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            message = f"--ca, --certificate or --key is no PEM file of that: {error}"
            raise SettingsError(message) from error
        return build_opener(ProxyHandler({}), HTTPSHandler(context=context))


class _Server:
    """A server that is asked by its URL."""

    def __init__(self, url: str, credentials: Credentials) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Content-Type": "application/json", **credentials.headers()}
        self._opener = credentials.opener()

    def ask(self, path: str, body: bytes | None = None) -> bytes:
        request = Request(f"{self._url}{path}", body, self._headers)  # noqa: S310 - as asked
        with self._opener.open(request, timeout=TIMEOUT_SECONDS) as response:
            content: bytes = response.read()
        return content


def check(
    url: str,
    bundle: Bundle | None,
    wait_seconds: float = 0,
    credentials: Credentials = Credentials(),
) -> str:
    """Say that the server at `url` is ready, counts, and predicts a bundle's golden rows by V1.

    Without a bundle nothing is predicted. A server that does not answer well is asked again for
    `wait_seconds`: a Service whose pods have just become ready is known to a cluster's name servers
    and proxies a moment later. Raises ServerError when it stays so, or predicts something else.
    """
    server, deadline = _Server(url, credentials), time.monotonic() + wait_seconds
    while True:
        try:
            version = _version(server)
            found = _predictions(server, bundle) if bundle else None
            break
        except (OSError, ValueError, HTTPException, *JSON_ERRORS) as error:
            if time.monotonic() >= deadline:
                message = f"{url} gives no predictions: {error}"
                raise ServerError(message) from error
        time.sleep(POLL_SECONDS)
    if bundle is None or found is None:
        return f"{url} is ready and serves version {version}"
    golden = bundle.manifest.golden
    wrong = golden.disagreement(found)
    if wrong:
        message = f"{url} does not predict what its bundle does: {wrong}"
        raise ServerError(message)
    return f"{url} predicts all {len(golden.rows)} golden rows of version {bundle.manifest.version}"


def _version(server: _Server) -> str:
    """Return the version that a server says it serves, by its metrics; raises ValueError."""
    if not msgspec.json.decode(server.ask("/v2/health/ready"), type=_Ready).ready:
        message = "it is not ready"
        raise ValueError(message)
    found = VERSION.search(server.ask("/metrics").decode())
    if found is None:
        message = "its metrics name no model"
        raise ValueError(message)
    return found[1]


def _predictions(server: _Server, bundle: Bundle) -> dict[str, list[float]]:
    """Return what a server answers to a bundle's golden rows, as the bundle keeps it."""
    body = msgspec.json.encode({"instances": bundle.manifest.golden.rows})
    content = server.ask(f"/v1/models/{bundle.manifest.name}:predict", body)
    classes = bundle.manifest.contract.target.classes
    if not classes:
        number = msgspec.json.decode(content, type=_Numbers)
        return {PREDICTION: number.predictions, LOWER: number.lower, UPPER: number.upper}
    answer = msgspec.json.decode(content, type=_Classes)
    places = [classes.index(name) for name in answer.predictions]
    likely = [row[place] for place, row in zip(places, answer.probabilities, strict=True)]
    return {PREDICTION: list(map(float, places)), PROBABILITY: likely}
