"""Prints what Grafana does not know of a dashboard: run where grafana-foundation-sdk is installed.

    python grafana.py DASHBOARD

Its types are made from Grafana's own schema. A dashboard is read into them and written again; what
is lost on the way, Grafana would not have looked at.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard


def lost(given: Any, kept: Any, path: str = "") -> Iterator[str]:  # noqa: ANN401 - of JSON
    """Yield where something is that was given and not kept."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for name, value in given.items():
            yield from lost(value, kept.get(name), f"{path}.{name}")
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for number, (value, other) in enumerate(zip(given, kept, strict=True)):
            yield from lost(value, other, f"{path}[{number}]")
    elif given != kept:
        yield path


if __name__ == "__main__":
    register_default_plugins()
    given = json.loads(Path(sys.argv[1]).read_text())
    kept = json.loads(json.dumps(Dashboard.from_json(given), cls=JSONEncoder))
    sys.stdout.write(json.dumps(list(lost(given, kept))))
