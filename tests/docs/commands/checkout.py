"""A checkout to run a page's commands in: its files are ours, and what they write is not."""

import os
import sys
from pathlib import Path

from tests.paths import ROOT

# What commands make; everything else is the checkout's own.
MADE = {".venv", "bundle", "deployment", "dist", "site", "captured"}


def checkout(folder: Path, bundle: Path) -> Path:
    """Return a folder with the files of this checkout, an environment and a bundle."""
    folder.mkdir()
    for path in ROOT.iterdir():
        if path.name not in MADE and path.name != ".git":
            (folder / path.name).symlink_to(path)
    _environment(folder / ".venv")
    _written(folder / "bundle", bundle)
    _program(folder / ".programs" / "predictor")
    (folder / folder.name).symlink_to(".")  # so that `cd` finds what was cloned
    return folder


def _environment(folder: Path) -> None:
    """Lend the environment of the tests, which is complete for every target of make."""
    folder.mkdir()
    for path in Path(sys.prefix).iterdir():
        if path.name not in {".run", ".dev"}:
            (folder / path.name).symlink_to(path)
    for target in (".run", ".dev"):
        (folder / target).touch()


def _written(folder: Path, bundle: Path) -> None:
    folder.mkdir()
    for path in bundle.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())


def _program(path: Path) -> None:
    """Put a `predictor` on the way that trains in a moment."""
    path.parent.mkdir()
    path.write_text(f'#!/bin/sh\nexec {sys.executable} -m tests.docs.commands.small "$@"\n')
    path.chmod(0o755)


def environment(folder: Path) -> dict[str, str]:
    """Return what a shell in the folder has set, beside what this process has."""
    path = f"{folder}/.programs:{folder}/.venv/bin:{os.environ['PATH']}"
    return {"PATH": path, "PYTHONPATH": str(ROOT)}
