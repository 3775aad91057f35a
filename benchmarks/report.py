"""What was measured as tables and pictures, written into docs/benchmarks.md."""

import math
import os
import platform
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.contenders import OURS, ROOT
from benchmarks.ways import V1
from predictor import __version__
from predictor.bundle import Manifest
from predictor.training.tracks import ANCHORED

PAGE = ROOT / "docs" / "benchmarks.md"
PICTURES = ROOT / "docs" / "benchmarks"
COLOURS = {True: "#1b6ca8", False: "#b0b7bf"}


@dataclass(frozen=True)
class Point:
    """One load: a server by its label, a way to ask, rows a request, and connections."""

    server: str
    way: str
    rows: int
    connections: int


@dataclass(frozen=True)
class Sample:
    """How a load was answered: requests a second, ms, and ms of the processor a request."""

    rate: float
    p50: float
    p99: float
    cpu: float


@dataclass(frozen=True)
class State:
    """A server before any load: seconds to its first answer, and resident megabytes."""

    start: float
    resident: float


@dataclass
class Found:
    """All rounds: lists have an element a round; `bare` is the graph alone, ms by rows.

    `left_out` is what was not measured, and why; `scratch` is a folder for the run.
    """

    scratch: Path
    samples: dict[Point, list[Sample]] = field(default_factory=dict)
    states: dict[str, list[State]] = field(default_factory=dict)
    bare: list[dict[int, float]] = field(default_factory=list)
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def of(self, point: Point, value: Callable[[Sample], float]) -> list[float]:
        """Return a figure of a load in every round, or nothing where it was not measured."""
        return [value(sample) for sample in self.samples.get(point, [])]

    def ways(self, rows: int) -> list[tuple[str, str]]:
        """Return each server and way that was asked for so many rows."""
        found = ((point.server, point.way) for point in self.samples if point.rows == rows)
        return sorted(dict.fromkeys(found), key=lambda one: list(self.versions).index(one[0]))


def write(found: Found, manifest: Manifest, text: str) -> None:
    """Put the tables with a picture between the page's marks of the track, if it has them."""
    mark = "serving" if manifest.track == ANCHORED.name else f"serving-{manifest.track}"
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    page = PAGE.read_text()
    if begin not in page:
        print(f"{PAGE.name} has no {begin}: nothing is written")
        return
    PICTURES.mkdir(exist_ok=True)
    picture = PICTURES / f"{mark}.png"
    draw(found, picture)
    shown = f"![By server: requests/s, p99, many rows]({picture.relative_to(PAGE.parent)})"
    before, _, rest = page.partition(begin)
    after = rest.partition(end)[2]
    PAGE.write_text(f"{before}{begin}\n\n{text}\n\n{shown}\n\n{end}{after}")


def tables(found: Found, manifest: Manifest) -> str:
    """Return all of it as Markdown."""
    trees = sum(booster.trees for booster in manifest.boosters.values())
    alone = {rows: median(one[rows] for one in found.bare) for rows in found.bare[0]}
    graph = " and ".join(f"{_short(ms)} ms for {rows:,}" for rows, ms in alone.items())
    head = (
        f"{datetime.now(UTC):%Y-%m-%d}, track {manifest.track}, {trees} trees; "
        f"rounds: {len(found.bare)}; {machine()}. The graph alone: {graph} rows."
    )
    parts = [head, _one_row(found), _many_rows(found), _states(found), _versions(found)]
    return "\n\n".join([*parts, *([_left_out(found)] if found.left_out else [])])


def _one_row(found: Found) -> str:
    counts = (1, 8, 64)
    headings = ["one row a request", "by"]
    headings += [f"requests/s, {count}" for count in counts]
    headings += ["÷ ours, 8", *(f"p50 / p99, ms, {count}" for count in counts), "CPU, ms, 8"]
    lines = []
    for server, way in found.ways(1):
        points = [Point(server, way, 1, count) for count in counts]
        rates = [found.of(point, lambda s: s.rate) for point in points]
        ours = found.of(Point(OURS, V1, 1, 8), lambda s: s.rate)
        times = [
            " / ".join(_median(found.of(point, value)) for value in (_p50, _p99))
            if point in found.samples
            else "–"
            for point in points
        ]
        cells = [*map(_rate, rates), _median(_ratios(rates[1], ours)), *times]
        lines.append([server, way, *cells, _median(found.of(points[1], _cpu))])
    return _table(headings, lines)


def _many_rows(found: Found) -> str:
    rows = max(point.rows for point in found.samples)
    ours = found.of(Point(OURS, V1, rows, 1), _p50)
    alone = [one[rows] for one in found.bare]
    lines = []
    for server, way in found.ways(rows):
        point = Point(server, way, rows, 1)
        times = found.of(point, _p50)
        ratios = [_median(_ratios(times, base)) for base in (alone, ours)]
        lines.append([server, way, _median(times), *ratios, _median(found.of(point, _cpu))])
    headings = [f"{rows:,} rows a request", "by", "ms", "÷ graph alone", "÷ ours, V1", "CPU, ms"]
    return _table(headings, lines)


def _states(found: Found) -> str:
    lines = [
        [server, _median([s.start for s in states]), _median([s.resident for s in states])]
        for server, states in found.states.items()
    ]
    return _table(["before any load", "start to first answer, s", "resident, MB"], lines)


def _versions(found: Found) -> str:
    shown = {
        server: ", ".join(f"{name} {number}" for name, number in packages.items())
        for server, packages in found.versions.items()
    }
    return "Versions. " + "; ".join(f"{s}: {v}" for s, v in shown.items()) + "."


def _left_out(found: Found) -> str:
    lines = [[what, why.replace("|", "/")] for what, why in found.left_out.items()]
    return _table(["not measured", "why"], lines)


def _p50(sample: Sample) -> float:
    return sample.p50


def _p99(sample: Sample) -> float:
    return sample.p99


def _cpu(sample: Sample) -> float:
    return sample.cpu


def _ratios(values: Iterable[float], others: Iterable[float]) -> list[float]:
    return [a / b for a, b in zip(values, others, strict=False)]


def _rate(values: list[float]) -> str:
    """Return the median, and between which values it lies."""
    if not values:
        return "–"
    shown = f"{median(values):,.0f}"
    return f"{shown} ({min(values):,.0f}–{max(values):,.0f})" if len(values) > 1 else shown


def _median(values: list[float]) -> str:
    return _short(median(values)) if values else "–"


def _short(value: float) -> str:
    """Return a number with three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _table(headings: list[str], lines: list[list[str]]) -> str:
    rows = [headings, ["---"] * len(headings), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def machine() -> str:
    """Return what this was measured on."""
    models = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    cores = len(os.sched_getaffinity(0))
    chip = re.sub(r"\s+", " ", models[0]) if models else platform.machine()
    python = f"Python {platform.python_version()}"
    return f"{platform.system()}, {cores} cores of {chip}, {python}, predictor {__version__}"


def draw(found: Found, path: Path) -> None:
    """Draw requests a second, p99, and the time of many rows over that of the graph alone."""
    rows = max(point.rows for point in found.samples)
    eight = {way: Point(*way, 1, 8) for way in found.ways(1)}
    many = {way: Point(*way, rows, 1) for way in found.ways(rows)}
    rates = {way: found.of(p, lambda s: s.rate) for way, p in eight.items()}
    late = {way: found.of(p, _p99) for way, p in eight.items()}
    alone = [one[rows] for one in found.bare]
    times = {way: _ratios(found.of(p, _p50), alone) for way, p in many.items()}
    figure = Figure(figsize=(9, 8), layout="constrained")
    grid = figure.subplot_mosaic([["rate", "late"], ["many", "many"]])
    _bars(grid["rate"], rates, "requests/s, one row, 8 connections")
    _bars(grid["late"], late, "p99, ms, one row, 8 connections", log=True, names=False)
    _bars(grid["many"], times, f"time of {rows:,} rows ÷ the graph alone", log=True)
    figure.savefig(path, dpi=80, metadata={"Software": None})


def _bars(
    axes: Axes,
    values: dict[tuple[str, str], list[float]],
    title: str,
    *,
    log: bool = False,
    names: bool = True,
) -> None:
    """Draw the medians as bars, ours in a colour; what was not measured has none."""
    shown = {way: median(found) for way, found in values.items() if found}
    labels = [f"{server}, {way}" for server, way in shown]
    colours = [COLOURS[server.startswith(OURS)] for server, _ in shown]
    bars = axes.barh(labels, list(shown.values()), color=colours, log=log)
    axes.bar_label(bars, [_short(value) for value in shown.values()], padding=2, fontsize=7)
    axes.set_title(title, fontsize=9)
    axes.tick_params(which="both", labelsize=7)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    if log:  # whose bars have no natural beginning
        axes.set_xlim(left=10 ** math.floor(math.log10(min(shown.values()))))
    axes.spines[["top", "right"]].set_visible(False)
    if not names:
        axes.set_yticklabels([])
