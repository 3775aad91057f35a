"""What is noted of each request and row, and counted later."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray
from prometheus_client import REGISTRY, CollectorRegistry, Histogram
from prometheus_client.samples import Sample

from predictor.bundle import Manifest
from predictor.contract import Column, Contract, RowWarning, Target
from predictor.profile import Bins, Profile
from predictor.serving import metrics
from predictor.serving.observability.meter import LOOKED_AT, MOST_ROWS, Meter
from tests.paths import ROOT

COLUMN = Bins("load", (0.0,), (5.0,), ("none", "≤ 5", "> 5"), (50, 30, 20), 0.2)
TARGET = Bins("usage", (), (3.0,), ("≤ 3", "> 3"), (60, 40), 0.5)


def manifest(name: str, *bins: Bins) -> Manifest:
    profile = Profile(rows=100, window_rows=10, bins=bins) if bins else None
    contract = Contract(
        (Column("load", "FP64", "kW", ""),),
        Target("usage", "kWh", ""),
        (RowWarning("odd", "is odd"),),
    )
    return cast(Manifest, SimpleNamespace(name=name, contract=contract, profile=profile))


def answers(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    return values, values - 1, values + 2


def samples(model_name: str) -> Iterator[Sample]:
    for metric in REGISTRY.collect():
        yield from (s for s in metric.samples if s.labels.get("model_name") == model_name)


def value(name: str, model_name: str, **labels: str) -> float:
    labels |= {"model_name": model_name}
    [found] = [s.value for s in samples(model_name) if s.name == name and s.labels == labels]
    return found


def rows_in_bins(model_name: str, column: str) -> dict[str, float]:
    return {
        sample.labels["bin"]: sample.value
        for sample in samples(model_name)
        if sample.name == "predictor_drift_rows_total" and sample.labels["column"] == column
    }


def test_rows_are_counted_in_the_bins_of_their_columns_and_of_what_was_predicted() -> None:
    meter = Meter(manifest("binned", COLUMN, TARGET))
    meter.offer(np.array([[0.0], [5.0], [6.0]]), answers(np.array([1.0, 3.5, 4.0])))
    meter.offer(np.array([[0.0]]), answers(np.array([3.0])))
    assert rows_in_bins("binned", "load") == {"none": 0, "≤ 5": 0, "> 5": 0}
    meter.count()
    metrics.count()
    assert rows_in_bins("binned", "load") == {"none": 2, "≤ 5": 1, "> 5": 1}
    assert rows_in_bins("binned", "usage") == {"≤ 3": 2, "> 3": 2}
    assert value("predictor_rows_total", "binned") == 4
    assert value("predictor_prediction_sum", "binned") == 11.5
    assert value("predictor_interval_width_sum", "binned") == 12
    assert value("predictor_interval_width_bucket", "binned", le="2.5") == 0
    assert value("predictor_interval_width_bucket", "binned", le="5.0") == 4


def test_the_reference_is_shown_with_what_is_counted() -> None:
    Meter(manifest("shown", COLUMN))
    ratio = "predictor_drift_reference_ratio"
    assert value(ratio, "shown", column="load", bin="≤ 5") == pytest.approx(30.5 / 101.5)
    assert value("predictor_drift_threshold", "shown", column="load") == 0.2
    assert value("predictor_drift_reference_rows", "shown") == 100


def test_bins_of_a_model_that_was_have_no_reference_and_common_ones_keep_theirs() -> None:
    old, new = Meter(manifest("twice", COLUMN, TARGET)), Meter(manifest("twice", COLUMN))
    old.retire(new)
    ratio = "predictor_drift_reference_ratio"
    assert value(ratio, "twice", column="usage", bin="≤ 3") == 0
    assert value(ratio, "twice", column="load", bin="none") > 0


def test_many_rows_are_all_counted_however_they_come() -> None:
    meter = Meter(manifest("many", COLUMN))
    meter.offer(np.zeros((2 * MOST_ROWS + 7, 1)), answers(np.ones(2 * MOST_ROWS + 7)))
    for _ in range(MOST_ROWS // 8 + 1):
        meter.offer(np.zeros((8, 1)), answers(np.ones(8)))
    meter.count()
    rows = 3 * MOST_ROWS + 15
    assert value("predictor_rows_total", "many") == rows
    assert rows_in_bins("many", "load") == {"none": rows, "≤ 5": 0, "> 5": 0}


def test_of_too_many_rows_some_are_looked_at_and_stand_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr("predictor.serving.observability.meter.monotonic", lambda: now[0])
    model = Meter(manifest("busy", COLUMN, TARGET))
    looked_at: list[int] = []
    monkeypatch.setattr(model, "_bin", spied(model._bin, looked_at))
    first = 20 * LOOKED_AT
    model.offer(np.full((first, 1), 6.0), answers(np.ones(first)))
    now[0] += 1
    model.count()
    assert rows_in_bins("busy", "load")["> 5"] == first
    looked_at.clear()
    runs, large = 8000, 3000
    for number in range(runs):
        # Two kinds of runs that alternate: to look at every second one would see one of them.
        model.offer(np.full((5, 1), 3.0 * (number % 2)), answers(np.full(5, 3.0)))
    model.count()
    seen, found = sum(looked_at), rows_in_bins("busy", "load")
    assert value("predictor_rows_total", "busy") == first + 5 * runs
    # One row of a quarter of the runs, and half of those: within six standard deviations.
    assert abs(seen - runs / 4) < 6 * (runs / 4) ** 0.5
    assert abs(found["none"] - 5 * runs / 2) < 6 * 20 * (runs / 8) ** 0.5
    assert found["none"] + found["≤ 5"] == 20 * seen
    looked_at.clear()
    model.offer(np.full((large, 1), 6.0), answers(np.ones(large)))
    model.count()
    assert sum(looked_at) == large / 20
    assert rows_in_bins("busy", "load")["> 5"] == first + large
    now[0] += 600
    model.count()
    model.offer(np.full((5, 1), 6.0), answers(np.ones(5)))
    model.count()
    assert rows_in_bins("busy", "load")["> 5"] == first + large + 5


def test_what_is_no_number_does_not_stay_in_a_sum() -> None:
    meter = Meter(manifest("nan", COLUMN, TARGET))
    meter.offer(np.zeros((3, 1)), answers(np.array([1.0, np.nan, np.inf])))
    meter.count()
    metrics.count()
    assert value("predictor_rows_total", "nan") == 3
    assert value("predictor_prediction_sum", "nan") == 1
    assert value("predictor_prediction_count", "nan") == 1


def spied(bin_: Callable[..., None], looked_at: list[int]) -> Callable[..., None]:
    def spy(columns: NDArray[np.float64], found: Iterable[NDArray[np.float64]]) -> None:
        looked_at.append(len(columns))
        bin_(columns, found)

    return spy


def test_no_row_is_lost_or_counted_twice_between_threads() -> None:
    meter = Meter(manifest("threads", COLUMN))
    batch, answered = np.zeros((7, 1)), answers(np.ones(7))

    def work() -> None:
        for number in range(500):
            meter.offer(batch, answered)
            if number % 50 == 0:
                meter.count()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work) for _ in range(4)]:
            done.result()
    meter.count()
    assert value("predictor_rows_total", "threads") == 4 * 500 * 7
    assert rows_in_bins("threads", "load")["none"] == 4 * 500 * 7


def test_what_names_no_column_is_counted_as_other() -> None:
    meter = Meter(manifest("refusing"))
    for column in ("load", "", "made up by a client"):
        meter.refuse(column)
    assert value("predictor_input_errors_total", "refusing", column="load") == 1
    assert value("predictor_input_errors_total", "refusing", column="other") == 2


def test_a_tally_counts_as_a_histogram_does() -> None:
    bounds, registry = (0.1, 1.0, 10.0), CollectorRegistry()
    tally = metrics.Tally("tally", "", ["of"], buckets=bounds, registry=registry)
    plain = Histogram("plain", "", ["of"], buckets=bounds, registry=registry)
    for number in (0.05, 0.1, 0.5, 1.0, 1.5, 10.0, 11.0, 1e6):
        tally.labels("x").note(number)
        plain.labels("x").observe(number)
    assert registry.get_sample_value("tally_count", {"of": "x"}) == 0
    tally.count()
    tally.count()  # nothing twice
    for bound in ("0.1", "1.0", "10.0", "+Inf"):
        labels = {"of": "x", "le": bound}
        found = registry.get_sample_value("tally_bucket", labels)
        assert found == registry.get_sample_value("plain_bucket", labels)
    labels = {"of": "x"}
    found = registry.get_sample_value("tally_sum", labels)
    assert found == registry.get_sample_value("plain_sum", labels)


# Retrains so often, each time with other bins, and says how much of the files is in use.
RETRAINS = """
import os, struct, sys
from pathlib import Path
from tests.unit.serving.observability.test_meter import Bins, manifest
from predictor.serving.observability.meter import Meter
from predictor.serving.processes import memory
folder, before = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]), None
memory.reserve(folder, 1)
for version in range(int(sys.argv[1])):
    edges = tuple(float(f"{version}.{edge:03}") for edge in range(1, 10))
    labels = tuple(f"some longer words for version {version}, bin {bin}" for bin in range(10))
    columns = [f"a_column_with_a_long_name_{place}" for place in range(9)]
    bins = [Bins(name, (), edges, labels, (1,) * 10, 0.2) for name in columns]
    meter = Meter(manifest("of_a_long_name", *bins))
    if before:
        before.retire(meter)
    before = meter
for file in folder.glob("*.db"):
    assert file.stat().st_size == memory.FILE_BYTES, file
    assert struct.unpack("i", file.read_bytes()[:4])[0] < memory.FILE_BYTES, file
"""


def test_what_twenty_trainings_count_has_room(tmp_path: Path) -> None:
    environment = {metrics.METRICS_FOLDER: str(tmp_path), metrics.WORKER_NUMBER: "0"}
    command = [sys.executable, "-c", RETRAINS, "20"]
    subprocess.run(command, env=os.environ | environment, check=True, cwd=ROOT)
