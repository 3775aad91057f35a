"""The elements of a tensor that is JSON."""

from itertools import chain
from typing import Any

import msgspec
import numpy as np

from predictor.contract import LARGEST, quote
from predictor.errors import JSON_ERRORS, InvalidInput
from predictor.serving.binary import DTYPES
from predictor.serving.tensors import FLOATS, INTEGERS, Elements, wrong

TYPES = {**dict.fromkeys(FLOATS, float), **dict.fromkeys(INTEGERS, int), "BYTES": str, "BOOL": bool}
FLAT = {name: msgspec.json.Decoder(list[type_]) for name, type_ in TYPES.items()}  # type: ignore[valid-type] # a type each
NESTED = {name: msgspec.json.Decoder(list[list[type_]]) for name, type_ in TYPES.items()}  # type: ignore[valid-type]


def elements(name: str, datatype: str, shape: list[int], data: msgspec.Raw) -> Elements:
    """Return the elements of flat or nested data; raises InvalidInput, saying which is wrong.

    As for rows, typed decoding only says yes, and Python finds the words for the rest.
    """
    try:
        found = FLAT[datatype].decode(data)
    except JSON_ERRORS:
        found = _flat(name, datatype, shape, data)
    if datatype == "BYTES":
        return found
    try:
        return np.array(found, np.float64 if datatype in FLOATS else DTYPES[datatype])
    except OverflowError:
        raise _misfit(name, datatype, found) from None


def _flat(name: str, datatype: str, shape: list[int], data: msgspec.Raw) -> list[Any]:
    """Return the elements of nested data, or of flat data in which something is wrong."""
    rows = _decoded(name, data)
    if not rows or type(rows[0]) is not list:
        raise _misfit(name, datatype, rows)
    if len(shape) != 2 or any(type(row) is not list or len(row) != shape[1] for row in rows):
        raise wrong(name, f"data are not nested as shape {shape} says")
    try:
        nested: list[list[Any]] = NESTED[datatype].decode(data)
    except JSON_ERRORS:
        raise _misfit(name, datatype, list(chain.from_iterable(rows))) from None
    return list(chain.from_iterable(nested))


def _decoded(name: str, data: msgspec.Raw) -> list[Any]:
    try:
        return msgspec.json.decode(data, type=list[Any])
    except msgspec.ValidationError as error:
        raise wrong(name, f"data: {error}") from error
    except JSON_ERRORS as error:
        raise wrong(name, f"data are not JSON that can be read: {error}") from error


def _misfit(name: str, datatype: str, found: list[Any]) -> InvalidInput:
    """Say which element is not of its tensor's datatype."""
    number = next(i for i, element in enumerate(found) if not _fits(datatype, element))
    return wrong(f"{name}, element {number}", f"got {quote(found[number])}, expected {datatype}")


def _fits(datatype: str, element: object) -> bool:
    """Tell whether a JSON value is of a datatype; a boolean is no number."""
    if datatype in FLOATS:
        return type(element) is float or (type(element) is int and abs(element) <= LARGEST)
    if datatype in INTEGERS:
        limits = np.iinfo(DTYPES[datatype])
        return type(element) is int and limits.min <= element <= limits.max
    return type(element) is TYPES[datatype]
