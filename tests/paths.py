"""Where things are in a checkout."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
CHART = ROOT / "charts" / "energy-predictor"
