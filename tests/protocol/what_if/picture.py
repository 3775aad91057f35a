"""Draws the what-if page for the documentation: docs/ui.png, and docs/ui.es.png in Spanish."""

import argparse
from pathlib import Path

from tests.paths import ROOT
from tests.protocol.devtools import Tab, chromium
from tests.protocol.process import running

PICTURES = {"en": "ui.png", "es": "ui.es.png"}
WIDTH, HEIGHT = 1240, 700
EXPLAINED = "document.querySelectorAll('#terms li').length > 0"
AT_REST = "Promise.all(document.getAnimations().map((each) => each.finished)).then(() => 1)"


def draw(tab: Tab, url: str, language: str) -> bytes:
    """Return the page in a language, as PNG."""
    tab.size(WIDTH, HEIGHT)
    tab.language(language)
    tab.open(f"{url}/ui")
    tab.until(EXPLAINED)
    tab.value(AT_REST)
    return tab.image()


def main() -> None:
    """Draw the page of a bundle's model."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    options = parser.parse_args()
    with running(options.bundle, UI="true") as server, chromium() as tab:
        for language, name in PICTURES.items():
            (ROOT / "docs" / name).write_bytes(draw(tab, server.url, language))


if __name__ == "__main__":
    main()
