"""Asks a server: once, to see that it is right, or again and again, to see how fast it is."""

import re
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

import grpc

from benchmarks.ways import GRPC, METHOD, Way

UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}
TIMEOUT_SECONDS = 30
OPENER = build_opener(ProxyHandler({}))
LARGEST_MESSAGE = 64 * 1024 * 1024


class WrongAnswerError(Exception):
    """A server answered something else than the model says, or did not answer."""


@dataclass(frozen=True)
class Address:
    """Where a server listens, on loopback."""

    http: int
    grpc: int


@dataclass(frozen=True)
class Load:
    """How requests were answered: how many, how many a second, and percentiles in ms."""

    requests: int
    rate: float
    p50: float
    p99: float


def ask(address: Address, way: Way) -> list[float]:
    """Return the predictions of one request; raises what the transport raises."""
    if way.name == GRPC:
        with _channel(address) as channel:
            return way.read(_call(channel)(way.body, timeout=TIMEOUT_SECONDS), {})
    url = f"http://127.0.0.1:{address.http}{way.path}"
    request = Request(url, way.body, dict(way.headers))
    with OPENER.open(request, timeout=TIMEOUT_SECONDS) as response:
        return way.read(response.read(), response.headers)


def run(address: Address, way: Way, connections: int, seconds: float) -> Load:
    """Send a request again and again; raises WrongAnswerError when one is not answered well."""
    if way.name == GRPC:
        return _grpc(address, way, seconds)
    return _wrk(f"http://127.0.0.1:{address.http}{way.path}", way, connections, seconds)


def _wrk(url: str, way: Way, connections: int, seconds: float) -> Load:
    with tempfile.TemporaryDirectory() as scratch:
        body, script = Path(scratch, "body"), Path(scratch, "request.lua")
        body.write_bytes(way.body)
        lines = [f'wrk.headers["{name}"] = "{value}"' for name, value in way.headers.items()]
        read = f'wrk.body = io.open("{body}", "rb"):read("*a")'
        script.write_text("\n".join(['wrk.method = "POST"', *lines, read]))
        options = [f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "20s"]
        command = ["wrk", "-t1", *options, "--latency", "-s", str(script), url]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in shown or "Socket errors" in shown:
        message = f"{way.name}, {connections} connections: {shown.splitlines()[-4:]}"
        raise WrongAnswerError(message)
    return Load(
        int(re.findall(r"(\d+) requests in", shown)[0]),
        float(re.findall(r"Requests/sec:\s+([\d.]+)", shown)[0]),
        _latency(shown, 50),
        _latency(shown, 99),
    )


def _latency(shown: str, percentile: int) -> float:
    """Return a percentile that wrk shows, in milliseconds."""
    value, unit = re.findall(rf"{percentile}%\s+([\d.]+)(us|ms|s|m)\b", shown)[0]
    return float(value) * UNITS[unit]


def _grpc(address: Address, way: Way, seconds: float) -> Load:
    """Ask over one connection, one call after another; the bytes are made and read elsewhere."""
    times = []
    with _channel(address) as channel:
        call = _call(channel)
        started = time.perf_counter()
        while time.perf_counter() < started + seconds:
            asked = time.perf_counter()
            call(way.body, timeout=TIMEOUT_SECONDS)
            times.append((time.perf_counter() - asked) * 1e3)
        taken = time.perf_counter() - started
    p99 = sorted(times)[int(0.99 * (len(times) - 1))]
    return Load(len(times), len(times) / taken, statistics.median(times), p99)


def listens(address: Address, seconds: float) -> bool:
    """Whether the server takes gRPC calls within some seconds."""
    with _channel(address) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=seconds)
        except grpc.FutureTimeoutError:
            return False
        return True


def _channel(address: Address) -> grpc.Channel:
    sizes = ("grpc.max_receive_message_length", "grpc.max_send_message_length")
    options = [(size, LARGEST_MESSAGE) for size in sizes]
    return grpc.insecure_channel(f"127.0.0.1:{address.grpc}", options)


def _call(channel: grpc.Channel) -> "grpc.UnaryUnaryMultiCallable[bytes, bytes]":
    return channel.unary_unary(METHOD, lambda message: message, lambda message: message)
