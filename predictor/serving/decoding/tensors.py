"""A request's tensors → a Batch: what the Open Inference Protocol's transports share."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.contract import (
    LOWER,
    PROBABILITIES,
    UPPER,
    WARNINGS,
    Column,
    Contract,
    Target,
    quote,
)
from predictor.errors import InvalidInput
from predictor.serving.decoding.batch import Batch, Limits, check_count
from predictor.serving.decoding.binary import DTYPES
from predictor.serving.engine import Prediction

# What both transports say of the server.
SERVER_NAME = "energy-predictor"
PLATFORM = "onnx_onnxv1"
# A name and a shape that a client made up come back in an error's sentence.
LONGEST_NAME = 200
LONGEST_SHAPE = 8

INTEGERS = frozenset(name for name in DTYPES if "INT" in name)
FLOATS = frozenset(name for name in DTYPES if name.startswith("FP"))
# The datatypes in which a column of a contract may come.
DATATYPES = {
    "FP64": FLOATS | INTEGERS,
    "INT64": INTEGERS | {"BYTES"},
    "BYTES": frozenset({"BYTES"}),
}


Elements = NDArray[Any] | list[str]


@dataclass(frozen=True)
class Tensor:
    """A tensor of a request.

    `read` gives its elements in row-major order, of the datatype but not yet counted, and raises
    InvalidInput; `shape` is what the client said.
    """

    name: str
    datatype: str
    shape: Sequence[int]
    read: Callable[[], Elements]


@dataclass(frozen=True)
class Output:
    """A tensor of a response."""

    name: str
    datatype: str
    array: NDArray[Any]


def outputs(contract: Contract, prediction: Prediction) -> dict[str, Output]:
    """Return a prediction's tensors by their names, in order."""
    target = contract.target
    found = {
        target.name: answers(target, prediction),
        LOWER: prediction.lower,
        UPPER: prediction.upper,
        PROBABILITIES: prediction.probabilities,
        WARNINGS: prediction.warnings,
    }
    return {name: Output(name, _datatype(contract, name), found[name]) for name in contract.outputs}


def answers(target: Target, prediction: Prediction) -> NDArray[Any]:
    """Return what is predicted, (n,): float64, or the names of classes."""
    if not target.classes:
        return prediction.values
    return np.array(target.classes, np.object_)[prediction.values.astype(np.intp)]


def _datatype(contract: Contract, name: str) -> str:
    """Return the datatype of an output."""
    if name == WARNINGS:
        return "BOOL"
    return "BYTES" if name == contract.target.name and contract.target.classes else "FP64"


def wanted(known: list[str], asked: list[str]) -> list[str]:
    """Return the names of the outputs that are asked for, each once; none means all.

    Raises InvalidInput.
    """
    for name in asked:
        if name not in known:
            message = f"got output {quote(name)}, expected one of {', '.join(known)}"
            raise InvalidInput(message)
    return list(dict.fromkeys(asked)) or known


def metadata(contract: Contract) -> dict[str, list[dict[str, Any]]]:
    """Return what metadata tell of the tensors; a shape's −1 is any number of rows."""
    widths = {
        PROBABILITIES: [len(contract.target.classes)],
        WARNINGS: [len(contract.warnings)],
    }
    return {
        "inputs": [
            {"name": column.name, "datatype": column.datatype, "shape": [-1]}
            for column in contract.columns
        ],
        "outputs": [
            {
                "name": name,
                "datatype": _datatype(contract, name),
                "shape": [-1, *widths.get(name, [])],
            }
            for name in contract.outputs
        ],
    }


class TensorDecoder:
    """Makes one matrix of a request's tensors, for one contract."""

    def __init__(self, contract: Contract, max_rows: int) -> None:
        """Gather what the contract allows."""
        self._contract = contract
        self._max_rows = max_rows
        self._limits = Limits(contract)

    @np.errstate(invalid="ignore")  # a signaling NaN is refused in words, as any other
    def batch(self, tensors: Sequence[Tensor]) -> Batch:
        """Return the rows of one matrix, or of a tensor for each column; raises InvalidInput."""
        if len(tensors) == 1 and len(tensors[0].shape) == 2 and tensors[0].shape[1] != 1:
            return self._from_matrix(tensors[0])
        return self._from_columns(self._in_order(tensors))

    def _from_matrix(self, tensor: Tensor) -> Batch:
        """Return the rows of one tensor of numbers, in which a label is its code."""
        width = len(self._contract.columns)
        if tensor.shape[1] != width:
            names, shape = ", ".join(self._contract.names), list(tensor.shape)
            raise wrong(tensor.name, f"got shape {shape}, expected [n, {width}]: {names}")
        check_count(tensor.shape[0], self._max_rows)
        sent = np.asarray(_elements(tensor, DATATYPES["FP64"])).reshape(-1, width)
        numbers = sent.astype(np.float64, copy=False)
        return self._limits.check(numbers, lambda row, column: _value(sent[row, column]))

    def _in_order(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return the columns' tensors in the contract's order."""
        contract, found = self._contract, {tensor.name: tensor for tensor in tensors}
        if len(found) < len(tensors):
            message = "two inputs have the same name"
            raise InvalidInput(message)
        for name in found:
            if name not in contract.columns_by_name:
                message = f"got input {quote(name)}, expected only {', '.join(contract.names)}"
                raise InvalidInput(message)
        for column in contract.columns:
            if column.name not in found:
                raise wrong(column.name, f"got nothing, expected {column.expectation}")
        return [found[name] for name in contract.names]

    def _from_columns(self, tensors: list[Tensor]) -> Batch:
        pairs = zip(self._contract.columns, tensors, strict=True)
        sent = [_column_elements(column, tensor) for column, tensor in pairs]
        lengths = sorted(set(map(len, sent)))
        if len(lengths) > 1:
            least, most = lengths[0], lengths[-1]
            message = f"got inputs of {least} and of {most} rows, expected as many of each"
            raise InvalidInput(message)
        check_count(lengths[0], self._max_rows)
        numbers = np.empty((lengths[0], len(sent)))
        for index, column in enumerate(self._contract.columns):
            numbers[:, index] = _codes(column, sent[index])
        return self._limits.check(numbers, lambda row, column: _value(sent[column][row]))


def _column_elements(column: Column, tensor: Tensor) -> Elements:
    shape, datatypes = list(tensor.shape), DATATYPES[column.datatype]
    if column.optional and column.datatype == "INT64":
        datatypes |= FLOATS  # of which one is NaN
    if len(shape) not in {1, 2} or shape[1:] not in ([], [1]):
        _check_datatype(tensor, datatypes)
        raise wrong(tensor.name, f"got shape {shape}, expected [n] or [n, 1]")
    return _elements(tensor, datatypes)


def _elements(tensor: Tensor, datatypes: frozenset[str]) -> Elements:
    _check_datatype(tensor, datatypes)
    elements, shape = tensor.read(), list(tensor.shape)
    if shape[0] < 0 or len(elements) != math.prod(shape):
        raise wrong(tensor.name, f"got {len(elements)} elements, expected shape {shape}")
    return elements


def _codes(column: Column, elements: Elements) -> NDArray[Any] | list[float]:
    """Return elements as numbers; a text that is no label is infinite, which no column takes."""
    if isinstance(elements, list):
        codes = {**column.labels, "": math.nan} if column.optional else column.labels
        return [codes.get(text, math.inf) for text in elements]
    return elements


def _value(element: Any) -> object:  # noqa: ANN401 - a number of any datatype, or a text
    """Return an element as a person would write it: 3 and not 3.0."""
    value = element if type(element) is str else element.item()
    return int(value) if type(value) is float and value.is_integer() else value


def _check_datatype(tensor: Tensor, allowed: frozenset[str]) -> None:
    if tensor.datatype not in allowed:
        expected = ", ".join(sorted(allowed))
        raise wrong(tensor.name, f"got datatype {quote(tensor.datatype)}, expected {expected}")


def wrong(name: str, what: str) -> InvalidInput:
    """Return the error of the input `name`."""
    return InvalidInput(f"input {name}: {what}", name.partition(",")[0])
