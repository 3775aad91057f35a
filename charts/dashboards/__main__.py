"""Writes the chart's dashboards.

With --check it says whether they are so, and changes nothing.
"""

import json
import sys
from pathlib import Path

from charts.dashboards.drift import drift
from charts.dashboards.model import model
from charts.dashboards.serving import serving

FOLDER = Path(__file__).parents[1] / "energy-predictor" / "dashboards"


def written() -> dict[str, str]:
    """Return each file's text by its name."""
    made = {"serving": serving(), "model": model(), "drift": drift()}
    return {
        f"{name}.json": json.dumps(dashboard, indent=2, ensure_ascii=False) + "\n"
        for name, dashboard in made.items()
    }


def main() -> int:
    """Write the dashboards, or check them."""
    files = written()
    if "--check" in sys.argv:
        if files != {file.name: file.read_text() for file in FOLDER.iterdir()}:
            print("the dashboards are not those of charts/dashboards; run: make dashboards")
            return 1
        return 0
    for name, text in files.items():
        (FOLDER / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
