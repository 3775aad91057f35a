"""Minutes or hours at 70 % of what a server can do, with a new bundle every half minute."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import msgspec
import numpy as np
import onnx

from benchmarks.fire import beside, openloop, overload
from benchmarks.fire.openloop import NO_ANSWER, NOT_SENT, Plan, Records, Shot
from benchmarks.fire.report import Figures
from benchmarks.fire.servers import Server
from benchmarks.fire.subject import Subject
from benchmarks.ways import GRPC, METHOD
from predictor import bundle
from predictor.bundle import Bundle

LOAD = 0.7
RELOAD_SECONDS, SAMPLE_SECONDS = 30.0, 1.0
# How the load is sent: so many seconds at a time, so that its records stay small.
STRETCH_SECONDS = 60.0
# So few that all are soon open: those that a client opens when it has to wait, and keeps, would
# look like descriptors that leak.
CONNECTIONS = 64
# What comes before this share of the time is warming up.
WARM = 0.2
GRPC_PAUSE_SECONDS = 0.02


@dataclass
class Seen:
    """Each second: when it was, megabytes, descriptors and threads of all processes."""

    samples: list[tuple[float, float, int, int]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    reloads: int = 0


def measure(server: Server, subject: Subject, minutes: float) -> Figures:
    """Return what minutes of load leave behind; this project's bundle is replaced meanwhile."""
    one, many = (_of_both(overload.prepared(server, subject, n), subject) for n in (1, 100))
    mix = [one] * 9 + [many]
    capacity = openloop.sent(
        server.address.http, Plan(mix, 0, 5.0, overload.CLOSED_CONNECTIONS)
    ).goodput()
    seen, rounds = Seen(), max(1, round(minutes * 60 / STRETCH_SECONDS))
    plan = Plan(mix, LOAD * capacity, minutes * 60 / rounds, CONNECTIONS)
    with _beside(server, subject, seen):
        parts = [openloop.sent(server.address.http, plan) for _ in range(rounds)]
    return _figures(parts, seen, minutes)


def _figures(parts: list[Records], seen: Seen, minutes: float) -> Figures:
    total = sum(len(part.of) for part in parts)
    times = np.concatenate([part.milliseconds(200) for part in parts])
    statuses = (200, 503, NO_ANSWER, NOT_SENT)
    _, refused, silent, unsent = (sum(p.count(s) for p in parts) for s in statuses)
    others = sum((Counter(part.others(*statuses)) for part in parts), Counter[str]())
    at, resident, descriptors, threads = map(np.array, zip(*seen.samples, strict=True))
    warm = at >= WARM * at[-1]
    return {
        "minutes; reloads": f"{minutes:g}; {seen.reloads}",
        "requests by REST / gRPC": f"{total:,} / {len(seen.calls):,}",
        "p50 / p99, ms": " / ".join(f"{ms:.1f}" for ms in np.percentile(times, (50, 99))),
        "refused (503)": f"{refused:,}",
        "no answer in 5 s": f"{silent:,}",
        "not sent, all connections waiting": f"{unsent:,}",
        "otherwise": overload.counted(others),
        "gRPC calls that failed": str(sum(one != "OK" for one in seen.calls)),
        "RSS, MB, after warm-up / at the end": f"{resident[warm][0]:.0f} / {resident[-1]:.0f}",
        "RSS slope, MB/h": f"{np.polyfit(at[warm], resident[warm], 1)[0] * 3600:.2f}",
        "descriptors at most, in the halves after warm-up": " / ".join(
            str(half.max()) for half in np.array_split(descriptors[warm], 2)
        ),
        "threads, after warm-up / at the end": f"{threads[warm][0]} / {threads[-1]}",
    }


@contextmanager
def _beside(server: Server, subject: Subject, seen: Seen) -> Iterator[None]:
    """Weigh the server, call it by gRPC and replace its bundle until the block ends."""
    over = threading.Event()
    threads = [
        threading.Thread(target=_weigh, args=(server, seen, over)),
        threading.Thread(target=_call, args=(server, subject, seen, over)),
    ]
    if server.kind.ours:
        threads.append(threading.Thread(target=_replace, args=(server, subject, seen, over)))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _weigh(server: Server, seen: Seen, over: threading.Event) -> None:
    began = time.perf_counter()
    while not over.wait(SAMPLE_SECONDS):
        seen.samples.append((time.perf_counter() - began, *beside.weight(server)))


def _call(server: Server, subject: Subject, seen: Seen, over: threading.Event) -> None:
    body = subject.ways[1][GRPC].body
    with grpc.insecure_channel(f"127.0.0.1:{server.address.grpc}") as channel:
        call = channel.unary_unary(METHOD, None, None)
        while not over.wait(GRPC_PAUSE_SECONDS):
            try:
                call(body, timeout=5)
                seen.calls.append("OK")
            except grpc.RpcError as error:
                seen.calls.append(str(error))


def _replace(server: Server, subject: Subject, seen: Seen, over: threading.Event) -> None:
    """Put one bundle and then the other in the folder: the same model by two versions."""
    versions = [renamed(subject.served), subject.served]
    while not over.wait(RELOAD_SECONDS):
        put(versions[seen.reloads % 2], server.bundle)
        seen.reloads += 1


def _of_both(shot: Shot, subject: Subject) -> Shot:
    """Return a request whose answer may be that of either version."""
    [answer] = shot.answers
    served = subject.served
    first, second = served.manifest.version, renamed(served).manifest.version
    return Shot(shot.request, (answer, answer.replace(first.encode(), second.encode())))


def renamed(served: Bundle) -> Bundle:
    """Return the same model by another version."""
    model = onnx.load_from_string(served.model)
    model.doc_string = "the same once more"
    content = model.SerializeToString()
    manifest = served.manifest
    version = bundle.version_of(manifest.contract, content)
    files = {**manifest.files, bundle.MODEL: bundle.digest(content)}
    manifest = msgspec.structs.replace(manifest, version=version, files=files)
    return Bundle(served.folder, manifest, content)


def put(served: Bundle, folder: Path) -> None:
    """Write a bundle to a folder, in place of the one that is there."""
    others = {
        name: (served.folder / name).read_bytes()
        for name in served.manifest.files
        if name != bundle.MODEL
    }
    bundle.write(folder, served.manifest, {**others, bundle.MODEL: served.model})
