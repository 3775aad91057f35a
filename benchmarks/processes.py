"""Starts a server, says what it takes of the machine, and ends it with all that it started."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import grpc

from benchmarks.load import WrongAnswerError

TICKS = os.sysconf("SC_CLK_TCK")
LONGEST_START = 90.0
LONGEST_STOP = 10.0


class NotStartedError(Exception):
    """A server ended, or did not answer in time."""


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nothing listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


@contextmanager
def started(
    command: Sequence[str], variables: Mapping[str, str], folder: Path, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command in a folder as a process group of its own, and end all of it."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(LONGEST_STOP)
        with suppress(ProcessLookupError):  # what it left behind
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait(process: subprocess.Popen[bytes], log: Path, ask: Callable[[], object]) -> None:
    """Ask until there is an answer; raises NotStartedError with the end of the log."""
    deadline = time.perf_counter() + LONGEST_START
    reason = "it ended"
    while process.poll() is None:
        try:
            ask()
        except (OSError, ValueError, KeyError, grpc.RpcError, WrongAnswerError) as error:
            reason = str(error)
        else:
            return
        if time.perf_counter() > deadline:
            break
        time.sleep(0.01)
    lines = log.read_text(errors="replace").strip().splitlines()
    message = f"{reason}: {lines[-1] if lines else 'no output'}"
    raise NotStartedError(message)


def tree(pid: int) -> list[int]:
    """Return a process and all that descend from it, from Linux's /proc."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):  # which ended meanwhile
                parent = int(_fields(int(folder.name))[1])
                children.setdefault(parent, []).append(int(folder.name))
    found = [pid]
    for one in found:
        found.extend(children.get(one, []))
    return found


def megabytes(pid: int) -> float:
    """Return the resident sets of a process tree; pages that are shared count in each."""
    sizes = [Path(f"/proc/{one}/status").read_text() for one in tree(pid)]
    return sum(int(kb) for size in sizes for kb in re.findall(r"VmRSS:\s+(\d+) kB", size)) / 1024


def cpu_seconds(pid: int) -> float:
    """Return what a process tree has used of the processor, user and system."""
    used = [_fields(one)[11:13] for one in tree(pid)]
    return sum(int(user) + int(system) for user, system in used) / TICKS


def _fields(pid: int) -> list[str]:
    """Return /proc/PID/stat from its third field on: the second, a name, may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
