"""Grafana's JSON for panels and dashboards, with what ours have in common written once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from charts.dashboards.kinds import CUSTOM, OPTIONS, PALETTE, Json

SOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
# The template puts the value `alerts.runbookUrl` in its place.
RUNBOOKS = "docs/runbooks.md"
SELECTED = 'namespace=~"$namespace", job=~"$job"'
GREEN, ORANGE, RED = "green", "orange", "red"
WIDTH = 24  # Grafana's grid


@dataclass(frozen=True)
class Panel:
    """A panel: what it asks by what its legend says, and how it is drawn."""

    kind: str
    title: str
    description: str
    unit: str
    targets: Mapping[str, str]
    width: int = 8
    height: int = 8
    thresholds: Sequence[tuple[str, float]] = ()  # after green
    limits: tuple[float | None, float | None] = (0, None)
    is_stacked: bool = False
    alert: str = ""  # whose runbook it links to
    options: Json = field(default_factory=dict)
    transformations: Sequence[Json] = ()
    overrides: Sequence[Json] = ()


def selected(metric: str, *matchers: str) -> str:
    """Return the series of a metric that the variables choose."""
    return f"{metric}{{{', '.join((SELECTED, *matchers))}}}"


def rate(metric: str, *matchers: str) -> str:
    """Return how fast a counter grows."""
    return f"rate({selected(metric, *matchers)}[$__rate_interval])"


def total(expression: str, *by: str) -> str:
    """Return a sum over pods, by some labels."""
    return f"sum by ({', '.join(by)}) ({expression})" if by else f"sum({expression})"


def quantile(share: float, metric: str, *matchers: str, by: Sequence[str] = ()) -> str:
    """Return a quantile of a histogram over all pods."""
    buckets = total(rate(f"{metric}_bucket", *matchers), "le", *by)
    return f"histogram_quantile({share}, {buckets})"


def mean(metric: str, *by: str) -> str:
    """Return the mean of a histogram over all pods."""
    return f"{total(rate(f'{metric}_sum'), *by)} / {total(rate(f'{metric}_count'), *by)}"


def dashboard(name: str, title: str, description: str, *panels: Panel | str, **more: Json) -> Json:
    """Return a dashboard; a text among the panels begins a row, and more are its own variables."""
    return {
        "uid": f"energy-predictor-{name}",
        "title": title,
        "description": description,
        "tags": ["energy-predictor"],
        "schemaVersion": 41,
        "editable": False,
        "graphTooltip": 1,
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "refresh": "30s",
        "annotations": {"list": []},
        "links": [
            _link("Runbooks", type="link", url="${runbooks}", targetBlank=True, icon="doc"),
            _link(
                "Energy predictor",
                type="dashboards",
                tags=["energy-predictor"],
                asDropdown=False,
                includeVars=True,
                keepTime=True,
            ),
        ],
        "templating": {"list": [*_variables(), *more.values()]},
        "panels": list(_placed(panels)),
    }


def label_variable(name: str, label: str, query: str, *, is_multiple: bool = True) -> Json:
    """Return a variable whose values are those of a label in Prometheus."""
    every = {"multi": True, "includeAll": True, "allValue": ".+"} if is_multiple else {}
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,  # also when the time changes
        "sort": 1,
        "current": {},
        **every,
    }


def _variables() -> list[Json]:
    """Return what is chosen in every dashboard; the runbooks' address is not shown."""
    info = "predictor_model_info"
    return [
        {
            "name": "datasource",
            "label": "Data source",
            "type": "datasource",
            "query": "prometheus",
            "current": {},
        },
        label_variable("namespace", "Namespace", f"label_values({info}, namespace)"),
        label_variable("job", "Job", f'label_values({info}{{namespace=~"$namespace"}}, job)'),
        {"name": "runbooks", "query": RUNBOOKS, "type": "constant", "hide": 2},
    ]


def _runbook(alert: str) -> Json:
    return _link(f"Runbook {alert}", url=f"${{runbooks}}#{alert.lower()}", targetBlank=True)


def _link(title: str, **more: Any) -> Json:  # noqa: ANN401 - of JSON
    return {"title": title, **more}


def _placed(panels: Sequence[Panel | str]) -> list[Json]:
    """Return Grafana's panels side by side, from the top down, with a number each."""
    placed: list[Json] = []
    x = y = height = 0
    for panel in panels:
        width, needed = (WIDTH, 1) if isinstance(panel, str) else (panel.width, panel.height)
        if x + width > WIDTH:
            x, y = 0, y + height
        position = {"h": needed, "w": width, "x": x, "y": y}
        placed.append({"id": len(placed) + 1, "gridPos": position, **_drawn(panel)})
        x, height = x + width, needed
    return placed


def _drawn(panel: Panel | str) -> Json:
    if isinstance(panel, str):
        return {"type": "row", "title": panel, "collapsed": False, "panels": []}
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "pluginVersion": "12.0.0",
        "targets": _targets(panel),
        "fieldConfig": {"defaults": _defaults(panel), "overrides": list(panel.overrides)},
        "options": OPTIONS[panel.kind] | panel.options,
        "transformations": list(panel.transformations),
        "links": [_runbook(panel.alert)] if panel.alert else [],
    }


def _targets(panel: Panel) -> list[Json]:
    is_now = panel.kind in {"stat", "table", "bargauge", "barchart"}
    formats = {"table": "table", "barchart": "table", "heatmap": "heatmap"}
    return [
        {
            "refId": chr(ord("A") + number),
            "datasource": SOURCE,
            "editorMode": "code",
            "expr": expression,
            "legendFormat": legend,
            "format": formats.get(panel.kind, "time_series"),
            "instant": is_now,
            "range": not is_now,
        }
        for number, (legend, expression) in enumerate(panel.targets.items())
    ]


def _defaults(panel: Panel) -> Json:
    """Return the unit, the limits of the axis and the colours."""
    steps: list[Json] = [{"color": GREEN, "value": None}]
    steps += [{"color": color, "value": value} for color, value in panel.thresholds]
    low, high = panel.limits
    defaults: Json = {
        "unit": panel.unit,
        "thresholds": {"mode": "absolute", "steps": steps},
        "color": {"mode": "palette-classic" if panel.kind in PALETTE else "thresholds"},
        "custom": dict(CUSTOM.get(panel.kind, {})),
    }
    if panel.kind == "timeseries":
        stacking = {"mode": "normal" if panel.is_stacked else "none", "group": "A"}
        line = {"mode": "line" if panel.thresholds else "off"}
        fill = 40 if panel.is_stacked else 8
        defaults["custom"] |= {
            "stacking": stacking,
            "thresholdsStyle": line,
            "fillOpacity": fill,
        }
    defaults |= {"min": low} if low is not None else {}
    return defaults | ({"max": high} if high is not None else {})
