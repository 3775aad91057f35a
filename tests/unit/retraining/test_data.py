"""Captured rows meet what was measured in the quarter of an hour that they are of."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from predictor import captured
from predictor.contract import Contract
from predictor.errors import DataError
from predictor.retraining import data
from predictor.retraining.data import Sources
from predictor.training.dataset import Dataset
from tests.plant import KNOWN_ROWS, ROWS


def sources(history: Path, came: Path) -> Sources:
    return Sources(history, came, came / "usage.csv")


def change(came: Path, change: Callable[[captured.Line], captured.Line]) -> None:
    file = came / "capture-pod-0.jsonl"
    lines = [change(line) for line in captured.read(came)]
    file.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))


def test_what_came_is_added_to_what_was_known(
    contract: Contract, dataset: Dataset, history: Path, came: Path
) -> None:
    found = data.read(contract, "energy", sources(history, came))
    assert found.source == "history.csv and 400 captured rows"
    assert np.array_equal(found.columns, dataset.columns[:ROWS])
    assert np.array_equal(found.target, dataset.target[:ROWS])
    assert found.days is not None
    assert dataset.days is not None
    assert np.array_equal(found.days, dataset.days[:ROWS])
    known = data.read(contract, "energy", Sources(history))
    assert len(known.target) == KNOWN_ROWS
    assert found.sha256 != known.sha256


def test_the_last_answer_to_a_row_sent_twice_counts(
    contract: Contract, history: Path, came: Path
) -> None:
    first = next(captured.read(came))
    [cells] = first.rows
    again = msgspec.structs.replace(first, rows=[[0.5, *cells[1:]]])
    (came / "capture-pod-1.jsonl").write_bytes(msgspec.json.encode(again) + b"\n")
    found = data.read(contract, "energy", sources(history, came))
    assert len(found.target) == ROWS
    assert found.columns[KNOWN_ROWS, 0] == 0.5


def test_a_row_that_is_of_another_quarter_of_an_hour_is_left_out(
    contract: Contract, history: Path, came: Path
) -> None:
    column = contract.names.index("nsm")

    def ask_about_noon(line: captured.Line) -> captured.Line:
        [row] = line.rows
        noon = [*row[:column], 43_200, *row[column + 1 :]]
        return msgspec.structs.replace(line, rows=[noon])

    change(came, ask_about_noon)
    found = data.read(contract, "energy", sources(history, came))
    assert set(found.columns[KNOWN_ROWS:, column]) == {43_200}
    assert len(found.target) == KNOWN_ROWS + 5  # of noon, each day


def test_the_clock_is_that_of_where_it_was_measured(
    contract: Contract, history: Path, came: Path
) -> None:
    usage = came / "usage.csv"
    local = usage.read_text().replace("+00:00", "+09:00")
    usage.write_text(local)
    hours = 9 * 3600

    def move(line: captured.Line) -> captured.Line:
        moment = line.time.timestamp() - hours
        return msgspec.structs.replace(
            line, time=type(line.time).fromtimestamp(moment, line.time.tzinfo)
        )

    change(came, move)
    assert len(data.read(contract, "energy", sources(history, came)).target) == ROWS


def test_rows_of_other_models_are_not_taken(contract: Contract, history: Path, came: Path) -> None:
    with pytest.raises(DataError, match=r"none of the 0 rows of mill in .* is of a quarter"):
        data.read(contract, "mill", sources(history, came))


def test_rows_of_another_contract_are_an_error(
    contract: Contract, history: Path, came: Path
) -> None:
    change(came, lambda line: msgspec.structs.replace(line, rows=[line.rows[0][1:]]))
    with pytest.raises(DataError, match=r"rows captured at 2018-01-09 .* are not such"):
        data.read(contract, "energy", sources(history, came))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("time,kwh\n", "column 'usage_kwh' is missing"),
        (
            "time,usage_kwh\n2026-03-02 09:15,1",
            r"line 2, column 'time': got '2026-03-02 09:15', expected the end of a quarter",
        ),
        ("time,usage_kwh\n2026-03-02T09:15:01Z,1", "line 2, column 'time'"),
        ("time,usage_kwh\n0001-01-01T00:00:00+01:00,1", "line 2, column 'time': got '0001"),
        ("time,usage_kwh\n0001-01-01T00:00:00Z,1", "line 2, column 'time': got '0001"),
        ("time,usage_kwh\n9999-12-31T23:45:00-01:00,1", "line 2, column 'time': got '9999"),
        (
            "time,usage_kwh\n2026-03-02T09:15:00Z,1\n2026-03-02T10:15:00+01:00,2",
            r"line 3: got 2.0 for .* 2026-03-02T10:15:00\+01:00, which had 1.0, expected",
        ),
        ("time,usage_kwh\n2026-03-02T09:15:00Z", "line 2, column 'usage_kwh': got None"),
        (
            "time,usage_kwh\n2026-03-02T09:15:00Z,-1",
            "got '-1', expected a number from 0",
        ),
        ("time,usage_kwh\n2026-03-02T09:15:00Z,nan", "got 'nan', expected"),
    ],
)
def test_what_is_wrong_with_measured_usage_is_named(
    contract: Contract, history: Path, came: Path, content: str, sentence: str
) -> None:
    (came / "usage.csv").write_text(content)
    with pytest.raises(DataError, match=sentence):
        data.read(contract, "energy", sources(history, came))


def test_what_was_measured_may_be_told_twice(
    contract: Contract, dataset: Dataset, history: Path, came: Path
) -> None:
    usage = came / "usage.csv"
    header, *lines = usage.read_text().splitlines()
    usage.write_text("\n".join([header, *lines, *lines]))
    found = data.read(contract, "energy", sources(history, came))
    assert np.array_equal(found.target, dataset.target[:ROWS])


def test_captured_rows_and_usage_need_each_other(came: Path) -> None:
    with pytest.raises(DataError, match="need each other"):
        Sources(captured=came)
