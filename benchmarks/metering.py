"""Measures what measuring costs: the server beside itself with all that measures taken out.

Both are one worker whose metrics are in a file that workers share, which costs most. They are
started anew in turns, and each round is the ratio of the CPU seconds that a request took.
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping
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
# Rows of a request, and connections.
POINTS = ((1, 1), (1, 8), (100, 4), (1000, 2))
WARM_SECONDS = 1.0


def main() -> None:
    """Print what a request takes, and what of it is measuring."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bundle", type=Path, default=Path("bundle"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    asked = {rows: _way(bundle.read(options.bundle), rows) for rows in {p[0] for p in POINTS}}
    found: dict[tuple[int, int], list[dict[str, float]]] = {point: [] for point in POINTS}
    for number in range(options.rounds):
        order = list(OURS) if number % 2 else list(OURS)[::-1]
        taken = {name: _round(name, options, asked) for name in order}
        for point in POINTS:
            found[point].append({name: taken[name][point] for name in OURS})
    print("| rows | connections | µs of CPU a request | measuring | rounds |")
    print("| --- | --- | --- | --- | --- |")
    for (rows, connections), rounds in found.items():
        shares = sorted(1 - each["unmeasured"] / each["measured"] for each in rounds)
        micros = statistics.median(each["measured"] for each in rounds) * 1e6
        spread = f"{shares[0]:.1%} to {shares[-1]:.1%}"
        print(
            f"| {rows} | {connections} | {micros:.0f} | {statistics.median(shares):.1%} "
            f"| {spread} |"
        )


def _way(served: bundle.Bundle, rows: int) -> Way:
    contract = served.manifest.contract
    drawn = np.random.default_rng(0).choice(dataset.load(contract).columns, rows)
    asked: list[Row] = [
        {c.name: c.decode(v) for c, v in zip(contract.columns, cells, strict=True)}
        for cells in drawn.tolist()
    ]
    return ways.made(served.manifest, asked)[ways.V1]


def _round(
    name: str, options: argparse.Namespace, asked: Mapping[int, Way]
) -> dict[tuple[int, int], float]:
    """Return the CPU seconds that a request took, by its rows and the connections."""
    http, grpc = processes.free_ports(2)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as shared:
        variables = {
            **dict.fromkeys(NAMES, ""),
            "BUNDLE": str(options.bundle.absolute()),
            "PORT": str(http),
            "GRPC_PORT": str(grpc),
            "WORKERS": "1",
            "PROMETHEUS_MULTIPROC_DIR": shared,
            "PREDICTOR_WORKER_NUMBER": "0",
        }
        used = {key: value for key, value in variables.items() if value}
        log = Path(shared, "log")
        with processes.started([sys.executable, *OURS[name]], used, ROOT, log) as process:
            address = Address(http, grpc)
            processes.wait(process, log, lambda: load.ask(address, asked[1]))
            os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0))})
            taken = {}
            for rows, connections in POINTS:
                load.run(address, asked[rows], connections, WARM_SECONDS)
                before = processes.cpu_seconds(process.pid)
                done = load.run(address, asked[rows], connections, options.seconds)
                taken[rows, connections] = (
                    processes.cpu_seconds(process.pid) - before
                ) / done.requests
    return taken


if __name__ == "__main__":
    main()
