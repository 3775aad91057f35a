"""Whether processes have ended."""

import time
from pathlib import Path

from tests.protocol.processes import children

END_SECONDS = 60


def descendants(pid: int) -> set[int]:
    found = children(pid)
    return found.union(*(descendants(child) for child in found))


def is_alive(pid: int) -> bool:
    """Return whether a process is there and has not ended, whoever has yet to be told of it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}


def left(pids: set[int]) -> set[int]:
    """Return which of them are still there when the time is up."""
    deadline = time.monotonic() + END_SECONDS
    while (alive := {pid for pid in pids if is_alive(pid)}) and time.monotonic() < deadline:
        time.sleep(0.05)
    return alive
