"""Overload: more than a server can do, on schedule, for one row and for a thousand."""

import time

import numpy as np
from numpy.typing import NDArray

from benchmarks.fire import beside, openloop
from benchmarks.fire.beside import LIVE, METRICS, Seen
from benchmarks.fire.openloop import NO_ANSWER, NOT_SENT, PATIENCE_SECONDS, Plan, Records, Shot
from benchmarks.fire.report import Figures
from benchmarks.fire.servers import Server
from benchmarks.fire.subject import Subject
from benchmarks.ways import V1

FACTORS = (1, 2, 5, 10)
SECONDS = 10.0
CONNECTIONS = 2_000
CLOSED_CONNECTIONS, CLOSED_SECONDS = 64, 4.0
NORMAL_TIMES, NORMAL_MS = 3.0, 10.0
MOST_RECOVERY_SECONDS = 30.0


def measure(server: Server, subject: Subject, rows: int) -> Figures:
    """Return how requests of some rows fare at each multiple of what the server can do."""
    shot = prepared(server, subject, rows)
    capacity = found_capacity(server, shot)
    loads = [_loaded(server, shot, factor, capacity) for factor in FACTORS]
    together = {name: " · ".join(load[name] for load in loads) for name in loads[0]}
    return {
        "capacity, answers/s": f"{capacity:,.0f}",
        "offered, × capacity": " · ".join(map(str, FACTORS)),
        **together,
    }


def _loaded(server: Server, shot: Shot, factor: int, capacity: float) -> Figures:
    usual = _usual(server, shot)
    with beside.watched(server) as seen:
        plan = Plan([shot], factor * capacity, SECONDS, CONNECTIONS)
        records = openloop.sent(server.address.http, plan)
    back = _seconds_until_normal(server, shot, usual)
    return {**_figures(records, capacity, seen), "normal again, s": back}


def prepared(server: Server, subject: Subject, rows: int) -> Shot:
    """Return a request of some rows, and the answer to it, which is right."""
    subject.check(server.address, rows)
    way = subject.ways[rows][V1]
    return openloop.shot(way, openloop.answer(server.address, way))


def found_capacity(server: Server, shot: Shot) -> float:
    """Return the answers a second that a closed loop gets; the first second warms the server."""
    for seconds in (1.0, CLOSED_SECONDS):
        plan = Plan([shot], 0, seconds, CLOSED_CONNECTIONS)
        found = openloop.sent(server.address.http, plan).goodput()
    return found


def _figures(records: Records, capacity: float, seen: Seen) -> Figures:
    seconds = records.plan.seconds
    refused = records.count(503)
    sent = len(records.of) - records.count(NOT_SENT)
    return {
        "sent, ÷ capacity": f"{sent / seconds / capacity:.1f}",
        "goodput, ÷ capacity": f"{records.goodput() / capacity:.2f}",
        "answered, p50 / p99, ms": _two(records.milliseconds(200)),
        "refused (503)": f"{refused / len(records.of):.0%}",
        "refused, p50 / p99, ms": _two(records.milliseconds(503)),
        f"no answer in {PATIENCE_SECONDS:.0f} s": f"{records.share(NO_ANSWER):.1%}",
        "not sent, all connections waiting": f"{records.share(NOT_SENT):.1%}",
        "otherwise": counted(records.others(200, 503, NO_ANSWER, NOT_SENT)),
        "RSS grew by, MB": f"{seen.grown:.0f}",
        "probe, p99 in ms / failed": _asked(seen.probes, seen.failed[LIVE]),
        "scrape, p99 in ms / failed": _asked(seen.scrapes, seen.failed[METRICS]),
    }


def counted(others: dict[str, int]) -> str:
    """Return what was counted by name, or a none."""
    return ", ".join(f"{name} × {count:,}" for name, count in others.items()) or "0"


def _asked(times: list[float], failed: int) -> str:
    return f"{beside.percentile(times, 99):.0f} / {failed}" if times else f"– / {failed}"


def _two(times: NDArray[np.float64]) -> str:
    return " / ".join(f"{ms:,.0f}" for ms in np.percentile(times, (50, 99))) if len(times) else "–"


def _usual(server: Server, shot: Shot) -> float:
    """Return the milliseconds that a single client waits at a quiet time."""
    return float(np.median(_single(server, shot).milliseconds(200)))


def _seconds_until_normal(server: Server, shot: Shot, usual: float) -> str:
    """Ask one after another until answers come as fast as before: 20 of them, in the median."""
    began = time.perf_counter()
    limit = max(NORMAL_TIMES * usual, NORMAL_MS)
    while (waited := time.perf_counter() - began) < MOST_RECOVERY_SECONDS:
        times = _single(server, shot).milliseconds(200)
        if len(times) and np.median(times) <= limit:
            return f"{waited:.1f}"
    return f"over {MOST_RECOVERY_SECONDS:.0f}"


def _single(server: Server, shot: Shot) -> Records:
    return openloop.sent(server.address.http, Plan([shot], 50, 0.4, 4))
