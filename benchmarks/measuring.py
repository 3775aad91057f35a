"""One server in one round: it is started, asked for the right answers, loaded, and ended."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np

from benchmarks import contenders, load, processes
from benchmarks.contenders import LIBRARIES, OURS, Contender
from benchmarks.load import Address, WrongAnswerError
from benchmarks.processes import NotStartedError
from benchmarks.report import Found, Point, Sample, State
from benchmarks.ways import COLUMNS, GRPC, V1, Way
from predictor import bundle

WARM_SECONDS = 0.3
# How long a server that answers HTTP may take to listen for gRPC too.
GRPC_SECONDS = 3.0


@dataclass(frozen=True)
class Subject:
    """What is asked for: each way by the number of rows, and what the graph answers to all.

    `native` is the folder with the libraries' own models.
    """

    served: bundle.Bundle
    ways: Mapping[int, Mapping[str, Way]]
    expected: list[float]
    native: Path

    def check(self, contender: Contender, point: Point, got: list[float]) -> None:
        """Raise WrongAnswerError when predictions are not the model's."""
        exact = bundle.GOLDEN_TOLERANCE * max(map(abs, self.expected))
        libraries = self.served.manifest.parity.tolerance
        allowed = libraries if contender.runs == LIBRARIES else exact
        expected = self.expected[: point.rows]
        if len(got) != point.rows or not np.allclose(got, expected, rtol=0, atol=allowed):
            message = f"{point.rows} rows: got {got[:1]}, expected {expected[:1]}"
            raise WrongAnswerError(message)


@dataclass(frozen=True)
class Running:
    """A server that has answered, and how long a load of one row takes."""

    contender: Contender
    address: Address
    pid: int
    seconds: float

    def sample(self, subject: Subject, point: Point) -> Sample:
        """Measure one load, after an answer to the same request was right."""
        way = subject.ways[point.rows][point.way]
        subject.check(self.contender, point, load.ask(self.address, way))
        warm = time.perf_counter() + WARM_SECONDS
        while time.perf_counter() < warm:
            load.ask(self.address, way)
        seconds = self.seconds if point.rows == 1 else self.seconds / 2
        before = processes.cpu_seconds(self.pid)
        taken = load.run(self.address, way, point.connections, seconds)
        used = processes.cpu_seconds(self.pid) - before
        return Sample(taken.rate, taken.p50, taken.p99, used / taken.requests * 1e3)


def measure(
    found: Found, subject: Subject, contender: Contender, python: Path, seconds: float
) -> None:
    """Measure one server; what goes wrong is named, and ends the run if the server is ours."""
    scratch, log = found.scratch / contender.label, found.scratch / "log"
    scratch.mkdir(exist_ok=True)
    names = _names(subject, python, scratch)
    address = Address(int(names["port"]), int(names["grpc_port"]))
    first = subject.ways[1][contender.ways[0]]
    began = time.perf_counter()
    try:
        with processes.started(*_start(contender, names), log) as process:
            processes.wait(process, log, lambda: load.ask(address, first))
            state = State(time.perf_counter() - began, processes.megabytes(process.pid))
            found.states.setdefault(contender.label, []).append(state)
            _loads(found, subject, Running(contender, address, process.pid, seconds))
    except NotStartedError as error:
        if contender.name == OURS:
            raise
        found.left_out[contender.label] = f"did not start: {error}"


def _names(subject: Subject, python: Path, scratch: Path) -> dict[str, str]:
    """Return what a contender's command and variables may name."""
    ports = map(str, processes.free_ports(3))
    return {
        **dict(zip(("port", "grpc_port", "metrics_port"), ports, strict=True)),
        "python": str(python),
        "bin": str(python.parent),
        "bundle": str(subject.served.folder.resolve()),
        "native": str(subject.native.resolve()),
        "scratch": str(scratch),
        "model": subject.served.manifest.name,
    }


def _start(contender: Contender, names: dict[str, str]) -> tuple[list[str], dict[str, str], Path]:
    """Return the command, the variables and the folder that start a contender."""
    command = [part.format(**names) for part in contender.command]
    variables = {
        "PORT": names["port"],
        "GRPC_PORT": names["grpc_port"],
        "BUNDLE": names["bundle"],
        "NATIVE": names["native"],
        "ORT_DISABLE_TELEMETRY": "1",
    }
    variables |= {name: value.format(**names) for name, value in contender.variables.items()}
    if not contender.environment:
        return command, variables, contenders.ROOT
    return command, variables | {"PYTHONPATH": str(contenders.SERVERS)}, contenders.SERVERS


def _loads(found: Found, subject: Subject, running: Running) -> None:
    """Measure every way of a running server."""
    contender = running.contender
    for way in contender.ways:
        what = f"{contender.label}, {way}"
        if way == GRPC and not load.listens(running.address, GRPC_SECONDS):
            found.left_out[what] = "the server does not listen for it"
            continue
        try:
            for point in _points(contender, way, max(subject.ways)):
                found.samples.setdefault(point, []).append(running.sample(subject, point))
        except (WrongAnswerError, OSError, ValueError, KeyError, grpc.RpcError) as error:
            if contender.name == OURS:
                raise
            found.left_out[what] = f"not answered well: {' '.join(str(error).split())}"


def _points(contender: Contender, way: str, many: int) -> list[Point]:
    """Return what is measured by one way: the main one at every number of connections."""
    connections = {COLUMNS: (), GRPC: (1,)}.get(way, (8,))
    if way == contender.ways[0]:
        connections = contender.connections
    points = [Point(contender.label, way, 1, count) for count in connections]
    return [*points, *([Point(contender.label, way, many, 1)] if contender.many else [])]


def bare(subject: Subject, scratch: Path) -> dict[int, float]:
    """Return the milliseconds of the graph alone, by the number of rows."""
    many = max(subject.ways)
    rows = scratch / "rows.json"
    rows.write_bytes(subject.ways[many][V1].body)
    folder = str(subject.served.folder.resolve())
    command = [sys.executable, "-m", "benchmarks.bare", folder, str(rows)]
    ended = subprocess.run(command, cwd=contenders.ROOT, capture_output=True, text=True, check=True)
    return dict(zip((1, many), json.loads(ended.stdout), strict=True))
