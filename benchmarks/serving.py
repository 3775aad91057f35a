"""Measures one server process: how it starts, what it takes, and how it answers.

Every round starts a server, sends it requests with wrk, and then runs the graph alone in this
process, so that the part of an answer that is not the model is a ratio taken in one run.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import msgspec
import numpy as np

from predictor import bundle, graph
from predictor.contract import INPUT

PORT = 8787
URL = f"http://127.0.0.1:{PORT}"
CONNECTIONS = 8
SECONDS = 5
GRAPH_RUNS = 2000
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}

Figures = dict[str, float]


def main() -> None:
    """Print the median of every figure over the rounds, with the least and the greatest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("bundle"))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rounds = [measure(bundle.read(options.bundle)) for _ in range(options.rounds)]
    print(f"{'figure':<34}{'median':>10}{'least':>10}{'most':>10}")
    for name in rounds[0]:
        values = [figures[name] for figures in rounds]
        shown = (statistics.median(values), min(values), max(values))
        print(f"{name:<34}" + "".join(f"{value:>10.4g}" for value in shown))


def measure(served: bundle.Bundle) -> Figures:
    """Return one round's figures."""
    command = [sys.executable, "-m", "predictor", "serve", "--bundle", str(served.folder)]
    environment = os.environ | {"PORT": str(PORT), "LOG_LEVEL": "WARNING"}
    started = time.perf_counter()
    with subprocess.Popen(command, env=environment) as process:
        try:
            wait_for_answer(process)
            figures = {"start to first 200, s": time.perf_counter() - started}
            figures["resident when idle, MB"] = resident_megabytes(process.pid)
            figures |= ask(served)
        finally:
            process.terminate()
    figures["graph alone, one row, µs"] = graph_microseconds(served)
    per_request = 1e6 / figures["requests/s"]
    figures["µs per request ÷ graph alone"] = per_request / figures["graph alone, one row, µs"]
    return figures


def wait_for_answer(process: subprocess.Popen[bytes]) -> None:
    """Ask until the server answers; it has not opened its socket before."""
    while process.poll() is None:
        try:
            with urlopen(f"{URL}/v2/health/ready"):
                return
        except URLError:
            time.sleep(0.005)
    sys.exit("the server ended before it answered")


def resident_megabytes(pid: int) -> float:
    """Return a process's resident set, from Linux's /proc."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1024


def ask(served: bundle.Bundle) -> Figures:
    """Send one row again and again over a few connections; times are in milliseconds."""
    row = msgspec.json.encode({"instances": served.manifest.golden.rows[:1]}).decode()
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(
            'wrk.method = "POST"\n'
            'wrk.headers["Content-Type"] = "application/json"\n'
            f"wrk.body = [==[{row}]==]\n"
        )
        script.flush()
        path = f"{URL}/v1/models/{served.manifest.name}:predict"
        load = f"wrk -t1 -c{CONNECTIONS} -d{SECONDS} --latency -s {script.name} {path}"
        shown = subprocess.run(load.split(), capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in shown or "Socket errors" in shown:
        sys.exit(f"not every request was answered well:\n{shown}")
    return {
        "requests/s": float(re.findall(r"Requests/sec:\s+([\d.]+)", shown)[0]),
        "p50, ms": latency(shown, 50),
        "p99, ms": latency(shown, 99),
    }


def latency(shown: str, percentile: int) -> float:
    """Return a percentile that wrk shows, in milliseconds."""
    value, unit = re.findall(rf"{percentile}%\s+([\d.]+)(us|ms|s)", shown)[0]
    return float(value) * UNITS[unit]


def graph_microseconds(served: bundle.Bundle) -> float:
    """Return the time of one run of the graph for one row."""
    session = graph.load(served.model)
    columns = np.zeros((1, len(served.manifest.contract.columns)))
    started = time.perf_counter()
    for _ in range(GRAPH_RUNS):
        session.run(None, {INPUT: columns})
    return (time.perf_counter() - started) / GRAPH_RUNS * 1e6


if __name__ == "__main__":
    main()
