"""Ends a server in the middle of its work, and sees what its clients get."""

import http.client
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import grpc

from benchmarks.fire.report import Figures
from benchmarks.fire.servers import Server
from benchmarks.fire.subject import Subject
from benchmarks.ways import GRPC, METHOD, V1, Way

SMALL, LARGE, CALLERS = 8, 2, 2
LARGE_ROWS = 10_000
PAUSE_SECONDS = 0.005
BEFORE_SECONDS, LONGEST_SECONDS = 2.0, 60.0
# How a client that comes anew is told that nobody listens: it was never accepted.
NOT_ACCEPTED = ("Connection refused", "failed to connect")


@dataclass
class Told:
    """How the requests of all clients ended, and when the signal was sent."""

    signalled: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    ended: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, how: str) -> None:
        """Count an end, apart when the signal had been sent by then."""
        with self.lock:
            self.ended[how] += 1
            if self.signalled.is_set():
                self.ended[f"{how} after"] += 1


def measure(server: Server, subject: Subject) -> Figures:
    """Return what clients met that kept asking over their connections while the server ended."""
    told = Told()
    small, large = subject.ways[1][V1], subject.ways[LARGE_ROWS][V1]
    clients = [
        *[_thread(_ask_rest, server, small, told) for _ in range(SMALL)],
        *[_thread(_ask_rest, server, large, told) for _ in range(LARGE)],
        *[_thread(_ask_grpc, server, subject.ways[1][GRPC], told) for _ in range(CALLERS)],
    ]
    time.sleep(BEFORE_SECONDS)
    told.signalled.set()
    began = time.perf_counter()
    server.process.send_signal(signal.SIGTERM)
    try:
        code = str(server.process.wait(LONGEST_SECONDS))
    except subprocess.TimeoutExpired:
        code = "none"
    taken = time.perf_counter() - began
    told.over.set()
    for client in clients:
        client.join()
    return _figures(told, code, taken)


def _figures(told: Told, code: str, taken: float) -> Figures:
    ended = told.ended
    return {
        "answered before / after SIGTERM": (
            f"{ended['REST answered'] + ended['gRPC answered'] - _after(ended):,} / {_after(ended)}"
        ),
        "REST lost or reset": str(ended["REST lost"]),
        "gRPC lost": str(ended["gRPC lost"]),
        "what was told to those without an answer": _reasons(ended),
        "connections told to close": f"{ended['told to close']} of {SMALL + LARGE}",
        "exit code": code,
        "seconds to exit": f"{taken:.1f}",
    }


def _reasons(ended: Counter[str]) -> str:
    """Return why, and how often; those of before and after the signal together."""
    found = {
        how.removeprefix("not answered: "): count
        for how, count in ended.items()
        if how.startswith("not answered: ") and not how.endswith(" after")
    }
    return ", ".join(f"{why} × {count}" for why, count in found.items()) or "–"


def _after(ended: Counter[str]) -> int:
    return ended["REST answered after"] + ended["gRPC answered after"]


def _thread(
    ask: Callable[[Server, Way, Told], None], server: Server, way: Way, told: Told
) -> threading.Thread:
    thread = threading.Thread(target=ask, args=(server, way, told), daemon=True)
    thread.start()
    return thread


def _ask_rest(server: Server, way: Way, told: Told) -> None:
    """Ask again and again over one connection until it is to be closed; nothing is asked twice."""
    connection = http.client.HTTPConnection("127.0.0.1", server.address.http, timeout=30)
    connection.connect()
    while not told.over.is_set():
        try:
            connection.request("POST", way.path, way.body, dict(way.headers))
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            told.note("REST lost")
            told.note(f"not answered: {type(error).__name__}")
            return
        told.note("REST answered" if response.status == 200 else f"not answered: {response.status}")
        if response.will_close:
            told.note("told to close")
            return
        time.sleep(PAUSE_SECONDS)


def _ask_grpc(server: Server, way: Way, told: Told) -> None:
    """Call again and again until nobody listens any more."""
    options = [("grpc.enable_retries", 0)]
    with grpc.insecure_channel(f"127.0.0.1:{server.address.grpc}", options) as channel:
        call = channel.unary_unary(METHOD, None, None)
        while not told.over.is_set():
            try:
                call(way.body, timeout=30)
            except grpc.RpcError as error:
                reason = str(error.details())
                if not any(words in reason for words in NOT_ACCEPTED):
                    told.note("gRPC lost")
                    told.note(f"not answered: {reason[:60]}")
                return
            told.note("gRPC answered")
            time.sleep(PAUSE_SECONDS)
