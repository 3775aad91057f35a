"""Draws each dashboard's panels from a Prometheus, as a PNG for the docs.

python -m charts.dashboards.render http://127.0.0.1:9090 --namespace plant --job energy
"""

import argparse
import io
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from charts.dashboards.axes import SMALL, TEXT
from charts.dashboards.draw import DRAWN, Series
from charts.dashboards.kinds import Json
from charts.dashboards.query import FILES, ask, panels, read, replaced

OUTPUT = Path(__file__).parents[2] / "docs" / "dashboards"
POINTS = 240
UNIT_WIDTH, UNIT_HEIGHT = 0.6, 0.29  # inches of one of Grafana's units
DPI, COLORS = 100, 256
# Inches inside a panel, for its title, the numbers beside it and the legend below it.
TOP, LEFT, BOTTOM, RIGHT = 0.3, 0.62, 0.55, 0.12
# A label with a dollar sign is not a formula.
LITERALLY = mpl.rc_context({"text.parse_math": False})
# Where names or ranges are beside the data.
LEFTS = {"barchart": 1.5, "bargauge": 1.5, "state-timeline": 1.0, "heatmap": 0.85}
OVER_TIME = {"timeseries", "heatmap", "state-timeline"}
WITHOUT_AXES = {"stat", "table"}


@dataclass(frozen=True)
class View:
    """Which Prometheus is asked, for what and for which time."""

    url: str
    variables: Mapping[str, str]
    start: float
    end: float
    step: float

    def ask(self, panel: Json) -> Iterator[Series]:
        """Yield what Prometheus answers to each expression of a panel."""
        for target in panel["targets"]:
            expression = replaced(target["expr"], self.variables)
            for found in self._answers(expression, is_now=target["instant"]):
                samples = np.array(found.get("values") or [found["value"]], dtype=np.float64)
                labels = found["metric"]
                name = _legend(target["legendFormat"], labels)
                yield Series(name, target["refId"], labels, samples[:, 0], samples[:, 1])

    def _answers(self, expression: str, *, is_now: bool) -> list[Json]:
        if is_now:
            return ask(self.url, "query", query=expression, time=self.end)
        times = {"start": self.start, "end": self.end, "step": self.step}
        return ask(self.url, "query_range", query=expression, **times)


def render(name: str, view: View) -> Figure:
    """Return a picture of a dashboard: its panels where Grafana puts them."""
    dashboard = read(name)
    placed = [panel["gridPos"] for panel in dashboard["panels"]]
    rows = max(place["y"] + place["h"] for place in placed)
    figure = Figure(figsize=(24 * UNIT_WIDTH, rows * UNIT_HEIGHT + 0.3), facecolor="#f4f5f7")
    for panel in dashboard["panels"]:
        _place(figure, panel, replaced(panel["title"], view.variables), rows)
    for panel in panels(dashboard):
        series = sorted(view.ask(panel), key=lambda one: one.letter)
        axes = _axes(figure, panel, rows)
        if panel["type"] in OVER_TIME:
            axes.set_xlim(view.start, view.end)
        _draw(axes, panel, series)
    _, height = figure.get_size_inches()
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(view.end))
    text = f"{dashboard['title']}  ·  until {when}"
    figure.text(0.005, 1 - 0.17 / height, text, va="center", fontsize=10, weight="bold")
    return figure


def png(figure: Figure) -> bytes:
    """Return a picture with a palette, which takes half the bytes."""
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, dpi=DPI)
    with Image.open(drawn) as picture:
        picture.convert("RGB").quantize(COLORS).save(small, "PNG", optimize=True)
    return small.getvalue()


def _legend(text: str, labels: Mapping[str, str]) -> str:
    """Return a legend with each label's value in its place."""
    return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), text).strip()


def _place(figure: Figure, panel: Json, title: str, rows: int) -> None:
    """Draw a panel's frame and its title; of a row there is no more."""
    width, height = figure.get_size_inches()
    x, y, w, h = _box(panel, rows)
    if panel["type"] != "row":
        frame = figure.add_axes((x / width, y / height, w / width, h / height))
        frame.set(xticks=[], yticks=[], facecolor="white")
        frame.spines[:].set_color("#e2e4e8")
    size, weight = (9.5, "bold") if panel["type"] == "row" else (8, "normal")
    top = (y + h - 0.14) / height
    figure.text((x + 0.08) / width, top, title, va="center", fontsize=size, weight=weight)


def _box(panel: Json, rows: int) -> tuple[float, float, float, float]:
    """Return the left, the bottom, the width and the height of a panel, in inches."""
    place, gap = panel["gridPos"], 0.05
    x, y = place["x"] * UNIT_WIDTH, (rows - place["y"] - place["h"]) * UNIT_HEIGHT
    return x + gap, y + gap, place["w"] * UNIT_WIDTH - 2 * gap, place["h"] * UNIT_HEIGHT - 2 * gap


def _axes(figure: Figure, panel: Json, rows: int) -> Axes:
    """Return where a panel's data is drawn."""
    width, height = figure.get_size_inches()
    x, y, w, h = _box(panel, rows)
    left, bottom = LEFTS.get(panel["type"], LEFT), BOTTOM
    if panel["type"] in WITHOUT_AXES:
        left, bottom = 0.1, 0.05
    inner = (x + left, y + bottom, w - left - RIGHT, h - bottom - TOP)
    axes = figure.add_axes(
        (inner[0] / width, inner[1] / height, inner[2] / width, inner[3] / height)
    )
    axes.tick_params(labelsize=SMALL, colors=TEXT, length=2)
    axes.spines[:].set_visible(False)
    if panel["type"] == "timeseries":
        axes.grid(color="#eceef1", linewidth=0.7)
        axes.set_axisbelow(True)
    return axes


def _draw(axes: Axes, panel: Json, series: list[Series]) -> None:
    if series:
        DRAWN[panel["type"]](axes, panel, series)
    else:
        axes.axis("off")
        axes.text(0.5, 0.5, "No data", transform=axes.transAxes, ha="center", color=TEXT)


@LITERALLY
def main() -> None:
    """Draw every dashboard."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("url", help="the Prometheus")
    parser.add_argument("--namespace", default=".+")
    parser.add_argument("--job", default=".+")
    parser.add_argument("--column", default="nsm", help="the column that drift looks into")
    parser.add_argument("--minutes", type=float, default=60, help="how far back")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    given = parser.parse_args()
    end = time.time()
    step = max(15.0, given.minutes * 60 / POINTS)
    variables = {
        "namespace": given.namespace,
        "job": given.job,
        "column": given.column,
        "__rate_interval": f"{max(60, int(2 * step))}s",
    }
    view = View(given.url, variables, end - given.minutes * 60, end, step)
    given.output.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        file = given.output / f"{name}.png"
        file.write_bytes(png(render(name, view)))
        print(f"{file} {file.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
