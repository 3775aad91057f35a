from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.protocol.devtools import Tab, chromium
from tests.protocol.process import Server, running


@pytest.fixture(scope="package")
def server(bundle_folder: Path) -> Iterator[Server]:
    with running(bundle_folder, UI="true") as server:
        yield server


@pytest.fixture(scope="package")
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url) as client:
        yield client


@pytest.fixture(scope="package")
def browser() -> Iterator[Tab]:
    with chromium() as tab:
        yield tab


@pytest.fixture
def tab(browser: Tab) -> Tab:
    """Return an English, wide, empty page that has said and asked for nothing."""
    browser.open("about:blank")
    browser.size(1240, 900)
    browser.language("en")
    browser.console.clear()
    browser.asked.clear()
    return browser
