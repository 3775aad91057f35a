"""The contract as JSON Schema, for the documentation that people read."""

from predictor.contract import LARGEST, Column, Contract

NUMBER_TYPES = {"FP64": "number", "INT64": "integer"}


def row_schema(contract: Contract) -> dict[str, object]:
    """Return the schema of one row as an object."""
    return {
        "type": "object",
        "properties": {column.name: _column_schema(column) for column in contract.columns},
        "required": [name for name in contract.names if name in contract.required],
        "additionalProperties": False,
    }


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
