"""Drift: how far what comes in is from what the model was trained on."""

from charts.dashboards.kinds import Json
from charts.dashboards.panels import (
    ORANGE,
    RED,
    Panel,
    dashboard,
    label_variable,
    rate,
    selected,
    total,
)

PSI, THRESHOLD = selected("predictor:drift_psi"), selected("predictor:drift_threshold")
WINDOW = "predictor:drift_window_rows"
WHOLE = selected("predictor:drift_whole_window_rows")
COLUMN = ("namespace", "job", "model_name", "column")
ON = f"on ({', '.join(COLUMN)})"
ONE = 'column="$column"'


def _most(expression: str) -> str:
    """Return the rows of the column that has most: a row counts once in each."""
    by = "namespace, job, model_name"
    return f"max by ({by}) ({total(expression, *COLUMN)})"


def _share(expression: str) -> str:
    """Return each bin's share of the rows of the chosen column."""
    return f"{total(expression, 'bin')} / scalar({total(expression)})"


def _joined(names: dict[str, str], field: str) -> tuple[Json, ...]:
    """Return what makes one table of several answers that have a label in common."""
    return (
        {"id": "joinByField", "options": {"byField": field, "mode": "outer"}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {f"Time {number + 1}": True for number in range(len(names))},
                "renameByName": names,
            },
        },
    )


NOW = (
    "Now",
    Panel(
        "stat",
        "Columns that have drifted",
        "Columns whose PSI is over their threshold, once the window is three quarters over and has "
        "`drift.minRows` rows. 0 is normal; of one, ask whoever sends it; of many, or of the "
        "target, train the model anew.",
        "none",
        {"columns": f"count({PSI} > {ON} {THRESHOLD} and {ON} {WHOLE}) or vector(0)"},
        width=6,
        height=5,
        thresholds=((RED, 1),),
        alert="PredictorDrift",
    ),
    Panel(
        "stat",
        "Rows in the window",
        "Rows that are compared with the training data. With few of them, or of a few days, PSI "
        "says little: no alert fires below `drift.minRows`.",
        "short",
        {"{{namespace}} {{job}} {{model_name}}": _most(selected(WINDOW))},
        width=6,
        height=5,
    ),
    Panel(
        "stat",
        "Rows of the reference",
        "Rows of the training data that the bundle's profile was made of. It changes only with the "
        "bundle; none means a bundle without a profile, of which no drift is known.",
        "short",
        {
            "{{namespace}} {{job}} {{model_name}}": "max by (namespace, job, model_name) "
            f"({selected('predictor_drift_reference_rows')})"
        },
        width=6,
        height=5,
    ),
    Panel(
        "stat",
        "Largest drift",
        "The largest PSI as a share of its column's threshold. Below 100 % is normal.",
        "percentunit",
        {"{{column}}": f"topk(1, {PSI} / {ON} {THRESHOLD})"},
        width=6,
        height=5,
        thresholds=((ORANGE, 0.75), (RED, 1)),
        limits=(None, None),
        alert="PredictorDrift",
    ),
    Panel(
        "bargauge",
        "Drift of each column, as a share of its threshold",
        "PSI divided by the threshold that training set for the column. Below 100 % is "
        "normal, and a little below 0 too; over it, the column has drifted.",
        "percentunit",
        {"{{column}}": f"max by (column) ({PSI} / {ON} {THRESHOLD})"},
        width=12,
        height=10,
        thresholds=((ORANGE, 0.75), (RED, 1)),
        limits=(0, 2),
        alert="PredictorDrift",
    ),
    Panel(
        "table",
        "PSI and threshold of each column",
        "The population stability index of the window against the training data, and the threshold "
        "over which it counts as drift. As a rule of thumb 0.1 is little, 0.25 is much.",
        "none",
        {
            "PSI": f"max by (column) ({PSI})",
            "threshold": f"max by (column) ({THRESHOLD})",
            "rows": f"max by (column) ({total(selected(WINDOW), *COLUMN)})",
        },
        width=12,
        height=10,
        limits=(None, None),
        transformations=_joined(
            {"Value #A": "PSI", "Value #B": "threshold", "Value #C": "rows"}, "column"
        ),
        overrides=(
            {
                "matcher": {"id": "byRegexp", "options": "PSI|threshold"},
                "properties": [{"id": "decimals", "value": 4}],
            },
        ),
    ),
)
TIME = (
    "Over time",
    Panel(
        "timeseries",
        "PSI, by column",
        "How PSI went. A slow rise is a season or a plant that changes; a jump is a client or a "
        "meter that began to send something else.",
        "none",
        {"{{column}}": f"max by (column) ({PSI})"},
        width=12,
        limits=(None, None),
        alert="PredictorDrift",
    ),
    Panel(
        "timeseries",
        "Rows that drift is counted of",
        "Rows predicted a second, and those of them that were put into bins. The two should be "
        "equal; fewer in bins means that servers were too busy to look at all.",
        "cps",
        {
            "predicted {{model_name}}": total(rate("predictor_rows_total"), "model_name"),
            "in bins {{model_name}}": "max by (model_name) "
            f"({total(rate('predictor_drift_rows_total'), 'model_name', 'column')})",
        },
        width=12,
    ),
)
INSIDE = (
    "Inside the column $column",
    Panel(
        "barchart",
        "Bins of $column: now and in training",
        "The share of rows in each bin: of the window, and of the training data. Bars of one "
        "length are normal; where they differ is what has changed.",
        "percentunit",
        {
            "now": _share(selected(WINDOW, ONE)),
            "training": f"max by (bin) ({selected('predictor_drift_reference_ratio', ONE)})",
        },
        width=12,
        height=10,
        options={"xField": "bin"},
        transformations=_joined({"Value #A": "now", "Value #B": "training"}, "bin"),
    ),
    Panel(
        "timeseries",
        "Bins of $column over time",
        "The share of each bin in the rows of each step. Bands follow the day; one that vanishes "
        "or takes over all is a change at the source.",
        "percentunit",
        {"{{bin}}": _share(selected("predictor:drift_rows:increase", ONE))},
        width=12,
        height=10,
        limits=(0, 1),
        is_stacked=True,
    ),
)


def drift() -> Json:
    """Return the dashboard."""
    columns = f"label_values({selected('predictor_drift_reference_ratio')}, column)"
    return dashboard(
        "drift",
        "Energy predictor / Drift",
        "How far what comes in is from what the model was trained on",
        *NOW,
        *TIME,
        *INSIDE,
        column=label_variable("column", "Column", columns, is_multiple=False),
    )
