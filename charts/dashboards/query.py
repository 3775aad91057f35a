"""What a dashboard asks of Prometheus, and asking it."""

import json
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from charts.dashboards.kinds import Json

FOLDER = Path(__file__).parents[1] / "energy-predictor" / "dashboards"
FILES = {file.stem: file for file in sorted(FOLDER.glob("*.json"))}


@dataclass(frozen=True)
class Query:
    """An expression of a panel, called by the panel's title and its letter there."""

    name: str
    expression: str


def read(name: str) -> Json:
    """Return a dashboard."""
    found: Json = json.loads(FILES[name].read_text())
    return found


def panels(dashboard: Json) -> list[Json]:
    """Return the panels that are no rows."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries(dashboard: Json) -> Iterator[Query]:
    """Yield every expression of a dashboard."""
    for panel in panels(dashboard):
        for target in panel["targets"]:
            yield Query(f"{panel['title']} {target['refId']}", target["expr"])


def replaced(text: str, variables: Mapping[str, str]) -> str:
    """Return a text with each `$name` of a variable replaced by its value, as Grafana does."""
    return re.sub(r"\$(\w+)", lambda found: variables.get(found[1], found[0]), text)


def ask(url: str, path: str, **parameters: str | float) -> list[Json]:
    """Return the series that Prometheus answers with; `path` is `query` or `query_range`."""
    address = f"{url.rstrip('/')}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    with urllib.request.urlopen(address, timeout=60) as answer:
        found: Any = json.load(answer)
    series: list[Json] = found["data"]["result"]
    return series
