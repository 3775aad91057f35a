"""The elements of a tensor that is JSON."""

from itertools import chain
from typing import Any

import msgspec
import numpy as np

from predictor.contract import LARGEST, quote
from predictor.errors import JSON_ERRORS, InvalidInput
from predictor.serving.decoding.binary import DTYPES
from predictor.serving.decoding.pieces import BETWEEN_ELEMENTS, pieces
from predictor.serving.decoding.tensors import FLOATS, INTEGERS, Elements, wrong

TYPES = {**dict.fromkeys(FLOATS, float), **dict.fromkeys(INTEGERS, int), "BYTES": str, "BOOL": bool}
FLAT = {name: msgspec.json.Decoder(list[type_]) for name, type_ in TYPES.items()}  # type: ignore[valid-type] # a type each


def elements(name: str, datatype: str, shape: list[int], data: msgspec.Raw) -> Elements:
    """Return the elements of flat or nested data; raises InvalidInput, saying which is wrong.

    As for rows, typed decoding only says yes, and Python finds the words for the rest.
    """
    try:
        return _flat(datatype, bytes(data).strip(b" \t\n\r"))
    except (*JSON_ERRORS, OverflowError):
        found = _nested(name, datatype, shape, data)
    return found if datatype == "BYTES" else np.array(found, _dtype(datatype))


def _flat(datatype: str, data: bytes) -> Elements:
    """Return the elements of flat data; raises what the decoder, or NumPy, does."""
    if not (data.startswith(b"[") and data.endswith(b"]")):
        message = "the data are no list"
        raise msgspec.DecodeError(message)
    decode = FLAT[datatype].decode
    found = [
        _typed(datatype, decode(piece))
        for piece in pieces(data, 1, len(data) - 1, BETWEEN_ELEMENTS)
    ]
    if len(found) == 1:
        return found[0]
    if not all(map(len, found)):
        message = "a piece of the data is empty"
        raise msgspec.DecodeError(message)
    return list(chain.from_iterable(found)) if datatype == "BYTES" else np.concatenate(found)


def _typed(datatype: str, found: list[Any]) -> Elements:
    return found if datatype == "BYTES" else np.array(found, _dtype(datatype))


def _dtype(datatype: str) -> str:
    return "<f8" if datatype in FLOATS else DTYPES[datatype]


def _nested(name: str, datatype: str, shape: list[int], data: msgspec.Raw) -> list[Any]:
    """Return the elements of nested data, or find out which of flat data is wrong.

    It may be none: a long list is also cut at commas inside its strings, which is no fault.
    """
    found = _decoded(name, data)
    if found and type(found[0]) is list:
        if len(shape) != 2 or any(type(row) is not list or len(row) != shape[1] for row in found):
            raise wrong(name, f"data are not nested as shape {shape} says")
        found = list(chain.from_iterable(found))
    if not all(_fits(datatype, element) for element in found):
        raise misfit(name, datatype, found)
    return found


def _decoded(name: str, data: msgspec.Raw) -> list[Any]:
    try:
        return msgspec.json.decode(data, type=list[Any])
    except msgspec.ValidationError as error:
        raise wrong(name, f"data: {error}") from error
    except JSON_ERRORS as error:
        raise wrong(name, f"data are not JSON that can be read: {error}") from error


def misfit(name: str, datatype: str, found: list[Any]) -> InvalidInput:
    """Return the error that says which element is not of its tensor's datatype; one is not."""
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
