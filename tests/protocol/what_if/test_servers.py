"""The what-if page of other models, and of servers that others stand before."""

import http.server
import json
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from predictor.training.pipeline import Trained
from tests import kinds
from tests.protocol.devtools import Tab
from tests.protocol.process import Server
from tests.protocol.what_if.page import opened, prediction, serving, settled, text

KEY = "alice-0123456789"


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
