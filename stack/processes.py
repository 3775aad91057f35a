"""Processes that are started together, waited for, and ended with all that they started."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from stack.asking import ask
from stack.services import HOST, Service, StackError

START_SECONDS = 120
# Longer than the predictor's DRAIN_SECONDS.
STOP_SECONDS = 30
POLL_SECONDS = 0.1
TAIL_LINES = 10


@dataclass(frozen=True)
class Running:
    """A service's process; it leads a group of its own, so that Ctrl+C is for us alone."""

    service: Service
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Raise StackError when it has ended."""
        if (status := self.process.poll()) is not None:
            message = f"{self.service.name} ended with {status}:\n{self.last_lines()}"
            raise StackError(message)

    def last_lines(self) -> str:
        """Return the end of its log."""
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        return "\n".join(lines)


@contextmanager
def running(services: Iterable[Service], state: Path) -> Iterator[list[Running]]:
    """Start services, each with a folder and a log in `state`, and end them at last."""
    started: list[Running] = []
    try:
        for service in services:
            started.append(_start(service, state))  # noqa: PERF401 - each counts at once
        yield started
    finally:
        _end(started)


def refuse_taken(ports: dict[str, int]) -> None:
    """Raise StackError when somebody listens on one of the ports."""
    for name, port in ports.items():
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((HOST, port))
            except OSError as error:
                message = (
                    f"port {port}, {name}'s, cannot be had: {error.strerror}; "
                    f"choose another by --port {name}=PORT"
                )
                raise StackError(message) from error


def wait(started: list[Running], is_over: Callable[[], bool]) -> None:
    """Wait until all are healthy, or it is over; raises StackError when one does not become so."""
    deadline = time.monotonic() + START_SECONDS
    for each in started:
        while not (is_over() or _is_healthy(each.service)):
            each.check()
            if time.monotonic() > deadline:
                late = f"{each.service.name} was not healthy within {START_SECONDS} s"
                message = f"{late}:\n{each.last_lines()}"
                raise StackError(message)
            time.sleep(POLL_SECONDS)


def watch(started: list[Running], is_over: Callable[[], bool]) -> None:
    """Wait until it is over; raises StackError when a process ends before."""
    while not is_over():
        for each in started:
            each.check()
        time.sleep(POLL_SECONDS)


def _is_healthy(service: Service) -> bool:
    try:
        ask(f"{service.url}{service.health}")
    except OSError:
        return False
    return True


def _start(service: Service, state: Path) -> Running:
    folder, log = state / service.name, state / f"{service.name}.log"
    folder.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            service.command,
            env=os.environ | service.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    return Running(service, process, log)


def _end(started: list[Running]) -> None:
    """Ask each to end, then kill what is left of its group."""
    for each in started:
        each.process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for each in started:
        with suppress(subprocess.TimeoutExpired):
            each.process.wait(max(0, deadline - time.monotonic()))
        with suppress(ProcessLookupError):
            os.killpg(each.process.pid, signal.SIGKILL)
        each.process.wait()
