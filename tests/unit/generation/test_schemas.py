from typing import Any

from predictor.contract import Column, Contract, Target
from predictor.generation import schemas
from predictor.generation.files import _types

PLAIN = Contract((Column("a", "FP64", "", ""),), Target("b", "", ""), interval=False)


def test_a_name_that_would_hide_another_gets_a_line_after_it_and_stays_one_of_its_own() -> None:
    names = ["class", "class_", "float", "copy", "model_year", "temperature"]
    attributes = [schemas.attribute(name) for name in names]
    assert attributes == ["class_", "class__", "float_", "copy_", "model_year_", "temperature"]


def test_only_what_is_used_is_imported() -> None:
    assert _types(PLAIN)["typing"] == ""
    assert _types(PLAIN)["pydantic"] == "BaseModel, ConfigDict"


def test_a_column_of_which_nothing_is_said_is_a_type_alone() -> None:
    assert schemas.row(PLAIN) == "    a: float"


def test_a_column_is_a_field_with_its_limits_and_what_it_is() -> None:
    column = Column("a", "INT64", "t", "Its 'weight'\nin all", minimum=0.1, maximum=7.0)
    assert schemas.row(Contract((column,), Target("b", "", ""))).splitlines() == [
        "    a: Annotated[",
        "        int,",
        "        Field(ge=0.1, le=7, description=\"Its 'weight' in all (t)\"),",
        "    ]",
    ]


def test_limits_are_written_as_they_are() -> None:
    limit = 0.1 + 0.2
    text = schemas.row(Contract((Column("a", "FP64", "", "", limit),), Target("b", "", "")))
    found: dict[str, Any] = {}
    exec(f"value = {text.split('ge=')[1].split(')')[0]}", found)  # noqa: S102 - a number
    assert found["value"] == limit
