"""What is generated for experiments whose bundles are written down, and so the same everywhere."""

from pathlib import Path

import msgspec

from predictor import experiment
from predictor.bundle import Manifest
from predictor.generation import files, settings
from predictor.generation.service import Service

FOLDERS = sorted(path.parent for path in Path(__file__).parent.glob("*/bundle.json"))
# These are of the package as it is now, and of other files: their own tests are about them.
CHANGING = (
    *("bundle/", "chart/", "manifests/", "wheels/"),
    *("requirements.txt", "tests/requirements.txt"),
)
RULES = "monitoring/prometheus/rules/"


def service(folder: Path) -> Service:
    manifest = msgspec.json.decode((folder / "bundle.json").read_bytes(), type=Manifest)
    chosen = folder / settings.FILE
    return Service(
        experiment.read(folder / experiment.FILE),
        manifest,
        settings.read(chosen if chosen.exists() else None),
    )


def every_file(folder: Path) -> dict[str, bytes]:
    """Return all that is generated, helm's too where it is there."""
    bundle = {"bundle.json": (folder / "bundle.json").read_bytes(), "model.onnx": b"a graph"}
    return files.generate(service(folder), bundle)


def made(folder: Path) -> dict[str, bytes]:
    """Return what is golden of it: what is written for this model, but by helm."""
    kept = every_file(folder).items()
    return {name: content for name, content in kept if not name.startswith((*CHANGING, RULES))}
