"""What is encoded by a protocol is decoded to the same numbers, bit for bit."""

from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor.contract import Row
from predictor.serving.decoding.batch import Batch
from predictor.training.columns import CONTRACT
from tests import generated
from tests.fuzz import decoders
from tests.fuzz.decoders import columns, matrix, message, packed, with_length


def v1(rows: object) -> Batch:
    return decoders.read_v1(msgspec.json.encode({"instances": rows}))


def v2(tensors: object) -> Batch:
    return decoders.read_v2(msgspec.json.encode({"inputs": tensors}))


def flat(tensor: dict[str, Any]) -> dict[str, Any]:
    return tensor | {"data": np.array(tensor["data"]).ravel().tolist()}


def nested(tensor: dict[str, Any]) -> dict[str, Any]:
    data = tensor["data"]
    return tensor | {"shape": [len(data), 1], "data": [[value] for value in data]}


def grpc(tensors: list[dict[str, Any]], *, raw: bool) -> Batch:
    return decoders.read_grpc(message(tensors, raw=raw).SerializeToString())


WAYS: dict[str, Callable[[Any], Batch]] = {
    "V1 objects": v1,
    "V1 objects, backwards": lambda rows: v1([dict(reversed(row.items())) for row in rows]),
    "V1 arrays": lambda rows: v1([list(row.values()) for row in rows]),
    "V1 both": lambda rows: v1(
        [row if i % 2 else list(row.values()) for i, row in enumerate(rows)]
    ),
    "V2 JSON columns": lambda rows: v2(columns(rows)),
    "V2 JSON columns, any order": lambda rows: v2(columns(rows)[::-1]),
    "V2 JSON columns, nested": lambda rows: v2(list(map(nested, columns(rows)))),
    "V2 JSON matrix": lambda rows: v2([flat(matrix(rows))]),
    "V2 JSON matrix, nested": lambda rows: v2([matrix(rows)]),
    "V2 binary columns": lambda rows: decoders.read_binary(with_length(packed(columns(rows)))),
    "V2 binary matrix": lambda rows: decoders.read_binary(with_length(packed([matrix(rows)]))),
    "gRPC columns": lambda rows: grpc(columns(rows), raw=False),
    "gRPC matrix": lambda rows: grpc([matrix(rows)], raw=False),
    "gRPC raw columns": lambda rows: grpc(columns(rows), raw=True),
    "gRPC raw matrix": lambda rows: grpc([matrix(rows)], raw=True),
}


@pytest.mark.parametrize("way", WAYS)
@settings(deadline=None)
@given(st.integers(0, 2**64 - 1).map(Random), st.integers(1, decoders.MAX_ROWS))
def test_rows_come_back_as_they_were_sent(way: str, random: Random, count: int) -> None:
    rows: list[Row] = [generated.row(random, CONTRACT) for _ in range(count)]
    sent = np.array(CONTRACT.encode_rows(rows), np.float64)
    assert WAYS[way](rows).columns.tobytes() == sent.tobytes()
