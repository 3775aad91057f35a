"""The dashboards drawn from a Prometheus that holds known series."""

import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.table import Table
from matplotlib.text import Text

from charts.dashboards.query import FILES, ask
from charts.dashboards.render import View, png, render
from charts.dashboards.units import shown
from tests.missing import missing

WAIT_SECONDS = 30
END = 1_780_000_000
START, STEP = END - 3600, 15
OF = 'namespace="plant",job="energy"'
# By how much each series grows in a step, or what it is where it does not.
COUNTERS = {
    f'predictor_rows_total{{{OF},pod="a",model_name="energy"}}': 30.0,
    f'predictor_rows_total{{{OF},pod="b",model_name="energy"}}': 15.0,
    f'predictor_requests_total{{{OF},pod="a",protocol="http",route="/predict",code="200"}}': 45.0,
    **{
        f'predictor_request_seconds_bucket{{{OF},pod="a",route="/predict",le="{bound}"}}': grown
        for bound, grown in (("0.001", 10.0), ("0.005", 40.0), ("+Inf", 45.0))
    },
}
GAUGES = {
    f'predictor_model_info{{{OF},pod="a",model_name="energy",version="v7",origin="image"}}': 1.0,
    f'predictor_model_info{{{OF},pod="b",model_name="energy",version="v7",origin="image"}}': 1.0,
    f'process_resident_memory_bytes{{{OF},pod="a"}}': 200 * 2.0**20,
    f"predictor:requests:rate5m{{{OF}}}": 3.0,
    f"predictor:availability:budget_remaining_ratio{{{OF}}}": -0.25,
    f'predictor:drift_psi{{{OF},model_name="energy",column="nsm"}}': 0.3,
    f'predictor:drift_threshold{{{OF},model_name="energy",column="nsm"}}': 0.2,
    **{
        f'predictor:drift_window_rows{{{OF},model_name="energy",column="nsm",bin="{one}"}}': rows
        for one, rows in (("≤ 10", 75.0), ("> 10", 25.0))
    },
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a Prometheus that has the series above."""
    if not shutil.which("prometheus") or not shutil.which("promtool"):
        missing("prometheus is not installed")
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "series").write_text("".join(lines()) + "# EOF\n")
    (folder / "prometheus.yml").write_text("{}")
    blocks = ("tsdb", "create-blocks-from", "openmetrics", "--quiet", "series", "data")
    subprocess.run(["promtool", *blocks], cwd=folder, check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    options = ("--storage.tsdb.path=data", "--storage.tsdb.retention.time=100y")
    command = ["prometheus", f"--web.listen-address={address}", *options]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        wait_until_ready(process, f"http://{address}/-/ready", folder / "log")
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait()


def lines() -> Iterator[str]:
    """Yield the series as OpenMetrics."""
    for moment in range(START - 3600, END + STEP, STEP):
        steps = (moment - START) / STEP + 1000
        for series, grown in COUNTERS.items():
            yield f"{series} {grown * steps} {moment}\n"
        for series, value in GAUGES.items():
            yield f"{series} {value} {moment}\n"


def wait_until_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        try:
            urllib.request.urlopen(address, timeout=1).close()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
        else:
            return


@pytest.fixture
def view(url: str) -> View:
    variables = {"namespace": "plant", "job": "energy", "column": "nsm", "__rate_interval": "60s"}
    return View(url, variables, START, END, STEP)


def texts(figure: Figure) -> list[str]:
    """Return all that is written in a picture."""
    figure.draw_without_rendering()
    tables = [it for it in figure.findobj(Table) if isinstance(it, Table)]
    cells = [cell.get_text() for table in tables for cell in table.get_celld().values()]
    written = [it for it in figure.findobj(Text) if isinstance(it, Text)]
    return [text.get_text() for text in (*written, *cells)]


@pytest.mark.parametrize("name", FILES)
def test_a_picture_is_small(name: str, view: View) -> None:
    assert 10_000 < len(png(render(name, view))) < 200_000


def test_the_picture_of_serving_has_numbers_units_and_legends(view: View) -> None:
    found = texts(render("serving", view))
    assert "3 req/s" in found
    assert "-25 %" in found
    assert {"plant energy", "http", "p99", "/predict", "≤ 5 ms", "128 MiB"} <= set(found)


def test_the_picture_of_the_model_sums_over_pods(view: View) -> None:
    found = texts(render("model", view))
    assert {"v7", "2", "3 c/s"} <= set(found)
    rows = f"sum(rate(predictor_rows_total{{{OF}}}[60s]))"
    [answer] = ask(view.url, "query", query=rows, time=END)
    assert float(answer["value"][1]) == pytest.approx(3.0)


def test_the_picture_of_drift_has_the_column_and_its_bins(view: View) -> None:
    found = texts(render("drift", view))
    assert {"nsm", "150 %", "0.3000", "0.2000", "100", "≤ 10", "> 10", "now"} <= set(found)
    assert "Bins of nsm: now and in training" in found


def test_a_panel_without_data_says_so(view: View) -> None:
    assert "No data" in texts(render("model", view))


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.00025, "s", "250 µs"),
        (0.025, "s", "25 ms"),
        (0, "s", "0 s"),
        (90, "s", "1.5 min"),
        (40 * 86_400, "s", "40 d"),
        (0.9995, "percentunit", "100 %"),
        (-0.015, "percentunit", "-1.5 %"),
        (200 * 2**20, "bytes", "200 MiB"),
        (12_345, "short", "12.3 k"),
        (0.2, "reqps", "0.2 req/s"),
        (12.5, "kwatth", "12.5 kWh"),
    ],
)
def test_a_value_is_shown_in_its_unit(value: float, unit: str, text: str) -> None:
    assert shown(value, unit) == text
