"""The service level objectives of predictions, and what is left of their budgets."""

from charts.dashboards.panels import GREEN, ORANGE, RED, Panel, selected

BUDGET = ((RED, -1e9), (ORANGE, 0), (GREEN, 0.25))
WINDOWS = ("5m", "1h", "6h", "3d")


def _budget(objective: str, spent_by: str, alert: str) -> Panel:
    return Panel(
        "stat",
        f"{objective.capitalize()} budget left",
        f"What is left of the share of predictions that may be {spent_by} in 30 days. "
        "100 %: none was. Below 25 %, put off what is risky; below 0 the objective is missed.",
        "percentunit",
        {
            "{{namespace}} {{job}}": "min by (namespace, job) "
            f"({selected(f'predictor:{objective}:budget_remaining_ratio')})"
        },
        width=6,
        height=5,
        thresholds=BUDGET,
        limits=(None, 1),
        alert=alert,
    )


def _burning(title: str, ratio: str, description: str, alert: str) -> Panel:
    return Panel(
        "timeseries",
        title,
        description,
        "percentunit",
        {
            f"{window} {{{{namespace}}}} {{{{job}}}}": f"max by (namespace, job) "
            f"({selected(f'predictor:{ratio}{window}')})"
            for window in WINDOWS
        },
        alert=alert,
    )


OBJECTIVES = (
    "Service level objectives",
    _budget("availability", "failed by the server", "PredictorAvailabilityBurn"),
    _budget("latency", "answered later than after 25 ms", "PredictorLatencyBurn"),
    Panel(
        "stat",
        "Predictions asked for",
        "Requests for a prediction a second, over the last 5 minutes. Normal is what your clients "
        "usually send; 0 while they should be sending means that none gets here.",
        "reqps",
        {"{{namespace}} {{job}}": selected("predictor:requests:rate5m")},
        width=6,
        height=5,
    ),
    Panel(
        "stat",
        "Pods that are scraped",
        "Pods whose metrics Prometheus reads. It should be the number of ready pods; below that, "
        "the other panels miss some requests.",
        "none",
        {"{{namespace}} {{job}}": f"sum by (namespace, job) ({selected('up')})"},
        width=6,
        height=5,
        thresholds=((RED, -1), (GREEN, 1)),
        alert="PredictorNothingScraped",
    ),
    _burning(
        "Failed predictions, by window",
        "availability:error_ratio_rate",
        "The share of predictions that the server failed, over windows of several lengths. Normal "
        "is 0. A short window alone is a blip; a short and a long one together use up the budget.",
        "PredictorAvailabilityBurn",
    ),
    _burning(
        "Slow predictions, by window",
        "latency:slow_ratio_rate",
        "The share of predictions not answered within 25 ms, over windows of several lengths. "
        "Normal is near 0; large batches take longer, and count.",
        "PredictorLatencyBurn",
    ),
    Panel(
        "timeseries",
        "Budgets left",
        "How the two budgets went down. A steep fall is an incident; a slow one is how you run. "
        "They rise again when what used them up is 30 days ago.",
        "percentunit",
        {
            f"{name} {{{{namespace}}}} {{{{job}}}}": "min by (namespace, job) "
            f"({selected(f'predictor:{name}:budget_remaining_ratio')})"
            for name in ("availability", "latency")
        },
        limits=(None, 1),
    ),
)
