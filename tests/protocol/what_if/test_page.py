"""The what-if page, in a browser, before a real server."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from predictor import bundle
from predictor.contract import Contract
from predictor.training.pipeline import Trained
from tests import kinds
from tests.protocol.devtools import Tab
from tests.protocol.process import Server, running

SHOWN = """document.querySelector("#result").getAttribute("aria-busy") === "false"
    && document.querySelector("#prediction").value !== "–" """
BARS = """[...document.querySelectorAll("#terms li[data-kind]")].map((li) => {
    li.querySelector("i").style.minWidth = 0;
    const {left, right} = li.querySelector("i").getBoundingClientRect();
    return {...li.dataset, value: Number(li.dataset.value), left, right};
})"""
REFUSED = "Failed to load resource: the server responded with a status of 422"
KEY = "alice-0123456789"


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


def test_the_page_shows_the_prediction_of_the_example_and_asks_nobody_else(
    tab: Tab, server: Server, trained: Trained
) -> None:
    opened(tab, server.url)
    golden = trained.manifest.golden
    assert prediction(tab) == f"{golden.predictions[0]:,.2f}"
    assert text(tab, "#interval").startswith(
        f"{golden.lower[0]:,.2f} to {golden.upper[0]:,.2f} kWh"
    )
    assert text(tab, "#spoken").startswith(f"Prediction {prediction(tab)} kWh.")
    assert text(tab, "#model") == f"Model energy, version {trained.manifest.version}"
    assert {urlsplit(url).netloc for url in tab.asked if url != "about:blank"} == {
        urlsplit(server.url).netloc
    }
    assert tab.console == []


@pytest.mark.parametrize("key", ["ArrowRight", "ArrowLeft"])
def test_a_slider_changes_the_prediction(
    tab: Tab, server: Server, client: httpx.Client, key: str
) -> None:
    opened(tab, server.url)
    before = prediction(tab)
    tab.value("document.querySelector('[data-column=lagging_reactive_power] [type=range]').focus()")
    for _ in range(5):
        tab.press(key)
    settled(tab, before)
    row = client.get("/ui/contract.json").json()["example"]
    shown = tab.value("document.querySelector('#field-lagging_reactive_power').value")
    assert (float(shown) > row["lagging_reactive_power"]) == (key == "ArrowRight")
    answer = client.post("/predict", json={**row, "lagging_reactive_power": float(shown)}).json()
    tab.until(
        f"document.querySelector('#prediction').value === '{answer['predicted_usage_kwh']:,.2f}'"
    )


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


def test_the_example_comes_back(tab: Tab, server: Server) -> None:
    opened(tab, server.url)
    before = prediction(tab)
    tab.type("#field-lagging_reactive_power", "10")
    after = settled(tab, before)
    tab.value("document.querySelector('#again').click()")
    assert settled(tab, after) == before


def test_a_time_of_day_is_a_clock_too(tab: Tab, server: Server) -> None:
    opened(tab, server.url)
    tab.type("#field-nsm", "49500")
    tab.until("document.querySelector('[data-column=nsm] output').value === '13:45'")
    assert tab.value("document.querySelector('[data-column=nsm] [type=range]').value") == "49500"
    tab.type("#field-nsm", "-5")
    tab.until("document.querySelector('[data-column=nsm] output').value === ''")


@pytest.mark.parametrize(("column", "wrong"), [("nsm", "-4"), ("co2", "much"), ("nsm", "")])
def test_an_error_is_the_servers_sentence_at_its_field(
    tab: Tab, server: Server, column: str, wrong: str
) -> None:
    opened(tab, server.url)
    before = prediction(tab)
    good = tab.value(f"document.querySelector('#field-{column}').value")
    tab.type(f"#field-{column}", wrong)
    tab.until("document.querySelector('[aria-invalid=true]')")
    said = text(tab, f"#error-{column}")
    got = {"-4": "-4", "much": '"much"', "": "nothing"}[wrong]
    assert said.startswith(f"Got {got}, expected a")
    invalid = "[...document.querySelectorAll('[aria-invalid=true]')].map((each) => each.name)"
    assert tab.value(invalid) == [column]
    described = tab.value(
        f"document.querySelector('#field-{column}').getAttribute('aria-describedby')"
    )
    assert f"error-{column}" in described.split()
    assert prediction(tab) == before
    assert all(REFUSED in line for line in tab.console)
    tab.type(f"#field-{column}", good)
    tab.until("!document.querySelector('[aria-invalid=true]')")
    assert text(tab, "#trouble") == text(tab, f"#error-{column}") == ""


def test_the_browsers_language_is_the_pages_and_can_be_switched(tab: Tab, server: Server) -> None:
    opened(tab, server.url)
    english = prediction(tab)
    tab.language("es-CO")
    opened(tab, server.url)
    assert tab.value("document.documentElement.lang") == "es"
    assert prediction(tab) == english.replace(".", ",")
    assert text(tab, "[data-column=nsm] label") == "Hora del día"
    assert tab.value("document.querySelector('#field-day_of_week').selectedOptions[0].text") in {
        *("Lunes", "Martes", "Miércoles", "Jueves", "Viernes", "Sábado", "Domingo")
    }
    tab.type("#field-lagging_reactive_power", "10,5")
    spanish = settled(tab, prediction(tab))
    tab.value("document.querySelector('#languages [value=en]').click()")
    assert tab.value("document.documentElement.lang") == "en"
    assert prediction(tab) == spanish.replace(",", ".")
    assert tab.value("document.querySelector('#field-lagging_reactive_power').value") == "10.5"
    pressed = "[...document.querySelectorAll('[aria-pressed=true]')].map((each) => each.value)"
    assert tab.value(pressed) == ["en"]
    assert tab.console == []


def test_an_older_answer_never_overwrites_a_newer_one(tab: Tab, server: Server) -> None:
    opened(tab, server.url)
    before = prediction(tab)
    tab.value("""(() => {
        const real = window.fetch;
        window.free = [];
        window.fetch = async (...asked) => {
            const answer = await real(...asked);
            if (window.free.length === 0) await new Promise((done) => window.free.push(done));
            window.last = asked;
            return answer;
        };
    })()""")
    tab.type("#field-lagging_reactive_power", "10")
    tab.until("window.free.length === 1")  # it has its answer, and does not see it yet
    tab.type("#field-lagging_reactive_power", "60")
    newest = settled(tab, before)
    tab.value("window.free[0]()")
    tab.until("JSON.parse(window.last[1].body).lagging_reactive_power === 10")
    tab.value("new Promise((done) => setTimeout(done))")  # past all that was waiting for it
    assert prediction(tab) == newest


@pytest.mark.parametrize("language", ["en", "es"])
def test_a_narrow_window_needs_no_scrolling_sideways(
    tab: Tab, server: Server, language: str
) -> None:
    tab.language(language)
    tab.size(360, 740)
    opened(tab, server.url)
    assert tab.value("document.documentElement.scrollWidth") == 360
    outside = """[...document.querySelectorAll("main *")].filter((each) =>
        each.getBoundingClientRect().right > 360).map((each) => each.outerHTML)"""
    assert tab.value(outside) == []


def test_every_control_has_a_name(tab: Tab, server: Server) -> None:
    opened(tab, server.url)
    tree = tab.do("Accessibility.getFullAXTree")["nodes"]
    controls = [
        (node["role"]["value"], node["name"]["value"])
        for node in tree
        if node.get("role", {}).get("value") in {"slider", "textbox", "combobox", "button"}
    ]
    assert ("slider", "Lagging power factor") in controls
    assert ("textbox", "Lagging power factor") in controls
    assert ("combobox", "Load type") in controls
    assert [role for role, name in controls if not name] == []


def test_classes_are_bars_of_their_probabilities_and_what_is_optional_can_be_empty(
    tab: Tab, tmp_path: Path
) -> None:
    trained = kinds.churn()
    with serving(trained, tmp_path) as server:
        opened(tab, server.url)
        likely = (
            "[...document.querySelectorAll('#classes li')].map((li) => Number(li.dataset.value))"
        )
        first = tab.value(likely)
        assert sum(first) == pytest.approx(1)
        assert prediction(tab) == trained.manifest.contract.target.classes[first.index(max(first))]
        tab.type("#field-visits", "")
        tab.value("document.querySelector('#field-plan').focus()")
        for _ in range(2):
            tab.press("ArrowUp")
        answer = httpx.post(f"{server.url}/predict", json={"age": 30.5, "plan": None}).json()
        expected = list(answer["probabilities"].values())
        wanted = json.dumps(expected, separators=(",", ":"))
        tab.until(f"JSON.stringify({likely}) === {json.dumps(wanted)}")
        assert text(tab, "#trouble") == ""


def test_a_model_without_intervals_and_explanations_has_a_page_too(
    tab: Tab, tmp_path: Path
) -> None:
    with serving(kinds.cost(), tmp_path) as server:
        opened(tab, server.url)
        assert prediction(tab) == "33.50"
        assert text(tab, "#interval") == ""
        assert text(tab, "[data-column=age] label") == "Age"
        assert tab.value("document.querySelector('#why').hidden")
        assert not tab.value("document.querySelector('#unexplained').hidden")
        tab.type("#field-age", "40")
        assert settled(tab, "33.50") == "43.00"


def test_a_key_is_asked_for_where_it_is_needed_and_kept_nowhere(
    tab: Tab, trained: Trained, tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text(f"alice {KEY}\n")
    with serving(trained, tmp_path, API_KEYS_FILE=str(tmp_path / "keys")) as server:
        assert httpx.get(f"{server.url}/ui").status_code == 401
        # As a proxy does that lets people in.
        tab.do("Network.setExtraHTTPHeaders", headers={"x-api-key": KEY})
        opened(tab, server.url)
        assert tab.value("document.querySelector('#key').hidden")
        tab.do("Network.setExtraHTTPHeaders", headers={})
        before = prediction(tab)
        tab.type("#field-lagging_reactive_power", "10")
        tab.until("!document.querySelector('#key').hidden")
        assert text(tab, "#trouble") != ""
        tab.type("#secret", KEY)
        tab.press("Enter")
        settled(tab, before)
        assert text(tab, "#trouble") == ""
        kept = "[JSON.stringify([localStorage, sessionStorage]), document.cookie, location.href]"
        assert tab.value(kept) == ["[{},{}]", "", f"{server.url}/ui"]
        assert not [url for url in tab.asked if KEY in url]


def test_a_server_that_is_gone_is_said_to_be(tab: Tab, trained: Trained, tmp_path: Path) -> None:
    with serving(trained, tmp_path) as server:
        opened(tab, server.url)
        before = prediction(tab)
    tab.type("#field-co2", "0.01")
    tab.until("document.querySelector('#trouble').textContent === 'The server does not answer.'")
    assert prediction(tab) == before


def test_the_page_works_below_the_path_of_a_proxy(
    tab: Tab, server: Server, trained: Trained
) -> None:
    class Proxy(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            path = self.path.removeprefix("/plant/energy")
            found = httpx.request(
                self.command,
                server.url + (path if path != self.path else "/nothing"),
                content=body,
                headers={"content-type": self.headers.get("content-type", "application/json")},
            )
            self.send_response(found.status_code)
            for name in ("content-type", "content-length", "content-security-policy"):
                self.send_header(name, found.headers.get(name, ""))
            self.end_headers()
            self.wfile.write(found.content)

        do_GET = do_POST = answer  # noqa: N815 - http.server calls them so

        def log_message(self, *_: Any) -> None:  # noqa: ANN401 - it is http.server's
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever).start()
        try:
            opened(tab, f"http://127.0.0.1:{proxy.server_port}/plant/energy")
        finally:
            proxy.shutdown()
    assert prediction(tab) == f"{trained.manifest.golden.predictions[0]:,.2f}"
    assert tab.console == []
