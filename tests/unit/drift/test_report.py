import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from predictor.contract import Column, Contract, Target
from predictor.drift import report
from predictor.drift.comparison import Comparison, compare
from predictor.drift.reference import Reference
from predictor.drift.sample import Sample
from predictor.errors import DataError
from predictor.profiling import profile_of

CONTRACT = Contract(
    (
        Column("flow", "FP64", "m3", ""),
        Column(
            "line", "BYTES", "category", "", labels={"<b>&": 0, "a very long name of a line": 1}
        ),
    ),
    Target("heat", "kWh", ""),
)
WINDOW = 500


@pytest.fixture
def rows(generator: np.random.Generator) -> Sample:
    columns = np.column_stack([generator.normal(10, 2, 2000), np.arange(2000) % 2])
    return Sample('plant "<1>".csv', columns, columns[:, 0] * 3)


@pytest.fixture
def reference(rows: Sample) -> Reference:
    return Reference("bundle & all", CONTRACT, profile_of(CONTRACT, rows.columns, rows.target))


@pytest.fixture
def drifted(reference: Reference, rows: Sample) -> Comparison:
    columns = rows.columns.copy()
    columns[1000:1500, 0] += 4
    return compare(reference, replace(rows, columns=columns), WINDOW)


class Page(HTMLParser):
    """What a page is made of: tags that are closed in order, their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, key, value or "") for key, value in attrs]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, key, value or "") for key, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def count(self, tag: str, name: str) -> int:
        return sum(1 for t, k, v in self.attributes if (t, k, v) == (tag, "class", name))


def test_the_page_has_every_column_with_its_plots(drifted: Comparison) -> None:
    page = Page(report.page(drifted))
    assert page.open == []
    names = [value for tag, key, value in page.attributes if (tag, key) == ("section", "id")]
    assert names == ["flow", "line", "heat"]
    bins = sum(len(column.labels) for column in drifted.columns)
    assert page.count("rect", "reference") == page.count("rect", "current") == bins
    assert page.count("path", "worst") == bins
    assert page.count("circle", "dot") == 11
    assert page.count("circle", "dot over") == 1
    assert page.count("path", "limit") == 3


def test_the_page_says_what_drifted_and_where(drifted: Comparison) -> None:
    text = Page(report.page(drifted)).text
    assert "2,000 rows in 4 windows: drift in flow" in text
    assert "worst: rows 1,001 to 1,500" in text
    assert f"PSI {drifted.columns[0].psi:.3f}, threshold" in text


def test_the_page_loads_nothing(drifted: Comparison) -> None:
    text = report.page(drifted)
    page = Page(text)
    links = [value for _, key, value in page.attributes if key in {"href", "src", "xlink:href"}]
    assert set(links) == {"#flow", "#line", "#heat"}
    tags = {tag for tag, _, _ in page.attributes}
    assert tags.isdisjoint({"script", "link", "img", "iframe", "image", "use", "object"})
    assert not any(word in text for word in ("http:", "https:", "url(", "@import"))


def test_texts_of_users_are_no_markup(drifted: Comparison) -> None:
    text = report.page(drifted)
    assert "<b>" not in text
    assert '"<1>"' not in text
    shown = Page(text).text
    assert 'Drift of plant "<1>".csv' in shown
    assert "Against bundle & all, 2,000 rows." in shown
    assert "<b>&" in shown
    assert "a very long name …" in shown


def test_one_window_has_no_worst_one(reference: Reference, rows: Sample) -> None:
    page = Page(report.page(compare(reference, rows, 2000)))
    assert page.count("path", "worst") == 0
    assert "worst window" not in page.text
    assert "2,000 rows in 1 window: no drift" in page.text


def test_short_windows_and_given_thresholds_are_remarked(
    reference: Reference, rows: Sample
) -> None:
    assert "calibrated" not in report.text(compare(reference, rows))
    short = report.text(compare(reference, rows, 100))
    assert "calibrated on windows of 500 rows; these have 100," in short
    given = report.text(compare(reference, rows, 100, 0.1))
    assert given.endswith("The threshold was given, and is the same for all columns.")


def test_the_text_is_a_table(drifted: Comparison) -> None:
    head, flow, line, heat, verdict = report.text(drifted).splitlines()
    assert head.split() == ["column", "PSI", "threshold", "windows", "over"]
    assert flow.split()[0] == "flow"
    assert flow.endswith("1 of 4  drift")
    assert line.endswith("0 of 4")
    assert heat.split()[1] == f"{drifted.columns[2].psi:.3f}"
    assert verdict == "2,000 rows in 4 windows: drift in flow"


def test_json_holds_all_that_was_found(drifted: Comparison) -> None:
    found = json.loads(report.as_json(drifted))
    assert found["drift"] is True
    assert [column["drift"] for column in found["columns"]] == [True, False, False]
    flow = found["columns"][0]
    assert flow["psi"] == flow["windows"][2]["psi"] == drifted.columns[0].psi
    assert len(flow["labels"]) == len(flow["reference"]) == len(flow["current"])


def test_a_window_without_answers_is_drawn_and_is_null_in_json(
    reference: Reference, rows: Sample
) -> None:
    target = np.full(2000, np.nan)
    target[:500] = rows.columns[:500, 0] * 3
    found = compare(reference, replace(rows, target=target), WINDOW)
    assert Page(report.page(found)).count("circle", "dot") == 9
    heat = json.loads(report.as_json(found))["columns"][2]
    assert [window["psi"] is None for window in heat["windows"]] == [False, True, True, True]


def test_a_report_that_cannot_be_written_is_said(drifted: Comparison, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot write the report .*: No such file or directory"):
        report.write(tmp_path / "none" / "report.html", drifted)
