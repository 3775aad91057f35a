"""The quick decoder of a tensor's JSON against what each value is by itself."""

import json
from random import Random
from unittest.mock import patch

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor.contract import LARGEST
from predictor.errors import InvalidInput
from predictor.serving.decoding import pieces
from predictor.serving.decoding.binary import DTYPES
from predictor.serving.decoding.elements import TYPES, elements
from predictor.serving.decoding.tensors import FLOATS, INTEGERS, Elements
from tests import generated

RANDOM = st.integers(0, 2**64 - 1).map(Random)
BODIES = 40


def fits(datatype: str, value: object) -> bool:
    if datatype in FLOATS:
        return type(value) is float or (type(value) is int and abs(value) <= LARGEST)
    if datatype in INTEGERS:
        bits = int(datatype.lstrip("UINT"))
        least = 0 if datatype.startswith("U") else -(2 ** (bits - 1))
        return type(value) is int and least <= value < least + 2**bits
    return type(value) is {"BYTES": str, "BOOL": bool}[datatype]


def strictly(datatype: str, shape: list[int], data: bytes) -> list[object] | str:
    """Return the elements, or how the sentence of their refusal begins, value by value."""
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "input x: data"
    if type(found) is not list:
        return "input x: data: "  # of a number that is out of range, msgspec says that instead
    if found and type(found[0]) is list:
        if len(shape) != 2 or any(type(row) is not list or len(row) != shape[1] for row in found):
            return f"input x: data are not nested as shape {shape} says"
        found = [value for row in found for value in row]
    for number, value in enumerate(found):
        if not fits(datatype, value):
            return f"input x, element {number}: got "
    return found


def read(datatype: str, shape: list[int], data: bytes) -> Elements | str:
    try:
        return elements("x", datatype, shape, msgspec.Raw(data))
    except InvalidInput as error:
        return str(error)


def element(random: Random, datatype: str) -> bytes:
    if random.random() < 0.03:
        return random.choice(generated.ODD)
    if datatype in INTEGERS:
        limits = np.iinfo(DTYPES[datatype])
        ends = (limits.min - (random.random() < 0.05), limits.max + (random.random() < 0.05))
        return str(random.choice([0, *map(int, ends), random.randint(-100, 200)])).encode()
    value = {
        "BYTES": random.choice(generated.LABELS),
        "BOOL": random.choice([True, False]),
    }.get(datatype, random.choice([0, 1, -7, 2**60 + 1, 0.1, -0.0, 1e300, random.uniform(-9, 9)]))
    return json.dumps(value, ensure_ascii=random.random() < 0.5).encode()


def body(random: Random, datatype: str, shape: list[int]) -> bytes:
    found = [element(random, datatype) for _ in range(shape[0] * shape[-1])]
    if random.random() < 0.5:
        width = shape[-1] + (random.random() < 0.05)
        found = [b"[" + b",".join(found[i : i + width]) + b"]" for i in range(0, len(found), width)]
    whole = b"[" + random.choice([b",", b", ", b"\n,"]).join(found) + b"]"
    return generated.damaged(random, whole) if random.random() < 0.2 else whole


@settings(deadline=None)
@given(RANDOM, st.sampled_from(sorted(TYPES)), st.sampled_from([1, 7, 30, 64 * 1024]))
def test_data_are_read_as_their_values_are_one_by_one(
    random: Random, datatype: str, piece_bytes: int
) -> None:
    for _ in range(BODIES):
        shape = random.choice([[random.randint(1, 6)], [random.randint(1, 4), 2]])
        data = body(random, datatype, shape)
        expected = strictly(datatype, shape, data)
        with patch.object(pieces, "PIECE_BYTES", piece_bytes):
            found = read(datatype, shape, data)
        if isinstance(found, str) or isinstance(expected, str):
            assert isinstance(found, str), data
            assert isinstance(expected, str), data
            assert found.startswith(expected)
            assert len(found) < 300
            continue
        if datatype == "BYTES":
            assert found == expected
            continue
        dtype = np.dtype("<f8" if datatype in FLOATS else DTYPES[datatype])
        assert isinstance(found, np.ndarray)
        assert (found.dtype, found.tobytes()) == (dtype, np.array(expected, dtype).tobytes())


@pytest.mark.parametrize("data", [b'"1,2,3"', b"123", b'{"a": [1, 2]}', b"null", b"true"])
@pytest.mark.parametrize("piece_bytes", [1, 64 * 1024])
def test_what_is_no_list_is_no_data(data: bytes, piece_bytes: int) -> None:
    with patch.object(pieces, "PIECE_BYTES", piece_bytes):
        for datatype in ("FP64", "INT64", "BYTES"):
            assert str(read(datatype, [1], data)).startswith("input x: data: Expected `array`")


def test_commas_inside_strings_are_no_places_to_cut() -> None:
    texts = ["a,b,c"] * 9
    with patch.object(pieces, "PIECE_BYTES", 7):
        assert read("BYTES", [9], msgspec.json.encode(texts)) == texts
