"""Long arrays that are written in pieces against the same written at once."""

from unittest.mock import patch

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor.serving.rest import numbers
from predictor.serving.rest.numbers import PIECE, json_array, json_list

LENGTHS = [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE - 1, 2 * PIECE, 2 * PIECE + 1]


@pytest.mark.parametrize("length", LENGTHS)
def test_an_array_is_written_as_at_once(length: int, generator: np.random.Generator) -> None:
    for array in (generator.normal(size=length), generator.normal(size=length) > 0):
        assert bytes(json_array(array)) == msgspec.json.encode(array.tolist())


@pytest.mark.parametrize("length", LENGTHS)
def test_a_list_is_written_as_at_once(length: int) -> None:
    items = [{"number": number} for number in range(length)]
    assert bytes(json_list(items)) == msgspec.json.encode(items)


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)), st.integers(1, 5))
def test_pieces_of_any_length_make_the_same_whole(values: list[float], piece: int) -> None:
    with patch.object(numbers, "PIECE", piece):
        array, listed = bytes(json_array(np.array(values, np.float64))), bytes(json_list(values))
    assert array == listed == msgspec.json.encode(values)
    [*again] = msgspec.json.decode(array, type=list[float])
    assert np.array(again).tobytes() == np.array(values).tobytes()


def test_a_matrix_is_written_row_by_row() -> None:
    matrix = np.arange(6.0).reshape(2, 3)
    with patch.object(numbers, "PIECE", 4):
        assert bytes(json_array(matrix.T)) == b"[0.0,3.0,1.0,4.0,2.0,5.0]"
