"""`predictor explain`: the server's own explanation of a row, as text and as JSON."""

import json
import re
from pathlib import Path

import pytest

from predictor import bundle, cli
from predictor.contract import Contract, Row
from predictor.serving.decoding.batch import encode
from predictor.serving.engine import Engine
from tests import kinds

MANY_LINES = re.MULTILINE | re.DOTALL


@pytest.fixture(autouse=True)
def in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.delenv("LC_MESSAGES", raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")


def figures(text: str) -> list[tuple[str, float]]:
    """Return the lines of the chart, without its bars."""
    chart = text.split("\n\n")[1]
    found = re.findall(r"^(.+?) +([-+]?\d+\.\d+)(?: +[▏▎▍▌▋▊▉█]+)?$", chart, re.MULTILINE)
    others = [line for line in chart.splitlines() if line.endswith("enlarged:")]
    assert len(found) + len(others) == len(chart.splitlines())
    return [(name, float(figure)) for name, figure in found]


def test_the_parts_add_up_and_columns_come_by_size(
    bundle_folder: Path, row: Row, contract: Contract, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["explain", str(bundle_folder), "--row", json.dumps(row)]) == 0
    shown = capsys.readouterr().out
    engine = Engine(bundle.read(bundle_folder))
    [predicted] = engine.predict(encode(contract, [row], 1)).values
    assert re.search(rf"^usage_kwh {predicted:.2f}\d* kWh, 90% interval ", shown, re.MULTILINE)
    (base, average), (physics, said), *others = figures(shown)
    assert (base, physics) == ("average", "physics")
    shares = [value for name, value in others if name.startswith("  · ")]
    assert sum(shares) == pytest.approx(said, abs=0.01 * len(shares))
    *parts, (last, total) = [line for line in others if not line[0].startswith("  · ")]
    assert last == "prediction"
    added = average + said + sum(value for _, value in parts)
    assert added == pytest.approx(total, abs=0.01 * len(parts))
    sizes = [abs(value) for name, value in parts if name in contract.names]
    assert len(sizes) == len(contract.names)
    assert sizes == sorted(sizes, reverse=True)


def test_a_bar_is_as_long_as_its_figure_says(
    bundle_folder: Path, row: Row, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["explain", str(bundle_folder), "--row", json.dumps(row)])
    chart = capsys.readouterr().out.split("\n\n")[1]
    [(whole, times, columns)] = re.findall(
        r"(.*)^\D*(\d+) times enlarged:\n(.*)", chart, MANY_LINES
    )
    columns, last = columns[: columns.index("prediction")], columns[columns.index("prediction") :]
    longest: dict[float, int] = {}
    for part, enlarged in ((whole + last, 1), (columns, int(times))):
        bars = re.findall(r" [-+]?(\d\S*)  (█+)", part)
        lengths = {enlarged * float(figure): len(bar) for figure, bar in bars}
        longest |= lengths
    assert len(longest) > 4
    scale = max(longest.values()) / max(longest)
    assert all(length == pytest.approx(scale * value, abs=1.5) for value, length in longest.items())


def test_json_is_what_the_server_answers(
    bundle_folder: Path, row: Row, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "row.json").write_text(json.dumps(row))
    given = f"@{tmp_path / 'row.json'}"
    assert cli.main(["explain", str(bundle_folder), "--row", given, "--json"]) == 0
    engine = Engine(bundle.read(bundle_folder))
    batch = encode(engine.manifest.contract, [row], 1)
    values = engine.predict(batch).values
    told = engine.explain(batch).rows(engine.manifest.contract.names, values)
    assert [json.loads(capsys.readouterr().out)] == told


@pytest.mark.parametrize(
    ("lang", "options"), [("es_CO.UTF-8", []), ("C.UTF-8", ["--language", "es"])]
)
def test_it_speaks_spanish(
    bundle_folder: Path,
    row: Row,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    lang: str,
    options: list[str],
) -> None:
    monkeypatch.setenv("LANG", lang)
    assert cli.main(["explain", str(bundle_folder), "--row", json.dumps(row), *options]) == 0
    shown = capsys.readouterr().out
    assert "intervalo del 90%" in shown
    assert re.search(r"^media +\d+,\d+", shown, re.MULTILINE)
    assert "." not in shown


def test_a_doubtful_row_is_explained_with_its_warning(
    bundle_folder: Path, row: Row, contract: Contract, capsys: pytest.CaptureFixture[str]
) -> None:
    row |= {"lagging_power_factor": 100}
    assert cli.main(["explain", str(bundle_folder), "--row", json.dumps(row)]) == 0
    assert f"warning: {contract.warnings[-1].message}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"nsm": -4}, "column nsm: got -4, expected a whole number from 0 to 86399"),
        ({"wind": 1}, 'got column "wind"'),
    ],
)
def test_a_wrong_row_is_one_sentence_that_names_the_column(
    bundle_folder: Path,
    row: Row,
    capsys: pytest.CaptureFixture[str],
    changed: Row,
    said: str,
) -> None:
    assert cli.main(["explain", str(bundle_folder), "--row", json.dumps(row | changed)]) == 1
    assert said in capsys.readouterr().err


def test_what_is_no_row_is_said_to_be_none(
    bundle_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["explain", str(bundle_folder), "--row", "{nsm: 3}"]) == 1
    assert capsys.readouterr().err.startswith("predictor: --row is not a row: JSON is malformed")


def test_a_bundle_without_explanation_is_said_to_have_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cost = kinds.cost()
    bundle.write(tmp_path / "cost", cost.manifest, cost.files)
    assert cli.main(["explain", str(tmp_path / "cost"), "--row", '{"age": 3, "visits": 1}']) == 1
    assert "has no explanation.onnx" in capsys.readouterr().err
