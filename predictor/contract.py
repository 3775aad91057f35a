"""What a client sends and what it gets back: written by training, obeyed by serving."""

import math
import sys
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from predictor.errors import JSON_ERRORS, DataError, InvalidInput

# Names travel in URLs, metric labels and JSON keys.
NAME = r"^[a-z][a-z0-9_]*\Z"
Name = Annotated[str, msgspec.Meta(pattern=NAME)]

# A row as a client sends it, by the columns' names.
Row = dict[str, float | int | str | None]

# A graph's one input: raw columns, float64, (n, columns of the contract).
INPUT = "columns"
# What a graph gives beside the target: the ends of its interval, how likely each of its classes is,
# and which warnings a row gets.
LOWER, UPPER, PROBABILITIES, WARNINGS = "lower", "upper", "probabilities", "warnings"

# One row's answer: a number or a class, and the probability of that class.
PREDICTION, PROBABILITY = "prediction", "probability"

# No number of JSON is larger; a limit that is this is none.
LARGEST = sys.float_info.max

LONGEST_QUOTE = 60


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One value of a row.

    `datatype` is a name of the Open Inference Protocol: FP64 takes numbers, INT64 whole numbers and
    the keys of `labels`, BYTES the keys of `labels` alone. A label stands for its code, the number
    that the graph is fed; several labels may stand for one code, and the first is its name.
    `minimum` and `maximum` are inclusive and in `unit`. What is `optional` may be missing: null in
    JSON, or not there in an object; NaN in a tensor of numbers, "" in one of texts, and NaN for the
    graph.
    """

    name: Name
    datatype: Literal["FP64", "INT64", "BYTES"]
    unit: str
    description: str
    minimum: float = -LARGEST
    maximum: float = LARGEST
    labels: dict[str, int] = {}
    optional: bool = False

    def __post_init__(self) -> None:
        """Refuse a column that no value could be one of; msgspec says where it stands."""
        wrong = self._contradiction()
        if wrong:
            message = f"column {self.name}: {wrong}"
            raise ValueError(message)

    def _contradiction(self) -> str:
        codes = sorted(set(self.labels.values()))
        if not self.minimum <= self.maximum:
            return f"minimum {self.minimum:g} is over maximum {self.maximum:g}"
        if self.datatype == "FP64" and codes:
            return "only INT64 and BYTES have labels"
        if self.datatype == "BYTES" and codes != list(range(len(codes) or 1)):
            return "BYTES needs labels, whose codes are 0, 1, 2 and so on"
        if codes and not self.minimum <= codes[0] <= codes[-1] <= self.maximum:
            return "a label's code is outside minimum and maximum"
        if self.optional and "" in self.labels:
            return 'the label "" would stand for a missing value too'
        return ""

    def encode(self, value: object) -> float:
        """Return the number that the graph is fed for a decoded JSON value.

        Raises InvalidInput, whose message says what came and what was expected.
        """
        if type(value) is float or type(value) is int:
            number = _double(value)
            if self._allows(number):
                return number
        elif type(value) is str and value in self.labels:
            return float(self.labels[value])
        elif value is None and self.optional:
            return math.nan
        message = f"got {quote(value)}, expected {self.expectation}"
        raise InvalidInput(message)

    def _allows(self, value: float) -> bool:
        """Whether a number is one of this column's; NaN is in no range."""
        if self.datatype == "BYTES" or not self.minimum <= value <= self.maximum:
            return False
        return self.datatype == "FP64" or value == int(value)

    def decode(self, code: float) -> float | int | str | None:
        """Return the value a client would send for `code`: the inverse of `encode`."""
        if math.isnan(code):
            return None
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
    def codes(self) -> str:
        """Each code with its name, in words that end an error's sentence."""
        return ", ".join(f"{code} ({name})" for code, name in enumerate(self.names))

    @property
    def expectation(self) -> str:
        """What this column takes, in words that end an error's sentence."""
        names, nothing = ", ".join(self.names), " or null" if self.optional else ""
        if self.datatype == "BYTES":
            return f"one of {names}{nothing}"
        kind = "a whole number" if self.datatype == "INT64" else "a number"
        unit = f" ({self.unit})" if self.unit else ""
        return f"{kind}{self._range()}{unit}{f' or one of {names}' if names else ''}{nothing}"

    def _range(self) -> str:
        low = "" if self.minimum == -LARGEST else f" from {self.minimum:.12g}"
        return low + ("" if self.maximum == LARGEST else f" to {self.maximum:.12g}")


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is predicted: a number, which with its interval stays in the range, or a class.

    A graph gives a class as its place in `classes`.
    """

    name: Name
    unit: str
    description: str
    minimum: float = -LARGEST
    maximum: float = LARGEST
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a range without a number in it; msgspec says where it stands."""
        if not self.minimum <= self.maximum:
            message = f"minimum {self.minimum:g} is over maximum {self.maximum:g}"
            raise ValueError(message)
        if len(self.classes) == 1 or len(set(self.classes)) < len(self.classes):
            message = "a target has two classes or more, each with a name of its own, or none"
            raise ValueError(message)


class RowWarning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be wrong with a row that is answered all the same."""

    name: Name
    message: str


class Contract(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, dict=True
):
    """The columns of a row, in the order in which an array row holds them, and the answer.

    `warnings` are those that the graph can give, in the order of its output's columns. A number
    has an interval unless the contract says that the model gives none; a class has probabilities.
    """

    columns: Annotated[tuple[Column, ...], msgspec.Meta(min_length=1)]
    target: Target
    warnings: tuple[RowWarning, ...] = ()
    interval: bool = True

    def __post_init__(self) -> None:
        """Refuse a name that would stand for two things; msgspec says where it stands."""
        names = [*self.names, self.target.name, INPUT, LOWER, UPPER, PROBABILITIES, WARNINGS]
        name, count = Counter(names).most_common(1)[0]
        if count > 1:
            message = f"the name {name} stands for two things"
            raise ValueError(message)
        if self.interval and self.target.classes:
            message = "a class has no interval: interval must be false"
            raise ValueError(message)

    @cached_property
    def outputs(self) -> list[str]:
        """The names of the graph's outputs."""
        ends = [LOWER, UPPER] if self.interval else []
        classes = [PROBABILITIES] if self.target.classes else []
        return [self.target.name, *ends, *classes, *([WARNINGS] if self.warnings else [])]

    def encode_rows(self, rows: list[Row]) -> list[list[float]]:
        """Return valid rows as the numbers that the graph is fed."""
        return [[column.encode(row.get(column.name)) for column in self.columns] for row in rows]

    @cached_property
    def columns_by_name(self) -> dict[str, Column]:
        """The columns in order, each under its name."""
        return {column.name: column for column in self.columns}

    @cached_property
    def required(self) -> frozenset[str]:
        """The names of the columns that a row must have."""
        return frozenset(column.name for column in self.columns if not column.optional)

    @cached_property
    def labels(self) -> list[list[str]]:
        """Each column's labels by their codes, without synonyms; mostly there are none."""
        return [column.names for column in self.columns]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(column.name for column in self.columns)


def read(path: Path) -> Contract:
    """Return the contract in a JSON file; raises DataError, saying where it is wrong."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Contract)
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise DataError(message) from error
    except JSON_ERRORS as error:
        message = f"{path} is not a contract: {error}"
        raise DataError(message) from error


def _double(value: float) -> float:
    """Return a number as the graph is fed it; NaN, which is in no range, if it is too large."""
    try:
        return float(value)
    except OverflowError:
        return math.nan


def quote(value: object) -> str:
    """Return a JSON value as a short quotation for an error message."""
    if type(value) is list or type(value) is dict:  # of any size, and nested to any depth
        return "an array" if type(value) is list else "an object"
    if type(value) is float and not math.isfinite(value):  # which JSON has no word for
        return str(value)
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= LONGEST_QUOTE else text[:LONGEST_QUOTE] + "…"
