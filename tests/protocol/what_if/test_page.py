"""The what-if page, in a browser, before a real server."""

from urllib.parse import urlsplit

import httpx
import pytest

from predictor.training.pipeline import Trained
from tests.protocol.devtools import Tab
from tests.protocol.process import Server
from tests.protocol.what_if.page import opened, prediction, settled, text

REFUSED = "Failed to load resource: the server responded with a status of 422"


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
