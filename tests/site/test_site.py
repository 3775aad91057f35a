"""The site that `make docs` built: read as files, and in a browser that reaches no other host."""

import re
import subprocess
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.paths import ROOT
from tests.protocol import browser

SITE = ROOT / "site"
SPHINX = ROOT / ".docs-env" / "bin" / "sphinx-build"
# What a browser fetches by itself: the attribute of each element.
LOADED = {
    "audio": "src",
    "embed": "src",
    "iframe": "src",
    "img": "src",
    "link": "href",
    "object": "data",
    "script": "src",
    "source": "src",
    "video": "src",
}
# Of links, those which only name something.
NAMED = {"index", "search", "next", "prev", "author", "canonical"}
IN_STYLES = re.compile(r"@import\s+(?:url\()?[\"']?([^\"')]+)|url\(\s*[\"']?([^\"')]+)")


@dataclass
class Page(HTMLParser):
    """What a page loads, what it links to, and what in it can be linked to."""

    file: Path
    loaded: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.file.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.anchors.add(given["id"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif LOADED.get(tag) in given and given.get("rel") not in NAMED:
            self.loaded.append(given[LOADED[tag]])


@pytest.fixture(scope="session")
def pages() -> dict[Path, Page]:
    return {file: Page(file) for file in SITE.rglob("*.html")}


def test_every_page_of_the_documentation_is_in_the_site(pages: dict[Path, Page]) -> None:
    sources = [page.relative_to(ROOT) for page in (ROOT / "docs").rglob("*.md")]
    assert len(sources) > 60
    assert {SITE / source.with_suffix(".html") for source in sources} <= pages.keys()


def test_no_page_loads_anything_from_another_host(pages: dict[Path, Page]) -> None:
    loaded = [(str(file), url) for file, page in pages.items() for url in page.loaded]
    assert len(loaded) > len(pages)
    assert [(file, url) for file, url in loaded if urlsplit(url).netloc] == []


def test_no_style_loads_anything_from_another_host() -> None:
    styles = "\n".join(file.read_text() for file in SITE.rglob("*.css"))
    named = [first or second for first, second in IN_STYLES.findall(styles)]
    assert named
    assert [url for url in named if urlsplit(url).netloc] == []


def test_every_link_inside_the_site_leads_to_a_file_and_a_place_in_it(
    pages: dict[Path, Page],
) -> None:
    wrong = []
    for file, page in pages.items():
        for link in page.links:
            url = urlsplit(link)
            target = (file.parent / unquote(url.path)).resolve() if url.path else file
            if url.scheme:
                continue
            anchors = pages[target].anchors if target in pages else set()
            if not target.exists() or (url.fragment and url.fragment not in anchors):
                wrong.append((str(file.relative_to(SITE)), link))
    assert wrong == []


def test_the_search_finds_what_is_on_a_page_without_a_server_or_another_host() -> None:
    shown = browser.show(f"{(SITE / 'search.html').as_uri()}?q=population+stability")
    found = re.findall(r'<a href="([^"]+\.html)[^"]*"[^>]*data-score', shown.document)
    assert "docs/dashboards.html" in found
    assert [url for url in shown.asked if not url.startswith("file:")] == []


def test_the_search_finds_the_spanish_tutorial_by_a_word_of_its_own() -> None:
    shown = browser.show(f"{(SITE / 'search.html').as_uri()}?q=predicci%C3%B3n")
    assert "docs/tutorial.es.html" in shown.document


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[a](nowhere.md)", "nowhere"),
        ("[a](#nowhere)", "nowhere"),
        ("[a](other.md#nowhere)", "nowhere"),
        ("![a](nowhere.svg)", "image file not readable"),
    ],
)
def test_a_link_that_leads_nowhere_ends_the_build(tmp_path: Path, text: str, fault: str) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "other.md").write_text("# Other\n")
    (docs / "index.md").write_text(f"# Index\n\n{text}\n\n```{{toctree}}\nother\n```\n")
    options = ("-q", "-W", "-c", str(ROOT / "docs"))
    command = [str(SPHINX), *options, str(tmp_path), str(tmp_path / "site")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert fault in result.stderr
