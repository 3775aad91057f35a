"""Measures what measuring costs: the server beside itself with all that measures taken out.

Both are one worker whose metrics are in a file that workers share, which costs most. They live side
by side on one core and are asked in turns, a second each, so that what else the machine does is the
same to both; each pair of turns is a ratio of the CPU seconds that a request took.
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import load, processes, ways
from benchmarks.load import Address
from benchmarks.ways import Way
from predictor import bundle
from predictor.contract import Row
from predictor.serving.settings import NAMES
from predictor.training import dataset

ROOT = Path(__file__).parent.parent
OURS = {
    "measured": ["-m", "predictor", "serve"],
    "unmeasured": ["-m", "benchmarks.servers.unmeasured"],
}


@dataclass(frozen=True)
class _Server:
    """One that runs."""

    pid: int
    address: Address

    def seconds_of_a_request(self, way: Way, connections: int) -> float:
        before = processes.cpu_seconds(self.pid)
        done = load.run(self.address, way, connections, TURN_SECONDS)
        return (processes.cpu_seconds(self.pid) - before) / done.requests


# Rows of a request, and connections.
POINTS = ((1, 1), (1, 8), (100, 4), (1000, 2))
TURN_SECONDS = 1.0


def main() -> None:
    """Print what a request takes, and what of it is measuring."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bundle", type=Path, default=Path("bundle"))
    parser.add_argument("--pairs", type=int, default=20)
    options = parser.parse_args()
    served = bundle.read(options.bundle)
    ours, load_core = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {load_core})
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(_server(command, options.bundle, ours))
            for name, command in OURS.items()
        }
        print("| rows | connections | µs of CPU a request | measuring | quartiles |")
        print("| --- | --- | --- | --- | --- |")
        for rows, connections in POINTS:
            way = _way(served, rows)
            pairs = [_pair(servers, way, connections) for _ in range(options.pairs + 1)][1:]
            print(f"| {rows} | {connections} | {_row(pairs)} |", flush=True)


def _row(pairs: list[dict[str, float]]) -> str:
    shares = [1 - pair["unmeasured"] / pair["measured"] for pair in pairs]
    first, middle, third = statistics.quantiles(shares, n=4)
    micros = statistics.median(pair["measured"] for pair in pairs) * 1e6
    return f"{micros:.0f} | {middle:.1%} | {first:.1%} to {third:.1%}"


def _way(served: bundle.Bundle, rows: int) -> Way:
    contract = served.manifest.contract
    drawn = np.random.default_rng(0).choice(dataset.load(contract).columns, rows)
    asked: list[Row] = [
        {c.name: c.decode(v) for c, v in zip(contract.columns, cells, strict=True)}
        for cells in drawn.tolist()
    ]
    return ways.made(served.manifest, asked)[ways.V1]


def _pair(servers: Mapping[str, _Server], way: Way, connections: int) -> dict[str, float]:
    """Return the CPU seconds that a request took of each server, asked one after the other."""
    return {name: server.seconds_of_a_request(way, connections) for name, server in servers.items()}


@contextmanager
def _server(command: list[str], folder: Path, core: int) -> Iterator[_Server]:
    """Yield a server of a bundle that answers, on one core."""
    http, grpc = processes.free_ports(2)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as shared:
        variables = {
            **dict.fromkeys(NAMES, ""),
            "BUNDLE": str(folder.absolute()),
            "PORT": str(http),
            "GRPC_PORT": str(grpc),
            "WORKERS": "1",
            "PROMETHEUS_MULTIPROC_DIR": shared,
            "PREDICTOR_WORKER_NUMBER": "0",
        }
        used = {key: value for key, value in variables.items() if value}
        log = Path(shared, "log")
        with processes.started([sys.executable, *command], used, ROOT, log) as process:
            address, way = Address(http, grpc), _way(bundle.read(folder), 1)
            processes.wait(process, log, lambda: load.ask(address, way))
            for thread in Path(f"/proc/{process.pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), {core})
            yield _Server(process.pid, address)


if __name__ == "__main__":
    main()
