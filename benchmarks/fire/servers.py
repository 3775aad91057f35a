"""The servers under fire: each started on a core of its own, asked, and watched from outside."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import contenders, processes
from benchmarks.contenders import CONTENDERS, GRAPH, OURS, Contender
from benchmarks.fire.subject import Subject
from benchmarks.load import Address

KSERVE = "KServe's ModelServer"
# The server has one core and whoever asks it the other: no client's cost is in a server's figure.
SERVER_CORES, CLIENT_CORES = {0}, {1}


@dataclass(frozen=True)
class Kind:
    """A server that can be started: its command and variables are the benchmark's."""

    name: str
    contender: Contender
    python: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def ours(self) -> bool:
        """Whether it is this project's."""
        return self.contender.name == OURS


@dataclass(frozen=True)
class Server:
    """A server that answers; `bundle` is its own copy, what it writes goes to `log`."""

    kind: Kind
    address: Address
    pid: int
    bundle: Path
    log: Path
    process: subprocess.Popen[bytes]

    def pids(self) -> list[int]:
        """Return its processes: the first is the one that was started."""
        return processes.tree(self.pid)


def kinds(environments: Path) -> list[Kind]:
    """Return this project's server and KServe's with the same graph, which is installed if need be.

    Raises NotInstalledError when it cannot be.
    """
    by_label = {one.label: one for one in CONTENDERS}
    ours, kserve = by_label[OURS], by_label[f"KServe SDK, {GRAPH}"]
    return [
        Kind(OURS, ours, contenders.python(ours, environments)),
        Kind(KSERVE, kserve, contenders.python(kserve, environments)),
    ]


@contextmanager
def running(
    kind: Kind, subject: Subject, scratch: Path, workers: int = 1, **settings: str
) -> Iterator[Server]:
    """Yield a server that has answered one row rightly; raises NotStartedError."""
    folder, log = scratch / "bundle", scratch / "log"
    shutil.copytree(subject.folder, folder)
    names = _names(kind, folder)
    address = Address(int(names["port"]), int(names["grpc_port"]))
    command = [part.format(**names) for part in kind.contender.command]
    variables = _variables(kind, names) | {"WORKERS": str(workers)} | settings
    place = contenders.SERVERS if kind.contender.environment else contenders.ROOT
    with ExitStack() as stack:
        with on(SERVER_CORES):
            process = stack.enter_context(processes.started(command, variables, place, log))
        stack.enter_context(on(CLIENT_CORES))
        processes.wait(process, log, lambda: subject.check(address))
        yield Server(kind, address, process.pid, folder, log, process)


def _names(kind: Kind, folder: Path) -> dict[str, str]:
    http, grpc = map(str, processes.free_ports(2))
    return {
        "port": http,
        "grpc_port": grpc,
        "python": str(kind.python),
        "bundle": str(folder),
    }


def _variables(kind: Kind, names: dict[str, str]) -> dict[str, str]:
    found = {
        "PORT": names["port"],
        "GRPC_PORT": names["grpc_port"],
        "BUNDLE": names["bundle"],
        "ORT_DISABLE_TELEMETRY": "1",
        "PYTHONPATH": str(contenders.SERVERS if kind.contender.environment else contenders.ROOT),
    }
    return found | dict(kind.contender.variables) | dict(kind.variables)


@contextmanager
def on(cores: set[int]) -> Iterator[None]:
    """Have this thread, and what it starts meanwhile, run on some cores where there are enough."""
    before = os.sched_getaffinity(0)
    if cores <= before:
        os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def resident_megabytes(server: Server) -> float:
    """Return the resident sets of a server's processes; one that ends meanwhile counts nothing."""
    with suppress(OSError):
        return processes.megabytes(server.pid)
    return 0.0
