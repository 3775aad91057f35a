"""Axes that show time and units, and the legend below them."""

import time
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MultipleLocator

from charts.dashboards.kinds import Json
from charts.dashboards.units import shown

SMALL, TEXT = 6.5, "#4b5563"  # points, and the colour of what is beside the data
DAY = 86_400
BETWEEN_TIMES = (15, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, DAY, 7 * DAY)
MOST_TIMES = 6


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


def legend_below(axes: Axes, names: Sequence[str]) -> None:
    """Write the legend, in as many columns as there is room for."""
    width = axes.get_window_extent().width / axes.figure.dpi
    columns = int(width / (0.4 + 0.055 * max(map(len, names), default=1)))
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(-0.02, -0.1),
        ncols=max(1, min(len(names), columns)),
        fontsize=SMALL - 0.5,
        frameon=False,
        handlelength=1,
        columnspacing=1,
        labelspacing=0.2,
        labelcolor=TEXT,
    )
