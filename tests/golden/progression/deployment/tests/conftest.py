"""The server that is tested: one of its own on a free port, or the one that SERVICE_URL names."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest

FOLDER = Path(__file__).parents[1]
START_SECONDS = 60
# It is asked itself, whatever proxy the environment names.
OPENER = build_opener(ProxyHandler({}))


@dataclass(frozen=True)
class Service:
    """A running server."""

    url: str

    def ask(self, path: str, body: object = None) -> tuple[int, str]:
        """Return the status and the text of an answer: to a GET, or to a POST of a body."""
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data, {"Content-Type": "application/json"})
        try:
            with OPENER.open(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()


@pytest.fixture(scope="session")
def manifest() -> dict[str, Any]:
    """Return what the bundle says of itself."""
    content: dict[str, Any] = json.loads((FOLDER / "bundle" / "bundle.json").read_bytes())
    return content


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Yield a server of the bundle."""
    if url := os.environ.get("SERVICE_URL"):
        yield Service(url.rstrip("/"))
        return
    log = tmp_path_factory.mktemp("service") / "log"
    settings = {"LISTEN_HOST": "127.0.0.1", "PORT": "0", "GRPC_PORT": "0", "WORKERS": "1"}
    command = [sys.executable, str(FOLDER / "service.py")]
    with (
        log.open("wb") as output,
        subprocess.Popen(command, env=os.environ | settings, stderr=output) as process,
    ):
        try:
            yield Service(_address(process, log))
        finally:
            process.terminate()


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Return where the server listens, as soon as it says so."""
    deadline = time.monotonic() + START_SECONDS
    while not (found := re.search(r"serving \w+ \w+ of .* on (https?://\S+),", log.read_text())):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    return found[1]
