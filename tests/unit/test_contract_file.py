from pathlib import Path

import msgspec
import pytest

from predictor import contract
from predictor.errors import DataError
from predictor.training.tracks import ANCHORED

Part = dict[str, object]

FLOW: Part = {"name": "flow", "datatype": "FP64", "unit": "m3", "description": ""}
LINE: Part = {
    "name": "line",
    "datatype": "BYTES",
    "unit": "",
    "description": "",
    "labels": {"a": 0},
}
HEAT: Part = {"name": "heat", "unit": "kWh", "description": ""}


def refusal(path: Path, *columns: Part, target: Part = HEAT) -> str:
    path.write_bytes(msgspec.json.encode({"columns": columns, "target": target}))
    with pytest.raises(DataError) as error:
        contract.read(path)
    return str(error.value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plant.json"


def test_a_contract_is_read_from_a_file(path: Path) -> None:
    path.write_bytes(msgspec.json.encode({"columns": [FLOW, LINE], "target": HEAT}))
    assert contract.read(path).names == ("flow", "line")


def test_the_steel_plants_contract_survives_a_file(path: Path) -> None:
    path.write_bytes(msgspec.json.encode(ANCHORED.contract))
    assert contract.read(path) == ANCHORED.contract


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (FLOW | {"name": "Flow"}, "matching regex"),
        (FLOW | {"datatype": "FP32"}, "Invalid enum value 'FP32'"),
        (FLOW | {"minimum": 2, "maximum": 1}, "column flow: minimum 2 is over maximum 1"),
        (FLOW | {"labels": {"low": 0}}, "column flow: only INT64 and BYTES have labels"),
        (FLOW | {"range": 1}, "unknown field `range`"),
        (LINE | {"labels": {}}, "column line: BYTES needs labels"),
        (LINE | {"labels": {"a": 1}}, "column line: BYTES needs labels, whose codes are 0, 1, 2"),
        (
            LINE | {"datatype": "INT64", "labels": {"a": 9}, "maximum": 5},
            "column line: a label's code is outside minimum and maximum",
        ),
    ],
)
def test_a_column_that_cannot_be_is_named(path: Path, column: Part, message: str) -> None:
    found = refusal(path, column)
    assert found.startswith(f"{path} is not a contract: ")
    assert message in found
    assert "$.columns[0]" in found


def test_a_name_that_stands_for_two_things_is_refused(path: Path) -> None:
    assert "the name flow stands for two things" in refusal(path, FLOW, FLOW)
    assert "the name flow stands" in refusal(path, FLOW, target=HEAT | {"name": "flow"})
    assert "the name lower stands" in refusal(path, FLOW, target=HEAT | {"name": "lower"})
    assert "the name upper stands" in refusal(path, FLOW | {"name": "upper"})
    assert "the name columns stands" in refusal(path, FLOW, target=HEAT | {"name": "columns"})


def test_a_target_without_a_range_is_refused(path: Path) -> None:
    found = refusal(path, FLOW, target=HEAT | {"minimum": 1, "maximum": 0})
    assert "minimum 1 is over maximum 0 - at `$.target`" in found


def test_a_name_does_not_end_in_a_new_line(path: Path) -> None:
    assert "matching regex" in refusal(path, FLOW | {"name": "flow\n"})


def test_a_contract_without_columns_is_refused(path: Path) -> None:
    assert "length >= 1" in refusal(path)


def test_a_file_that_is_none_is_named(path: Path) -> None:
    with pytest.raises(DataError, match=r"plant\.json: No such file"):
        contract.read(path)
    path.write_text("{")
    with pytest.raises(DataError, match="is not a contract"):
        contract.read(path)
