"""A real server: the command that users run, in a process of its own, on a free port."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 30
PREDICTOR = [sys.executable, "-m", "predictor"]


@dataclass(frozen=True)
class Server:
    url: str
    process: subprocess.Popen[str]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(START_SECONDS)


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[Server]:
    environment = os.environ | {"BUNDLE": str(folder), "PORT": "0"} | settings
    with subprocess.Popen(
        [*PREDICTOR, "serve"], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        first = process.stderr.readline()  # ends when the server listens, or has failed
        found = re.search(r"serving \w+ \w+ of .* on (http://\S+)", first)
        assert found, first + process.stderr.read()
        try:
            yield Server(found[1], process)
        finally:
            process.terminate()
