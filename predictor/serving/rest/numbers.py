"""Long JSON arrays."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from numpy.typing import NDArray

# An encoder holds the interpreter until it has written all that it was given; this many numbers
# take a quarter of a millisecond, so that a probe need not wait for the whole of a large answer.
PIECE = 4096


def json_array(array: NDArray[Any]) -> msgspec.Raw:
    """Return an array's elements, in row-major order, as one JSON array."""
    flat = array.ravel()
    if len(flat) <= PIECE:
        return msgspec.Raw(msgspec.json.encode(flat.tolist()))
    return _joined(flat[start : start + PIECE].tolist() for start in range(0, len(flat), PIECE))


def json_rows(array: NDArray[Any]) -> msgspec.Raw:
    """Return an array's elements as JSON, each row of a matrix as an array of its own."""
    return json_array(array) if array.ndim == 1 else json_list(array.tolist())


def json_list(items: Sequence[object]) -> msgspec.Raw:
    """Return a list as JSON."""
    return _joined(items[start : start + PIECE] for start in range(0, len(items), PIECE))


def _joined(pieces: Iterable[Sequence[object]]) -> msgspec.Raw:
    encoded = (msgspec.json.encode(piece)[1:-1] for piece in pieces)
    return msgspec.Raw(b"[%b]" % b",".join(encoded))
