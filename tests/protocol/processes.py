"""What the system says of a process: its children, its descriptors, whose connection is whose."""

import re
from pathlib import Path

ESTABLISHED = "01"
# gRPC has sockets of IPv6 that take both.
TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


def children(pid: int) -> set[int]:
    return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def environment(pid: int) -> dict[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if pair)


def peers(pid: int, port: int) -> set[int]:
    """Return the ports of the clients whose connections to a port a process has."""
    own = _sockets(pid)
    found = set()
    lines = [line for table in TABLES for line in table.read_text().splitlines()[1:]]
    for line in lines:
        _, local, remote, state, *rest = line.split()
        if state == ESTABLISHED and int(local[-4:], 16) == port and rest[5] in own:
            found.add(int(remote[-4:], 16))
    return found


def _sockets(pid: int) -> set[str]:
    """Return the inodes of a process's sockets."""
    found = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            named = re.fullmatch(r"socket:\[(\d+)\]", str(descriptor.readlink()))
        except FileNotFoundError:  # it has been closed meanwhile
            continue
        if named:
            found.add(named[1])
    return found
