"""The flat row that people send: its JSON Schema, and what it may ask for beside its columns."""

from typing import Any

from predictor.contract import LARGEST, Column, Contract, quote
from predictor.errors import InvalidInput
from predictor.serving.decoding.rows import decode_json

EXPLAIN = "explain"
NUMBER_TYPES = {"FP64": "number", "INT64": "integer"}


def row_schema(contract: Contract) -> dict[str, object]:
    """Return the schema of one row as an object."""
    return {
        "type": "object",
        "properties": {column.name: _column_schema(column) for column in contract.columns},
        "required": [name for name in contract.names if name in contract.required],
        "additionalProperties": False,
    }


def explainable(row: dict[str, Any], contract: Contract) -> dict[str, object]:
    """Return the schema of a row that may have the wish for an explanation beside its columns."""
    if EXPLAIN in contract.columns_by_name:
        return row
    wish = {"type": "boolean", "description": "Tell what the prediction comes from"}
    return {**row, "properties": {**row["properties"], EXPLAIN: wish}}


def _column_schema(column: Column) -> dict[str, object]:
    unit = f" ({column.unit})" if column.unit else ""
    description: dict[str, object] = {"description": f"{column.description}{unit}"}
    kinds = _kinds(column)
    if column.optional:
        kinds.append({"type": "null"})
    return (kinds[0] if len(kinds) == 1 else {"anyOf": kinds}) | description


def _kinds(column: Column) -> list[dict[str, object]]:
    """Return the schemas of what a column takes."""
    label: dict[str, object] = {"type": "string", "enum": list(column.labels)}
    if column.datatype == "BYTES":
        return [label]
    limits = {"minimum": column.minimum, "maximum": column.maximum}
    number: dict[str, object] = {
        "type": NUMBER_TYPES[column.datatype],
        **{name: limit for name, limit in limits.items() if abs(limit) != LARGEST},
    }
    return [number, label] if column.labels else [number]


def is_to_be_explained(contract: Contract, body: bytes) -> bool:
    """Tell whether a body is a row that asks for an explanation; one that is wrong asks nothing."""
    if EXPLAIN.encode() not in body:
        return False
    try:
        return wishes(contract, body)[1]
    except InvalidInput:
        return False


def wishes(contract: Contract, body: bytes) -> tuple[object, bool]:
    """Return the decoded row of a body without its wish, and whether it is to be explained.

    A column of that name keeps its meaning. Raises InvalidInput when the wish is no boolean, or the
    body no JSON.
    """
    row = decode_json(body)
    if type(row) is not dict or EXPLAIN not in row or EXPLAIN in contract.columns_by_name:
        return row, False
    wish = row.pop(EXPLAIN)
    if type(wish) is not bool:
        message = f"{EXPLAIN}: got {quote(wish)}, expected true or false"
        raise InvalidInput(message)
    return row, wish
