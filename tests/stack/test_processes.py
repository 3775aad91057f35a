"""What is started is waited for, and ended with all that it started."""

import re
import socket
import sys
import time
from pathlib import Path

import pytest

from stack.processes import Running, refuse_taken, running, wait, watch
from stack.services import Service, StackError
from tests.servers import free_port
from tests.stack.processes import descendants, is_alive, left

# Its child ignores the signal that ends its parent.
CHILD = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
PARENT = f"""
import http.server, subprocess, sys
subprocess.Popen([sys.executable, "-c", {CHILD!r}])
http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]), bind="127.0.0.1")
"""


def never() -> bool:
    return False


def script(text: str) -> Service:
    port = free_port()
    return Service("it", port, (sys.executable, "-c", text, str(port)), "/")


def test_what_a_service_started_ends_with_it(tmp_path: Path) -> None:
    with running([script(PARENT)], tmp_path) as started:
        wait(started, never)
        pids = descendants(started[0].process.pid)
    assert len(pids) == 1
    assert left(pids) == set()
    assert not is_alive(started[0].process.pid)


def test_one_that_ends_at_start_says_why(tmp_path: Path) -> None:
    broken = script("raise SystemExit('no such volume')")
    said = re.escape("it ended with 1:\nno such volume")
    with running([broken], tmp_path) as started, pytest.raises(StackError, match=f"^{said}$"):
        wait(started, never)


def test_one_that_ends_later_ends_all(tmp_path: Path) -> None:
    services = [script(PARENT), script("print('so long')")]
    with running(services, tmp_path) as started:
        with pytest.raises(StackError, match="it ended with 0"):
            watch(started, never)
        first: Running = started[0]
        assert is_alive(first.process.pid)
    assert not is_alive(first.process.pid)


def test_a_wait_is_over_when_somebody_asks_for_the_end(tmp_path: Path) -> None:
    begun = time.monotonic()
    with running([script("import time; time.sleep(600)")], tmp_path) as started:
        wait(started, lambda: True)
    assert time.monotonic() - begun < 30


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StackError, match=f"port {port}, mlflow's, cannot be had: .* in use"):
            refuse_taken({"prefect": free_port(), "mlflow": port})
