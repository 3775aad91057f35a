import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from predictor.conformance.client import Client, NoAnswer, Request, client
from predictor.errors import SettingsError


@pytest.fixture
def server_log() -> list[bytes]:
    return []


@contextmanager
def answering(content: bytes, log: list[bytes] | None = None) -> Iterator[str]:
    """Yield the URL of a server that logs one request and answers it with some bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                received = connection.recv(65536)
                if log is not None:
                    log.append(received)
                connection.sendall(content)

        thread = Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            thread.join()


def test_a_redirect_is_not_followed() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    with answering(moved) as url:
        assert client(url, 5).send(Request("GET", "/v2")).status == 302


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as url:
        answer = client(url, 5).send(Request("GET", "/v2"))
    assert (answer.status, answer.body, answer.shown) == (200, b"{}", "GET /v2: 200 {}")


@pytest.mark.parametrize(
    "content", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"]
)
def test_what_is_no_answer_is_told_as_such(content: bytes) -> None:
    with answering(content) as url, pytest.raises(NoAnswer, match=r"GET /v2: no answer: ."):
        client(url, 5).send(Request("GET", "/v2"))


def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(NoAnswer, match="timed out"):
            client(url, 0.01).send(Request("GET", "/v2"))


def test_every_request_has_the_headers_that_were_given(server_log: list[bytes]) -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", server_log) as url:
        asked = client(url, 5, ["Host: energy.example.org", "Authorization: Bearer a:b"])
        asked.send(Request("GET", "/v2", headers={"Accept": "*/*"}))
    assert b"Host: energy.example.org\r\n" in server_log[0]
    assert server_log[0].count(b"Host:") == 1
    assert b"Authorization: Bearer a:b\r\n" in server_log[0]
    assert b"Accept: */*\r\n" in server_log[0]


@pytest.mark.parametrize("header", ["Host", ": value", "A: b\r\nC: d", "A: ü"])
def test_what_is_no_header_is_one_sentence(header: str) -> None:
    with pytest.raises(SettingsError, match=r"got the header .*, expected such as 'Host: "):
        client("http://127.0.0.1:9", 1, [header])


def test_a_long_answer_is_shown_short() -> None:
    body = b"a\n" * 500
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + body) as url:
        shown = client(url, 5).send(Request("GET", "/v2")).shown
    assert shown.startswith("GET /v2: 200 a a")
    assert len(shown) < 250
    assert shown.endswith("…")


def test_a_url_may_have_a_path_before_the_protocols() -> None:
    expected = Client("example.org", None, "/models", tls=True, timeout_seconds=1)
    assert client("https://example.org/models/", 1) == expected


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://host", "http://", "http://h:port"])
def test_what_is_no_url_is_one_sentence(url: str) -> None:
    with pytest.raises(SettingsError, match=r"expected a URL such as http://127\.0\.0\.1:8080"):
        client(url, 1)
