"""A real server: the command that users run, in a process of its own, on a free port."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_SECONDS = 30
PREDICTOR = [sys.executable, "-m", "predictor"]


@dataclass(frozen=True)
class Server:
    url: str
    grpc: str
    process: subprocess.Popen[bytes]
    log: Path


def events(log: str) -> list[dict[str, Any]]:
    """Return what a log tells, which is an object of JSON in each line."""
    return [json.loads(line) for line in log.splitlines()]


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[Server]:
    """Yield a server that listens; what it logs goes to a file, which never fills up."""
    environment = os.environ | {"BUNDLE": str(folder), "PORT": "0", "GRPC_PORT": "0"} | settings
    command = [*PREDICTOR, "serve"]
    with (
        tempfile.NamedTemporaryFile() as log,
        subprocess.Popen(command, env=environment, stderr=log) as process,
    ):
        try:
            yield Server(*addresses(process, Path(log.name)), process, Path(log.name))
        finally:
            process.terminate()


def addresses(process: subprocess.Popen[bytes], log: Path) -> tuple[str, str]:
    """Return where a server listens for HTTP and for gRPC, as soon as it says so."""
    said = re.compile(r'serving \w+ \w+ of .* on (https?://\S+), gRPC on ([^\s"]+)')
    deadline = time.monotonic() + START_SECONDS
    while not (found := said.search(log.read_text())):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.01)
    return found[1], found[2]
