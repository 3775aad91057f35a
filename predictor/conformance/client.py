"""One HTTP exchange with a server: no proxy, no redirect, no second try."""

from collections.abc import Mapping, Sequence
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
    """Where a server is, how long it may take for an answer, and what headers every request has."""

    host: str
    port: int | None
    prefix: str
    tls: bool
    timeout_seconds: float
    headers: Mapping[str, str] = field(default_factory=dict)

    def send(self, request: Request) -> Answer:
        """Return the answer to a request; raises NoAnswer when there is none."""
        body = iter([request.body or b""]) if request.chunked else request.body
        connection = (HTTPSConnection if self.tls else HTTPConnection)(
            self.host, self.port, timeout=self.timeout_seconds
        )
        try:
            connection.request(
                request.method,
                self.prefix + request.path,
                body,
                {**request.headers, **self.headers},
            )
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(request, response.status, headers, response.read())
        except (OSError, HTTPException) as error:
            message = f"{request.method} {request.path}: no answer: {error or type(error).__name__}"
            raise NoAnswer(message) from error
        finally:
            connection.close()


def client(url: str, timeout_seconds: float, headers: Sequence[str] = ()) -> Client:
    """Return the client of a server, whose headers are given as `Name: value`.

    Raises SettingsError when the URL is none of HTTP, or a header is none.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme in {"http", "https"} and parts.hostname:
            prefix, tls = parts.path.rstrip("/"), parts.scheme == "https"
            given = dict(map(_header, headers))
            return Client(parts.hostname, parts.port, prefix, tls, timeout_seconds, given)
    except ValueError:  # a port that is no number
        pass
    message = f"got {url!r}, expected a URL such as http://127.0.0.1:8080"
    raise SettingsError(message)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not (colon and name.strip() and text.isprintable() and text.isascii()):
        message = f"got the header {text!r}, expected such as 'Host: example.org'"
        raise SettingsError(message)
    return name.strip(), value.strip()
