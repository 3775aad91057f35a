"""The page on which one changes a row and sees what becomes of its prediction."""

import math
from collections.abc import Iterable, Iterator

import msgspec
from fastapi import FastAPI, Response
from fastapi.staticfiles import StaticFiles

from predictor.bundle import Manifest
from predictor.contract import Contract, Row
from predictor.serving.engine import NoExplanation
from predictor.serving.rest import http
from predictor.serving.rest.flat_row import EXPLAIN
from predictor.serving.rest.page import add_file
from predictor.serving.service import Service

UI = "/ui"
FACTS = f"{UI}/contract.json"
INDEX = "index.html"
FILES = ("ui.css", "ui.js", "answer.js", "fields.js", "words.js")

# Scripts, styles and requests are this server's alone, and none stands in the page itself.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Asked for anew each time, or after an upgrade a file would be of another version than the rest.
HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Range = tuple[float, float]


class Facts(msgspec.Struct, frozen=True):
    """All that the page is made of.

    `usual` is the range in which the values of a column, or of the target, mostly are: a contract
    may allow far more than a slider can show. `coverage` is the share that intervals are made to
    hold, 0 where there are none; `explains` is whether predictions can be explained.
    """

    name: str
    version: str
    contract: Contract
    example: Row
    usual: dict[str, Range]
    coverage: float
    explains: bool


def add_what_if(app: FastAPI, service: Service) -> None:
    """Add the page, its files and what it is made of, each a route of its own."""
    files = StaticFiles(packages=[("predictor.serving.rest", "ui")])
    add_file(app, UI, files, INDEX, HEADERS)
    for name in FILES:
        add_file(app, f"{UI}/{name}", files, name, HEADERS)

    @app.get(FACTS, include_in_schema=False)
    async def facts() -> Response:
        found = facts_of(service.engine.manifest, explains=_explains(service))
        content = msgspec.json.encode(found)
        return Response(content, media_type=http.JSON, headers=HEADERS)


def facts_of(manifest: Manifest, *, explains: bool) -> Facts:
    """Return what the page is made of, for a bundle's model."""
    return Facts(
        manifest.name,
        manifest.version,
        manifest.contract,
        manifest.golden.rows[0],
        dict(_usual(manifest)),
        manifest.intervals.target if manifest.contract.interval else 0.0,
        explains,
    )


def _explains(service: Service) -> bool:
    """Return whether `/predict` can be asked for an explanation."""
    if EXPLAIN in service.engine.manifest.contract.columns_by_name:
        return False  # it would be that column
    try:
        service.check_explains()
    except NoExplanation:
        return False
    return True


def _usual(manifest: Manifest) -> Iterator[tuple[str, Range]]:
    """Yield the range of each column that numbers came of, and of the target."""
    contract, golden = manifest.contract, manifest.golden
    places = zip(*contract.encode_rows(golden.rows), strict=True)
    seen: dict[str, Iterable[float]] = dict(zip(contract.names, places, strict=True))
    seen[contract.target.name] = (*golden.predictions, *golden.lower, *golden.upper)
    bins = manifest.profile.bins if manifest.profile else ()
    binned = {each.name: (*each.points, *each.edges) for each in bins}
    for name, values in seen.items():
        known = [v for v in (*values, *binned.get(name, ())) if not math.isnan(v)]
        if known:
            yield name, (min(known), max(known))
