"""The page that shows the plain API, by HTTP and in a browser, without any other host."""

import functools
import http.client
import http.server
import re
import threading
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from tests.protocol import browser

FILES = {
    "/docs/favicon.png": "image/png",
    "/docs/swagger-ui.css": "text/css; charset=utf-8",
    "/docs/swagger-ui-bundle.js": "text/javascript; charset=utf-8",
}
OPERATIONS = {"/health", "/health/ready", "/models", "/predict", "/predict/batch"}


def named_by(page: httpx.Response) -> set[str]:
    """Return the URLs that a page has its browser load."""
    found = re.findall(r"""(?:href|src)=["']([^"']+)|url: ["']([^"']+)""", page.text)
    return {urljoin(str(page.url), a or b) for a, b in found}


def test_the_page_loads_only_files_of_this_server(client: httpx.Client) -> None:
    page = client.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "//" not in page.text.replace("<!--", "").replace("-->", "")
    named = named_by(page)
    assert {urlsplit(url).path for url in named} == {*FILES, "/openapi.json"}
    assert {client.get(url).status_code for url in named} == {200}


@pytest.mark.parametrize(("path", "content_type"), FILES.items())
def test_a_file_of_the_page_has_its_type_and_is_kept_by_browsers(
    client: httpx.Client, path: str, content_type: str
) -> None:
    answer = client.get(path)
    assert answer.headers["content-type"] == content_type
    assert answer.headers["cache-control"] == "public, max-age=86400"
    again = client.get(path, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == answer.headers["cache-control"]


@pytest.mark.parametrize("path", ["/docs", *FILES])
def test_head_is_answered_without_the_content(client: httpx.Client, path: str) -> None:
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(get.content))


def test_neither_the_page_nor_its_files_are_in_the_documentation(client: httpx.Client) -> None:
    assert set(client.get("/openapi.json").json()["paths"]) == OPERATIONS


@pytest.mark.parametrize(
    "path",
    [
        "/docs/",
        "/docs/redoc.standalone.js",
        "/docs/../core.py",
        "/docs/%2e%2e/core.py",
        "/docs/..%2fcore.py",
        "/docs/swagger-ui.css/../../core.py",
        "/docs/..\\core.py",
        "/docs//etc/passwd",
        "/docs/%2fetc%2fpasswd",
        "/docs/swagger-ui.css%00",
    ],
)
def test_no_path_leads_to_another_file(client: httpx.Client, path: str) -> None:
    connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port)
    connection.request("GET", path)  # as it is, which other clients would tidy up
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (404, b'{"error":"Not Found"}')
    connection.close()
    labels = re.findall(r'predictor_requests_total\{.*route="([^"]*)"', client.get("/metrics").text)
    assert {label for label in labels if label.startswith("/docs")} <= {"/docs", *FILES}


@pytest.mark.parametrize("path", ["/docs", *FILES])
def test_the_page_and_its_files_are_only_read(client: httpx.Client, path: str) -> None:
    answer = client.post(path)
    assert (answer.status_code, list(answer.json())) == (405, ["error"])


def test_a_browser_without_internet_shows_every_operation(client: httpx.Client) -> None:
    url = client.base_url.join("/docs")
    shown = browser.show(str(url))
    assert set(re.findall(r'class="opblock-summary-path" data-path="([^"]+)"', shown.document)) == (
        OPERATIONS
    )
    assert shown.console == []
    assert {urlsplit(asked).netloc for asked in shown.asked} == {url.netloc.decode()}
    assert {urlsplit(asked).path for asked in shown.asked} == {*FILES, "/openapi.json"}


def test_a_page_that_asks_another_host_or_has_an_error_is_found(tmp_path: Path) -> None:
    elsewhere = "https://cdn.example/swagger-ui.js"
    page = f'<script src="{elsewhere}"></script><script>SwaggerUIBundle()</script>'
    (tmp_path / "page.html").write_text(page)
    handler = functools.partial(_Silent, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        shown = browser.show(f"http://127.0.0.1:{server.server_port}/page.html")
        server.shutdown()
    assert elsewhere in shown.asked
    assert "SwaggerUIBundle is not defined" in shown.console[0]


@pytest.mark.parametrize(
    ("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)]
)
def test_without_chromium_the_page_is_not_looked_at_but_that_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="chromium is not installed"):
        browser.show("http://127.0.0.1")


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass
