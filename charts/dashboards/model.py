"""The model: which is served, what it predicts and how surely, and what comes in."""

from charts.dashboards.kinds import Json
from charts.dashboards.panels import (
    ORANGE,
    RED,
    Panel,
    dashboard,
    mean,
    quantile,
    rate,
    selected,
    total,
)

DAY = 86_400
ROWS = "predictor_rows_total"
SERVED = f"{selected('predictor_model_info')} == 1"
PREDICTION, WIDTH = "predictor_prediction", "predictor_interval_width"


def _since(event: str) -> dict[str, str]:
    """Return the seconds since something became of the model, by the pod of which it is longest."""
    metric = selected(f"predictor_model_{event}_timestamp_seconds")
    return {"{{namespace}} {{job}}": f"time() - min by (namespace, job) ({metric})"}


VERSIONS = (
    "Versions",
    Panel(
        "table",
        "Models that are served",
        "Which bundle the pods serve, by how many of them. One line for each release is normal; "
        "two versions in one are a rollout or a reload under way, or one that is stuck.",
        "none",
        {
            "pods": "count by (namespace, job, model_name, version, origin) "
            f"(max by (namespace, job, pod, model_name, version, origin) ({SERVED}))"
        },
        width=12,
        height=7,
        alert="PredictorReloadFailing",
        transformations=(
            {
                "id": "organize",
                "options": {
                    "excludeByName": {"Time": True},
                    "renameByName": {"model_name": "model", "Value": "pods"},
                },
            },
        ),
    ),
    Panel(
        "stat",
        "Age of the model",
        "Time since the bundle was trained, of the oldest that is served. What is normal depends "
        "on how often you train; an old model is not wrong, look at drift.",
        "s",
        _since("created"),
        width=6,
        height=7,
        thresholds=((ORANGE, 180 * DAY), (RED, 365 * DAY)),
        alert="PredictorDrift",
    ),
    Panel(
        "stat",
        "Served for",
        "Time since a pod loaded the model, of the pod that has served it longest. Less than you "
        "expect: pods were restarted, or a new bundle was taken up.",
        "s",
        _since("loaded"),
        width=6,
        height=7,
    ),
    Panel(
        "state-timeline",
        "Pods that serve each version",
        "How many pods served which version, over time. A rollout or a reload is one line that "
        "ends as another begins; both going on side by side is one that is stuck.",
        "none",
        {"{{version}}": f"count by (version) (max by (namespace, job, pod, version) ({SERVED}))"},
        width=12,
        limits=(None, None),
    ),
    Panel(
        "timeseries",
        "Bundles found in the watched folder",
        "Bundles that workers found, by what became of them: `loaded` is served now, `unchanged` "
        "was served already; each of the others was refused, and the old one goes on serving.",
        "short",
        {
            "{{outcome}}": "sum by (outcome) "
            f"(increase({selected('predictor_reloads_total')}[$__rate_interval]))"
        },
        width=12,
        alert="PredictorReloadFailing",
    ),
)
PREDICTIONS = (
    "Predictions",
    Panel(
        "timeseries",
        "Rows predicted",
        "Rows a second; a request may have many. Normal follows the meters' day.",
        "cps",
        {"{{model_name}}": total(rate(ROWS), "model_name")},
    ),
    Panel(
        "timeseries",
        "What is predicted",
        "Predicted energy use of a reading. A median that leaves its usual daily course is another "
        "plant, another season, or inputs that went wrong: look at drift.",
        "kwatth",
        {
            **{f"p{share * 100:g}": quantile(share, PREDICTION) for share in (0.1, 0.5, 0.9)},
            "mean": mean(PREDICTION),
        },
    ),
    Panel(
        "timeseries",
        "Width of the intervals",
        "How far apart the lower and the upper bound are. Wider than usual means that the model is "
        "less sure: of readings with a high load that is normal.",
        "kwatth",
        {f"p{share * 100:g}": quantile(share, WIDTH) for share in (0.5, 0.9)}
        | {"mean": mean(WIDTH)},
    ),
    Panel(
        "heatmap",
        "Distribution of the predictions",
        "How many rows a second were predicted in each range. A few bands are normal, of the light "
        "and the heavy load; all rows in one range mean inputs that no longer vary.",
        "kwatth",
        {"{{le}}": total(rate(f"{PREDICTION}_bucket"), "le")},
        width=16,
    ),
    Panel(
        "timeseries",
        "Width against the prediction",
        "The mean width of an interval as a share of the mean prediction: how unsure the model is, "
        "whatever the load. It should be level; a rise is a model that no longer fits its inputs.",
        "percentunit",
        {"{{model_name}}": f"({mean(WIDTH, 'model_name')}) / ({mean(PREDICTION, 'model_name')})"},
    ),
)
INPUTS = (
    "Inputs",
    Panel(
        "timeseries",
        "Inputs that were refused, by column",
        "Rows or tensors a second that were refused, by the column that was wrong; `other` is what "
        "is wrong with the whole. Normal is 0; one column alone is a client that sends it wrongly.",
        "cps",
        {"{{column}}": total(rate("predictor_input_errors_total"), "column")},
        alert="PredictorDataInconsistent",
    ),
    Panel(
        "timeseries",
        "Rows answered in doubt, by warning",
        "Rows a second that contradict themselves or are out of the trained range; they are "
        "answered, with a warning. A rise is a meter or a client to look at.",
        "cps",
        {"{{warning}}": total(rate("predictor_warnings_total"), "warning")},
    ),
    Panel(
        "timeseries",
        "Share of rows in doubt",
        "Warnings for each row predicted. Near 0 is normal; near 1, that nearly every row is in "
        "doubt. A row may have several.",
        "percentunit",
        {
            "{{model_name}}": f"{total(rate('predictor_warnings_total'), 'model_name')}"
            f" / {total(rate(ROWS), 'model_name')}"
        },
        alert="PredictorDataInconsistent",
    ),
)


def model() -> Json:
    """Return the dashboard."""
    return dashboard(
        "model",
        "Energy predictor / Model",
        "Which model is served, what it predicts, and what it is given",
        *VERSIONS,
        *PREDICTIONS,
        *INPUTS,
    )
