"""Axes that show time and units, and the legend below them."""

import time

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MultipleLocator

from charts.dashboards.kinds import Json
from charts.dashboards.units import shown

SMALL, TEXT = 6.5, "#4b5563"  # points, and the colour of what is beside the data
DAY = 86_400
BETWEEN_TIMES = (15, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, DAY, 7 * DAY)
MOST_TIMES = 6
LEGEND_LINES = 3


def time_axis(axes: Axes) -> None:
    """Write times of day below, or days if there are several."""
    axes.margins(x=0)
    low, high = axes.get_xlim()
    between = next((s for s in BETWEEN_TIMES if (high - low) / s <= MOST_TIMES), 30 * DAY)
    form = "%m-%d" if between >= DAY else "%H:%M" if between >= 60 else "%H:%M:%S"
    axes.xaxis.set_major_locator(MultipleLocator(between))
    axes.xaxis.set_major_formatter(lambda value, _: time.strftime(form, time.gmtime(value)))


def unit_axis(axes: Axes, panel: Json, side: str = "y") -> None:
    """Write values in the panel's unit, within its limits."""
    defaults = panel["fieldConfig"]["defaults"]
    axis = axes.yaxis if side == "y" else axes.xaxis
    axis.set_major_formatter(lambda value, _: shown(value, defaults["unit"]))
    if side == "y":
        axes.set_ylim(bottom=defaults.get("min"), top=defaults.get("max"))
    if defaults["unit"] == "bytes":
        axis.set_major_locator(MultipleLocator(2.0 ** np.ceil(np.log2(axes.get_ylim()[1] / 5))))


def legend_below(axes: Axes) -> None:
    """Write the legend in as many columns and for as many series as there is room for."""
    handles, names = axes.get_legend_handles_labels()
    width = axes.get_window_extent().width / axes.figure.dpi
    columns = max(1, int(width / (0.35 + 0.037 * max(map(len, names)))))
    room = LEGEND_LINES * columns
    if len(names) > room:
        names = [*names[: room - 1], f"… {len(names) - room + 1} more"]
    axes.legend(
        handles[: len(names)],
        names,
        loc="upper left",
        bbox_to_anchor=(-0.02, -0.1),
        ncols=min(len(names), columns),
        fontsize=SMALL - 0.5,
        frameon=False,
        handlelength=1,
        columnspacing=1,
        labelspacing=0.2,
        labelcolor=TEXT,
    )
