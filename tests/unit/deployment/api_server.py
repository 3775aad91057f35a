"""What a real API server once answered, answered again over HTTP."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

DATA = Path(__file__).parent / "data"
NAMESPACE = "plant"

# A path, with `?previous` after that of a log, to an object or a text.
Answers = dict[str, Any]


def scene(name: str) -> Answers:
    """Return what was answered in one situation of a release."""
    answers: Answers = json.loads((DATA / f"{name}.json").read_text())
    return answers


@dataclass
class ApiServer:
    """Answers what `answers` says, or refuses everything with a status and a body."""

    url: str = ""
    answers: Answers = field(default_factory=dict)
    refusal: tuple[int, str] | None = None
    asked: list[str] = field(default_factory=list)

    def answer(self, target: str) -> tuple[int, bytes]:
        self.asked.append(urlsplit(target).path)
        if self.refusal:
            return self.refusal[0], self.refusal[1].encode()
        url = urlsplit(target)
        is_previous = parse_qs(url.query).get("previous", ["false"])[0].lower() == "true"
        found = self.answers.get(f"{url.path}?previous" if is_previous else url.path)
        if found is None:
            return 404, b'{"kind": "Status", "message": "not found"}'
        return 200, found.encode() if isinstance(found, str) else json.dumps(found).encode()


@contextmanager
def serving(folder: Path) -> Iterator[ApiServer]:
    """Yield an API server, and its kubeconfig as the file `config` of a folder."""
    api = ApiServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = api.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,)).start()
        api.url = f"http://127.0.0.1:{server.server_port}"
        (folder / "config").write_text(json.dumps(_config(api.url)))
        yield api
        server.shutdown()


def _config(url: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": url}}],
        "users": [{"name": "test", "user": {}}],
        "contexts": [
            {
                "name": "test",
                "context": {"cluster": "test", "user": "test", "namespace": NAMESPACE},
            }
        ],
        "current-context": "test",
    }
