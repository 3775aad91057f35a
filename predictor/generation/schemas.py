"""A contract as Python that people and their editors read: the types of a row and its answer."""

import builtins
import keyword
from collections.abc import Iterable

from predictor.contract import LARGEST, Column, Contract

# What pydantic's own BaseModel has; a field of that name would hide it.
TAKEN = {"construct", "copy", "dict", "json", "schema", "validate", "from_orm"}
INDENT = "    "


def row(contract: Contract) -> str:
    """Return the fields of a row; what may be missing comes last."""
    needed = [column for column in contract.columns if not column.optional]
    optional = [column for column in contract.columns if column.optional]
    return "\n".join(INDENT + _field(column) for column in needed + optional)


def prediction(contract: Contract) -> str:
    """Return the fields of a prediction that are this model's, a line each."""
    target = contract.target
    kind = _literal(target.classes) if target.classes else "float"
    fields = [f"predicted_{target.name}: {kind}"]
    if target.classes:
        fields.append("probabilities: dict[str, float]")
    if contract.interval:
        fields += ["lower: float", "upper: float"]
    return "\n".join(INDENT + field for field in fields)


def used(source: str, names: Iterable[str]) -> str:
    """Return those of some names that a source has a use for, as an import lists them."""
    return ", ".join(name for name in names if f"{name}[" in source or f"{name}(" in source)


def attribute(name: str) -> str:
    """Return a column's name as an attribute: its own, and one that hides nothing."""
    taken = keyword.iskeyword(name) or hasattr(builtins, name) or name in TAKEN
    return f"{name}_" if taken or name.startswith("model_") or name.endswith("_") else name


def described(column: Column) -> str:
    """Return a column's description with its unit, on one line."""
    text = " ".join(column.description.split())
    return f"{text} ({column.unit})" if text and column.unit else text or column.unit


def _field(column: Column) -> str:
    name = attribute(column.name)
    rules = _limits(column)
    if described(column):
        rules.append(f"description={described(column)!r}")
    if name != column.name:
        rules.append(f"alias={column.name!r}")
    nothing, default = (" | None", " = None") if column.optional else ("", "")
    if not rules:
        return f"{name}: {_kind(column)}{nothing}{default}"
    parts = [f"{_kind(column)}{nothing}", f"Field({', '.join(rules)})"]
    lines = "".join(f"\n{INDENT * 2}{part}," for part in parts)
    return f"{name}: Annotated[{lines}\n{INDENT}]{default}"


def _kind(column: Column) -> str:
    labels = _literal(column.labels) if column.labels else ""
    number = {"FP64": "float", "INT64": "int", "BYTES": ""}[column.datatype]
    return " | ".join(part for part in (number, labels) if part)


def _literal(words: "tuple[str, ...] | dict[str, int]") -> str:
    return f"Literal[{', '.join(map(repr, words))}]"


def _limits(column: Column) -> list[str]:
    """Return what pydantic calls the limits; with labels they are the server's to check."""
    if column.labels:
        return []
    limits = {"ge": column.minimum, "le": column.maximum}
    return [f"{name}={_number(limit)}" for name, limit in limits.items() if abs(limit) != LARGEST]


def _number(value: float) -> str:
    """Return a number as Python has it, and a whole one without what makes it a float."""
    return repr(value).removesuffix(".0")
