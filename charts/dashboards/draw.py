"""Each kind of panel drawn with matplotlib, as near to Grafana as a reader needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from charts.dashboards.axes import SMALL, TEXT, legend_below, time_axis, unit_axis
from charts.dashboards.kinds import Json
from charts.dashboards.units import shown

COLORS = {"green": "#3a9d4b", "orange": "#e8830c", "red": "#d0342c"}
SERIES = (
    *("#3274d9", "#e8830c", "#3a9d4b", "#d0342c", "#8f3bb8", "#0f9ba8"),
    *("#b0872a", "#d6569e", "#6b7280", "#94b414", "#1f3f8f", "#8c564b"),
)


@dataclass(frozen=True)
class Series:
    """What Prometheus answered: a name, labels, and values at moments (one if asked for now)."""

    name: str
    letter: str
    labels: dict[str, str]
    times: NDArray[np.float64]
    values: NDArray[np.float64]


def timeseries(axes: Axes, panel: Json, series: Sequence[Series]) -> None:
    """Draw lines over time, or areas one on another."""
    custom = panel["fieldConfig"]["defaults"]["custom"]
    if custom["stacking"]["mode"] == "normal":
        times = np.unique(np.concatenate([one.times for one in series]))
        heights = [_at(times, one) for one in series]
        names = [one.name for one in series]
        axes.stackplot(times, heights, labels=names, colors=SERIES, alpha=0.75)
    else:
        for one, color in zip(series, _colors(len(series)), strict=True):
            axes.plot(one.times, one.values, label=one.name, color=color, linewidth=1)
    time_axis(axes)
    unit_axis(axes, panel)
    if custom["thresholdsStyle"]["mode"] == "line":
        for color, value in _steps(panel)[1:]:
            axes.axhline(value, color=color, linewidth=0.8, linestyle="--")
    legend_below(axes)


def stat(axes: Axes, panel: Json, series: Sequence[Series]) -> None:
    """Write a number for each series, the larger the fewer they are."""
    axes.axis("off")
    for place, one in enumerate(series):
        x = (place + 0.5) / len(series)
        value = float(one.values[-1])
        text = shown(value, panel["fieldConfig"]["defaults"]["unit"])
        size = 24 if len(series) == 1 else 15
        color = _colored(panel, value)
        axes.text(x, 0.58, text, ha="center", va="center", fontsize=size, color=color)
        axes.text(x, 0.18, one.name, ha="center", va="center", fontsize=SMALL + 0.5, color=TEXT)


def bargauge(axes: Axes, panel: Json, series: Sequence[Series]) -> None:
    """Draw a bar for each series."""
    defaults = panel["fieldConfig"]["defaults"]
    ordered = list(series)[::-1]
    values = [float(one.values[-1]) for one in ordered]
    names = [one.name for one in ordered]
    axes.barh(names, [defaults["max"]] * len(names), color="#eef0f3", height=0.7)
    axes.barh(names, values, color=[_colored(panel, value) for value in values], height=0.7)
    for row, value in enumerate(values):
        text = shown(value, defaults["unit"])
        axes.text(defaults["max"] * 0.99, row, text, ha="right", va="center", fontsize=SMALL + 1)
    axes.set_xlim(defaults["min"], defaults["max"])
    axes.set_xticks([])
    axes.tick_params(axis="y", labelsize=SMALL + 0.5, length=0)


def barchart(axes: Axes, panel: Json, series: Sequence[Series]) -> None:
    """Draw the bars of each query side by side, by the label that they have in common."""
    label = panel["options"]["xField"]
    names = list(dict.fromkeys(one.labels[label] for one in series))
    letters = sorted({one.letter for one in series})
    height = 0.8 / len(letters)
    for number, letter in enumerate(letters):
        found = {one.labels[label]: float(one.values[-1]) for one in series if one.letter == letter}
        rows = np.arange(len(names)) + (number - (len(letters) - 1) / 2) * height
        values = [found.get(name, 0.0) for name in names]
        axes.barh(rows, values, height=height, color=SERIES[number], label=_named(panel, letter))
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    unit_axis(axes, panel, "x")
    legend_below(axes)


def table(axes: Axes, panel: Json, series: Sequence[Series]) -> None:
    """Write a line for each set of labels, with a column for each query."""
    axes.axis("off")
    letters = [target["refId"] for target in panel["targets"]]
    labels = [name for name in series[0].labels if name != "__name__"]
    lines: dict[tuple[str, ...], dict[str, float]] = {}
    for one in series:
        line = lines.setdefault(tuple(one.labels[name] for name in labels), {})
        line[one.letter] = float(one.values[-1])
    cells = [
        [*line, *(_cell(found, letter) for letter in letters)] for line, found in lines.items()
    ]
    heads = [*labels, *(_named(panel, letter) for letter in letters)]
    made = axes.table(cells, colLabels=heads, loc="upper left", cellLoc="left", edges="horizontal")
    made.auto_set_font_size(False)  # noqa: FBT003 - it has no other form
    made.set_fontsize(SMALL + 1)
    made.auto_set_column_width(list(range(len(heads))))
    made.scale(1, 1.25)
    for cell in made.get_celld().values():
        cell.set_edgecolor("#d8dbe0")
        cell.set_linewidth(0.6)


def heatmap(axes: Axes, panel: Json, series: Sequence[Series]) -> None:
    """Shade each bucket of a histogram by how much falls into it."""
    ordered = sorted(series, key=lambda one: float(one.labels["le"]))
    times = np.unique(np.concatenate([one.times for one in ordered]))
    counts = np.diff([_at(times, one) for one in ordered], axis=0, prepend=0)
    used = np.flatnonzero(counts.max(axis=1) > 0)
    low, high = (used[0], used[-1] + 1) if len(used) else (0, len(ordered))
    axes.pcolormesh(times, np.arange(high - low), counts[low:high], cmap="Blues")
    unit = panel["fieldConfig"]["defaults"]["unit"]
    bounds = [one.labels["le"] for one in ordered[low:high]]
    texts = ["∞" if bound == "+Inf" else shown(float(bound), unit) for bound in bounds]
    every = 1 + len(texts) // 10
    axes.set_yticks(range(0, len(texts), every), [f"≤ {text}" for text in texts[::every]])
    time_axis(axes)


def state_timeline(axes: Axes, panel: Json, series: Sequence[Series]) -> None:
    """Draw a bar for each series, with its value in it wherever that changes."""
    unit = panel["fieldConfig"]["defaults"]["unit"]
    for row, (one, color) in enumerate(zip(series, _colors(len(series)), strict=True)):
        changes = [0, *(np.flatnonzero(np.diff(one.values)) + 1), len(one.times) - 1]
        for start, end in pairwise(changes):
            span = one.times[end] - one.times[start]
            axes.barh(row, span, left=one.times[start], color=color, height=0.6, edgecolor="white")
            text = shown(float(one.values[start]), unit)
            middle = one.times[start] + span / 2
            axes.text(
                middle, row, text, ha="center", va="center", color="white", fontsize=SMALL + 1
            )
    axes.set_yticks(range(len(series)), [one.name for one in series])
    axes.set_ylim(-0.8, len(series) - 0.2)
    time_axis(axes)


def _at(times: NDArray[np.float64], one: Series) -> NDArray[np.float64]:
    """Return a series' values at each of the moments, 0 where it has none."""
    values = np.zeros(len(times))
    values[np.searchsorted(times, one.times)] = np.nan_to_num(one.values)
    return values


def _colors(number: int) -> list[str]:
    return [SERIES[place % len(SERIES)] for place in range(number)]


def _steps(panel: Json) -> list[tuple[str, float]]:
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    return [(COLORS[step["color"]], step["value"] or 0.0) for step in steps]


def _colored(panel: Json, value: float) -> str:
    """Return the colour that a value has by the thresholds."""
    first, *others = _steps(panel)
    return [first[0], *(color for color, least in others if value >= least)][-1]


def _named(panel: Json, letter: str) -> str:
    name: str = next(t["legendFormat"] for t in panel["targets"] if t["refId"] == letter)
    return name


def _cell(found: dict[str, float], letter: str) -> str:
    value = found.get(letter, float("nan"))
    return f"{value:,.0f}" if value.is_integer() or abs(value) >= 100 else f"{value:.4f}"


DRAWN = {
    "timeseries": timeseries,
    "stat": stat,
    "bargauge": bargauge,
    "barchart": barchart,
    "table": table,
    "heatmap": heatmap,
    "state-timeline": state_timeline,
}
