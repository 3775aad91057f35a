"""An identity provider that publishes keys over HTTP, and can go away and come back."""

import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class Provider:
    """Answers with `status`, `headers` and `body` while it is there, and counts how often."""

    def __init__(self) -> None:
        self.body = b""
        self.status = 200
        self.headers: dict[str, str] = {}
        self.reason: str | None = None
        self.seconds_between_bytes = 0.0
        self.asked = 0
        self._server: ThreadingHTTPServer | None = None
        self.come(0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/jwks"

    def come(self, port: int) -> None:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked += 1
                self.send_response(provider.status, provider.reason)
                for name, value in provider.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self._send(provider.body)

            def _send(self, body: bytes) -> None:
                if not provider.seconds_between_bytes:
                    self.wfile.write(body)
                    return
                with contextlib.suppress(OSError):
                    for byte in body:
                        self.wfile.write(bytes([byte]))
                        time.sleep(provider.seconds_between_bytes)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_port
        Thread(target=self._server.serve_forever, daemon=True).start()

    def go(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
        self._server = None


@contextmanager
def provider() -> Iterator[Provider]:
    found = Provider()
    try:
        yield found
    finally:
        found.go()
