"""What an image does when it is run: `make image-test IMAGE=…`."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.image import Image
from tests.conftest import ROW
from tests.image.container import Container

# What the image's own health check waits for it.
START_SECONDS = 30
USER = 10001


@dataclass(frozen=True)
class Served:
    url: str
    start_seconds: float


@pytest.fixture(scope="module")
def served(
    container: Container, built: Image, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """Yield a server that the image's own command has started, and that is ready."""
    python, *arguments = built.command
    assert python == "python"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = container.command(
        *arguments, PORT=str(port), GRPC_PORT="0", LISTEN_HOST="127.0.0.1", WORKERS="1"
    )
    log = tmp_path_factory.mktemp("image") / "log"
    start = time.monotonic()
    with (
        log.open("w") as stderr,
        subprocess.Popen(command, stderr=stderr, start_new_session=True) as process,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, process, log)
            yield Served(url, time.monotonic() - start)
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(f"{url}/v2/health/ready", timeout=1).close()
        except (urllib.error.URLError, TimeoutError):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.01)
        else:
            return


def test_it_is_nobody_and_cannot_write_where_its_code_is(
    container: Container, built: Image
) -> None:
    assert built.user == f"{USER}:{USER}"
    code = (
        "import json, os; print(json.dumps([os.getuid(), os.getgid(),"
        " [path for path in ('/', '/app', '/bundle', '/opt/venv') if os.access(path, os.W_OK)]]))"
    )
    result = subprocess.run(container.command("-c", code), capture_output=True, check=True)
    assert json.loads(result.stdout) == [USER, USER, []]


def test_it_starts_and_is_ready(served: Served, say: Callable[[str], None]) -> None:
    say(f"from the container's start to its first 200: {served.start_seconds:.2f} s")
    with urllib.request.urlopen(f"{served.url}/health") as answer:
        assert answer.status == 200


def test_it_answers_a_row(served: Served) -> None:
    request = urllib.request.Request(
        f"{served.url}/v1/models/energy:predict",
        json.dumps({"instances": [ROW]}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        [prediction] = json.load(answer)["predictions"]
    assert 3 < prediction < 4  # 3.17 kWh were used
