"""Several workers: killed again and again under a light load, and what they count."""

import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.fire import beside, openloop, overload
from benchmarks.fire.openloop import LOST, NO_ANSWER, Plan
from benchmarks.fire.report import Figures
from benchmarks.fire.servers import Server
from benchmarks.fire.subject import Subject
from benchmarks.load import OPENER

WORKERS, KILLS = 2, 100
RATE, CONNECTIONS = 400, 256
# A connection falls to one of the workers; so many fall to every one of them.
NEWCOMERS = 16
LONGEST_BACK = 10.0
# A worker is killed that has served for a while, not one that has just come back.
PAUSE_SECONDS = 1.0
SECONDS = KILLS * 4.0
# What counts predictions: ours at once; our histograms, which have KServe's names, within a second.
OURS = re.compile(
    r'^predictor_requests_total\{(?=.*code="200").*route="[^"]*:predict".*\} (\S+)$', re.MULTILINE
)
KSERVES = re.compile(r"^request_predict_seconds_count\{.*\} (\S+)$", re.MULTILINE)
COUNTED_SECONDS, SCRAPES = 10.0, 50


def kill(server: Server, subject: Subject) -> Figures:
    """Return what requests met while workers were killed."""
    shot = overload.prepared(server, subject, 1)
    _wait_until_all(server)
    workers, before = WORKERS, _open(server)
    plan = Plan([shot], RATE, SECONDS, CONNECTIONS)
    with openloop.sending(server.address.http, plan) as client:
        backs = _kill_all(server, workers)
        records = client.records()
    killed, late = len(backs), sum(one >= LONGEST_BACK for one in backs)
    return {
        "workers killed": str(killed),
        "requests lost, a kill": f"{records.count(LOST) / killed:.2f}",
        f"no answer in {openloop.PATIENCE_SECONDS:.0f} s, a kill": (
            f"{records.count(NO_ANSWER) / killed:.2f}"
        ),
        "refused (503), a kill": f"{records.count(503) / killed:.2f}",
        "otherwise": overload.counted(records.others(200, 503, LOST, NO_ANSWER)),
        "back after, p50 / most, s": f"{beside.percentile(backs, 50):.2f} / {max(backs):.2f}",
        f"not back in {LONGEST_BACK:.0f} s": str(late),
        "workers at the end": f"{len(_workers(server))} of {workers}",
        "descriptors of the supervisor, before / after": f"{before} / {_open(server)}",
    }


def count(server: Server, subject: Subject) -> Figures:
    """Return what scrapes say of requests that were sent, before and after a worker's death."""
    shot = overload.prepared(server, subject, 1)
    _wait_until_all(server)
    scrapes = [_scrape(server) for _ in range(SCRAPES)]
    start = scrapes[0][0]
    records = openloop.sent(server.address.http, Plan([shot], RATE, COUNTED_SECONDS, CONNECTIONS))
    sent = records.count(200)
    scrapes = [_scrape(server) for _ in range(SCRAPES)]
    told = sorted({round(counted - start) for counted, _, _ in scrapes})
    workers = _workers(server)
    os.kill(workers[0], signal.SIGKILL)
    _seconds_until_back(server, len(workers))
    after = [_scrape(server) for _ in range(SCRAPES)]
    return {
        "requests answered": f"{sent:,}",
        "scrapes say": _range(told),
        "scrapes say after a worker's death": _range(
            sorted({round(a - start) for a, _, _ in after})
        ),
        "scrape, p50 / p99, ms": " / ".join(
            f"{beside.percentile([ms for _, ms, _ in scrapes + after], p):.0f}" for p in (50, 99)
        ),
        "scrape, kB": f"{max(size for _, _, size in after) / 1e3:.0f}",
    }


def _range(told: list[int]) -> str:
    return f"{told[0]:,}" if len(told) == 1 else f"{told[0]:,} to {told[-1]:,}"


def _scrape(server: Server) -> tuple[float, float, int]:
    """Return the predictions that /metrics tells of, over a new connection; ms; bytes."""
    began = time.perf_counter()
    with OPENER.open(f"http://127.0.0.1:{server.address.http}/metrics", timeout=10) as response:
        text = response.read().decode()
    taken = (time.perf_counter() - began) * 1e3
    found = OURS.findall(text) or KSERVES.findall(text)
    return sum(map(float, found)), taken, len(text)


def _kill_all(server: Server, workers: int) -> list[float]:
    """Kill the oldest worker again and again; return after how long each was replaced."""
    began, backs = time.perf_counter(), []
    for _ in range(KILLS):
        if time.perf_counter() - began > SECONDS - LONGEST_BACK:
            break
        pids = _workers(server)
        if not pids:  # they do not come back
            break
        os.kill(min(pids), signal.SIGKILL)
        backs.append(_seconds_until_back(server, workers))
        time.sleep(PAUSE_SECONDS)
    return backs


def _seconds_until_back(server: Server, workers: int) -> float:
    """Return after how long there are all workers again, and all who come anew are answered."""
    began = time.perf_counter()
    with ThreadPoolExecutor(NEWCOMERS) as threads:
        while (waited := time.perf_counter() - began) < LONGEST_BACK:
            ports = [server.address.http] * NEWCOMERS
            answered = [one is not None for one in threads.map(beside.probe, ports)]
            if all(answered) and len(_workers(server)) >= workers:
                return time.perf_counter() - began
            time.sleep(0.02)
    return waited


def _wait_until_all(server: Server) -> None:
    """Wait until every worker has its graph: a server may answer before; for a time at most."""
    began = time.perf_counter()
    while len(_workers(server)) < WORKERS and time.perf_counter() - began < LONGEST_BACK:
        time.sleep(0.1)


def _workers(server: Server) -> list[int]:
    """Return the processes that answer."""
    return [pid for pid in server.pids()[1:] if _loaded(pid)]


def _loaded(pid: int) -> bool:
    """Whether a process has the graph's runtime in its memory, which no keeper of others has."""
    try:
        return "onnxruntime" in Path(f"/proc/{pid}/maps").read_text()
    except OSError:  # it has ended
        return False


def _open(server: Server) -> int:
    return len(list(Path(f"/proc/{server.pid}/fd").iterdir()))
