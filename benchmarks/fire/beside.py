"""What goes on beside a load: probes as the kubelet sends them, scrapes, and memory."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.fire import servers
from benchmarks.fire.servers import Server

# The chart's liveness probe has a timeout of 5 s; it is asked far more often than its 10 s here.
PROBE_TIMEOUT = 5.0
PROBE_PERIOD, SCRAPE_PERIOD, MEMORY_PERIOD = 0.1, 0.5, 0.05
LIVE, METRICS = "/v2/health/live", "/metrics"


@dataclass
class Seen:
    """Milliseconds of each probe and scrape, how many failed, and resident megabytes."""

    probes: list[float] = field(default_factory=list)
    scrapes: list[float] = field(default_factory=list)
    failed: dict[str, int] = field(default_factory=lambda: {LIVE: 0, METRICS: 0})
    resident: list[float] = field(default_factory=list)

    @property
    def grown(self) -> float:
        """Return by how many megabytes memory has risen at most."""
        return max(self.resident) - self.resident[0]


@contextmanager
def watched(server: Server) -> Iterator[Seen]:
    """Probe, scrape and weigh a server until the block ends."""
    seen, over = Seen(resident=[servers.resident_megabytes(server)]), threading.Event()
    threads = [
        threading.Thread(target=_ask, args=(server, LIVE, PROBE_PERIOD, seen, over)),
        threading.Thread(target=_ask, args=(server, METRICS, SCRAPE_PERIOD, seen, over)),
        threading.Thread(target=_weigh, args=(server, seen, over)),
    ]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join()


def probe(port: int, path: str = LIVE) -> float | None:
    """Return the milliseconds of an answer over a connection of its own, None without a 200."""
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PROBE_TIMEOUT)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return (time.perf_counter() - began) * 1e3 if response.status == 200 else None


def percentile(values: ArrayLike, which: float) -> float:
    """Return a percentile, or not a number of nothing."""
    found = np.asarray(values, float)
    return float(np.percentile(found, which)) if len(found) else float("nan")


def _ask(server: Server, path: str, period: float, seen: Seen, over: threading.Event) -> None:
    times = seen.probes if path == LIVE else seen.scrapes
    while not over.wait(period):
        taken = probe(server.address.http, path)
        if taken is None:
            seen.failed[path] += 1
        else:
            times.append(taken)


def _weigh(server: Server, seen: Seen, over: threading.Event) -> None:
    while not over.wait(MEMORY_PERIOD):
        seen.resident.append(servers.resident_megabytes(server))


def weight(server: Server) -> tuple[float, int, int]:
    """Return the megabytes, descriptors and threads of all of a server's processes."""
    descriptors = threads = 0
    for pid in server.pids():
        with suppress(OSError):  # it has ended
            descriptors += len(list(Path(f"/proc/{pid}/fd").iterdir()))
            threads += len(list(Path(f"/proc/{pid}/task").iterdir()))
    return servers.resident_megabytes(server), descriptors, threads
