"""One HTTP exchange with a server: no proxy, no redirect, no second try."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from predictor.errors import ServerError, SettingsError

JSON = "application/json"
LONGEST_SHOWN = 200


class NoAnswer(ServerError):  # noqa: N818 - there is nothing to judge
    """A server closed the connection, or answered with something that is not HTTP."""


@dataclass(frozen=True)
class Request:
    """What is sent; a `chunked` one does not say its length beforehand."""

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    chunked: bool = False


@dataclass(frozen=True)
class Answer:
    """What came back for a request; headers are under their names in small letters."""

    request: Request
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def shown(self) -> str:
        """The exchange in one line."""
        text = self.body[:LONGEST_SHOWN].decode(errors="replace")
        text = " ".join(text.split()) + ("…" if len(self.body) > LONGEST_SHOWN else "")
        return f"{self.request.method} {self.request.path}: {self.status} {text}".rstrip()


@dataclass(frozen=True)
class Client:
    """Where a server is, and how long it may take for an answer."""

    host: str
    port: int | None
    prefix: str
    tls: bool
    timeout_seconds: float

    def send(self, request: Request) -> Answer:
        """Return the answer to a request; raises NoAnswer when there is none."""
        body = iter([request.body or b""]) if request.chunked else request.body
        connection = (HTTPSConnection if self.tls else HTTPConnection)(
            self.host, self.port, timeout=self.timeout_seconds
        )
        try:
            connection.request(
                request.method, self.prefix + request.path, body, dict(request.headers)
            )
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(request, response.status, headers, response.read())
        except (OSError, HTTPException) as error:
            message = f"{request.method} {request.path}: no answer: {error or type(error).__name__}"
            raise NoAnswer(message) from error
        finally:
            connection.close()


def client(url: str, timeout_seconds: float) -> Client:
    """Return the client of a server; raises SettingsError when the URL is none of HTTP."""
    try:
        parts = urlsplit(url)
        if parts.scheme in {"http", "https"} and parts.hostname:
            prefix, tls = parts.path.rstrip("/"), parts.scheme == "https"
            return Client(parts.hostname, parts.port, prefix, tls, timeout_seconds)
    except ValueError:  # a port that is no number
        pass
    message = f"got {url!r}, expected a URL such as http://127.0.0.1:8080"
    raise SettingsError(message)
