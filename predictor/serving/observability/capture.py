"""Keeping a sample of what is predicted in files, for those who look for drift or train anew.

A request pays for one append. A thread of its own makes the lines and writes them, once a second.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from random import SystemRandom
from threading import Event, Lock, Thread

import msgspec
import numpy as np
from numpy.typing import NDArray

from predictor.bundle import Manifest
from predictor.captured import Cell, Line
from predictor.contract import Column
from predictor.serving.metrics import CAPTURE_DROPPED, CAPTURED_ROWS
from predictor.serving.observability.capture_files import Files
from predictor.serving.settings import Settings

WRITE_SECONDS = 1.0
# So many cells may wait for the next write. That bounds the memory, and the CPU that writing takes:
# a tenth of one. A run with more is taken where nothing else waits.
MOST_CELLS = 50_000
# The interpreter's lock is not let go while a line is made.
LINE_CELLS = 2_048
STOP_SECONDS = 5.0

# The answers, and the ends of their intervals, if they have any; a class is its place.
Ends = tuple[NDArray[np.float64], ...]

logger = logging.getLogger(__name__)


class Dropped(StrEnum):
    """Why rows of the sample were not written, by its label in the metric."""

    QUEUE = "queue"
    DISK = "disk"


class _Run(msgspec.Struct, frozen=True, gc=False):
    """What one run of the graph was fed, (n, columns of the contract), and what it gave, (n,)."""

    seconds: float
    manifest: Manifest
    columns: NDArray[np.float64]
    ends: Ends


class Capture:
    """Takes a share of the runs, and drops what it has no room for; it never waits."""

    def __init__(self, folder: Path, ratio: float, most_bytes: int) -> None:
        """Take where to write, which share of the runs, and how much all files there may hold."""
        self._ratio = ratio
        self._random = SystemRandom().random  # the image has no numpy.random
        self._files = Files(folder, most_bytes)
        self._lock = Lock()
        self._runs: list[_Run] = []
        self._cells = 0
        self._stopping = Event()
        self._thread = Thread(target=self._write, name="capture", daemon=True)
        self._told = ""
        self._no_room = CAPTURE_DROPPED.labels(Dropped.QUEUE)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, and end; a disk that hangs is not waited for."""
        self._stopping.set()
        self._thread.join(STOP_SECONDS)

    def offer(self, manifest: Manifest, columns: NDArray[np.float64], ends: Ends) -> None:
        """Have a run written, if it is one of the sample and there is room for it."""
        if self._random() >= self._ratio:
            return
        with self._lock:
            has_room = not self._runs or self._cells + columns.size <= MOST_CELLS
            if has_room:
                self._cells += columns.size
                self._runs.append(_Run(time.time(), manifest, columns, ends))
        if not has_room:
            self._no_room.inc(len(columns))

    def _write(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._stopping.wait(WRITE_SECONDS)
            with self._lock:
                runs, self._runs, self._cells = self._runs, [], 0
            if runs:
                self._write_runs(runs)

    def _write_runs(self, runs: list[_Run]) -> None:
        """Write runs; what cannot be written is counted, and said once for each reason."""
        rows, written = sum(len(run.columns) for run in runs), 0
        try:
            with self._files.opened():
                for run in runs:
                    for line in lines(run.seconds, run.manifest, run.columns, run.ends):
                        self._files.append(msgspec.json.encode(line) + b"\n")
                        written += len(line.rows)
            self._told = ""
        except Exception as error:  # noqa: BLE001 - the thread must live on, whatever it is
            reason = str(error)
            if reason != self._told:
                logger.error("cannot capture in %s: %s", self._files.folder, reason)  # noqa: TRY400
            self._told = reason
        CAPTURED_ROWS.inc(written)
        CAPTURE_DROPPED.labels(Dropped.DISK).inc(rows - written)


def of(settings: Settings) -> Capture | None:
    """Return what the settings want captured, if anything."""
    if not settings.capture_folder:
        return None
    folder = Path(settings.capture_folder)
    return Capture(folder, settings.capture_ratio, settings.capture_bytes)


@contextmanager
def running(capture: Capture | None) -> Iterator[None]:
    """Write as long as this lasts, and what waits at its end."""
    if capture:
        capture.start()
    try:
        yield
    finally:
        if capture:
            capture.stop()


def lines(
    seconds: float, manifest: Manifest, columns: NDArray[np.float64], ends: Ends
) -> Iterator[Line]:
    """Yield a run's rows, in lines that are short enough to be made in a moment."""
    moment = datetime.fromtimestamp(seconds, UTC)
    contract = manifest.contract
    step = max(1, LINE_CELLS // len(contract.columns))
    for start in range(0, len(columns), step):
        part = columns[start : start + step]
        cells = [
            _cells(column, names, codes)
            for column, names, codes in zip(contract.columns, contract.labels, part.T, strict=True)
        ]
        rows = [list(row) for row in zip(*cells, strict=True)]
        values, *intervals = (end[start : start + step].tolist() for end in ends)
        if classes := contract.target.classes:
            values = [classes[int(place)] for place in values]
        yield Line(moment, manifest.name, manifest.version, rows, values, *intervals)


def _cells(column: Column, names: list[str], codes: NDArray[np.float64]) -> list[Cell]:
    """Return a column's values as a client would send them."""
    if column.optional and np.isnan(codes).any():
        return [column.decode(code) for code in codes.tolist()]
    if column.datatype == "FP64":
        return list(codes.tolist())
    whole = codes.astype(np.int64).tolist()
    return [names[code] for code in whole] if column.datatype == "BYTES" else list(whole)
