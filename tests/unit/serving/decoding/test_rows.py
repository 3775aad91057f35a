"""The quick decoder of rows against the strict one, whose word holds."""

from collections.abc import Callable
from random import Random
from typing import Literal
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor.contract import Column, Contract, Row
from predictor.errors import InvalidInput
from predictor.serving.decoding import pieces, rows
from predictor.serving.decoding.batch import Batch, encode
from predictor.serving.decoding.rows import RowDecoder
from predictor.training.columns import CONTRACT
from predictor.training.dataset import Dataset
from tests import generated

MAX_ROWS = 8
# Bytes and a shape, or the sentence of a refusal: bytes tell 0.0 from -0.0.
Outcome = tuple[bytes, tuple[int, ...]] | str

PIECES = st.sampled_from([1, 32, 70, 150, 300, 64 * 1024])
RANDOM = st.integers(0, 2**64 - 1).map(Random)
BODIES = 20


def outcome(decode: Callable[[bytes], Batch], body: bytes) -> Outcome:
    try:
        columns = decode(body).columns
    except InvalidInput as error:
        return str(error)
    assert columns.dtype == "float64"
    return columns.tobytes(), columns.shape


def strict_request(contract: Contract) -> Callable[[bytes], Batch]:
    return lambda body: encode(contract, rows.rows_of(rows.decode_json(body)), MAX_ROWS)


def strict_list(contract: Contract) -> Callable[[bytes], Batch]:
    return lambda body: encode(contract, rows.decode_json(body), MAX_ROWS)


def check_both(decoder: RowDecoder, contract: Contract, body: bytes, piece_bytes: int) -> None:
    with patch.object(pieces, "PIECE_BYTES", piece_bytes):
        request, listed = outcome(decoder.request, body), outcome(decoder.rows, body)
    assert request == outcome(strict_request(contract), body)
    assert listed == outcome(strict_list(contract), body)


@settings(deadline=None)
@given(RANDOM, PIECES)
def test_bodies_are_read_as_the_strict_decoder_reads_them(random: Random, piece_bytes: int) -> None:
    decoder = RowDecoder(CONTRACT, MAX_ROWS)
    for make in (generated.request, generated.listed):
        for body in generated.nearly(random, make, CONTRACT, BODIES):
            check_both(decoder, CONTRACT, body, piece_bytes)


@settings(deadline=None)
@given(RANDOM, PIECES)
def test_rows_of_any_contract_are_read_as_the_strict_decoder_reads_them(
    random: Random, piece_bytes: int
) -> None:
    contract = generated.contract(random)
    decoder = RowDecoder(contract, MAX_ROWS)
    for make in (generated.request, generated.listed):
        for body in generated.nearly(random, make, contract, BODIES):
            check_both(decoder, contract, body, piece_bytes)


def number_column(datatype: Literal["FP64", "INT64"], least: float, greatest: float) -> Contract:
    return Contract((Column("x", datatype, "u", "d", least, greatest),), generated.TARGET)


@pytest.mark.parametrize(
    ("least", "greatest"), [(2.0**63, 2.0**70), (-(2.0**70), -(2.0**63)), (0.2, 0.8)]
)
def test_limits_that_typed_decoding_cannot_have_hold_all_the_same(
    least: float, greatest: float
) -> None:
    contract = number_column("INT64", least, greatest)
    decoder = RowDecoder(contract, MAX_ROWS)
    for number in (0, 1, 2**62, 2**62 + 1, 2**63, 2**69, -(2**62), -(2**62) - 1, -(2**63)):
        check_both(decoder, contract, msgspec.json.encode({"instances": [[number]]}), 64)
        check_both(decoder, contract, msgspec.json.encode([{"x": number}]), 64)


@pytest.mark.parametrize("datatype", ["FP64", "INT64"])
def test_a_whole_number_is_judged_by_what_the_graph_is_fed(
    datatype: Literal["FP64", "INT64"],
) -> None:
    contract = number_column(datatype, 0, 2.0**53)
    decoder = RowDecoder(contract, MAX_ROWS)
    for number in (2**53, 2**53 + 1, 2**53 + 2, 10**400):
        check_both(decoder, contract, b"[[%d]]" % number, 64)
    assert decoder.rows(b"[[%d]]" % (2**53 + 1)).columns.tolist() == [[2.0**53]]


def test_a_wrong_row_is_told_only_of_a_body_that_is_json_and_not_too_long(row: Row) -> None:
    wrong, right = msgspec.json.encode(row | {"nsm": -1}), msgspec.json.encode(row)
    decoder = RowDecoder(CONTRACT, MAX_ROWS)
    with patch.object(pieces, "PIECE_BYTES", 200):
        for others, message in (
            ([right, right], "row 1, column nsm: got -1, expected a whole number"),
            ([right] * 7, "got 9 rows, expected from 1 to 8"),
            ([right, b"{,}"], "the body is not JSON that can be read"),
            ([right, b"], ["], "the body is not JSON that can be read"),
        ):
            body = b"[%b]" % b",".join([right, wrong, *others])
            with pytest.raises(InvalidInput, match=message):
                decoder.rows(body)


def test_large_bodies_are_cut_between_rows_and_come_back_whole(
    contract: Contract, dataset: Dataset
) -> None:
    columns = dataset.columns[:3000]
    cells = [
        [column.decode(code) for column, code in zip(contract.columns, row, strict=True)]
        for row in columns
    ]
    decoder = RowDecoder(contract, len(columns))
    for listed in (cells, [dict(zip(contract.names, row, strict=True)) for row in cells]):
        body = msgspec.json.encode({"instances": listed})
        with (
            patch.object(rows, "encode", side_effect=AssertionError),
            patch.object(rows, "encode_rows", side_effect=AssertionError),
        ):
            batch = decoder.request(body)
        assert len(body) > 2 * pieces.PIECE_BYTES
        assert batch.columns.tobytes() == columns.tobytes()
