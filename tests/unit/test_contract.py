import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.contract import LARGEST, Column, Contract, quote
from predictor.errors import InvalidInput

NUMBER = Column("power", "FP64", "kVArh", "", minimum=0.0, maximum=100.0)
WHOLE = Column("day", "INT64", "days", "", minimum=0.0, maximum=6.0, labels={"Monday": 0})
LABEL = Column("load", "BYTES", "category", "", labels={"Light": 0, "Full": 1, "Light_Load": 0})

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        (NUMBER, 0, 0.0),
        (NUMBER, 99.5, 99.5),
        (WHOLE, 6, 6.0),
        (WHOLE, 6.0, 6.0),
        (WHOLE, "Monday", 0.0),
        (LABEL, "Full", 1.0),
        (LABEL, "Light_Load", 0.0),
    ],
)
def test_a_value_of_the_contract_is_encoded(column: Column, value: object, code: float) -> None:
    assert column.encode(value) == code


@pytest.mark.parametrize(
    ("limits", "expectation"),
    [
        ((-LARGEST, LARGEST), "a number (m3)"),
        ((0.0, LARGEST), "a number from 0 (m3)"),
        ((-LARGEST, 2.5), "a number to 2.5 (m3)"),
        ((-1.0, 1.0), "a number from -1 to 1 (m3)"),
    ],
)
def test_a_limit_that_is_none_is_not_spoken_of(
    limits: tuple[float, float], expectation: str
) -> None:
    assert Column("flow", "FP64", "m3", "", *limits).expectation == expectation


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (NUMBER, -0.001),
        (NUMBER, 100.001),
        (NUMBER, math.nan),
        (NUMBER, math.inf),
        (NUMBER, 2**70),
        (NUMBER, True),
        (NUMBER, None),
        (NUMBER, "5"),
        (NUMBER, [5]),
        (WHOLE, 1.5),
        (WHOLE, 7),
        (WHOLE, math.nan),
        (WHOLE, False),
        (WHOLE, "monday"),
        (LABEL, 0),
        (LABEL, "Heavy"),
        (LABEL, None),
    ],
)
def test_any_other_value_is_refused(column: Column, value: object) -> None:
    with pytest.raises(InvalidInput, match="expected"):
        column.encode(value)


def test_a_refusal_says_what_came_and_what_was_expected() -> None:
    with pytest.raises(InvalidInput) as number:
        NUMBER.encode(185)
    assert str(number.value) == "got 185, expected a number from 0 to 100 (kVArh)"
    with pytest.raises(InvalidInput) as whole:
        WHOLE.encode("Mon")
    expected = 'got "Mon", expected a whole number from 0 to 6 (days) or one of Monday'
    assert str(whole.value) == expected
    with pytest.raises(InvalidInput) as label:
        LABEL.encode("Heavy")
    assert str(label.value) == 'got "Heavy", expected one of Light, Full'


@given(json_values)
def test_no_value_is_worse_than_refused(value: object) -> None:
    for column in (NUMBER, WHOLE, LABEL):
        try:
            code = column.encode(value)
        except InvalidInput:
            continue
        assert math.isfinite(code)


@pytest.mark.parametrize(("column", "code"), [(NUMBER, 1.5), (WHOLE, 3.0), (LABEL, 1.0)])
def test_decoding_is_the_inverse_of_encoding(column: Column, code: float) -> None:
    assert column.encode(column.decode(code)) == code


def test_a_contract_survives_json(contract: Contract) -> None:
    encoded = msgspec.json.encode(contract)
    decoded = msgspec.json.decode(encoded, type=Contract)
    assert decoded == contract
    assert msgspec.json.encode(decoded) == encoded


def test_a_long_value_is_quoted_in_short() -> None:
    assert len(quote("x" * 1000)) < 70


@pytest.mark.parametrize(("value", "quotation"), [([[]], "an array"), ({"x": 1}, "an object")])
def test_a_value_that_holds_others_is_named_by_its_kind(value: object, quotation: str) -> None:
    assert quote(value) == quotation


def test_the_contract_takes_the_names_of_the_data_set(contract: Contract) -> None:
    columns = contract.columns_by_name
    assert columns["load_type"].encode("Maximum_Load") == columns["load_type"].encode("Maximum")
    assert columns["day_of_week"].encode("Sunday") == 6
