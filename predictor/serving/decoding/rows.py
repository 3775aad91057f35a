"""JSON that holds rows → a Batch: typed decoding for rows that are right, words for the others.

A typed decoder reads right rows ten times as fast as Python can look at them, but its complaints
are not for the people who send meter readings, and it refuses some rows that are right, such as
900.0 for a whole number. So it only ever says yes. What it does not take is read again by
`batch.encode`, whose word holds, and which says where something is wrong.
"""

import math
import re
from collections.abc import Callable, Iterable
from enum import Enum
from itertools import chain
from typing import Annotated, Any, NamedTuple, Self

import msgspec
import numpy as np
from msgspec.structs import astuple
from numpy.typing import NDArray

from predictor.contract import Column, Contract
from predictor.errors import JSON_ERRORS, InvalidInput
from predictor.serving.decoding.batch import Batch, check_count, encode, encode_rows
from predictor.serving.decoding.pieces import BETWEEN_ROWS, SPACE, pieces

ROWS_KEYS = ("instances", "inputs")

Decode = Callable[[bytes], NDArray[np.float64]]
_Matrix = Callable[[Iterable[tuple[float, ...]]], NDArray[np.float64]]


class _Around(NamedTuple):
    """What is before and behind the rows of a body."""

    head: re.Pattern[bytes]
    tail: re.Pattern[bytes]


REQUEST = _Around(
    re.compile(SPACE.join([b"", b"{", b'"(?:instances|inputs)"', b":", rb"\["])),
    re.compile(SPACE.join([rb"\]", b"}", rb"\Z"])),
)
LIST = _Around(re.compile(SPACE + rb"\["), re.compile(rb"\]" + SPACE + rb"\Z"))
# A tail is looked for in no more than the end of a body.
TAIL_BYTES = 64
# The typed decoder takes no whole number that is further from zero.
WIDEST = 2**62


class _Label(float, Enum):
    """A label that a JSON string is decoded to, and that is its code at the same time."""

    def __new__(cls, label: str, code: int) -> Self:
        """Make a member whose value, which msgspec looks for, is the label."""
        member = float.__new__(cls, code)
        member._value_ = label
        return member


def value_type(column: Column) -> Any:  # noqa: ANN401 - a type made at run time has no static one
    """Return the type whose values msgspec decodes to numbers that the graph is fed, or None."""
    value = _present_type(column)
    return value | None if column.optional else value


def _present_type(column: Column) -> Any:  # noqa: ANN401 - as above
    if column.datatype == "BYTES":
        return _label(column)
    if column.datatype == "FP64":
        return Annotated[float, msgspec.Meta(ge=column.minimum, le=column.maximum)]
    # The limits of an integer must be of 64 bits; no number is within those of a column beyond.
    least = min(max(math.ceil(column.minimum), -WIDEST), WIDEST + 1)
    greatest = max(min(math.floor(column.maximum), WIDEST), -WIDEST - 1)
    number = Annotated[int, msgspec.Meta(ge=least, le=greatest)]
    return number | _label(column) if column.labels else number


def _label(column: Column) -> Any:  # noqa: ANN401
    members: Any = {f"label_{place}": pair for place, pair in enumerate(column.labels.items())}
    return _Label(column.name, members)


class RowDecoder:
    """Decodes V1's requests, and lists of rows, of one contract."""

    def __init__(self, contract: Contract, max_rows: int) -> None:
        """Build the typed decoders."""
        self._contract = contract
        self._max_rows = max_rows
        self._of_objects = _object_decoder(contract)
        self._of_arrays = _array_decoder(contract)

    def request(self, body: bytes) -> Batch:
        """Return the rows of V1's `{"instances": […]}`; raises InvalidInput."""
        return self._decode(body, REQUEST) or self.decoded(rows_of(decode_json(body)))

    def rows(self, body: bytes) -> Batch:
        """Return the rows of a list; raises InvalidInput."""
        return self._decode(body, LIST) or self.decoded(decode_json(body))

    def one(self, body: bytes) -> Batch:
        """Return the row of a body that is one; raises InvalidInput."""
        return self.decoded([decode_json(body)])

    def decoded(self, rows: object) -> Batch:
        """Return the rows of a list that was JSON; raises InvalidInput."""
        return encode(self._contract, rows, self._max_rows)

    def _decode(self, body: bytes, around: _Around) -> Batch | None:
        """Return a body's rows, or nothing where it does not look as almost all do."""
        head = around.head.match(body)
        tail = around.tail.search(body, max(0, len(body) - TAIL_BYTES))
        if not head or not tail:
            return None
        found: list[NDArray[np.float64]] = []
        refusals: list[InvalidInput] = []
        rows = 0
        for piece in pieces(body, head.end(), tail.start(), BETWEEN_ROWS):
            columns = self._typed(piece)
            if columns is None:
                listed = _listed(piece)
                try:
                    columns = np.array(encode_rows(self._contract, listed, rows), np.float64)
                except InvalidInput as error:  # which holds only if all the rest is JSON
                    refusals = refusals or [error]
                    columns = np.empty(len(listed))
            if not len(columns):  # the piece is no list of rows
                return None
            found.append(columns)
            rows += len(columns)
        check_count(rows, self._max_rows)
        if refusals:
            raise refusals.pop()  # what it leads to by its traceback must not lead back to it
        return Batch(found[0] if len(found) == 1 else np.concatenate(found))

    def _typed(self, piece: bytes) -> NDArray[np.float64] | None:
        """Return a list's rows, or nothing if the typed decoder does not take them."""
        decode = self._of_objects if piece[1:].lstrip()[:1] == b"{" else self._of_arrays
        try:
            return decode(piece)
        except JSON_ERRORS:
            return None


def _listed(piece: bytes) -> list[Any]:
    """Return a list's rows, not yet looked at; none if it is no list."""
    try:
        return msgspec.json.decode(piece, type=list[Any])
    except JSON_ERRORS:
        return []


def _object_decoder(contract: Contract) -> Decode:
    """Return a decoder of a list of rows that are objects."""
    names = {f"column_{index}": column for index, column in enumerate(contract.columns)}
    row = msgspec.defstruct(
        "Row",
        [
            (name, value_type(column), None if column.optional else msgspec.NODEFAULT)
            for name, column in names.items()
        ],
        rename={name: column.name for name, column in names.items()},
        forbid_unknown_fields=True,
        kw_only=True,
        gc=False,
    )
    decoder = msgspec.json.Decoder(list[row])  # type: ignore[valid-type] # made above
    matrix = _matrix_of(contract)
    return lambda piece: matrix(map(astuple, decoder.decode(piece)))


def _array_decoder(contract: Contract) -> Decode:
    """Return a decoder of a list of rows that are arrays."""
    row: Any = tuple[tuple(map(value_type, contract.columns))]  # type: ignore[misc] # made at run time
    decoder = msgspec.json.Decoder(list[row])
    matrix = _matrix_of(contract)
    return lambda piece: matrix(decoder.decode(piece))


def _matrix_of(contract: Contract) -> _Matrix:
    """Return what makes a matrix of rows, in which None is NaN if anything may be missing."""
    width = len(contract.columns)
    if any(column.optional for column in contract.columns):
        return lambda rows: np.array(list(rows), np.float64).reshape(-1, width)
    return lambda rows: np.fromiter(chain.from_iterable(rows), np.float64).reshape(-1, width)


def rows_of(request: object) -> object:
    """Return what a decoded request of V1 has for its rows; raises InvalidInput."""
    if type(request) is dict:
        found = [key for key in ROWS_KEYS if key in request]
        if len(found) == 1:
            return request[found[0]]
        if found:
            message = 'got "instances" and "inputs", expected one of them'
            raise InvalidInput(message)
    message = 'expected an object with "instances", a list of rows'
    raise InvalidInput(message)


def decode_json(body: bytes) -> object:
    """Return a decoded body; raises InvalidInput, saying where, when it is not JSON."""
    try:
        return msgspec.json.decode(body)
    except JSON_ERRORS as error:
        message = f"the body is not JSON that can be read: {error}"
        raise InvalidInput(message) from error
