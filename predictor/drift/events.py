"""The bodies of KServe's protocols, as its logger keeps them: rows of requests, answers to them."""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from predictor.contract import Contract, quote
from predictor.errors import InvalidInput

Value = float | int | str | bool | None
Row = dict[str, Value] | list[Value]


class Tensor(msgspec.Struct):
    """One tensor of V2: data flat, or nested by its shape."""

    name: str
    shape: Annotated[list[int], msgspec.Meta(min_length=1, max_length=2)]
    data: list[Value | list[Value]]


class _Request(msgspec.Struct):
    """A body of V1, whose rows are objects or arrays, or of V2, whose inputs are tensors."""

    instances: list[Row] | None = None
    inputs: list[msgspec.Raw] | None = None


class _Response(msgspec.Struct):
    predictions: list[Value] | None = None
    outputs: list[Tensor] | None = None
    error: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """What a request got: predictions, if the target was asked for, or a refusal."""

    predictions: list[float] | None
    is_refused: bool


def rows_of(body: msgspec.Raw, contract: Contract) -> list[list[float]]:
    """Return a request's rows as the numbers that the graph is fed.

    Raises InvalidInput, naming row and column, or msgspec's error.
    """
    request = msgspec.json.decode(body, type=_Request)
    if request.instances is not None:
        return encoded(request.instances, contract)
    if not request.inputs:
        message = "got a request without rows, expected instances or inputs"
        raise InvalidInput(message)
    first = msgspec.json.decode(request.inputs[0])
    if isinstance(first, dict) and {"shape", "data"} <= first.keys():
        tensors = [msgspec.json.decode(item, type=Tensor) for item in request.inputs]
        return encoded(_rows(tensors, contract), contract)
    rows: list[Row] = [msgspec.json.decode(item, type=Row) for item in request.inputs]
    return encoded(rows, contract)


def answer_of(body: msgspec.Raw, contract: Contract) -> Answer:
    """Return what a response says of the target."""
    response = msgspec.json.decode(body, type=_Response)
    found = response.predictions
    for tensor in response.outputs or []:
        if tensor.name == contract.target.name:
            found = _flat(tensor)
    predictions = None if found is None else [predicted(value, contract) for value in found]
    return Answer(predictions, response.error is not None)


def encoded(rows: Sequence[Row], contract: Contract) -> list[list[float]]:
    """Return rows, by name or in the contract's order, as the numbers that the graph is fed."""
    return [_encoded(place, row, contract) for place, row in enumerate(rows)]


def _encoded(place: int, row: Row, contract: Contract) -> list[float]:
    if isinstance(row, list):
        if len(row) != len(contract.names):
            message = f"row {place}: got {len(row)} values, expected {len(contract.names)}"
            raise InvalidInput(message)
        row = dict(zip(contract.names, row, strict=True))
    found = []
    for column in contract.columns:
        if column.name not in row and not column.optional:
            message = f"row {place}: column {column.name} is missing"
            raise InvalidInput(message)
        try:
            found.append(column.encode(row.get(column.name)))
        except InvalidInput as error:
            message = f"row {place}, column {column.name}: {error}"
            raise InvalidInput(message) from error
    return found


def _flat(tensor: Tensor) -> list[Value]:
    found: list[Value] = []
    for item in tensor.data:
        found += item if isinstance(item, list) else [item]
    return found


def _rows(tensors: list[Tensor], contract: Contract) -> list[list[Value]]:
    """Return the rows of one tensor of all columns, or of one tensor for each."""
    width = len(contract.names)
    if len(tensors) == 1 and tensors[0].name not in contract.columns_by_name:
        flat = _flat(tensors[0])
        return [flat[start : start + width] for start in range(0, len(flat), width)]
    columns = {tensor.name: _flat(tensor) for tensor in tensors}
    missing = [name for name in contract.names if name not in columns]
    if missing:
        message = f"the tensor of column {missing[0]} is missing"
        raise InvalidInput(message)
    if len({len(columns[name]) for name in contract.names}) > 1:
        message = "the tensors of the columns have not the same number of rows"
        raise InvalidInput(message)
    return [list(row) for row in zip(*(columns[name] for name in contract.names), strict=True)]


def predicted(value: Value, contract: Contract) -> float:
    """Return a prediction as a number, a class as its place; raises InvalidInput."""
    classes = contract.target.classes
    if classes and value in classes:
        return float(classes.index(str(value)))
    if classes or isinstance(value, str) or value is None:
        expected = f"one of {', '.join(classes)}" if classes else "a number"
        message = f"got the prediction {quote(value)}, expected {expected}"
        raise InvalidInput(message)
    return float(value)
