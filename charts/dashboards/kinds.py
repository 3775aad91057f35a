"""How each kind of panel is drawn, in Grafana's words."""

from typing import Any

Json = dict[str, Any]

# The kinds whose series have a colour each; the others are coloured by their thresholds.
PALETTE = {"timeseries", "barchart", "state-timeline"}
_LEGEND: Json = {
    "showLegend": True,
    "displayMode": "list",
    "placement": "bottom",
    "calcs": [],
}
_LAST: Json = {"calcs": ["lastNotNull"], "fields": "", "values": False}
CUSTOM: dict[str, Json] = {
    "timeseries": {"drawStyle": "line", "lineWidth": 1, "showPoints": "never", "spanNulls": False},
    "table": {"align": "auto", "cellOptions": {"type": "auto"}},
    "barchart": {"fillOpacity": 80, "lineWidth": 0},
    "state-timeline": {"fillOpacity": 70, "lineWidth": 0},
    "heatmap": {"scaleDistribution": {"type": "linear"}},
}
OPTIONS: dict[str, Json] = {
    "timeseries": {
        "legend": _LEGEND,
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": _LAST,
        "colorMode": "value",
        "graphMode": "none",
        "textMode": "auto",
        "justifyMode": "auto",
        "orientation": "auto",
    },
    "bargauge": {
        "reduceOptions": _LAST,
        "displayMode": "basic",
        "orientation": "horizontal",
        "valueMode": "color",
        "showUnfilled": True,
    },
    "table": {"showHeader": True, "cellHeight": "sm"},
    "barchart": {
        "legend": _LEGEND,
        "orientation": "horizontal",
        "showValue": "never",
        "stacking": "none",
        "tooltip": {"mode": "multi", "sort": "none"},
    },
    "state-timeline": {
        "legend": _LEGEND,
        "mergeValues": True,
        "showValue": "auto",
        "rowHeight": 0.8,
        "tooltip": {"mode": "single", "sort": "none"},
    },
    "heatmap": {
        "calculate": False,
        "cellGap": 1,
        "color": {"mode": "scheme", "scheme": "Blues", "steps": 64, "reverse": False},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "tooltip": {"mode": "single", "yHistogram": True, "showColorScale": True},
    },
}
