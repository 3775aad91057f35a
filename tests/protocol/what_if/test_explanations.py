"""How a prediction comes about, as the what-if page shows it in a browser."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from predictor.contract import Contract
from predictor.training.pipeline import Trained
from tests.protocol.devtools import Tab
from tests.protocol.process import Server
from tests.protocol.what_if.page import opened, prediction, serving, text

BARS = """[...document.querySelectorAll("#terms li[data-kind]")].map((li) => {
    li.querySelector("i").style.minWidth = 0;
    const {left, right} = li.querySelector("i").getBoundingClientRect();
    return {...li.dataset, value: Number(li.dataset.value), left, right};
})"""


def rows_of_bars(tab: Tab) -> dict[str, list[dict[str, Any]]]:
    """Return the bars by their kind, after they have come to rest."""
    tab.value("Promise.all(document.getAnimations().map((each) => each.finished)).then(() => 1)")
    found: dict[str, list[dict[str, Any]]] = {}
    for bar in tab.value(BARS):
        found.setdefault(bar["kind"], []).append(bar)
    return found


def start_of(bar: dict[str, Any]) -> float:
    found: float = bar["left" if bar["value"] >= 0 else "right"]
    return found


def end_of(bar: dict[str, Any]) -> float:
    found: float = bar["right" if bar["value"] >= 0 else "left"]
    return found


# One that the physics limits, and one that nothing does but what is usual.
@pytest.mark.parametrize(("reactive", "factor"), [(60.5, 80), (0, 100)])
def test_the_bars_add_up_to_the_prediction(
    tab: Tab,
    server: Server,
    client: httpx.Client,
    contract: Contract,
    reactive: float,
    factor: float,
) -> None:
    opened(tab, server.url)
    row = client.get("/ui/contract.json").json()["example"]
    row |= {"lagging_reactive_power": reactive, "lagging_power_factor": factor}
    explained = client.post("/predict", json={**row, "explain": True}).json()["explanation"]
    tab.type("#field-lagging_power_factor", str(factor))
    tab.type("#field-lagging_reactive_power", str(reactive))
    total_value = "document.querySelector('#terms [data-kind=sum]').dataset.value"
    tab.until(f"Number({total_value}) === {explained['prediction']}")
    bars = rows_of_bars(tab)
    [base], [physics], [total] = bars["base"], bars["physics"], bars["sum"]
    columns, bounds = bars["column"], bars.get("bounds", [])
    parts = [base, physics, *columns, *bounds]
    assert sum(part["value"] for part in parts) == pytest.approx(total["value"], abs=1e-6)
    shares = sum(share["value"] for share in bars.get("share", []))
    assert shares == pytest.approx(physics["value"], abs=1e-6)
    assert total["value"] == explained["prediction"]
    assert [bar["value"] for bar in columns] == list(explained["contributions"].values())
    assert len(columns) == len(contract.columns)
    assert base["left"] == total["left"]
    assert end_of(base) == pytest.approx(start_of(physics), abs=0.5)
    for before_it, bar in pairwise(columns):
        assert end_of(before_it) == pytest.approx(start_of(bar), abs=0.5)
    # All columns' by one scale, the others' by one.
    for group in ([base, physics, total], columns):
        lengths = [(bar["right"] - bar["left"], abs(bar["value"])) for bar in group]
        scales = [length / value for length, value in lengths if length > 5]
        assert scales
        assert scales == pytest.approx([scales[0]] * len(scales), rel=0.01)


def test_a_server_that_explains_nothing_has_the_page_without_it(
    tab: Tab, trained: Trained, tmp_path: Path
) -> None:
    with serving(trained, tmp_path, EXPLAIN="false") as server:
        opened(tab, server.url)
        assert prediction(tab) == f"{trained.manifest.golden.predictions[0]:,.2f}"
        assert tab.value("document.querySelector('#why').hidden")
        assert text(tab, "#unexplained") == "This server does not explain its predictions."
    assert tab.console == []


def test_a_bundle_that_is_explained_no_longer_takes_no_prediction_from_the_page(
    tab: Tab, trained: Trained, tmp_path: Path
) -> None:
    with serving(trained, tmp_path, EXPLAIN="false") as server:
        script = tab.do(
            "Page.addScriptToEvaluateOnNewDocument",
            source="""const json = Response.prototype.json;
            Response.prototype.json = async function () {
                const found = await json.call(this);
                return "explains" in found ? {...found, explains: true} : found;
            };""",
        )
        opened(tab, server.url)
        tab.do("Page.removeScriptToEvaluateOnNewDocument", **script)
        assert prediction(tab) == f"{trained.manifest.golden.predictions[0]:,.2f}"
        assert text(tab, "#trouble") == ""
