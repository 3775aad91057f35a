import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor.contract import Column, Contract, Row
from predictor.errors import InvalidInput
from predictor.serving.decoding.batch import Limits, encode
from predictor.training.columns import CONTRACT
from tests import generated

MAX_ROWS = 10


def refusal(contract: Contract, rows: object) -> str:
    with pytest.raises(InvalidInput) as error:
        encode(contract, rows, MAX_ROWS)
    return str(error.value)


def test_an_object_and_an_array_give_the_same_numbers(contract: Contract, row: Row) -> None:
    batch = encode(contract, [row, list(row.values())], MAX_ROWS)
    np.testing.assert_array_equal(batch.columns, [[2.95, 0, 0, 73.21, 100, 900, 0, 0]] * 2)
    assert batch.columns.dtype == np.float64


def test_the_order_of_an_objects_keys_does_not_matter(contract: Contract, row: Row) -> None:
    backwards = dict(reversed(row.items()))
    columns = encode(contract, [backwards], MAX_ROWS).columns
    np.testing.assert_array_equal(columns, encode(contract, [row], MAX_ROWS).columns)


def test_a_wrong_value_is_named_with_its_row_and_column(contract: Contract, row: Row) -> None:
    wrong = row | {"lagging_power_factor": 173.21}
    assert refusal(contract, [row, wrong]) == (
        "row 1, column lagging_power_factor: got 173.21, expected a number from 0 to 100 (percent)"
    )


def test_a_missing_column_is_named(contract: Contract, row: Row) -> None:
    del row["co2"]
    assert refusal(contract, [row]) == (
        "row 0, column co2: got nothing, expected a number from 0 to 1000000 (t)"
    )


def test_an_unknown_column_is_named_before_the_one_it_may_stand_for(
    contract: Contract, row: Row
) -> None:
    row["CO2"] = row.pop("co2")
    assert refusal(contract, [row]).startswith('row 0: got column "CO2", expected only lagging_')


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (None, "got null, expected a list of rows"),
        ({}, "got an object, expected a list of rows"),
        ([], "got 0 rows, expected from 1 to 10"),
        ([[]] * 11, "got 11 rows, expected from 1 to 10"),
        (["x"], 'row 0: got "x", expected an object or an array'),
        ([[1, 2]], "row 0: got 2 values, expected 8: lagging_reactive_power"),
        ([{}], "row 0, column lagging_reactive_power: got nothing, expected a number"),
    ],
)
def test_what_is_no_list_of_rows_is_refused(contract: Contract, rows: object, message: str) -> None:
    assert refusal(contract, rows).startswith(message)


def value_of(column: Column) -> st.SearchStrategy[float | int | str]:
    if column.datatype == "FP64":
        return st.floats(column.minimum, column.maximum)
    labels = st.sampled_from(list(column.labels)) if column.labels else st.nothing()
    if column.datatype == "BYTES":
        return labels
    return st.integers(int(column.minimum), int(column.maximum)) | labels


@given(st.fixed_dictionaries({column.name: value_of(column) for column in CONTRACT.columns}))
def test_every_row_of_the_contract_is_taken_and_comes_back(row: Row) -> None:
    [codes] = encode(CONTRACT, [row], MAX_ROWS).columns
    cells = zip(CONTRACT.columns, codes, strict=True)
    again = {column.name: column.decode(code) for column, code in cells}
    np.testing.assert_array_equal(encode(CONTRACT, [again], MAX_ROWS).columns, [codes])


@settings(deadline=None)
@given(st.integers(0, 2**64 - 1).map(Random))
def test_limits_allow_of_many_numbers_what_a_column_allows_of_one(random: Random) -> None:
    contract = generated.contract(random)
    limits = Limits(contract)
    rows = [[number(random, column) for column in contract.columns] for _ in range(20)]
    for row in rows:
        pairs = zip(contract.columns, row, strict=True)
        expected = all(takes(column, value) for column, value in pairs)
        assert allowed(limits, [row]) == expected
    valid = [row for row in rows if allowed(limits, [row])]
    assert allowed(limits, rows) == (len(valid) == len(rows))
    assert not valid or allowed(limits, valid)


def number(random: Random, column: Column) -> float:
    """Return a number that a column allows, or one that is near to one, or none at all."""
    codes = sorted(set(column.labels.values())) or [0]
    ends = (0, len(codes) - 1) if column.datatype == "BYTES" else (column.minimum, column.maximum)
    end = random.choice(ends)
    near = (end, math.nextafter(end, math.inf), math.nextafter(end, -math.inf), end + 1, end - 1)
    within = (random.choice(codes), generated.number(random, column))
    others = (0.0, -0.0, 0.5, math.nan, math.inf, -math.inf)
    return float(random.choice([*within * 8, *near, *others]))


def takes(column: Column, value: float) -> bool:
    """Tell whether a column takes a number as itself; one of BYTES is a label's code."""
    if math.isnan(value):
        return column.optional
    if column.datatype == "BYTES":
        return value in column.labels.values()
    try:
        return column.encode(value) == value
    except InvalidInput:
        return False


def allowed(limits: Limits, rows: list[list[float]]) -> bool:
    columns = np.array(rows)
    try:
        assert limits.check(columns, lambda row, column: rows[row][column]).columns is columns
    except InvalidInput as error:
        index = int(str(error).split(",")[0].removeprefix("row "))
        assert not allowed(limits, [rows[index]]) if len(rows) > 1 else index == 0
        assert index == 0 or allowed(limits, rows[:index])  # it is the first
        return False
    return True
