import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from predictor.contract import Contract, Row
from predictor.drift import sample
from predictor.drift.captured import parse
from predictor.drift.sample import Sample
from predictor.errors import DataError

Json = Mapping[str, object]
CODES = [2.95, 0, 0, 73.21, 100, 900, 0, 0]


@pytest.fixture
def values(row: Row, contract: Contract) -> list[object]:
    return [row[name] for name in contract.names]


def captured(values: list[object], **changes: object) -> Json:
    line = {
        "time": "2026-01-02T03:04:05.678Z",
        "model_name": "energy",
        "version": "0123456789ab",
        "rows": [values, values],
        "predictions": [3.17, 3.18],
        "lower": [3.1, 3.1],
        "upper": [3.2, 3.2],
    }
    return line | changes


def event(kind: str, data: Json, number: int = 1, **more: object) -> Json:
    name = f"org.kubeflow.serving.inference.{kind}"
    return {"specversion": "1.0", "type": name, "id": f"id-{number}", "data": data, **more}


def read(contract: Contract, *lines: Json) -> Sample:
    return parse("\n".join(map(json.dumps, lines)).encode(), contract, "captured.jsonl")


def tensors(row: Row) -> list[Json]:
    return [
        {"name": name, "shape": [2, 1], "datatype": "FP64", "data": [value, value]}
        for name, value in row.items()
    ]


def test_the_servers_lines_are_read(contract: Contract, values: list[object]) -> None:
    found = read(contract, captured(values))
    np.testing.assert_array_equal(found.columns, [CODES, CODES])
    assert found.target is not None
    np.testing.assert_array_equal(found.target, [3.17, 3.18])
    assert found.times == ("2026-01-02T03:04:05.678000+00:00",) * 2


def test_lines_are_sorted_by_time(contract: Contract, values: list[object]) -> None:
    late = captured(values, time="2026-01-02T03:04:06+00:00", predictions=[8, 9])
    found = read(contract, late, captured(values))
    assert found.target is not None
    np.testing.assert_array_equal(found.target, [3.17, 3.18, 8, 9])


def test_events_without_a_time_keep_their_order(contract: Contract, row: Row) -> None:
    other = {**row, "nsm": 1800}
    lines = [
        event("request", {"instances": [other]}, 1, time="2026-01-02T03:04:06Z"),
        event("request", {"instances": [row]}, 2),
    ]
    found = read(contract, *lines)
    assert found.columns[:, contract.names.index("nsm")].tolist() == [1800, 900]
    assert found.times == ()


@pytest.mark.parametrize("kind", ["objects", "arrays", "inputs", "tensors", "nested", "flat"])
def test_kserves_events_are_read(
    contract: Contract, row: Row, values: list[object], kind: str
) -> None:
    whole = {"name": "rows", "shape": [2, 8], "datatype": "BYTES"}
    bodies: dict[str, Json] = {
        "objects": {"instances": [row, row]},
        "arrays": {"instances": [values, row]},
        "inputs": {"inputs": [values, values]},
        "tensors": {"inputs": tensors(row)},
        "nested": {"inputs": [{**whole, "data": [values, values]}]},
        "flat": {"inputs": [{**whole, "data": values + values}]},
    }
    found = read(contract, event("request", bodies[kind]))
    np.testing.assert_array_equal(found.columns, [CODES, CODES])
    assert found.target is None


@pytest.mark.parametrize(
    "answer",
    [
        {"predictions": [3.5]},
        {"outputs": [{"name": "usage_kwh", "datatype": "FP64", "shape": [1], "data": [3.5]}]},
    ],
)
def test_answers_are_joined_by_their_id(contract: Contract, row: Row, answer: Json) -> None:
    requests = [event("request", {"instances": [row]}, number) for number in (1, 2)]
    found = read(contract, event("response", answer, 2), *requests)
    assert found.target is not None
    np.testing.assert_array_equal(found.target, [np.nan, 3.5])


def test_a_request_that_was_refused_is_left_out(contract: Contract, row: Row) -> None:
    bad = event("request", {"instances": [{**row, "co2": -1}]}, 1)
    refused = event("response", {"error": "row 0, column co2: got -1"}, 1)
    found = read(contract, bad, refused, event("request", {"instances": [row]}, 2))
    np.testing.assert_array_equal(found.columns, [CODES])


BAD_ROWS: list[tuple[Json, str]] = [
    ({"instances": [{"nsm": 1}]}, "row 0: column lagging_reactive_power is missing"),
    ({"instances": [[1, 2]]}, "row 0: got 2 values, expected 8"),
    ({}, "got a request without rows, expected instances or inputs"),
    ({"inputs": [{"name": "co2", "shape": [1], "data": [1]}]}, "the tensor of column lagging_r"),
    ({"instances": 5}, r"Expected `array \| null`, got `int` - at `\$.instances`"),
]


@pytest.mark.parametrize(("body", "sentence"), BAD_ROWS)
def test_a_bad_request_is_named_by_its_line(
    contract: Contract, row: Row, body: Json, sentence: str
) -> None:
    good = event("request", {"instances": [row]}, 2)
    with pytest.raises(DataError, match=f"^captured.jsonl: line 2: {sentence}"):
        read(contract, good, event("request", body))


def test_tensors_of_different_lengths_are_refused(contract: Contract, row: Row) -> None:
    first, *others = tensors(row)
    wrong = {**first, "shape": [1], "data": [1]}
    with pytest.raises(DataError, match="line 1: the tensors of the columns have not the same"):
        read(contract, event("request", {"inputs": [wrong, *others]}))


BAD_LINES: list[tuple[Json, str]] = [
    ({"predictions": [1.0]}, r"2 rows and \[1, 2, 2\] answers at"),
    ({"time": "yesterday"}, r"Invalid RFC3339 encoded datetime - at `\$.time`"),
    ({"time": "2026-01-02T03:04:05"}, "2 rows and .* answers at 2026-01-02 03:04:05"),
    ({"rows": [[1, 2], [1, 2]]}, "row 0: got 2 values, expected 8"),
    ({"predictions": "none"}, r"Expected `array`, got `str` - at `\$.predictions`"),
]


@pytest.mark.parametrize(("changes", "sentence"), BAD_LINES)
def test_a_bad_line_of_the_servers_is_named(
    contract: Contract, values: list[object], changes: Json, sentence: str
) -> None:
    with pytest.raises(DataError, match=f"^captured.jsonl: line 2: {sentence}"):
        read(contract, captured(values), captured(values, **changes))


def test_a_bad_value_is_named_by_line_row_and_column(
    contract: Contract, values: list[object]
) -> None:
    wrong = [*values[:3], 173.21, *values[4:]]
    with pytest.raises(DataError) as error:
        read(contract, captured(values, rows=[values, wrong]))
    assert str(error.value) == (
        "captured.jsonl: line 1: row 1, column lagging_power_factor: "
        "got 173.21, expected a number from 0 to 100 (percent)"
    )


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (event("explanation", {}), "line 1: got the type .*, expected org.kubeflow"),
        (
            event("response", {"predictions": ["a"]}),
            'line 1: got the prediction "a", expected a number',
        ),
        (
            event("response", {"outputs": [{"name": "usage_kwh", "shape": [1], "data": ["a"]}]}),
            'line 1: got the prediction "a", expected a number',
        ),
        (event("response", {"predictions": [1.0]}), "the file has no rows"),
        ({"specversion": "1.0"}, "line 1: Object missing required field `type`"),
    ],
)
def test_a_bad_event_is_named(contract: Contract, line: Json, sentence: str) -> None:
    with pytest.raises(DataError, match=f"^captured.jsonl: {sentence}"):
        read(contract, line)


def test_a_line_that_is_no_json_is_named(contract: Contract) -> None:
    with pytest.raises(DataError, match=r"^captured.jsonl: line 2: Input data was truncated"):
        parse(b'\n{"rows": [', contract, "captured.jsonl")


def write(folder: Path, name: str, *lines: Json, more: str = "") -> Path:
    file = folder / f"capture-{name}.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines) + more)
    return file


def test_a_folder_is_read_file_by_file(
    contract: Contract, values: list[object], tmp_path: Path
) -> None:
    late = captured(values, time="2026-01-02T03:04:06Z", predictions=[8, 9])
    write(tmp_path, "a", late, more='{"time": "20')
    write(tmp_path, "b", captured(values))
    (tmp_path / "capture-c.jsonl").symlink_to(tmp_path / "gone")
    found = sample.read(tmp_path, contract, {})
    assert found.target is not None
    np.testing.assert_array_equal(found.target, [3.17, 3.18, 8, 9])


@pytest.mark.parametrize("changes", [{"rows": [[1, 2], [1, 2]]}, {"predictions": "none"}])
def test_a_bad_line_of_a_folder_is_named_by_its_file(
    contract: Contract, values: list[object], tmp_path: Path, changes: Json
) -> None:
    write(tmp_path, "a", captured(values), captured(values))
    file = write(tmp_path, "b", captured(values, **changes))
    with pytest.raises(DataError, match=f"^{file}: line 1"):
        sample.read(tmp_path, contract, {})


def test_a_folder_of_several_models_is_refused(
    contract: Contract, values: list[object], tmp_path: Path
) -> None:
    write(tmp_path, "a", captured(values), captured(values, model_name="mill"))
    with pytest.raises(DataError) as error:
        sample.read(tmp_path, contract, {})
    assert str(error.value) == (
        f"{tmp_path}: got rows of the models energy, mill, expected those of one"
    )


def test_an_empty_folder_is_said(contract: Contract, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"^{tmp_path}: the folder has no captured rows"):
        sample.read(tmp_path, contract, {})
