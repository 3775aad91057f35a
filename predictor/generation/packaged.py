"""What the package has at hand for a folder: the chart, lock files and its own serving part.

In a wheel they are inside the package; in a checkout they are beside it.
"""

from collections.abc import Iterator
from pathlib import Path

import predictor
from predictor.errors import ExperimentError

PACKAGE = Path(predictor.__file__).parent
CHARTS = (PACKAGE / "deployment" / "chart", PACKAGE.parent / "charts" / "energy-predictor")
LOCKS = (PACKAGE / "generation" / "requirements", PACKAGE.parent / "requirements")
# What the image of this package holds of it too.
SERVING = ("*.py", "cli/**/*.py", "serving/**/*.py")
# Of the chart, what is for its own tests.
LEFT_OUT = ("ci", ".helmignore")


def chart() -> Path:
    """Return the chart's folder."""
    return _first(CHARTS, "Chart.yaml").parent


def chart_files() -> dict[str, bytes]:
    """Return the chart's files by their paths in it."""
    folder = chart()
    found = {path.relative_to(folder): path for path in _files(folder, "**/*")}
    return {
        name.as_posix(): path.read_bytes()
        for name, path in found.items()
        if name.parts[0] not in LEFT_OUT
    }


def lock(name: str) -> str:
    """Return the text of a lock file."""
    return _first(LOCKS, f"{name}.txt").read_text()


def serving() -> dict[str, bytes]:
    """Return the files of the package that a server needs, by their paths from its parent."""
    return {
        path.relative_to(PACKAGE.parent).as_posix(): path.read_bytes()
        for pattern in SERVING
        for path in _files(PACKAGE, pattern)
    }


def template(name: str) -> str:
    """Return the text of a template of this package."""
    return (PACKAGE / "generation" / "templates" / f"{name}.txt").read_text()


def _files(folder: Path, pattern: str) -> Iterator[Path]:
    return (path for path in sorted(folder.glob(pattern)) if path.is_file())


def _first(folders: tuple[Path, ...], name: str) -> Path:
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    message = f"{name} is neither in {folders[0]} nor in {folders[1]}: install the package anew"
    raise ExperimentError(message)
