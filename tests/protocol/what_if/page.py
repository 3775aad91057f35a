"""What tests ask of the what-if page, as it is shown."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from predictor import bundle
from predictor.training.pipeline import Trained
from tests.protocol.devtools import Tab
from tests.protocol.process import Server, running

SHOWN = """document.querySelector("#result").getAttribute("aria-busy") === "false"
    && document.querySelector("#prediction").value !== "–" """


def opened(tab: Tab, url: str) -> None:
    tab.open(f"{url}/ui")
    tab.until(SHOWN)


def text(tab: Tab, selector: str) -> str:
    found: str = tab.value(f"document.querySelector({json.dumps(selector)}).textContent")
    return found


def prediction(tab: Tab) -> str:
    found: str = tab.value("document.querySelector('#prediction').value")
    return found


def settled(tab: Tab, before: str) -> str:
    """Wait for another prediction than the one before, and return it."""
    tab.until(f"document.querySelector('#prediction').value !== {json.dumps(before)} && {SHOWN}")
    return prediction(tab)


@contextmanager
def serving(trained: Trained, folder: Path, **settings: str) -> Iterator[Server]:
    bundle.write(folder / "bundle", trained.manifest, trained.files)
    with running(folder / "bundle", UI="true", **settings) as server:
        yield server
