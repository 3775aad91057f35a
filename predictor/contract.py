"""What a client sends and what it gets back: written by training, obeyed by serving."""

import sys
from functools import cached_property
from typing import Annotated, Literal

import msgspec

from predictor.errors import InvalidInput

# Names travel in URLs, metric labels and JSON keys.
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*$")]

# A row as a client sends it, by the columns' names.
Row = dict[str, float | int | str]

LONGEST_QUOTE = 60


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One value of a row.

    `datatype` is a name of the Open Inference Protocol: FP64 takes numbers, INT64 whole numbers and
    the keys of `labels`, BYTES the keys of `labels` alone. A label stands for its code, the number
    that the graph is fed; several labels may stand for one code, and the first is its name.
    `minimum` and `maximum` are inclusive and in `unit`.
    """

    name: Name
    datatype: Literal["FP64", "INT64", "BYTES"]
    unit: str
    description: str
    minimum: float = -sys.float_info.max
    maximum: float = sys.float_info.max
    labels: dict[str, int] = {}

    def encode(self, value: object) -> float:
        """Return the number that the graph is fed for a decoded JSON value.

        Raises InvalidInput, whose message says what came and what was expected.
        """
        if type(value) is float or type(value) is int:
            if self._allows(value):
                return float(value)
        elif type(value) is str and value in self.labels:
            return float(self.labels[value])
        message = f"got {quote(value)}, expected {self.expectation}"
        raise InvalidInput(message)

    def _allows(self, value: float) -> bool:
        """Whether a number is one of this column's; NaN is in no range."""
        if self.datatype == "BYTES" or not self.minimum <= value <= self.maximum:
            return False
        return self.datatype == "FP64" or value == int(value)

    def decode(self, code: float) -> float | int | str:
        """Return the value a client would send for `code`: the inverse of `encode`."""
        if self.datatype == "BYTES":
            return self.label(int(code))
        return int(code) if self.datatype == "INT64" else float(code)

    def label(self, code: int) -> str:
        """Return the name of `code`: the first label that stands for it."""
        return next(label for label, value in self.labels.items() if value == code)

    @property
    def names(self) -> list[str]:
        """The labels without their synonyms, in the order of their codes."""
        return [self.label(code) for code in sorted(set(self.labels.values()))]

    @property
    def expectation(self) -> str:
        """What this column takes, in words that end an error's sentence."""
        names = ", ".join(self.names)
        if self.datatype == "BYTES":
            return f"one of {names}"
        kind = "a whole number" if self.datatype == "INT64" else "a number"
        return f"{kind} {self._range()} ({self.unit})" + (f" or one of {names}" if names else "")

    def _range(self) -> str:
        return f"from {self.minimum:.12g} to {self.maximum:.12g}"


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The value that is predicted."""

    name: Name
    unit: str
    description: str


class Contract(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """The columns of a row, in the order in which an array row holds them, and the target."""

    columns: tuple[Column, ...]
    target: Target

    @cached_property
    def columns_by_name(self) -> dict[str, Column]:
        """The columns in order, each under its name."""
        return {column.name: column for column in self.columns}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(self.columns_by_name)


def quote(value: object) -> str:
    """Return a JSON value as a short quotation for an error message."""
    if type(value) is list or type(value) is dict:  # of any size, and nested to any depth
        return "an array" if type(value) is list else "an object"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= LONGEST_QUOTE else text[:LONGEST_QUOTE] + "…"
