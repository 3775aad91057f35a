"""Measures how long a probe and a one-row request wait while 50,000 rows are scored beside them.

One process asks for the large request again and again. This one asks for the small ones, pausing
between them, first alone and then beside it. Both use one kept connection and Python's own client,
whose time is in every figure.
"""

import argparse
import http.client
import multiprocessing
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import processes, ways
from benchmarks.load import Address, ask
from benchmarks.ways import Way
from predictor import bundle
from predictor.training import dataset

ROWS = 50_000
LIMITS = {"MAX_ROWS": str(ROWS), "MAX_BODY_BYTES": str(64 * 1024 * 1024), "LOG_LEVEL": "WARNING"}
PAUSE_SECONDS = 0.003
LARGE = (ways.V1, ways.V2, ways.MATRIX, ways.COLUMNS)


def main() -> None:
    """Print the percentiles of the small requests' times, for each kind of large request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("bundle"))
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    served = bundle.read(options.bundle)
    many, one = _ways(served, ROWS), _ways(served, 1)
    small = {
        "probe": Way("probe", "/v2/health/ready", b"", one[ways.V1].read),
        "one row": one[ways.V1],
    }
    print("| beside | large, ms | asked | p50, ms | p99, ms | most, ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as scratch:
        for beside in (None, *LARGE):
            _measure(served, many.get(beside or ""), small, Path(scratch), options.seconds)


def _ways(served: bundle.Bundle, count: int) -> dict[str, Way]:
    columns = dataset.load(served.manifest.contract).columns
    drawn = np.random.default_rng(0).choice(columns, count)
    names = served.manifest.contract.columns
    rows = [
        {column.name: column.decode(v) for column, v in zip(names, cells, strict=True)}
        for cells in drawn.tolist()
    ]
    return ways.made(served.manifest, rows)


def _measure(
    served: bundle.Bundle, large: Way | None, small: dict[str, Way], scratch: Path, seconds: float
) -> None:
    """Start a server, ask it for both, and print a line for each small request."""
    http_port, grpc_port = processes.free_ports(2)
    variables = LIMITS | {"PORT": str(http_port), "GRPC_PORT": str(grpc_port), "WORKERS": "1"}
    command = [sys.executable, "-m", "predictor", "serve", "--bundle", str(served.folder.resolve())]
    address, log = Address(http_port, grpc_port), scratch / "log"
    with processes.started(command, variables, Path.cwd(), log) as server:
        processes.wait(server, log, lambda: ask(address, small["one row"]))
        for name, way in small.items():
            times, taken = _times(address, large, way, seconds)
            shown = f"{statistics.median(taken):.0f}" if taken else "–"
            spread = np.percentile(times, [50, 99, 100])
            figures = " | ".join(f"{value:.2f}" for value in spread)
            print(
                f"| {large.name if large else 'nothing'} | {shown} | {name} | {figures} |",
                flush=True,
            )


def _times(
    address: Address, large: Way | None, small: Way, seconds: float
) -> tuple[list[float], list[float]]:
    """Return the times of the small requests and of the large ones, in ms."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    stop = multiprocessing.Event()
    process = multiprocessing.Process(target=_ask_large, args=(address, large, stop, sender))
    if large:
        process.start()
        receiver.recv()  # one has been answered
    times = _ask_small(address, small, seconds)
    if not large:
        return times, []
    stop.set()
    taken: list[float] = receiver.recv()
    process.join()
    return times, taken


def _ask_large(address: Address, way: Way, stop: object, sender: object) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", address.http)
    _asked(connection, way)
    sender.send(None)  # type: ignore[attr-defined] # multiprocessing's own
    taken = []
    while not stop.is_set():  # type: ignore[attr-defined]
        taken.append(_asked(connection, way))
    sender.send(taken)  # type: ignore[attr-defined]


def _ask_small(address: Address, way: Way, seconds: float) -> list[float]:
    connection = http.client.HTTPConnection("127.0.0.1", address.http)
    deadline, times = time.perf_counter() + seconds, []
    while time.perf_counter() < deadline:
        times.append(_asked(connection, way))
        time.sleep(PAUSE_SECONDS)
    return times


def _asked(connection: http.client.HTTPConnection, way: Way) -> float:
    started = time.perf_counter()
    connection.request("POST" if way.body else "GET", way.path, way.body or None, dict(way.headers))
    response = connection.getresponse()
    response.read()
    if response.status != 200:
        sys.exit(f"{way.name}: {response.status}")
    return (time.perf_counter() - started) * 1e3


if __name__ == "__main__":
    main()
