"""Servers of others that tests start: MLflow's and Prefect's, each with a store of its own."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from stack.services import Service, mlflow, prefect, variables

START_SECONDS = 120
# Neither tells its maker of its use.
SILENT = variables("mlflow.env") | variables("prefect.env")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """Yield the address of an MLflow server."""
    service = mlflow(folder, free_port())
    with _running(service, folder):
        yield service.url


@contextmanager
def prefect_server(folder: Path, program: Path) -> Iterator[str]:
    """Yield the address of the API of a Prefect server, given its program."""
    service = prefect(folder, free_port(), program)
    with _running(service, folder, PREFECT_SERVER_UI_ENABLED="false"):
        yield f"{service.url}/api"


@contextmanager
def _running(service: Service, folder: Path, **own: str) -> Iterator[None]:
    log = folder / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            service.command,
            cwd=folder,
            env=os.environ | SILENT | service.environment | own,
            stdout=output,
            stderr=output,
        ) as process,
    ):
        try:
            _wait(f"{service.url}{service.health}", process, log)
            yield
        finally:
            process.terminate()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urlopen(url, timeout=5) as answer:
                assert answer.status == 200
                return
        except (URLError, ConnectionError):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
