"""A request's tensors → rows: what the Open Inference Protocol's transports share."""

from collections.abc import Callable
from math import prod
from typing import Annotated

import msgspec
import numpy as np

from predictor.contract import Column, Contract, quote
from predictor.errors import InvalidInput
from predictor.serving import binary

# A name and a shape that a client made up come back in an error's sentence.
LONGEST_NAME = 200
LONGEST_SHAPE = 8
Size = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31)]
INTEGERS = frozenset(name for name in binary.DTYPES if "INT" in name)
FLOATS = frozenset(name for name in binary.DTYPES if name.startswith("FP"))
# The datatypes in which a column of a contract may come.
DATATYPES = {
    "FP64": FLOATS | INTEGERS,
    "INT64": INTEGERS | {"BYTES"},
    "BYTES": frozenset({"BYTES"}),
}


class Parameters(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the binary data extension asks of a tensor, or of all outputs, and says of one."""

    binary_data_size: Annotated[int, msgspec.Meta(ge=0)] | None = None
    binary_data: bool | None = None
    binary_data_output: bool = False


NONE = Parameters()


class InputTensor(msgspec.Struct, frozen=True):
    """A tensor of a request: its elements in row-major order, flat, nested, or behind the JSON."""

    name: Annotated[str, msgspec.Meta(max_length=LONGEST_NAME)]
    shape: Annotated[list[Size], msgspec.Meta(max_length=LONGEST_SHAPE)]
    datatype: str
    data: list[object] | None = None
    parameters: Parameters = NONE


def rows(contract: Contract, inputs: list[InputTensor]) -> list[list[object]]:
    """Return a request's rows, each in the contract's order: from a matrix, or from columns."""
    if len(inputs) == 1 and len(inputs[0].shape) == 2 and inputs[0].shape[1] != 1:
        return _from_matrix(contract, inputs[0])
    tensors = {tensor.name: tensor for tensor in inputs}
    if len(tensors) < len(inputs):
        message = "two inputs have the same name"
        raise InvalidInput(message)
    for name in tensors:
        if name not in contract.columns_by_name:
            message = f"got input {quote(name)}, expected only {', '.join(contract.names)}"
            raise InvalidInput(message)
    columns = []
    for column in contract.columns:
        if column.name not in tensors:
            message = f"input {column.name}: got nothing, expected {column.expectation}"
            raise InvalidInput(message)
        columns.append(_from_column(column, tensors[column.name]))
    return _transposed(columns)


def _from_column(column: Column, tensor: InputTensor) -> list[object]:
    _check_datatype(tensor, DATATYPES[column.datatype])
    if len(tensor.shape) not in {1, 2} or tensor.shape[1:] not in ([], [1]):
        raise _wrong(tensor, f"got shape {tensor.shape}, expected [n] or [n, 1]")
    return _elements(tensor)


def _from_matrix(contract: Contract, tensor: InputTensor) -> list[list[object]]:
    """Return the rows of one tensor of numbers, in which a label is its code."""
    width = len(contract.columns)
    if tensor.shape[1] != width:
        names = ", ".join(contract.names)
        raise _wrong(tensor, f"got shape {tensor.shape}, expected [n, {width}]: {names}")
    _check_datatype(tensor, DATATYPES["FP64"])
    elements = _elements(tensor)
    rows = [elements[start : start + width] for start in range(0, len(elements), width)]
    for index, column in enumerate(contract.columns):
        if column.datatype == "BYTES":
            for number, row in enumerate(rows):
                row[index] = _label(column, row[index], number)
    return rows


def _label(column: Column, code: object, number: int) -> str:
    for name in column.names:
        if code == column.labels[name]:
            return name
    codes = ", ".join(f"{code} ({column.label(code)})" for code in range(len(column.names)))
    message = f"row {number}, column {column.name}: got {quote(code)}, expected one of {codes}"
    raise InvalidInput(message)


def _transposed(columns: list[list[object]]) -> list[list[object]]:
    lengths = sorted({len(column) for column in columns})
    if len(lengths) > 1:
        message = f"got inputs of {lengths[0]} and of {lengths[-1]} rows, expected as many of each"
        raise InvalidInput(message)
    return [list(row) for row in zip(*columns, strict=True)]


def _elements(tensor: InputTensor) -> list[object]:
    """Return a tensor's elements in row-major order, each of its datatype."""
    elements = _flat(tensor)
    fits = _kind(tensor.datatype)
    for number, element in enumerate(elements):
        if not fits(element):
            what = f"input {tensor.name}, element {number}: got {quote(element)}"
            message = f"{what}, expected {tensor.datatype}"
            raise InvalidInput(message)
    return elements


def _flat(tensor: InputTensor) -> list[object]:
    data, rows = tensor.data or [], tensor.shape[0]
    if data and type(data[0]) is list:
        nested = [row if type(row) is list else [] for row in data]
        if len(tensor.shape) == 2 and all(len(row) == tensor.shape[1] for row in nested):
            data = [element for row in nested for element in row]
        else:
            raise _wrong(tensor, f"data are not nested as shape {tensor.shape} says")
    if rows < 0 or len(data) != prod(tensor.shape):
        raise _wrong(tensor, f"got {len(data)} elements, expected shape {tensor.shape}")
    return data


def _check_datatype(tensor: InputTensor, allowed: frozenset[str]) -> None:
    if tensor.datatype not in allowed:
        expected = ", ".join(sorted(allowed))
        raise _wrong(tensor, f"got datatype {quote(tensor.datatype)}, expected {expected}")


def _wrong(tensor: InputTensor, what: str) -> InvalidInput:
    return InvalidInput(f"input {tensor.name}: {what}")


def binary_data(tensor: InputTensor, content: bytes) -> list[object]:
    """Return a tensor's elements; one of a datatype that no column has is refused by that later."""
    if tensor.datatype not in {*binary.DTYPES, "BYTES"}:
        return []
    return binary.elements(tensor.name, tensor.datatype, content)


def _kind(datatype: str) -> Callable[[object], bool]:
    """Return what tells whether a JSON value is of a datatype; a boolean is no number."""
    if datatype == "BYTES":
        return lambda element: type(element) is str
    if datatype in FLOATS:
        return lambda element: type(element) is float or type(element) is int
    limits = np.iinfo(datatype.lower())
    return lambda element: type(element) is int and limits.min <= element <= limits.max
