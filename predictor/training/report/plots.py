"""The pictures of a model card: PNG, drawn without a display, the same bytes for the same data."""

import io
from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from predictor.bundle import Coverage, Score
from predictor.contract import Contract

BLUE, ORANGE, GREY = "#1f6feb", "#d4661a", "#8c8c8c"
INCHES, DOTS_PER_INCH = (6.4, 4.0), 100
# A unit or a label with a dollar sign is not a formula.
LITERALLY = mpl.rc_context({"text.parse_math": False})


@LITERALLY
def predicted_against_actual(
    actual: NDArray[np.float64], predicted: NDArray[np.float64], unit: str
) -> bytes:
    """Draw one point a row, and the line on which they would all lie."""
    figure, axes = _figure("Predicted against actual, rows not fitted on")
    both = np.concatenate([actual, predicted])
    ends = [float(np.min(both)), float(np.max(both))]
    axes.plot(ends, ends, color=GREY, linewidth=1)
    axes.scatter(actual, predicted, s=2, color=BLUE, alpha=0.4, linewidths=0)
    axes.set_xlabel(f"actual, {unit}")
    axes.set_ylabel(f"predicted, {unit}")
    return _png(figure)


@LITERALLY
def errors(scores: Mapping[str, Score], title: str, unit: str) -> bytes:
    """Draw two bars for each part of the rows: root mean squared and mean absolute error."""
    figure, axes = _figure(title)
    places = np.arange(len(scores))
    axes.bar(places - 0.2, [s.rmse for s in scores.values()], 0.4, color=BLUE, label="RMSE")
    axes.bar(places + 0.2, [s.mae for s in scores.values()], 0.4, color=ORANGE, label="MAE")
    axes.set_xticks(places, list(scores))
    axes.set_ylabel(unit)
    axes.legend()
    return _png(figure)


@LITERALLY
def coverage(found: Mapping[str, Mapping[str, Coverage]], target: float) -> bytes:
    """Draw what share of each part of the rows the intervals held, by protocol."""
    figure, axes = _figure(f"Coverage of the {target:.0%} interval")
    parts = list(dict.fromkeys(part for by_part in found.values() for part in by_part))
    width = 0.8 / len(found)
    for number, (protocol, by_part) in enumerate(found.items()):
        shares = [by_part[part].share if part in by_part else np.nan for part in parts]
        axes.bar(np.arange(len(parts)) + number * width, shares, width, label=protocol)
    axes.axhline(target, color=GREY, linewidth=1)
    axes.set_xticks(np.arange(len(parts)) + 0.4 - width / 2, parts)
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("share of rows")
    axes.legend(loc="lower right", fontsize="small")
    return _png(figure)


@LITERALLY
def importance(parts: Mapping[str, Mapping[str, float]], unit: str) -> bytes:
    """Draw for each part of the model a bar for each column: how much it moves a prediction."""
    width, height = INCHES
    figure = Figure((width, height * len(parts)), DOTS_PER_INCH, layout="constrained")
    everywhere = figure.subplots(len(parts), squeeze=False).flat
    for axes, (part, columns) in zip(everywhere, parts.items(), strict=True):
        ordered = sorted(columns.items(), key=lambda item: item[1])
        axes.barh([name for name, _ in ordered], [mean for _, mean in ordered], color=BLUE)
        axes.set_title(f"Mean of |contribution|, {part}", fontsize="medium")
        axes.set_xlabel(unit)
    return _png(figure)


@LITERALLY
def dependence(
    columns: NDArray[np.float64], contributions: NDArray[np.float64], contract: Contract
) -> bytes:
    """Draw for each column one point a row: its value and what it contributes, (n, columns)."""
    lines = -(-len(contract.columns) // 2)
    figure = Figure((INCHES[0] * 1.5, 3 * lines), DOTS_PER_INCH, layout="constrained")
    for number, column in enumerate(contract.columns):
        axes = figure.add_subplot(lines, 2, number + 1)
        values, of_column = columns[:, number], contributions[:, number]
        if column.labels:
            axes.set_xticks(range(len(column.names)), [name[:9] for name in column.names])
        axes.scatter(values, of_column, s=3, color=BLUE, alpha=0.5, linewidths=0)
        axes.axhline(0, color=GREY, linewidth=1)
        axes.set_xlabel(column.name)
        axes.set_ylabel(contract.target.unit)
    return _png(figure)


def _figure(title: str) -> tuple[Figure, mpl.axes.Axes]:
    figure = Figure(figsize=INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize="medium")
    return figure, axes


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
