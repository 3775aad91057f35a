"""The files of the what-if page, and what it is made of, by HTTP."""

import http.client
import re
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from predictor.contract import Contract
from predictor.serving.rest.ui import what_if
from predictor.training.columns import CONTRACT
from predictor.training.pipeline import Trained
from tests import kinds
from tests.protocol.process import running

TYPES = {
    "/ui": "text/html; charset=utf-8",
    "/ui/answer.js": "text/javascript; charset=utf-8",
    "/ui/contract.json": "application/json",
    "/ui/fields.js": "text/javascript; charset=utf-8",
    "/ui/ui.css": "text/css; charset=utf-8",
    "/ui/ui.js": "text/javascript; charset=utf-8",
    "/ui/words.js": "text/javascript; charset=utf-8",
}
FOLDER = Path(what_if.__file__).parent


def loaded_by(client: httpx.Client, path: str) -> set[str]:
    """Return the paths that a file has its browser load or ask."""
    text = client.get(path).text
    found = re.findall(r"""(?:href|src|from|ask\()=?\s?["']([^"':]+)["']""", text)
    base = path if path.endswith(".js") and "ask(" not in text else "/ui"
    return {
        urljoin(base, re.sub(r"^\./", "ui/" if base == "/ui" else "./", each)) for each in found
    }


def test_without_the_setting_there_is_no_page(bundle_folder: Path) -> None:
    with running(bundle_folder) as server, httpx.Client(base_url=server.url) as client:
        assert {client.get(path).status_code for path in TYPES} == {404}


@pytest.mark.parametrize("path", TYPES)
def test_each_file_has_its_type_and_lets_nothing_else_in(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, TYPES[path])
    policy = dict(
        each.split(" ", 1) for each in answer.headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-cache"


def test_files_that_are_the_same_are_not_sent_again(client: httpx.Client) -> None:
    first = client.get("/ui/ui.js")
    again = client.get("/ui/ui.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_files_name_each_other_and_no_other_host(client: httpx.Client) -> None:
    named = {path for file in TYPES for path in loaded_by(client, file)}
    assert named == {*TYPES, "/predict"} - {"/ui"}
    for path in TYPES:
        assert re.findall(r"\w+:?//(?!www.w3.org/2000/svg)", client.get(path).text) == []


def test_the_page_holds_neither_a_script_nor_a_style(client: httpx.Client) -> None:
    page = client.get("/ui").text
    assert re.findall(r"<script[^>]*>([^<]*)", page) == [""]
    assert re.findall(r"<style|\sstyle=|\son\w+=", page) == []


@pytest.mark.parametrize(
    "path",
    [
        "/ui/",
        "/ui/index.html",
        "/ui/what_if.py",
        "/ui/__init__.py",
        "/ui/../plain.py",
        "/ui/%2e%2e/plain.py",
        "/ui/..%2fplain.py",
        "/ui/ui.css/../what_if.py",
        "/ui//etc/passwd",
        "/ui/ui.js%00",
    ],
)
def test_no_path_leads_to_another_file(client: httpx.Client, path: str) -> None:
    connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port)
    connection.request("GET", path)  # as it is, which other clients would tidy up
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (404, b'{"error":"Not Found"}')
    connection.close()


def test_the_page_is_in_no_documentation_of_the_api(client: httpx.Client) -> None:
    assert not [path for path in client.get("/openapi.json").json()["paths"] if "ui" in path]


def test_the_page_is_made_of_the_contract_and_begins_with_a_golden_row(
    client: httpx.Client, trained: Trained, contract: Contract
) -> None:
    facts = client.get("/ui/contract.json").json()
    manifest = trained.manifest
    assert (facts["name"], facts["version"]) == (manifest.name, manifest.version)
    assert [column["name"] for column in facts["contract"]["columns"]] == list(contract.names)
    assert facts["example"] == manifest.golden.rows[0]
    assert facts["coverage"] == manifest.intervals.target
    assert facts["explains"]
    assert client.post("/predict", json=facts["example"]).status_code == 200


def test_what_is_usual_holds_the_golden_rows_and_far_less_than_what_is_allowed(
    trained: Trained,
) -> None:
    manifest = trained.manifest
    facts, contract = what_if.facts_of(manifest, explains=True), manifest.contract
    rows = contract.encode_rows(manifest.golden.rows)
    for name, values in zip(contract.names, zip(*rows, strict=True), strict=True):
        low, high = facts.usual[name]
        assert low <= min(values) <= max(values) <= high < 100_000
    low, high = facts.usual["usage_kwh"]
    assert 0 <= low < high < 1000


def test_what_is_missing_is_not_usual() -> None:
    facts = what_if.facts_of(kinds.churn().manifest, explains=False)
    assert facts.usual["visits"] == (0, 50)
    assert facts.coverage == 0


def test_what_the_steel_plants_contract_says_is_known_in_spanish() -> None:
    words = (FOLDER / "words.js").read_text()
    said = [column.description for column in CONTRACT.columns] + [CONTRACT.target.description]
    said += [warning.message for warning in CONTRACT.warnings]
    labels = [name for column in CONTRACT.columns for name in column.names]
    assert [text for text in said if f'"{text}":' not in words] == []
    assert [label for label in labels if f" {label}: " not in words] == []


def test_both_languages_say_the_same_things() -> None:
    texts = (FOLDER / "words.js").read_text().split("const TEXTS = {")[1].split("\n};")[0]
    english, spanish = (
        re.findall(r"^    (\w+): ", part, re.MULTILINE) for part in texts.split("  es: {")
    )
    assert english == spanish
    assert len(english) > 15
    page = (FOLDER / "index.html").read_text()
    assert set(re.findall(r'data-text="(\w+)"', page)) <= set(english)
